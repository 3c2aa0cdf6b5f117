//! Appending: from a batch to a durable group.
//!
//! * [`prepare`]: what is looked up before the lock
//! * [`queue`]: under the lock: checks, numbers, places
//! * [`answers`]: whether there is an answer without a place
//! * [`put`]: a batch goes into the group and into the table
//! * [`pending`]: the group that is being filled
//! * [`group`]: how those who wait for it are told
//! * [`waiting`]: who leads, and what an answer rests on
//! * [`lead`]: one write, one sync, and the hand-over
//! * [`flusher`]: leads for what nobody waits for
//! * [`ticket`]: a batch whose outcome is asked for later
//! * [`horizon`]: how far readers of this process may go
//! * [`plan`]: how much is prepared ahead
//! * [`space`]: room ahead of the appends; spares; runs of sealed segments
//! * [`witness`]: when the durable end is written down
//! * [`dedupe`]: batches that the log holds already
//! * [`close`]: the orderly end
//!
//! A caller that finds no leader leads: it writes and syncs the group it is in for
//! all that joined it, publishes, hands the lead to the first waiter of the next
//! group, and only then wakes its followers. While one group syncs, the next
//! fills. There is no timer, so an append that is alone waits for nothing but
//! its own sync.

mod answers;
mod close;
mod dedupe;
mod flusher;
mod group;
mod horizon;
mod lead;
mod pending;
mod plan;
mod prepare;
mod put;
mod queue;
mod space;
mod ticket;
mod waiting;
mod witness;

use std::sync::Arc;
use std::time::Duration;

use crate::batch::Batch;
use crate::catalog::Catalog;
use crate::catalog::source::SharedTable;
use crate::committed::Committed;
use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::names::NamedVersions;
use crate::observe::{self, Segments, span};
use crate::place::Place;
use crate::planted::{self, Bug};
use crate::record::key::Outcome;
use crate::segment::Segment;
use crate::sync::Mutex;
use crate::sync::channel::Sender;
use crate::tail::Tail;
use crate::watermark::Watermark;
use flusher::Flusher;
use group::{Group, Summons};
pub(crate) use plan::Job;
use prepare::Prepared;
use queue::{Placed, Placement, Queue, Request, State};
pub use ticket::Ticket;
use waiting::{Rests, Role, Wait};

/// What does not change while the log is open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) epoch: u128,
    /// Largest segment, in bytes.
    pub(crate) segment_bytes: u64,
    /// What is not durable gets so at most this much later.
    pub(crate) flush_after: Duration,
    /// How many bytes of batches may be in memory.
    pub(crate) in_flight_bytes: u64,
    /// Whether a thread works in the background.
    pub(crate) threads: bool,
}

/// Where the log goes on: what recovery found.
#[derive(Debug)]
pub(crate) struct Resume {
    pub(crate) segment: Arc<Segment>,
    pub(crate) table: SharedTable,
    pub(crate) next_position: u64,
    pub(crate) last_time: i64,
    /// Offset of the last group that the table marks; 0 if it marks none.
    pub(crate) last_mark: u64,
    pub(crate) tail: Tail,
}

/// The writing side of a log.
#[derive(Debug)]
pub(crate) struct Committer {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) watermark: Arc<Watermark>,
    settings: Settings,
    queue: Mutex<Queue>,
    /// Locked by whoever leads, and by whoever must keep others from leading.
    tail: Mutex<Tail>,
    /// Held while a spare is made, so that it is made once.
    making_spare: Mutex<()>,
    /// Held while runs of sealed segments are made.
    indexing: Mutex<()>,
    worker: Mutex<Option<Sender<Job>>>,
    flusher: Flusher,
    segments: Segments,
}

impl Committer {
    pub(crate) fn new(
        catalog: Arc<Catalog>,
        watermark: Arc<Watermark>,
        settings: Settings,
        resume: Resume,
    ) -> Self {
        let Resume { segment, table, next_position, last_time, last_mark, tail } = resume;
        let segments = Segments::opened(segment.number);
        let queue = Queue::new(
            segment,
            table,
            tail.written.place.offset(),
            next_position,
            last_time,
            last_mark,
        );
        Self {
            catalog,
            watermark,
            settings,
            queue: Mutex::new(queue),
            tail: Mutex::new(tail),
            making_spare: Mutex::new(()),
            indexing: Mutex::new(()),
            worker: Mutex::new(None),
            flusher: Flusher::default(),
            segments,
        }
    }

    /// Where the background's work is sent from now on.
    pub(crate) fn set_worker(&self, worker: Option<Sender<Job>>) {
        *self.worker.lock() = worker;
    }

    /// Commits a batch and waits until it is as safe as asked.
    pub(crate) fn append(&self, batch: &Batch, durability: Durability) -> Result<Committed> {
        let _span = span::append(batch.len(), batch.bytes());
        let mut request = Request { durability, waits: true };
        if planted::active(Bug::WrittenBeforeWrite) && durability == Durability::Written {
            request.durability = Durability::Buffered;
        }
        match self.commit(batch, request)? {
            Answer::Placed(mut placed, first) => {
                let committed = first.unwrap_or_else(|| placed.committed(batch, durability));
                match placed.wait.take() {
                    Some(wait) if wait.level > Durability::Buffered => self.finish(wait)?,
                    // The group has grown large. Whoever appends goes on filling the next one.
                    Some(wait) => drop(self.wait_later(wait)),
                    None => {}
                }
                self.buffered(durability, placed.end);
                Ok(committed)
            }
            Answer::Known { committed, rests } => {
                self.settled(rests)?;
                Ok(committed)
            }
            Answer::Refused { error, rests } => {
                self.settled(rests)?;
                Err(error)
            }
        }
    }

    /// Commits a batch and returns at once, with what to wait for.
    pub(crate) fn submit(
        self: &Arc<Self>,
        batch: &Batch,
        durability: Durability,
    ) -> Result<Ticket> {
        let request = Request { durability, waits: false };
        match self.commit(batch, request)? {
            Answer::Placed(mut placed, first) => {
                let committed = first.unwrap_or_else(|| placed.committed(batch, durability));
                self.buffered(durability, placed.end);
                let on = placed.wait.map(|wait| self.wait_later(wait));
                Ok(Ticket::new(Arc::clone(self), on, Ok(committed), None))
            }
            Answer::Known { committed, rests } => Ok(self.resting(rests, Ok(committed))),
            Answer::Refused { error, rests } => Ok(self.resting(rests, Err(error))),
        }
    }

    fn resting(self: &Arc<Self>, rests: Option<Rests>, answer: Result<Committed>) -> Ticket {
        let end = rests.as_ref().map(|rests| rests.end);
        let on = rests.and_then(|rests| rests.wait).map(|wait| self.wait_later(wait));
        Ticket::new(Arc::clone(self), on, answer, end)
    }

    /// Whoever takes a ticket may never wait: a lead that falls to it is taken now.
    fn wait_later(&self, wait: Wait) -> (Arc<Group>, Durability) {
        if wait.role == Role::Lead && !self.flusher.lead() {
            self.lead();
        }
        (wait.group, wait.level)
    }

    /// Gives a batch its place, or finds out why it gets none.
    fn commit(&self, batch: &Batch, request: Request) -> Result<Answer> {
        batch.check()?;
        self.owner()?;
        let mut prepared =
            if batch.may_be_known() { self.prepare(batch)? } else { Prepared::default() };
        loop {
            let now = self.catalog.storage.now();
            let mut queue = self.queue.lock();
            queue.usable()?;
            let placement =
                queue.place(batch, &prepared, &self.catalog, &self.settings, (request, now))?;
            let rests = placement.is_an_answer().then(|| queue.rest_of(request));
            drop(queue);
            match placement {
                Placement::Placed(placed) => {
                    if let Some(job) = placed.ahead {
                        self.send(job);
                    }
                    if placed.starts_clock {
                        self.flusher.look_after(self.settings.flush_after);
                    }
                    return Ok(Answer::Placed(placed, None));
                }
                Placement::Conflict(error) => {
                    self.conflict(&error);
                    return Ok(Answer::Refused { error, rests });
                }
                Placement::Nothing(next) => {
                    let committed =
                        answers::committed(batch, next, NamedVersions::new(), request.durability);
                    return Ok(Answer::Known { committed, rests });
                }
                Placement::KnownKey(hit) => {
                    self.settle_all(Durability::Written, true)?;
                    let committed = self.first_outcome(batch, &hit, request.durability)?;
                    self.duplicate();
                    let rests = Some(self.rests(request)?);
                    return Ok(Answer::Known { committed, rests });
                }
                Placement::Partly(hit, id) => {
                    self.settle_all(Durability::Written, true)?;
                    let error = self.partly_known(&hit, id)?;
                    let rests = Some(self.rests(request)?);
                    return Ok(Answer::Refused { error, rests });
                }
                Placement::Known(hits) => {
                    self.settle_all(Durability::Written, true)?;
                    let answer = self.known(batch, &hits, request.durability);
                    if answer.is_ok() {
                        self.duplicate();
                    }
                    if let (Ok(first), Some(key)) = (&answer, batch.key()) {
                        return self.commit_key(key, first, request);
                    }
                    let rests = Some(self.rests(request)?);
                    return Ok(match answer {
                        Ok(committed) => Answer::Known { committed, rests },
                        Err(error) => Answer::Refused { error, rests },
                    });
                }
                Placement::NeedSpace { segment, end } => self.extend(&segment, end)?,
                Placement::NeedRoll { len } => self.make_roll_possible(len)?,
                Placement::Busy(wait) => self.finish(wait)?,
                Placement::Stale => prepared = self.prepare(batch)?,
            }
        }
    }

    /// The ids of a batch with a key are all in the log, and its key is not: the key is
    /// committed for what they came to, so that the next batch with it is known by it.
    fn commit_key(&self, key: &str, first: &Committed, request: Request) -> Result<Answer> {
        let outcome = Outcome {
            first_position: first.first_position,
            events: u32::try_from(first.events).unwrap_or(u32::MAX),
        };
        let answer = self.commit(&Batch::key_only(key, outcome), request)?;
        // However safe the events are: the key is as safe as was asked for.
        let first = Committed { durability: request.durability, ..first.clone() };
        Ok(match answer {
            Answer::Placed(placed, _) => Answer::Placed(placed, Some(first)),
            other => other,
        })
    }

    /// What an answer rests on that was found since the queue was last asked. What it tells of
    /// may have failed meanwhile, and nothing would be left to wait for.
    fn rests(&self, request: Request) -> Result<Rests> {
        let mut queue = self.queue.lock();
        queue.writable()?;
        Ok(queue.rest_of(request))
    }

    /// Waits for a group, leading it if that falls to the caller.
    fn finish(&self, wait: Wait) -> Result<()> {
        match wait.role {
            Role::Lead => self.lead(),
            Role::Seat if wait.group.wait_for_lead() == Summons::Lead => self.lead(),
            Role::Seat | Role::Wait => {}
        }
        wait.group.wait(wait.level)
    }

    /// An answer that rests on what is in flight waits for its outcome: if that fails,
    /// it was no answer. What it tells of is seen by reads from then on.
    fn settled(&self, rests: Option<Rests>) -> Result<()> {
        let Some(Rests { wait, end }) = rests else { return Ok(()) };
        match wait {
            Some(wait) if planted::active(Bug::AnswerNotSettled) && wait.role == Role::Wait => {
                return Ok(());
            }
            Some(wait) => self.finish(wait)?,
            None => {}
        }
        self.watermark.promise(end);
        Ok(())
    }

    /// Everything that was placed by now gets this safe; with `exactly`, what was
    /// promised more is not waited for.
    pub(crate) fn settle_all(&self, level: Durability, exactly: bool) -> Result<()> {
        let rests = {
            let mut queue = self.queue.lock();
            queue.writable()?;
            queue.rest(level, exactly, true)
        };
        rests.map_or(Ok(()), |wait| self.finish(wait))
    }

    /// Everything that was appended by now gets durable.
    pub(crate) fn sync_all(&self) -> Result<()> {
        self.owner()?;
        self.queue.lock().usable()?;
        if planted::active(Bug::SyncDoesNothing) {
            return Ok(());
        }
        self.settle_all(Durability::Durable, true)
    }

    /// A batch is answered for when it is in memory, if no more was asked for: reads see it
    /// from then on. Whoever writes it sees to the other levels.
    fn buffered(&self, durability: Durability, end: Place) {
        if durability == Durability::Buffered {
            self.watermark.promise(end);
        }
    }

    /// Refuses a process that inherited the log from the one that opened it.
    pub(crate) fn owner(&self) -> Result<()> {
        self.catalog.owner()
    }

    /// Counted under the lock; whoever is told is told without it.
    fn conflict(&self, error: &Error) {
        if error.is_conflict() {
            self.queue.lock().activity.conflicts += 1;
            observe::conflict();
        }
    }

    /// As [`conflict`](Self::conflict), for a batch that is in the log already.
    fn duplicate(&self) {
        self.queue.lock().activity.duplicates += 1;
        observe::duplicate();
    }

    /// Takes no more appends. Whoever waits for a group that was not written is told.
    fn poison(&self, error: &Error) {
        let error = match error {
            Error::Io { operation, file, source } => {
                Error::Poisoned { operation, file: file.clone(), source: Arc::clone(source) }
            }
            other => other.clone(),
        };
        if planted::active(Bug::PoisonForgotten) {
            return;
        }
        let mut queue = self.queue.lock();
        let first = !matches!(queue.state, State::Poisoned(_));
        if first {
            queue.state = State::Poisoned(error.clone());
        }
        // Whoever is woken, or told, may ask the queue.
        drop(queue);
        if first {
            span::poisoned(&error);
            observe::poisoned();
        }
        self.watermark.fail();
    }
}

/// What there is to answer, and what the answer rests on.
#[derive(Debug)]
enum Answer {
    /// With the first outcome, if only a key was written for it.
    Placed(Placed, Option<Committed>),
    /// Nothing was written: it is there already, or there is nothing to write.
    Known {
        committed: Committed,
        rests: Option<Rests>,
    },
    Refused {
        error: Error,
        rests: Option<Rests>,
    },
}

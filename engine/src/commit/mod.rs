//! Appending: from a batch to a durable group.
//!
//! * [`prepare`]: what is looked up before the lock
//! * [`queue`]: under the lock: checks, numbers, places
//! * [`pending`]: the group that is being filled
//! * [`group`]: who waits for it, and who leads
//! * [`lead`]: one write, one sync, and the hand-over
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

mod close;
mod dedupe;
mod group;
mod lead;
mod pending;
mod plan;
mod prepare;
mod queue;
mod space;
mod witness;

use std::sync::Arc;

use crossbeam_channel::Sender;
use parking_lot::Mutex;

use crate::batch::Batch;
use crate::catalog::Catalog;
use crate::catalog::source::SharedTable;
use crate::committed::{Committed, Durability};
use crate::error::{Error, Result};
use crate::record::field::wide;
use crate::segment::Segment;
use crate::tail::Tail;
use crate::watermark::Watermark;
use group::{Group, Outcome};
pub(crate) use plan::Job;
use prepare::Prepared;
use queue::{Placement, Queue, State};

/// What does not change while the log is open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) epoch: u128,
    /// Largest segment, in bytes.
    pub(crate) segment_bytes: u64,
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
}

impl Committer {
    pub(crate) fn new(
        catalog: Arc<Catalog>,
        watermark: Arc<Watermark>,
        settings: Settings,
        resume: Resume,
    ) -> Self {
        let Resume { segment, table, next_position, last_time, last_mark, tail } = resume;
        let queue =
            Queue::new(segment, table, tail.durable.offset(), next_position, last_time, last_mark);
        Self {
            catalog,
            watermark,
            settings,
            queue: Mutex::new(queue),
            tail: Mutex::new(tail),
            making_spare: Mutex::new(()),
            indexing: Mutex::new(()),
            worker: Mutex::new(None),
        }
    }

    /// Where the background's work is sent from now on.
    pub(crate) fn set_worker(&self, worker: Option<Sender<Job>>) {
        *self.worker.lock() = worker;
    }

    /// Commits a batch and waits until it is durable.
    pub(crate) fn append(&self, batch: &Batch) -> Result<Committed> {
        batch.check()?;
        self.owner()?;
        let mut prepared =
            if batch.ids_may_exist() { self.prepare(batch)? } else { Prepared::default() };
        loop {
            let now = self.catalog.storage.now();
            let mut queue = self.queue.lock();
            queue.usable()?;
            let placement =
                queue.place(batch, &prepared, &self.catalog, self.settings.segment_bytes, now)?;
            let placed = matches!(placement, Placement::Placed { .. });
            let latest = if placed { None } else { queue.latest_group() };
            drop(queue);
            match placement {
                Placement::Placed { group, leads, first, first_position, versions, ahead } => {
                    if let Some(job) = ahead {
                        self.send(job);
                    }
                    self.finish(&group, leads, first)?;
                    return Ok(Self::committed(batch, first_position, &versions, false));
                }
                Placement::Conflict(error) => {
                    self.settled(latest)?;
                    return Err(error);
                }
                Placement::Nothing(next_position) => {
                    self.settled(latest)?;
                    return Ok(Self::committed(batch, next_position, &[], false));
                }
                Placement::Partly(hit, id) => {
                    self.settled(latest)?;
                    return Err(self.partly_known(&hit, id)?);
                }
                Placement::Known(hits) => {
                    self.settled(latest)?;
                    return self.known(batch, &hits);
                }
                Placement::NeedSpace { segment, end } => self.extend(&segment, end)?,
                Placement::NeedRoll { len } => self.make_roll_possible(latest, len)?,
                Placement::Stale => prepared = self.prepare(batch)?,
            }
        }
    }

    /// The answer to a batch that is in the log. `versions` are those of the streams that
    /// it names, after it.
    fn committed(
        batch: &Batch,
        first_position: u64,
        versions: &[u64],
        deduplicated: bool,
    ) -> Committed {
        let written = batch.named().iter().zip(versions).filter(|(named, _)| named.writes > 0);
        Committed {
            first_position,
            events: wide(batch.len()),
            versions: written.map(|(named, version)| (named.stream.clone(), *version)).collect(),
            deduplicated,
            durability: Self::DURABILITY,
        }
    }

    /// Waits for the outcome of a group that a caller is in, leading it if that falls
    /// to the caller.
    fn finish(&self, group: &Group, leads: bool, first: bool) -> Result<()> {
        if leads || (first && group.wait_for_lead() == Outcome::Lead) {
            self.lead();
        }
        group.wait()
    }

    /// An answer that rests on what is in flight waits for its outcome: if that fails,
    /// it was no answer.
    fn settled(&self, latest: Option<Arc<Group>>) -> Result<()> {
        latest.map_or(Ok(()), |group| group.wait())
    }

    /// Refuses a process that inherited the log from the one that opened it.
    pub(crate) fn owner(&self) -> Result<()> {
        self.catalog.owner()
    }

    /// Takes no more appends. Whoever waits for a group that was not written is told.
    fn poison(&self, error: &Error) {
        let error = match error {
            Error::Io { operation, file, source } => {
                Error::Poisoned { operation, file: file.clone(), source: Arc::clone(source) }
            }
            other => other.clone(),
        };
        let mut queue = self.queue.lock();
        if matches!(queue.state, State::Poisoned(_)) {
            return;
        }
        queue.state = State::Poisoned(error);
    }

    /// What an append promises in this version.
    const DURABILITY: Durability = Durability::Durable;
}

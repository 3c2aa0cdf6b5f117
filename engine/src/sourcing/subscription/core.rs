//! The thin shell around the book: one open subscription, shared by its handles, consumers and
//! deliveries. It reads the store, saves where it is, and waits.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::book::{Book, Taken};
use super::error::SubscriptionError;
use super::options::SubscriptionOptions;
use super::saved::{Marks, Saved};
use super::status::{self, SubscriptionStatus};
use crate::observe;
use crate::sourcing::{Clock, Store, SystemClock, Tail};
use crate::sync::{Condvar, Instant, Mutex};
use crate::{Batch, Durability, Error, OwnedEvent, Result as StoreResult, Start, Timestamp};

pub(super) type Result<T> = std::result::Result<T, SubscriptionError>;

/// Whether a consumer takes a stream, given the numbers of all members.
pub(super) type Accepts<'a> = dyn Fn(&BTreeSet<u64>, &str) -> bool + 'a;

/// How many events are read at a time.
const PAGE: usize = 256;

/// How long a consumer sleeps at a time: others cannot wake one that waits for the store.
const SLICE: Duration = Duration::from_millis(50);

/// How far looking at what does not match moves before that is saved.
const SCANNED_UNSAVED: u64 = 8192;

/// How a subscription ended.
#[derive(Debug)]
pub(super) enum Ended {
    Stopped(Option<u64>, String),
    Deleted,
}

/// What is not saved yet.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    /// How many events were settled since.
    settled: u64,
    /// Since when.
    since: Option<Instant>,
    /// What the last saved checkpoint is.
    checkpoint: u64,
    error: Option<Error>,
}

impl Unsaved {
    /// Nothing is unsaved: this checkpoint was saved.
    pub(super) fn at(checkpoint: u64) -> Self {
        Self { checkpoint, ..Self::default() }
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) book: Book<Arc<OwnedEvent>>,
    /// Absent while a consumer waits with it.
    tail: Option<Box<dyn Tail>>,
    /// How often it was reset: a tail of an earlier turn is of no use.
    turn: u64,
    pub(super) members: BTreeSet<u64>,
    pub(super) ended: Option<Ended>,
    pub(super) unsaved: Unsaved,
}

#[derive(Debug)]
pub(super) struct Core {
    pub(super) store: Arc<dyn Store>,
    pub(super) name: String,
    pub(super) options: SubscriptionOptions,
    pub(super) state: Mutex<State>,
    /// Something was settled, given back, or ended.
    pub(super) changed: Condvar,
    /// Whether it has one owner, and nobody else may open it.
    pub(super) exclusive: bool,
    /// What the book's times count from.
    begin: Instant,
    /// Set when it is gone and has written its last.
    gone: Arc<Gone>,
}

/// Tells when a subscription has written its last, and another opening may read where it is.
#[derive(Debug, Default)]
pub(super) struct Gone {
    is: Mutex<bool>,
    changed: Condvar,
}

impl Gone {
    pub(super) fn wait(&self) {
        let mut is = self.is.lock();
        while !*is {
            self.changed.wait(&mut is);
        }
    }

    fn set(&self) {
        *self.is.lock() = true;
        self.changed.notify_all();
    }
}

/// The end of the sleep that begins now, if that is a time.
fn slice() -> Option<Instant> {
    Instant::now().checked_add(SLICE)
}

/// The time by the system's clock.
pub(super) fn now() -> Timestamp {
    SystemClock.now()
}

impl Core {
    /// Goes on from these marks.
    pub(super) fn new(
        store: Arc<dyn Store>,
        name: &str,
        options: &SubscriptionOptions,
        marks: Marks,
        exclusive: bool,
    ) -> Result<Self> {
        let tail = status::tail_at(&*store, name, &options.filter, &marks)?;
        let unsaved = Unsaved::at(marks.checkpoint());
        let (members, ended) = (BTreeSet::new(), None);
        let book = Book::new(marks);
        let state = State { book, tail: Some(tail), turn: 0, members, ended, unsaved };
        let (name, options) = (name.to_owned(), options.clone());
        let (state, changed) = (Mutex::new(state), Condvar::new());
        Ok(Self {
            store,
            name,
            options,
            state,
            changed,
            exclusive,
            begin: Instant::now(),
            gone: Arc::default(),
        })
    }

    pub(super) fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.begin)
    }

    pub(super) fn running(&self, state: &State) -> Result<()> {
        let name = self.name.clone();
        match &state.ended {
            None => Ok(()),
            Some(Ended::Deleted) => Err(SubscriptionError::NotFound { name }),
            Some(Ended::Stopped(position, reason)) => {
                let (position, reason) = (*position, reason.clone());
                Err(SubscriptionError::Stopped { name, position, reason })
            }
        }
    }

    /// What was delivered is answered for also when nothing more is delivered.
    pub(super) fn there(&self, state: &State) -> Result<()> {
        match state.ended {
            Some(Ended::Deleted) => self.running(state),
            Some(Ended::Stopped(..)) | None => Ok(()),
        }
    }

    /// Reads on, as far as there is room. Says whether there was something.
    fn pump(&self, state: &mut State) -> Result<bool> {
        let room = self.options.window.saturating_sub(state.book.held());
        let State { book, tail: Some(tail), unsaved, .. } = state else { return Ok(false) };
        if room == 0 {
            return Ok(false);
        }
        let note = &mut |event: crate::Event<'_>| {
            let copy = Arc::new(event.to_owned());
            book.note(event.stream(), event.position(), event.version(), copy);
        };
        let count = tail.poll(room.min(PAGE), note)?;
        book.scanned(tail.scanned_to());
        if book.checkpoint() != unsaved.checkpoint {
            unsaved.since.get_or_insert_with(Instant::now);
        }
        Ok(count > 0)
    }

    /// Reads the next events of a parked stream that is replayed.
    fn load_parked(&self, state: &mut State, stream: &str, from: u64) -> Result<()> {
        let to = state.book.load_to();
        let mut events = Vec::new();
        let mut more = false;
        self.store.read(stream, from, &mut |event| {
            more = event.position() <= to && events.len() == PAGE;
            if event.position() > to || more {
                return ControlFlow::Break(());
            }
            if self.options.filter.matches(&event) {
                events.push((event.position(), event.version(), Arc::new(event.to_owned())));
            }
            ControlFlow::Continue(())
        })?;
        state.book.load(stream, events, !more);
        self.moved(state, 1);
        Ok(())
    }

    /// Up to `max` events for who takes these streams; waits for the first one.
    pub(super) fn next(
        &self,
        max: usize,
        timeout: Duration,
        accepts: &Accepts<'_>,
    ) -> Result<Vec<Taken<Arc<OwnedEvent>>>> {
        // A time too far off to be a number is no limit.
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let mut state = self.state.lock();
            self.running(&state)?;
            for (stream, from) in state.book.to_load() {
                self.load_parked(&mut state, &stream, from)?;
            }
            self.save_if_due(&mut state)?;
            // What is in memory comes first: looking at the log has its price.
            let mut more = state.book.held() < max && self.pump(&mut state)?;
            let taken = self.take(&mut state, max, accepts);
            more = more || (taken.is_empty() && self.pump(&mut state)?);
            let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if !taken.is_empty() || (late && !more) {
                return Ok(taken);
            }
            if more {
                continue;
            }
            let due = {
                let State { book, members, .. } = &*state;
                book.next_due(&|stream| accepts(members, stream))
            };
            let due = due.and_then(|due| self.begin.checked_add(due));
            let due = due.filter(|due| *due > Instant::now());
            let until = [slice(), deadline, due].into_iter().flatten().min();
            let until = until.unwrap_or_else(Instant::now);
            let full = state.book.held() >= self.options.window;
            let Some(mut tail) = (if full { None } else { state.tail.take() }) else {
                self.changed.wait_until(&mut state, until);
                continue;
            };
            let turn = state.turn;
            drop(state);
            let waited = tail.wait(until.saturating_duration_since(Instant::now()));
            let mut state = self.state.lock();
            if state.turn == turn {
                state.tail = Some(tail);
            }
            self.changed.notify_all();
            waited?;
        }
    }

    fn take(
        &self,
        state: &mut State,
        max: usize,
        accepts: &Accepts<'_>,
    ) -> Vec<Taken<Arc<OwnedEvent>>> {
        let State { book, members, .. } = state;
        book.take(self.now(), max, &|stream| accepts(members, stream))
    }

    /// Something was settled, or moved in another way that is to be saved.
    pub(super) fn moved(&self, state: &mut State, settled: u64) {
        state.unsaved.settled += settled;
        state.unsaved.since.get_or_insert_with(Instant::now);
        self.changed.notify_all();
    }

    pub(super) fn add_state(&self, state: &State, batch: &mut Batch) {
        status::add(batch, &self.name, &Saved::new(self.filter(), state.book.marks()));
    }

    /// Saves where it is. What fails is noted and tried again.
    pub(super) fn save(&self, state: &mut State, durability: Durability) -> StoreResult<()> {
        let mut batch = Batch::new();
        self.add_state(state, &mut batch);
        match self.store.append_with(&batch, durability) {
            Ok(_) => {
                state.unsaved = Unsaved::at(state.book.checkpoint());
                if observe::METERED {
                    let head = self.store.head().unwrap_or_default();
                    observe::lag(&self.name, head.saturating_sub(state.book.checkpoint()));
                }
                Ok(())
            }
            Err(error) => {
                state.unsaved.since = Some(Instant::now());
                state.unsaved.settled = 0;
                state.unsaved.error = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Saves. An error after which others may succeed is noted alone.
    pub(super) fn saved(&self, state: &mut State, durability: Durability) -> Result<()> {
        match self.save(state, durability) {
            Err(error @ (Error::Poisoned { .. } | Error::Closed | Error::Forked { .. })) => {
                Err(error.into())
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    pub(super) fn save_if_due(&self, state: &mut State) -> Result<()> {
        let Unsaved { settled, since, checkpoint, .. } = state.unsaved;
        let Some(since) = since else { return Ok(()) };
        let old = Instant::now().saturating_duration_since(since) >= self.options.save_after;
        let far = state.book.checkpoint() >= checkpoint.saturating_add(SCANNED_UNSAVED);
        if old || far || settled >= self.options.save_every {
            return self.saved(state, Durability::Buffered);
        }
        Ok(())
    }

    pub(super) fn save_now(&self) -> Result<()> {
        let mut state = self.state.lock();
        if !matches!(state.ended, Some(Ended::Deleted)) {
            self.save(&mut state, Durability::Buffered)?;
        }
        Ok(())
    }

    pub(super) fn is_deleted(&self) -> bool {
        matches!(self.state.lock().ended, Some(Ended::Deleted))
    }

    pub(super) fn status(&self) -> Result<SubscriptionStatus> {
        let state = self.state.lock();
        if matches!(state.ended, Some(Ended::Deleted)) {
            return Err(SubscriptionError::NotFound { name: self.name.clone() });
        }
        let (in_flight, save_error) = (state.book.in_flight(), state.unsaved.error.clone());
        let marks = state.book.marks().clone();
        drop(state);
        let status = status::of(&*self.store, &self.name, self.filter(), &marks)?;
        Ok(SubscriptionStatus { in_flight, save_error, ..status })
    }

    /// How long until something of these streams may be delivered, if there is something.
    pub(super) fn next_due(&self, accepts: &Accepts<'_>) -> Option<Duration> {
        let State { book, members, .. } = &*self.state.lock();
        Some(book.next_due(&|stream| accepts(members, stream))?.saturating_sub(self.now()))
    }

    /// Waits until everything up to a position is settled. Returns whether it is.
    pub(super) fn wait_for(&self, position: u64, timeout: Duration) -> Result<bool> {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.state.lock();
        loop {
            if state.book.checkpoint() >= position {
                return Ok(true);
            }
            self.running(&state)?;
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(false);
            }
            let until = [slice(), deadline].into_iter().flatten().min();
            self.changed.wait_until(&mut state, until.unwrap_or_else(Instant::now));
        }
    }

    /// Replays a parked stream, or skips what it is parked at and replays what waits behind it.
    pub(super) fn unpark(&self, stream: &str, skip: Option<&str>) -> Result<()> {
        let mut state = self.state.lock();
        self.running(&state)?;
        if !state.book.unpark(stream, skip, now()) {
            let (name, stream) = (self.name.clone(), stream.to_owned());
            return Err(SubscriptionError::NotParked { name, stream });
        }
        self.moved(&mut state, 1);
        self.save_if_due(&mut state)
    }

    /// Starts again after a position: what is in flight counts no more.
    pub(super) fn restart(&self, start: Start) -> Result<()> {
        let mut state = self.state.lock();
        self.running(&state)?;
        let tail = self.store.tail(start, &self.options.filter)?;
        let skipped = state.book.marks().skipped.clone();
        let marks = Marks { skipped, ..Marks::after(tail.scanned_to()) };
        status::write(&*self.store, &self.name, &Saved::new(self.filter(), &marks))?;
        state.book.restart(marks);
        state.tail = Some(tail);
        state.turn += 1;
        state.unsaved = Unsaved::at(state.book.checkpoint());
        self.changed.notify_all();
        Ok(())
    }

    pub(super) fn gone(&self) -> Arc<Gone> {
        Arc::clone(&self.gone)
    }

    pub(super) fn filter(&self) -> String {
        self.options.filter.to_string()
    }

    /// It delivers nothing more.
    pub(super) fn stop(&self, reason: &str) {
        let mut state = self.state.lock();
        state.ended.get_or_insert_with(|| Ended::Stopped(None, reason.to_owned()));
        self.changed.notify_all();
    }

    /// Deletes it: that is in the store when this returns.
    pub(super) fn delete(&self) -> Result<()> {
        let mut state = self.state.lock();
        status::write(&*self.store, &self.name, &Saved::deleted())?;
        state.ended = Some(Ended::Deleted);
        state.unsaved = Unsaved::default();
        self.changed.notify_all();
        Ok(())
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        let deleted = matches!(state.ended, Some(Ended::Deleted));
        if !deleted && state.unsaved.since.is_some() {
            // Who wants to know calls `save`.
            drop(self.save(&mut state, Durability::Buffered));
        }
        drop(state);
        self.gone.set();
    }
}

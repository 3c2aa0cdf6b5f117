//! State, folded from snapshots and events.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::ops::ControlFlow;

use super::{Aggregate, Repository, RepositoryError};
use crate::observe;
use crate::sourcing::events::decode_by;
use crate::sourcing::{DecodeError, EventEnum};
use crate::sync::{AtomicU64, Instant, Ordering};
use crate::{Event, Snapshot, Timestamp};

/// After so many snapshots that are of a later time than is wanted, the state is folded from
/// the first event: to pass over each of thousands takes longer.
const TOO_LATE: u32 = 16;

/// An aggregate's state, and where that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<A> {
    /// The state.
    pub state: A,
    /// Version of the stream's last event that went into it; 0 if it has none.
    pub version: u64,
    /// A position at or behind that event's: what follows the log and is as far as this
    /// has seen everything that went into the state.
    pub position: u64,
}

/// How much of an aggregate's past is wanted, with
/// [`Repository::find_as_of`](super::Repository::find_as_of). All bounds are included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// Up to this version of its stream.
    Version(u64),
    /// Up to this position of the log.
    Position(u64),
    /// What was [recorded](Event::recorded_at) at this time or earlier.
    Time(Timestamp),
}

impl AsOf {
    fn has(self, event: &Event<'_>) -> bool {
        match self {
            Self::Version(version) => event.version() <= version,
            Self::Position(position) => event.position() <= position,
            Self::Time(time) => event.recorded_at() <= time,
        }
    }

    /// Whether all that is folded into a snapshot is wanted, as far as the snapshot tells.
    fn has_all(self, snapshot: &Snapshot) -> bool {
        match self {
            Self::Version(version) => snapshot.version() <= version,
            Self::Position(position) => snapshot.position() <= position,
            Self::Time(time) => snapshot.recorded_at() <= time,
        }
    }
}

/// A state on its way.
#[derive(Debug, Clone, Default)]
pub(super) struct Folded<A> {
    pub(super) state: A,
    pub(super) version: u64,
    pub(super) position: u64,
    /// Version of the newest snapshot that is known; 0 if none.
    pub(super) snapshot: u64,
}

impl<A: Aggregate> Folded<A> {
    fn add(&mut self, event: &Event<'_>) -> Result<(), DecodeError> {
        for part in A::Event::decode(event)? {
            self.state.apply(&part.event);
        }
        (self.version, self.position) = (event.version(), event.position());
        Ok(())
    }

    /// Starts from a snapshot, if it decodes.
    fn restore(&mut self, snapshot: &Snapshot) -> bool {
        let (content_type, seed) = (snapshot.content_type(), PhantomData::<A>);
        let decoded =
            decode_by::<<A::Event as EventEnum>::Codec, _>(content_type, seed, snapshot.data());
        let Ok(state) = decoded else { return false };
        let (version, position) = (snapshot.version(), snapshot.position());
        *self = Self { state, version, position, snapshot: version };
        true
    }
}

impl<A> Folded<A> {
    /// What is higher of a newer one of the same stream.
    pub(super) const fn newness(&self) -> (u64, u64) {
        (self.version, self.snapshot)
    }
}

impl<A> From<Folded<A>> for Versioned<A> {
    fn from(folded: Folded<A>) -> Self {
        Self { state: folded.state, version: folded.version, position: folded.position }
    }
}

/// What folding came to cost.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    events: AtomicU64,
    nanos: AtomicU64,
}

impl Replayed {
    /// What one event costs; 0 if there was none.
    pub(super) fn nanos_each(&self) -> u64 {
        let events = self.events.load(Ordering::Relaxed);
        self.nanos.load(Ordering::Relaxed).checked_div(events).unwrap_or(0)
    }

    fn add(&self, events: u64, since: Instant) {
        let nanos = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.events.fetch_add(events, Ordering::Relaxed);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}

impl<A: Aggregate> Repository<A> {
    /// The state of a stream as far as the store has it; the default at version 0 if the
    /// store has nothing.
    pub(super) fn load(&self, stream: &str) -> Result<Folded<A>, RepositoryError<A::Error>> {
        let Some(mut folded) = self.shared.cache.get(stream) else {
            let folded = self.fold(stream, None)?;
            self.shared.cache.put(stream, &folded);
            return Ok(folded);
        };
        // As a rule nobody else was there, which costs less to ask than to read.
        if self.store.version(stream)? > folded.version {
            let (from, mut failed) = (folded.version + 1, None);
            let before = folded.version;
            self.store.read(stream, from, &mut |event| step(folded.add(&event), &mut failed))?;
            observe::replayed(folded.version - before);
            failed.map_or(Ok(()), Err)?;
            self.shared.cache.put(stream, &folded);
        }
        Ok(folded)
    }

    /// The state of a stream, all of it or up to a bound, without the cache.
    pub(super) fn fold(
        &self,
        stream: &str,
        bound: Option<AsOf>,
    ) -> Result<Folded<A>, RepositoryError<A::Error>> {
        let folded = RefCell::new(Folded::default());
        let too_late = Cell::new(0);
        let (mut failed, mut events, mut since) = (None, 0, None);
        let mut restore = |snapshot: &Snapshot| {
            if bound.is_none_or(|bound| bound.has_all(snapshot)) {
                return folded.borrow_mut().restore(snapshot);
            }
            too_late.set(too_late.get() + 1);
            too_late.get() == TOO_LATE
        };
        let mut each = |event: Event<'_>| {
            let given_up = too_late.get() == TOO_LATE;
            if given_up || bound.is_some_and(|bound| !bound.has(&event)) {
                return ControlFlow::Break(());
            }
            since.get_or_insert_with(Instant::now);
            events += 1;
            step(folded.borrow_mut().add(&event), &mut failed)
        };
        self.store.load(stream, A::SNAPSHOT_SCHEMA, &mut restore, &mut each)?;
        if too_late.take() == TOO_LATE {
            self.store.read(stream, 1, &mut each)?;
        }
        observe::replayed(events);
        if let Some(since) = since {
            self.shared.replayed.add(events, since);
        }
        failed.map_or(Ok(folded.into_inner()), |error| Err(error.into()))
    }
}

/// Goes on unless it failed.
fn step<E>(done: Result<(), E>, failed: &mut Option<E>) -> ControlFlow<()> {
    match done {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            *failed = Some(error);
            ControlFlow::Break(())
        }
    }
}

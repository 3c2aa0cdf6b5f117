//! An engine of another kind, made of what every program can use: the trait asks for nothing
//! that only a log can make. It can be made with a [`Fault`], so that a check has something
//! to find.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use annals::sourcing::{Store, Visit};
use annals::{
    Batch, Committed, Difference, Durability, Error, Event, EventPlace, Expected, NewEvent,
    NewSnapshot, OwnedEvent, Result, Snapshot, SnapshotPlace, Timestamp, Uuid,
};

use crate::faults::Fault;

#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) events: Vec<OwnedEvent>,
    pub(crate) snapshots: Vec<Snapshot>,
    pub(crate) outcomes: BTreeMap<String, Committed>,
    /// Numbers that a fault has used up.
    pub(crate) burnt: u64,
    /// How many events are durable, and how many stay unseen, by a fault.
    pub(crate) durable: usize,
    pub(crate) unseen: usize,
    pub(crate) clock: i64,
}

/// Everything in memory, behind one lock.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    held: Arc<Mutex<Held>>,
    pub(crate) log: Uuid,
    pub(crate) fault: Option<Fault>,
}

pub(crate) fn wide(size: usize) -> u64 {
    u64::try_from(size).unwrap()
}

/// Lets other threads go first, where a fault leaves the lock.
pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(1));
}

fn same_content(one: &Event<'_>, other: &Event<'_>) -> bool {
    (one.stream(), one.event_type(), one.schema(), one.data())
        == (other.stream(), other.event_type(), other.schema(), other.data())
        && one.tags().eq(other.tags())
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self { held: Arc::default(), log: Uuid::new_v4(), fault: None }
    }

    pub(crate) fn with(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::new() }
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    pub(crate) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn events(&self) -> Vec<OwnedEvent> {
        self.held().events.clone()
    }

    /// Whether these are one stream.
    fn one(&self, name: &str, other: &str) -> bool {
        match self.fault {
            Some(Fault::PrefixForName) => name.starts_with(other),
            Some(Fault::CaseIgnored) => name.eq_ignore_ascii_case(other),
            _ => name == other,
        }
    }

    pub(crate) fn version_of(&self, held: &Held, stream: &str) -> u64 {
        let of_stream = |event: &&OwnedEvent| self.one(event.as_event().stream(), stream);
        wide(held.events.iter().filter(of_stream).count())
    }

    /// What there is to say to a batch that is there already, by its ids.
    fn known(&self, held: &Held, batch: &Batch) -> Result<Option<Committed>> {
        let of_id =
            |event: Event<'_>| held.events.iter().find(|other| other.as_event().id() == event.id());
        let hits: Vec<_> = batch.iter().map(of_id).collect();
        let Some(first) = hits.iter().flatten().next().map(|first| first.as_event()) else {
            return Ok(None);
        };
        let conflict = |event: &Event<'_>, difference| {
            let (id, position) = (event.id(), event.position());
            Err(Error::DuplicateConflict { id, position, difference })
        };
        if hits.iter().any(Option::is_none) {
            let appended = self.has(Fault::PartlyKnownIsAppended);
            return if appended { Ok(None) } else { conflict(&first, Difference::SomeMissing) };
        }
        let mut versions = Vec::new();
        for ((hit, event), place) in hits.iter().flatten().zip(batch.iter()).zip(0..) {
            let hit = hit.as_event();
            if hit.position() != first.position() + place && !self.has(Fault::OrderNotCompared) {
                return conflict(&hit, Difference::Order);
            }
            if !same_content(&hit, &event) && !self.has(Fault::ContentNotCompared) {
                return conflict(&hit, Difference::Content);
            }
            versions.push((event.stream(), hit.version()));
        }
        let events = wide(batch.len());
        let durability = Durability::Durable;
        Ok(Some(Committed::new(first.position(), events, versions, true, durability)))
    }

    fn expectations(&self, held: &Held, batch: &Batch) -> Result<()> {
        let mut seen = BTreeSet::new();
        for (stream, expected) in batch.expectations() {
            let actual = self.version_of(held, stream);
            let written = batch.iter().any(|event| event.stream() == stream);
            let holds = match (self.fault, expected) {
                (Some(Fault::NoStreamForgotten), Expected::NoStream) => true,
                (Some(Fault::ExistsForgotten), Expected::Exists) => true,
                (Some(Fault::ExactIsAtLeast), Expected::Exact(exact)) => actual >= exact,
                (Some(Fault::OnlyWrittenIsExpected), _) if !written => true,
                (Some(Fault::FirstExpectationAlone), _) if !seen.insert(stream) => true,
                (Some(Fault::NothingToExpectAlone), _) if batch.is_empty() => true,
                _ => expected.allows(actual),
            };
            if !holds {
                let stream = stream.to_owned();
                let actual = if self.has(Fault::ConflictSaysZero) { 0 } else { actual };
                return Err(Error::WrongExpectedVersion { stream, expected, actual });
            }
        }
        let mut streams = batch.iter().map(|event| event.stream());
        if self.has(Fault::AnyMeansNew)
            && let Some(stream) = streams.find(|stream| self.version_of(held, stream) > 0)
        {
            let (stream, expected) = (stream.to_owned(), Expected::Any);
            return Err(Error::WrongExpectedVersion { stream, expected, actual: 0 });
        }
        Ok(())
    }

    fn not_ahead(&self, held: &Held, batch: &Batch) -> Result<()> {
        for snapshot in batch.snapshots().filter(|snapshot| !snapshot.is_state()) {
            let (stream, version) = (snapshot.name().to_owned(), snapshot.version());
            let written = batch.iter().filter(|event| event.stream() == stream).count();
            let actual = self.version_of(held, &stream) + wide(written);
            if version > actual && !self.has(Fault::AheadIsTaken) {
                return Err(Error::SnapshotAhead { stream, version, actual });
            }
        }
        Ok(())
    }

    /// Whether a batch can be written; its outcome if it was before.
    fn answer(&self, held: &mut Held, batch: &Batch) -> Result<Option<Committed>> {
        if let Some(first) = batch.key().and_then(|key| held.outcomes.get(key)) {
            return Ok(Some(first.clone()));
        }
        if self.has(Fault::ExpectationsBeforeIds) {
            self.expectations(held, batch)?;
        }
        if !self.has(Fault::IdsForgotten)
            && let Some(known) = self.known(held, batch)?
        {
            if let Some(key) = batch.key().filter(|_| !self.has(Fault::KeyOfKnownLost)) {
                held.outcomes.insert(key.to_owned(), known.clone());
            }
            if self.has(Fault::DuplicateWritesStates) {
                self.write_snapshots(held, batch)?;
            }
            return Ok(Some(known));
        }
        let expected = self.expectations(held, batch);
        if expected.is_err() {
            self.refuse(held, batch)?;
        }
        expected?;
        self.not_ahead(held, batch)?;
        Ok(None)
    }

    /// What faults do of a batch that is refused.
    fn refuse(&self, held: &mut Held, batch: &Batch) -> Result<()> {
        match (self.fault, batch.key()) {
            (Some(Fault::RefusedHalfWritten), _) => self.write_snapshots(held, batch)?,
            (Some(Fault::RefusedUsesNumber), _) => held.burnt += 1,
            (Some(Fault::RefusedTakesKey), Some(key)) => {
                let outcome = Committed::new(1, 0, [], true, Durability::Durable);
                held.outcomes.insert(key.to_owned(), outcome);
            }
            _ => {}
        }
        Ok(())
    }

    fn append_as(&self, batch: &Batch, durability: Durability) -> Result<Committed> {
        if !self.has(Fault::LimitsForgotten) {
            batch.check()?;
        }
        let ids: BTreeSet<_> = batch.iter().map(|event| event.id()).collect();
        if ids.len() < batch.len() && !self.has(Fault::IdTwiceIsTaken) {
            return Err(Error::Invalid { what: "event id", why: "the batch names it twice" });
        }
        if self.has(Fault::ShortKeys) && batch.key().is_some_and(|key| key.len() > 99) {
            return Err(Error::TooLarge { what: "key", size: 100, limit: 99 });
        }
        let mut held = self.held();
        if let Some(answer) = self.answer(&mut held, batch)? {
            return Ok(answer);
        }
        if matches!(self.fault, Some(Fault::DecidedOutsideTheLock | Fault::KnownOutsideTheLock)) {
            drop(held);
            pause();
            held = self.held();
        }
        if self.has(Fault::BufferedIsLost) && durability == Durability::Durable {
            let durable = held.durable;
            held.events.truncate(durable);
        }
        held.clock += if self.has(Fault::ClockRunsBack) { -1 } else { 1 };
        let first = wide(held.events.len()) + held.burnt + 1;
        let mut held = self.write_events(held, batch)?;
        self.write_snapshots(&mut held, batch)?;
        if self.has(Fault::StateTakesNumber) && batch.snapshots().next().is_some() {
            held.burnt += 1;
        }
        if durability == Durability::Durable {
            (held.durable, held.unseen) = (held.events.len(), 0);
        } else {
            held.unseen = batch.len();
        }
        Ok(self.outcome_of(&mut held, batch, first, durability))
    }

    /// What a batch came to that was written, kept under its key.
    fn outcome_of(
        &self,
        held: &mut Held,
        batch: &Batch,
        first: u64,
        durability: Durability,
    ) -> Committed {
        let mut streams: Vec<_> = batch.iter().map(|event| event.stream()).collect();
        if self.has(Fault::OutcomeNamesExpected) {
            streams.extend(batch.expectations().map(|(stream, _)| stream));
        }
        let versions = |stream| (stream, self.version_of(held, stream));
        let versions: Vec<_> = streams.into_iter().map(versions).collect();
        let durability =
            if self.has(Fault::CalledBuffered) { Durability::Buffered } else { durability };
        let made = |deduplicated| {
            let events = wide(batch.len());
            Committed::new(first, events, versions.iter().copied(), deduplicated, durability)
        };
        let (committed, again) = (made(false), made(!self.has(Fault::OutcomeUnmarked)));
        let keeps = match self.fault {
            Some(Fault::KeysForgotten) => false,
            Some(Fault::KeyNeedsEvents) => !batch.is_empty(),
            _ => true,
        };
        if let Some(key) = batch.key().filter(|_| keeps) {
            held.outcomes.insert(key.to_owned(), again);
        }
        committed
    }

    fn write_events<'m>(
        &'m self,
        mut held: MutexGuard<'m, Held>,
        batch: &Batch,
    ) -> Result<MutexGuard<'m, Held>> {
        let mut events: Vec<_> = batch.iter().collect();
        if self.has(Fault::SortedByStream) {
            events.sort_by_key(Event::stream);
        }
        let recorded_at = Timestamp::from_nanos(held.clock);
        for (event, nth) in events.iter().zip(1..) {
            let is_last = nth == batch.len() || self.has(Fault::EveryEventIsLast);
            let place = EventPlace {
                position: wide(held.events.len()) + held.burnt + 1,
                version: self.version_of(&held, event.stream()) + 1,
                recorded_at,
                is_last_of_batch: is_last,
            };
            let event = self.copy(event, place)?;
            held.events.push(event);
            if self.has(Fault::NumbersLeaveGaps) {
                held.burnt += 1;
            }
            if self.has(Fault::BatchInPieces) {
                drop(held);
                pause();
                held = self.held();
            }
        }
        Ok(held)
    }

    fn copy(&self, event: &Event<'_>, place: EventPlace) -> Result<OwnedEvent> {
        let mut new = NewEvent::new(event.event_type()).id(event.id()).data(event.data());
        new = new.schema(event.schema());
        if !self.has(Fault::MetadataIsLost) {
            new = new.metadata(event.metadata());
        }
        let tags: Vec<_> = event.tags().collect();
        new = tags.iter().fold(new, |new, tag| new.tag(tag));
        let made_up = self.has(Fault::ContentTypeMadeUp).then_some("text/plain");
        if let Some(content_type) = event.content_type().or(made_up) {
            new = new.content_type(content_type);
        }
        if let Some(cause) = event.caused_by() {
            new = new.caused_by(cause);
        }
        if let Some(correlation) = event.correlation() {
            new = new.correlation(correlation);
        }
        if let Some(occurred) = event.occurred_at() {
            new = new.occurred_at(occurred);
        }
        OwnedEvent::new(event.stream(), &new, place)
    }

    fn write_snapshots(&self, held: &mut Held, batch: &Batch) -> Result<()> {
        for snapshot in batch.snapshots() {
            let text = String::from_utf8_lossy(snapshot.data()).into_owned();
            let data =
                if self.has(Fault::SnapshotsAreText) { text.as_bytes() } else { snapshot.data() };
            let mut new = NewSnapshot::new(snapshot.schema()).data(data);
            if let Some(content_type) = snapshot.content_type() {
                new = new.content_type(content_type);
            }
            let recorded_at = Timestamp::from_nanos(held.clock);
            let (version, position) = (snapshot.version(), wide(held.events.len()) + held.burnt);
            let place = SnapshotPlace { version, position, recorded_at };
            held.snapshots.push(match snapshot.is_state() {
                true => Snapshot::of_state(snapshot.name(), new, place)?,
                false => Snapshot::of_stream(snapshot.name(), new, place)?,
            });
        }
        Ok(())
    }

    pub(crate) fn of_stream(&self, held: &Held, stream: &str, from: u64) -> Vec<OwnedEvent> {
        let unseen = if self.has(Fault::BufferedIsUnseen) { held.unseen } else { 0 };
        let events = held.events.iter().take(held.events.len() - unseen);
        let wanted = events.filter(|event| {
            let event = event.as_event();
            self.one(event.stream(), stream) && event.version() >= from
        });
        wanted.cloned().collect()
    }

    /// Hands them to `each` until it breaks.
    pub(crate) fn hand<'e>(
        &self,
        events: impl IntoIterator<Item = &'e OwnedEvent>,
        each: &mut Visit<'_>,
    ) {
        let on = self.has(Fault::ReadGoesOn);
        let mut events = events.into_iter();
        let _ = events.try_for_each(|event| match each(event.as_event()) {
            ControlFlow::Break(()) if on => ControlFlow::Continue(()),
            said => said,
        });
    }
}

impl Store for Memory {
    fn append(&self, batch: &Batch) -> Result<Committed> {
        self.append_as(batch, Durability::Durable)
    }

    fn append_with(&self, batch: &Batch, durability: Durability) -> Result<Committed> {
        self.append_as(batch, durability)
    }

    fn sync(&self) -> Result<()> {
        let mut held = self.held();
        if !self.has(Fault::SyncDoesNothing) {
            held.durable = held.events.len();
        }
        held.unseen = 0;
        Ok(())
    }
}

//! An engine of another kind, made of what every program can use: the trait asks for nothing
//! that only a log can make. Subscriptions and processors run on it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use annals::sourcing::{
    OnFailure, Processing, Processor, Store, StoreReader, SubscriptionError, SubscriptionOptions,
    Subscriptions, Tail, Visit,
};
use annals::{
    Batch, Checkpoint, Committed, Durability, Error, Event, EventPlace, Expected, Filter, NewEvent,
    NewSnapshot, OwnedEvent, Result, Snapshot, SnapshotPlace, Start, Timestamp, Uuid,
};

#[derive(Debug, Default)]
struct Held {
    events: Vec<OwnedEvent>,
    snapshots: Vec<Snapshot>,
    outcomes: BTreeMap<String, Committed>,
}

/// Everything in memory, behind one lock.
#[derive(Debug, Default, Clone)]
struct Memory(Arc<Mutex<Held>>);

fn wide(size: usize) -> u64 {
    u64::try_from(size).unwrap()
}

impl Held {
    fn version(&self, stream: &str) -> u64 {
        wide(self.events.iter().filter(|event| event.as_event().stream() == stream).count())
    }

    /// A batch that is there already, by its ids.
    fn known(&self, batch: &Batch) -> Option<Committed> {
        let first = batch.iter().next()?;
        let found = self.events.iter().find(|event| event.as_event().id() == first.id())?;
        let streams = batch.iter().map(|event| (event.stream(), self.version(event.stream())));
        let position = found.as_event().position();
        Some(Committed::new(position, wide(batch.len()), streams, true, Durability::Durable))
    }

    fn append(&mut self, batch: &Batch) -> Result<Committed> {
        batch.check()?;
        if let Some(first) = batch.key().and_then(|key| self.outcomes.get(key)) {
            return Ok(first.clone());
        }
        if let Some(known) = self.known(batch) {
            return Ok(known);
        }
        for (stream, expected) in batch.expectations() {
            let actual = self.version(stream);
            if !expected.allows(actual) {
                let stream = stream.to_owned();
                return Err(Error::WrongExpectedVersion { stream, expected, actual });
            }
        }
        let (first, recorded_at) = (wide(self.events.len()) + 1, Timestamp::from_nanos(1));
        for event in batch.iter() {
            let tags: Vec<_> = event.tags().collect();
            let mut new = NewEvent::new(event.event_type()).id(event.id()).data(event.data());
            for tag in tags {
                new = new.tag(tag);
            }
            let place = EventPlace {
                position: wide(self.events.len()) + 1,
                version: self.version(event.stream()) + 1,
                recorded_at,
                is_last_of_batch: false,
            };
            self.events.push(OwnedEvent::new(event.stream(), &new, place)?);
        }
        for snapshot in batch.snapshots() {
            let new = NewSnapshot::new(snapshot.schema()).data(snapshot.data());
            let (version, position) = (snapshot.version(), wide(self.events.len()));
            let place = SnapshotPlace { version, position, recorded_at };
            self.snapshots.push(match snapshot.is_state() {
                true => Snapshot::of_state(snapshot.name(), new, place)?,
                false => Snapshot::of_stream(snapshot.name(), new, place)?,
            });
        }
        let streams = batch.iter().map(|event| (event.stream(), self.version(event.stream())));
        let streams: Vec<_> = streams.collect();
        let made = |deduplicated| {
            let (events, streams) = (wide(batch.len()), streams.iter().copied());
            Committed::new(first, events, streams, deduplicated, Durability::Durable)
        };
        let (committed, again) = (made(false), made(true));
        if let Some(key) = batch.key() {
            self.outcomes.insert(key.to_owned(), again);
        }
        Ok(committed)
    }
}

impl Memory {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of_stream(&self, stream: &str, from: u64) -> Vec<OwnedEvent> {
        let held = self.held();
        let wanted = held.events.iter().filter(|event| {
            event.as_event().stream() == stream && event.as_event().version() >= from
        });
        wanted.cloned().collect()
    }
}

impl StoreReader for Memory {
    fn read(&self, stream: &str, from: u64, each: &mut Visit<'_>) -> Result<()> {
        let _ = self.of_stream(stream, from).iter().try_for_each(|event| each(event.as_event()));
        Ok(())
    }

    fn load(
        &self,
        stream: &str,
        schema: u32,
        restore: &mut dyn FnMut(&Snapshot) -> bool,
        each: &mut Visit<'_>,
    ) -> Result<u64> {
        let of_stream = |snapshot: &&Snapshot| {
            !snapshot.is_state() && snapshot.name() == stream && snapshot.schema() == schema
        };
        let snapshots: Vec<_> = self.held().snapshots.iter().filter(of_stream).cloned().collect();
        let taken = snapshots.iter().rev().find(|snapshot| restore(snapshot));
        self.read(stream, taken.map_or(1, |snapshot| snapshot.version() + 1), each)?;
        self.version(stream)
    }

    fn version(&self, stream: &str) -> Result<u64> {
        Ok(self.held().version(stream))
    }

    fn snapshot(&self, stream: &str) -> Result<Option<Snapshot>> {
        let of_stream = |snapshot: &&Snapshot| !snapshot.is_state() && snapshot.name() == stream;
        Ok(self.held().snapshots.iter().rfind(of_stream).cloned())
    }

    fn streams(
        &self,
        prefix: &str,
        each: &mut dyn FnMut(&str, u64) -> ControlFlow<()>,
    ) -> Result<()> {
        let held = self.held();
        let mut streams = BTreeMap::new();
        for event in &held.events {
            *streams.entry(event.as_event().stream()).or_insert(0) += 1;
        }
        let mut wanted = streams.into_iter().filter(|(name, _)| name.starts_with(prefix));
        let _ = wanted.try_for_each(|(name, version)| each(name, version));
        Ok(())
    }

    fn event(&self, id: Uuid) -> Result<Option<OwnedEvent>> {
        Ok(self.held().events.iter().find(|event| event.as_event().id() == id).cloned())
    }

    fn outcome(&self, key: &str) -> Result<Option<Committed>> {
        Ok(self.held().outcomes.get(key).cloned())
    }

    fn state(&self, name: &str, schema: u32) -> Result<Option<Snapshot>> {
        let wanted = |snapshot: &&Snapshot| {
            snapshot.is_state() && snapshot.name() == name && snapshot.schema() == schema
        };
        Ok(self.held().snapshots.iter().rfind(wanted).cloned())
    }

    fn states(&self, prefix: &str) -> Result<Vec<String>> {
        let held = self.held();
        let states = held.snapshots.iter().filter(|snapshot| snapshot.is_state());
        let mut names: Vec<_> = states.map(|state| state.name().to_owned()).collect();
        names.retain(|name| name.starts_with(prefix));
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn head(&self) -> Result<u64> {
        Ok(wide(self.held().events.len()))
    }

    fn tail(&self, start: Start, filter: &Filter) -> Result<Box<dyn Tail>> {
        let head = self.head()?;
        let scanned = match start {
            Start::Beginning => 0,
            Start::End => head,
            Start::After(position) if position > head => {
                return Err(Error::BeyondHead { position, head });
            }
            Start::After(position) => position,
            other => {
                let source = std::io::Error::other(format!("cannot start at {other:?}"));
                let source = Arc::new(source);
                let store = "memory".to_owned();
                return Err(Error::Store { store, retryable: false, source });
            }
        };
        Ok(Box::new(MemoryTail { of: self.clone(), filter: filter.clone(), scanned }))
    }
}

impl Store for Memory {
    fn append(&self, batch: &Batch) -> Result<Committed> {
        self.held().append(batch)
    }

    fn append_with(&self, batch: &Batch, _: Durability) -> Result<Committed> {
        self.append(batch)
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryTail {
    of: Memory,
    filter: Filter,
    scanned: u64,
}

impl Tail for MemoryTail {
    fn poll(&mut self, max: usize, each: &mut dyn FnMut(Event<'_>)) -> Result<usize> {
        let events = self.of.held().events.clone();
        let mut found = 0;
        for event in events.iter().skip(usize::try_from(self.scanned).unwrap()) {
            if found == max {
                break;
            }
            self.scanned = event.as_event().position();
            if self.filter.matches(&event.as_event()) {
                each(event.as_event());
                found += 1;
            }
        }
        Ok(found)
    }

    fn wait(&mut self, timeout: Duration) -> Result<bool> {
        if self.of.head()? == self.scanned {
            std::thread::sleep(timeout.min(Duration::from_millis(1)));
        }
        Ok(self.of.head()? > self.scanned)
    }

    fn scanned_to(&self) -> u64 {
        self.scanned
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        Ok(Checkpoint { log: Uuid::nil(), epoch: Uuid::nil(), position: self.scanned })
    }
}

/// Counts the orders of each customer and tells of every second one.
struct Counts;

impl Processor for Counts {
    type State = u64;
    type Error = Infallible;

    fn key(&self, event: &Event<'_>) -> Option<String> {
        event.tags().next().map(str::to_owned)
    }

    fn process(
        &self,
        count: &mut u64,
        _: &Event<'_>,
        output: &mut Batch,
    ) -> Result<(), Infallible> {
        *count += 1;
        if count.is_multiple_of(2) {
            output.write("told", Expected::Any, [NewEvent::new("Told")]);
        }
        Ok(())
    }
}

#[test]
fn subscriptions_and_processors_run_on_an_engine_of_another_kind() {
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    for n in 0..5 {
        let mut batch = Batch::new();
        let placed = NewEvent::new("Placed").tag("ann");
        batch.write(&format!("order-{n}"), Expected::NoStream, [placed]);
        store.append(&batch).unwrap();
        assert!(store.append(&batch).unwrap().is_deduplicated());
        batch.clear();
        batch.write(&format!("order-{n}"), Expected::NoStream, [NewEvent::new("Placed")]);
        assert!(store.append(&batch).unwrap_err().is_conflict());
    }
    let subscriptions = Subscriptions::new(Arc::clone(&store));
    let orders = SubscriptionOptions::new().filter(Filter::new().category("order"));
    for expected in [5, 0] {
        let mut counts = Processing::open(&subscriptions, "counts", &orders, Counts).unwrap();
        assert_eq!(counts.catch_up().unwrap(), expected);
        assert_eq!(counts.state("ann").unwrap(), Some(5));
        assert_eq!(store.version("told").unwrap(), 2);
    }
    let seen = subscriptions.open("seen", &orders).unwrap();
    let mut streams = Vec::new();
    let park = seen.consumer().catch_up(OnFailure::park(), |delivery| {
        streams.push(delivery.event().stream().to_owned());
        if delivery.event().stream() == "order-3" { Err("no") } else { Ok(()) }
    });
    assert_eq!((park.unwrap(), streams.len()), (4, 5));
    seen.replay("order-3").unwrap();
    let handled = seen.consumer().catch_up(OnFailure::stop(), |_| Ok::<(), Infallible>(()));
    assert_eq!(handled.unwrap(), 1);
    let names = subscriptions.list().unwrap();
    let names: Vec<_> = names.iter().map(|status| status.name.as_str()).collect();
    assert_eq!(names, ["counts", "seen"]);
    let at = SubscriptionOptions::new().start(Start::At(Timestamp::from_nanos(7)));
    let error = subscriptions.open("at", &at).unwrap_err();
    assert!(matches!(error, SubscriptionError::Store(Error::Store { .. })), "{error}");
}

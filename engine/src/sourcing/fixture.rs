//! Tests of aggregates (features `sourcing` and `sim`): given, when, then, on the real engine
//! in memory.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::events::decode_by;
use super::{Aggregate, Codec, EventEnum, Repository, RepositoryError, SnapshotPolicy, StreamName};
use super::{Store, StoreReader};
use crate::{Batch, Expected, Log, NewEvent, NewSnapshot};

/// Its id.
const ID: &str = "fixture";

/// A test of an aggregate: what happened to it before, what is asked of it, and what must come
/// of that.
///
/// It runs on a [log in memory](Log::temporary), through a [`Repository`], so what the test
/// sees was encoded, appended, read and decoded. At each step it also checks what must
/// hold of every aggregate: from a snapshot of any version, and the events after it, the
/// state is the same as from all events. A state with a field that serde skips fails here.
///
/// The [module](crate::sourcing) has an example. A test for an event of an earlier time starts
/// with it as it was stored:
///
/// ```
/// # use annals::sourcing::{Aggregate, Fixture, event_types};
/// # use annals::NewEvent;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// # enum DoorEvent { Opened { #[serde(default)] by: String } }
/// # event_types! { DoorEvent { Opened = "door-opened" } }
/// # #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
/// # struct Door { open: bool }
/// # impl Aggregate for Door {
/// #     type Command = ();
/// #     type Event = DoorEvent;
/// #     type Error = ();
/// #     const CATEGORY: &'static str = "door";
/// #     const SNAPSHOT_SCHEMA: u32 = 1;
/// #     fn handle(&self, _: &()) -> Result<Vec<DoorEvent>, ()> { Err(()) }
/// #     fn apply(&mut self, _: &DoorEvent) { self.open = true; }
/// # }
/// // Nobody noted who opened a door then.
/// Fixture::<Door>::given([])
///     .stored([NewEvent::new("door-opened").json("{}")])
///     .when(())
///     .then_error(())
///     .then_state(Door { open: true });
/// ```
///
/// # Panics
/// All of its calls panic where something is not as it must be.
#[derive(Debug)]
#[must_use = "a test says what must come of it"]
pub struct Fixture<A: Aggregate> {
    log: Arc<Log>,
    repository: Repository<A>,
    stream: StreamName,
}

/// What came of a command, from [`Fixture::when`].
#[derive(Debug)]
pub struct Then<A: Aggregate> {
    fixture: Fixture<A>,
    outcome: Result<Vec<A::Event>, A::Error>,
}

impl<A> Fixture<A>
where
    A: Aggregate + PartialEq + Debug,
    A::Event: PartialEq + Debug,
    A::Error: Debug,
{
    /// This happened to the aggregate, from the first event on; nothing, if there are none.
    #[track_caller]
    pub fn given(events: impl IntoIterator<Item = A::Event>) -> Self {
        let log = Arc::new(must("a log in memory", Log::temporary()));
        let repository =
            Repository::<A>::new(log.clone()).snapshots(SnapshotPolicy::Never).attempts(1);
        let stream = must("the stream", StreamName::new(A::CATEGORY, ID));
        let fixture = Self { log, repository, stream };
        let events = events.into_iter().map(|event| must("an event", event.encode()));
        let events: Vec<_> = events.collect();
        fixture.stored(events.iter().map(super::RawEvent::as_new))
    }

    /// And then this happened, as it was stored.
    #[track_caller]
    pub fn stored<'e>(self, events: impl IntoIterator<Item = NewEvent<'e>>) -> Self {
        let mut batch = Batch::new();
        batch.write(&self.stream, Expected::Any, events);
        must("what is given", self.log.append(&batch));
        self.check();
        self
    }

    /// Asks the aggregate.
    #[track_caller]
    #[must_use = "a test says what must come of it"]
    pub fn when(self, command: A::Command) -> Then<A> {
        let before = must("the version", self.log.version(&self.stream));
        let outcome = match self.repository.execute(ID, command) {
            Ok(after) => {
                let events = self.events(before + 1).into_iter().flatten().collect();
                let state = self.check();
                assert_eq!(after.state, state, "the state after the command, and what is folded");
                Ok(events)
            }
            Err(RepositoryError::Rejected(error)) => Err(error),
            Err(error) => must("the command", Err(error)),
        };
        Then { fixture: self, outcome }
    }

    /// Stored events from a version on, each with what it is to the program.
    #[track_caller]
    fn events(&self, from: u64) -> Vec<Vec<A::Event>> {
        let mut all = Vec::new();
        let mut each = |event: crate::Event<'_>| {
            all.push(A::Event::decode(&event).map(|parts| parts.map(|part| part.event).collect()));
            ControlFlow::Continue(())
        };
        must("reading", StoreReader::read(&self.log, &self.stream, from, &mut each));
        all.into_iter().map(|event| must("a stored event", event)).collect()
    }

    /// That snapshots change nothing. Returns the state, folded from all events.
    #[track_caller]
    fn check(&self) -> A {
        let mut state = A::default();
        let mut states = Vec::new();
        for event in self.events(1) {
            event.iter().for_each(|part| state.apply(part));
            states.push(state.clone());
        }
        for (version, at_version) in (1..).zip(states) {
            type Of<A> = <<A as Aggregate>::Event as EventEnum>::Codec;
            let data = must("the state, encoded,", Of::<A>::encode(&at_version));
            let decoded = decode_by::<Of<A>, _>(None, PhantomData::<A>, &data);
            let decoded = must("the state, decoded,", decoded);
            assert_eq!(decoded, at_version, "a snapshot of version {version}, and the state");
            let snapshot = NewSnapshot::new(A::SNAPSHOT_SCHEMA).data(&data);
            let mut batch = Batch::new();
            batch.snapshot(&self.stream, version, snapshot.content_type(Of::<A>::CONTENT_TYPE));
            must("a snapshot", Store::append(&self.log, &batch));
            let found = must("the aggregate", self.repository.find(ID));
            let found = found.map(|found| found.state).unwrap_or_default();
            assert_eq!(found, state, "from a snapshot of version {version}, and from all events");
        }
        state
    }
}

impl<A> Then<A>
where
    A: Aggregate + PartialEq + Debug,
    A::Event: PartialEq + Debug,
    A::Error: Debug,
{
    /// It led to these events, and no others.
    #[track_caller]
    pub fn then_events(self, expected: impl IntoIterator<Item = A::Event>) -> Self {
        let expected: Vec<_> = expected.into_iter().collect();
        match &self.outcome {
            Ok(events) => assert_eq!(events, &expected, "the events, and what was expected"),
            Err(error) => must("the command", Err(error)),
        }
        self
    }

    /// It was refused with this error.
    #[track_caller]
    pub fn then_error(self, expected: A::Error) -> Self
    where
        A::Error: PartialEq,
    {
        assert_eq!(
            self.outcome.as_ref().err(),
            Some(&expected),
            "the error, and what was expected; the command led to {:?}",
            self.outcome
        );
        self
    }

    /// The state is this now, refused or not.
    #[track_caller]
    #[allow(clippy::needless_pass_by_value)]
    pub fn then_state(self, expected: A) -> Self {
        assert_eq!(self.fixture.check(), expected, "the state, and what was expected");
        self
    }

    /// Asks again, after what came of that.
    #[track_caller]
    #[must_use = "a test says what must come of it"]
    pub fn when(self, command: A::Command) -> Self {
        self.fixture.when(command)
    }
}

/// What a test cannot go on without.
#[track_caller]
#[allow(clippy::panic)]
fn must<T, E: Debug>(what: &str, result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what} failed: {error:?}"),
    }
}

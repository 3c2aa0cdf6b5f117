//! What an engine other than the log needs: batches taken apart, and events, snapshots and
//! outcomes made without a log.

use uuid::Uuid;

use super::check::{most, within};
use super::control::Subject;
use super::{Batch, NewEvent, NewSnapshot};
use crate::committed::Committed;
use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::event::{Event, OwnedEvent};
use crate::expected::Expected;
use crate::limits;
use crate::names::{NamedVersions, Names, Versions};
use crate::record::event::{EventHead, Fields, PayloadParts};
use crate::record::field::size;
use crate::record::snapshot::{SnapshotFields, SnapshotHead, SnapshotParts};
use crate::snapshot::Snapshot;
use crate::time::Timestamp;

/// Where an event stands that no log has given its place: see [`OwnedEvent::new`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPlace {
    /// Its place in the whole store, from 1.
    pub position: u64,
    /// Its place in its stream, from 1.
    pub version: u64,
    /// When it was committed.
    pub recorded_at: Timestamp,
    /// Whether it is the last event of its batch.
    pub is_last_of_batch: bool,
}

impl OwnedEvent {
    /// An event as a log would hand it out, made without one: for a test of what handles
    /// events, or for another engine. Without an id of its own it gets a random one.
    ///
    /// ```
    /// use annals::{EventPlace, NewEvent, OwnedEvent, Timestamp};
    /// let recorded_at = Timestamp::from_nanos(0);
    /// let place = EventPlace { position: 9, version: 1, recorded_at, is_last_of_batch: true };
    /// let paid = NewEvent::new("Paid").json(r#"{"total":12}"#);
    /// let event = OwnedEvent::new("order-17", &paid, place)?;
    /// assert_eq!(event.as_event().event_type(), "Paid");
    /// # Ok::<(), annals::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::TooLarge`] and [`Error::Invalid`], as for an append.
    pub fn new(stream: &str, event: &NewEvent<'_>, place: EventPlace) -> Result<Self> {
        within("stream name", stream.len(), limits::STREAM_NAME_BYTES)?;
        event.check()?;
        if place.position == 0 || place.version == 0 {
            return Err(Error::Invalid {
                what: "event place",
                why: "positions and versions begin at 1",
            });
        }
        let mut payload = Vec::new();
        let id = event.id.unwrap_or_else(Uuid::now_v7).as_u128();
        event.parts(id, stream).encode(&mut payload);
        most("event (bytes)", payload.len(), limits::EVENT_BYTES)?;
        let EventPlace { position, version, recorded_at, is_last_of_batch } = place;
        let recorded_at = recorded_at.as_nanos();
        let head = EventHead { position, version, recorded_at, last_of_batch: is_last_of_batch };
        let fields = Fields::read(&payload).unwrap_or_default();
        Ok(Event { head, fields, payload: &payload }.to_owned())
    }
}

impl<'a> NewEvent<'a> {
    /// What its payload is made of.
    pub(super) fn parts<'p>(&'p self, id: u128, stream: &'p str) -> PayloadParts<'p>
    where
        'a: 'p,
    {
        PayloadParts {
            id,
            stream,
            event_type: self.event_type,
            schema: self.schema,
            occurred: self.occurred,
            tags: &self.tags,
            json: self.json,
            content_type: self.content_type,
            correlation: self.correlation,
            cause: self.caused_by,
            metadata: self.metadata,
            data: self.data,
        }
    }
}

/// Where a snapshot or a named state stands that no log has given its place: see
/// [`Snapshot::of_stream`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotPlace {
    /// The version up to which events are folded into it, or its author's number.
    pub version: u64,
    /// Position of the last event before it.
    pub position: u64,
    /// When it was committed.
    pub recorded_at: Timestamp,
}

impl Snapshot {
    /// A snapshot of a stream, made without a log.
    ///
    /// ```
    /// use annals::{NewSnapshot, Snapshot, SnapshotPlace, Timestamp};
    /// let recorded_at = Timestamp::from_nanos(0);
    /// let place = SnapshotPlace { version: 4, position: 9, recorded_at };
    /// let snapshot = Snapshot::of_stream("account-7", NewSnapshot::new(1).data(b"9"), place)?;
    /// assert_eq!((snapshot.name(), snapshot.data()), ("account-7", &b"9"[..]));
    /// assert!(Snapshot::of_state("totals", NewSnapshot::new(1), place)?.is_state());
    /// # Ok::<(), annals::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::TooLarge`] and [`Error::Invalid`], as for an append.
    pub fn of_stream(stream: &str, new: NewSnapshot<'_>, place: SnapshotPlace) -> Result<Self> {
        within("stream name", stream.len(), limits::STREAM_NAME_BYTES)?;
        Self::made(false, stream, new, place)
    }

    /// A named state, made without a log.
    ///
    /// # Errors
    /// Those of [`of_stream`](Self::of_stream).
    pub fn of_state(name: &str, new: NewSnapshot<'_>, place: SnapshotPlace) -> Result<Self> {
        within("state name", name.len(), limits::STATE_NAME_BYTES)?;
        Self::made(true, name, new, place)
    }

    fn made(state: bool, name: &str, new: NewSnapshot<'_>, place: SnapshotPlace) -> Result<Self> {
        new.check()?;
        let NewSnapshot { schema, data, json, content_type } = new;
        let mut payload = Vec::new();
        SnapshotParts { schema, name, json, content_type, data }.encode(&mut payload);
        let why = "it has no name";
        let fields =
            SnapshotFields::read(&payload).ok_or(Error::Invalid { what: "snapshot", why })?;
        let SnapshotPlace { version, position, recorded_at } = place;
        let head = SnapshotHead { state, version, recorded_at: recorded_at.as_nanos(), position };
        Ok(Self::new(head, fields, &payload))
    }
}

impl Committed {
    /// The outcome of an append to another engine: the position of its first event, each
    /// stream that it wrote with the version after it, and how many events that were.
    ///
    /// ```
    /// use annals::{Committed, Durability};
    /// let committed = Committed::new(7, 2, [("order-17", 3)], false, Durability::Durable);
    /// assert_eq!((committed.last_position(), committed.version("order-17")), (8, Some(3)));
    /// ```
    pub fn new<'s>(
        first_position: u64,
        events: u64,
        versions: impl IntoIterator<Item = (&'s str, u64)>,
        deduplicated: bool,
        durability: Durability,
    ) -> Self {
        let mut names = Names::default();
        let mut after = NamedVersions::new();
        for (stream, version) in versions {
            let index = names.add(stream);
            names.written(index, 1);
            match after.get_mut(index) {
                Some(last) => *last = version,
                None => after.push(version),
            }
        }
        let versions = Versions::new(names.into(), after);
        Self { first_position, events, versions, deduplicated, durability }
    }
}

/// What it holds, for an engine other than the log.
impl Batch {
    /// Everything that it expects of streams, `Any` left out.
    pub fn expectations(&self) -> impl Iterator<Item = (&str, Expected)> {
        self.named().iter().flat_map(|named| {
            named.expected.iter().map(|expected| (named.stream.as_str(), *expected))
        })
    }

    /// Its events in their order, with their ids. They have no place yet: position, version
    /// and time are 0.
    ///
    /// ```
    /// use annals::{Batch, Expected, NewEvent};
    /// let mut batch = Batch::new();
    /// batch.once("bill/7").write("order-17", Expected::Exact(2), [NewEvent::new("Paid")]);
    /// assert!(batch.expectations().eq([("order-17", Expected::Exact(2))]));
    /// assert!(batch.iter().all(|event| event.event_type() == "Paid"));
    /// assert_eq!(batch.key(), Some("bill/7"));
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = Event<'_>> {
        self.events().iter().filter_map(|event| {
            let payload = self.filled_payload(event).get(..size(event.len))?;
            let head = EventHead { position: 0, version: 0, recorded_at: 0, last_of_batch: false };
            Some(Event { head, fields: Fields::read(payload)?, payload })
        })
    }

    /// Its snapshots and named states in their order, as copies. Their position and time
    /// are 0.
    pub fn snapshots(&self) -> impl Iterator<Item = Snapshot> {
        self.controls().iter().filter_map(|control| {
            let filled = self.filled_control(control.payload);
            let payload = filled.get(..size(control.payload.len))?;
            let state = control.subject == Subject::State;
            let head =
                SnapshotHead { state, version: control.version, recorded_at: 0, position: 0 };
            Some(Snapshot::new(head, SnapshotFields::read(payload)?, payload))
        })
    }
}

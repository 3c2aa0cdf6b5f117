//! What is submitted to a log and read from it: events, snapshots and named states,
//! keys, and the batches that they make.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use annals::{Batch, Event, Expected, NewEvent, NewSnapshot, Snapshot, Uuid};

use crate::numbers::{Numbers, digest};

/// The type of every event that is appended here.
pub const EVENT_TYPE: &str = "Told";

/// The schema of every snapshot and state that is appended here.
pub const SCHEMA: u32 = 3;

/// Bytes that follow from what they are for, none of them 0.
fn bytes_for(what: &impl std::hash::Hash, len: usize) -> Arc<[u8]> {
    let mut numbers = Numbers::new(digest(what));
    let mut data = Vec::with_capacity(len + 8);
    while data.len() < len {
        data.extend(numbers.next().to_le_bytes().map(|byte| byte | 1));
    }
    data.truncate(len);
    data.into()
}

/// An event as it was submitted, or as it was read.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Told {
    /// Its stream.
    pub stream: Arc<str>,
    /// Its id.
    pub id: u128,
    /// Its data.
    pub data: Arc<[u8]>,
    /// Whether its batch ends with it.
    pub last: bool,
}

impl fmt::Debug for Told {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.last { "." } else { "" };
        write!(out, "{}:{:x}/{}{end}", self.stream, self.id & 0xFFFF_FFFF, self.data.len())
    }
}

impl Told {
    /// An event of `len` bytes of data that follow from its id.
    pub fn make(stream: &str, id: u128, len: usize) -> Self {
        Self { stream: stream.into(), id, data: bytes_for(&id, len), last: true }
    }

    /// An event as the log shows it.
    pub fn read(event: &Event<'_>) -> Self {
        Self {
            stream: event.stream().into(),
            id: event.id().as_u128(),
            data: event.data().into(),
            last: event.is_last_of_batch(),
        }
    }
}

/// A snapshot of a stream, or a named state.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fold {
    /// A named state, and not a snapshot.
    pub state: bool,
    /// Of the stream, or its own.
    pub name: Arc<str>,
    /// Its stream's version, or its author's number.
    pub version: u64,
    /// What it holds.
    pub data: Arc<[u8]>,
}

impl fmt::Debug for Fold {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.state { "state" } else { "snapshot" };
        write!(out, "{kind} {}@{}/{}", self.name, self.version, self.data.len())
    }
}

impl Fold {
    /// A snapshot or state of `len` bytes that follow from what it is of.
    pub fn make(state: bool, name: &str, version: u64, len: usize) -> Self {
        let data = bytes_for(&(state, name, version), len);
        Self { state, name: name.into(), version, data }
    }
}

/// What one batch carries.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Entry {
    /// Its events.
    pub events: Vec<Told>,
    /// Its snapshots and states.
    pub folds: Vec<Fold>,
    /// Its key.
    pub key: Option<Arc<str>>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.events)?;
        self.folds.iter().try_for_each(|fold| write!(out, "+{fold:?}"))?;
        self.key.iter().try_for_each(|key| write!(out, "+key {key}"))
    }
}

impl Entry {
    /// A batch of events.
    pub fn of(mut events: Vec<Told>) -> Self {
        if let Some((_, all_but_last)) = events.split_last_mut() {
            all_but_last.iter_mut().for_each(|told| told.last = false);
        }
        Self { events, ..Self::default() }
    }

    /// What tells this batch from others.
    pub fn digest(&self) -> u64 {
        let ids: Vec<_> = self.events.iter().map(|told| told.id).collect();
        let folds: Vec<_> =
            self.folds.iter().map(|fold| (fold.state, &fold.name, fold.version)).collect();
        digest(&(ids, folds, &self.key))
    }

    /// Whether the log knows the one by the other: by their ids or their key.
    pub fn is_same(&self, other: &Self) -> bool {
        let by_key = self.key.is_some() && self.key == other.key;
        let id = |entry: &Self| entry.events.first().map(|told| told.id);
        by_key || id(self).is_some() && id(self) == id(other)
    }

    /// A batch with the same key that carries something else.
    pub fn other_with_key(&self) -> Option<Batch> {
        let mut batch = Batch::new();
        batch.once(self.key.as_deref()?);
        batch.write("never", Expected::Any, [NewEvent::new(EVENT_TYPE)]);
        Some(batch)
    }

    /// To be appended, where every stream is at its version.
    pub fn batch(&self, version: impl Fn(&str) -> u64) -> Batch {
        self.expecting(|stream| Expected::Exact(version(stream)))
    }

    /// To be appended, with what it expects of each stream.
    pub fn expecting(&self, expected: impl Fn(&str) -> Expected) -> Batch {
        let mut batch = Batch::new();
        if let Some(key) = &self.key {
            batch.once(key);
        }
        for told in &self.events {
            let event =
                NewEvent::new(EVENT_TYPE).id(Uuid::from_u128(told.id)).data(&told.data).tag("t");
            batch.write(&told.stream, expected(&told.stream), [event]);
        }
        for fold in &self.folds {
            let snapshot = NewSnapshot::new(SCHEMA).data(&fold.data);
            if fold.state {
                batch.state(&fold.name, fold.version, snapshot);
            } else {
                batch.snapshot(&fold.name, fold.version, snapshot);
            }
        }
        batch
    }
}

/// Of each stream (`false`) and each named state, version and data of the newest.
pub type Folds = BTreeMap<(bool, Arc<str>), (u64, Arc<[u8]>)>;

/// What a log shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    /// All events, in order.
    pub events: Vec<Told>,
    /// The newest snapshots and states.
    pub folds: Folds,
}

impl Shown {
    /// Takes a snapshot or state in.
    pub fn fold(&mut self, snapshot: &Snapshot) {
        let key = (snapshot.is_state(), snapshot.name().into());
        self.folds.insert(key, (snapshot.version(), snapshot.data().into()));
    }
}

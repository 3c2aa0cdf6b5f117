//! What of a subscription is kept in the log: a named state, and its format.
//!
//! The name is [`PREFIX`] and the subscription's own name; the number is the checkpoint; the
//! schema is [`SCHEMA`] for ever, and the format's number stands in the data, so that a later
//! one is noticed and not passed over. The data is JSON:
//!
//! ```json
//! {"format":1,"filter":"category=\"order\"","scanned":120,"settled_to":118,"unsettled":[101,104],
//!  "parked":{"order-7":{"position":90,"version":3,"attempts":5,"reason":"no such customer",
//!                       "at":1700000000000000000,"replaying":false}},
//!  "skipped":{"count":1,"last":[{"position":17,"stream":"order-2","reason":"sent twice","at":0}]}}
//! ```
//!
//! Everything up to `scanned` was looked at. What matches and lies at `settled_to` or below is
//! settled, but for `unsettled`; above it nothing is. A deleted subscription is
//! `{"format":1,"deleted":true}`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::planted::{self, Bug};

/// What the names of these states start with.
pub(super) const PREFIX: &str = "$subscription/";

/// The schema number of these states.
pub(super) const SCHEMA: u32 = 1;

/// The number of the format.
const FORMAT: u32 = 1;

/// How many of the events that were skipped are kept by name.
const SKIPPED_KEPT: usize = 16;

/// How much of a reason is kept, in bytes: every save writes all of them.
const REASON_BYTES: usize = 500;

/// How far a subscription is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marks {
    /// Everything up to here was looked at.
    pub(super) scanned: u64,
    /// The highest position that is settled.
    pub(super) settled_to: u64,
    /// What matches and is not settled; in what is saved, below `settled_to` alone.
    pub(super) unsettled: BTreeSet<u64>,
    /// Streams from an event on that nobody could handle.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) parked: BTreeMap<String, Parked>,
    #[serde(default, skip_serializing_if = "Skips::is_empty")]
    pub(super) skipped: Skips,
}

/// A parked stream: its events from this one on wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parked {
    pub(super) position: u64,
    pub(super) version: u64,
    pub(super) attempts: u32,
    pub(super) reason: String,
    #[serde(with = "nanos")]
    pub(super) at: Timestamp,
    #[serde(default)]
    pub(super) replaying: bool,
    /// Whether all of it up to what was scanned is in memory.
    #[serde(skip)]
    pub(super) loaded: bool,
}

/// Events that were skipped by request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Skips {
    pub(super) count: u64,
    /// The last ones of them.
    pub(super) last: Vec<Skip>,
}

/// An event that was skipped by request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Skip {
    /// Its place in the log.
    pub position: u64,
    /// Its stream.
    pub stream: String,
    /// Why, in the words of who skipped it.
    pub reason: String,
    /// When it was skipped.
    #[serde(rename = "at", with = "nanos")]
    pub skipped_at: Timestamp,
}

/// Times are kept in nanoseconds since 1970.
mod nanos {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::Timestamp;

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        at.as_nanos().serialize(to)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(from).map(Timestamp::from_nanos)
    }
}

/// A reason as it is kept: the beginning of a long one.
pub(super) fn kept(reason: &str) -> String {
    let end = reason.floor_char_boundary(REASON_BYTES);
    reason.get(..end).unwrap_or(reason).to_owned()
}

impl Skips {
    const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn add(&mut self, skip: Skip) {
        self.count += 1;
        self.last.push(skip);
        let beyond = self.last.len().saturating_sub(SKIPPED_KEPT);
        self.last.drain(..beyond);
    }
}

impl Marks {
    /// Of a subscription that begins after a position.
    pub(super) fn after(position: u64) -> Self {
        Self { scanned: position, settled_to: position, ..Self::default() }
    }

    /// Everything up to here is settled.
    pub(super) fn checkpoint(&self) -> u64 {
        if planted::active(Bug::CheckpointAheadOfAcks) {
            return self.scanned;
        }
        self.unsettled.first().map_or(self.scanned, |first| first - 1)
    }

    pub(super) fn settled(&mut self, position: u64) {
        self.unsettled.remove(&position);
        self.settled_to = self.settled_to.max(position);
    }

    /// An event of a parked stream was handled; the next one is in memory, or it comes after
    /// the last one that was.
    pub(super) fn replayed(
        &mut self,
        stream: &str,
        next: Option<(u64, u64)>,
        last: Option<(u64, u64)>,
    ) {
        let Some(parked) = self.parked.get_mut(stream) else { return };
        if let Some((position, version)) = next.or(last.filter(|_| !parked.loaded)) {
            (parked.position, parked.version) = (position, version);
        } else {
            self.parked.remove(stream);
        }
    }
}

/// What is written down.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    format: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) deleted: bool,
    #[serde(default)]
    pub(super) filter: String,
    #[serde(flatten, default)]
    pub(super) marks: Option<Marks>,
}

/// Why something is not the state of a subscription.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// A later version wrote it.
    Format(u32),
    Malformed(String),
}

impl Saved {
    pub(super) fn new(filter: String, marks: &Marks) -> Self {
        let mut marks = marks.clone();
        if marks.unsettled.is_empty() {
            marks.settled_to = marks.scanned.max(marks.settled_to);
        }
        // What lies above was never settled, and is seen again.
        let settled_to = marks.settled_to;
        let checkpoint = marks.checkpoint();
        marks.unsettled.retain(|position| *position < settled_to);
        if marks.unsettled.is_empty() {
            (marks.scanned, marks.settled_to) = (checkpoint, settled_to.max(checkpoint));
        }
        Self { format: FORMAT, deleted: false, filter, marks: Some(marks) }
    }

    pub(super) const fn deleted() -> Self {
        Self { format: FORMAT, deleted: true, filter: String::new(), marks: None }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn decode(data: &[u8]) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let malformed = |error: serde_json::Error| Unreadable::Malformed(error.to_string());
        let Format { format } = serde_json::from_slice(data).map_err(malformed)?;
        if format != FORMAT {
            return Err(Unreadable::Format(format));
        }
        serde_json::from_slice(data).map_err(malformed)
    }
}

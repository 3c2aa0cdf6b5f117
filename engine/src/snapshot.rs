//! Snapshots as they are read: of a stream, or of a named state.

use std::fmt;

use crate::record::snapshot::{SnapshotFields, SnapshotHead};
use crate::time::Timestamp;

/// Folded state that was read from the log: of a stream at a version, or a named state.
/// A copy that lives by itself; its checksum was checked.
///
/// [`NewSnapshot`](crate::NewSnapshot) is what is appended. [`Loaded`](crate::Loaded) and
/// [`Reader::state`](crate::Reader::state) have examples.
#[derive(Clone)]
pub struct Snapshot {
    head: SnapshotHead,
    fields: SnapshotFields,
    payload: Box<[u8]>,
}

impl Snapshot {
    pub(crate) fn new(head: SnapshotHead, fields: SnapshotFields, payload: &[u8]) -> Self {
        Self { head, fields, payload: payload.into() }
    }

    /// The name of its stream, or its own if [`is_state`](Self::is_state).
    pub fn name(&self) -> &str {
        self.fields.name(&self.payload)
    }

    /// Whether it is a named state and not of a stream.
    pub const fn is_state(&self) -> bool {
        self.head.state
    }

    /// The version up to which its stream's events are folded into it. Of a named state:
    /// the number that its author gave, `through`.
    pub const fn version(&self) -> u64 {
        self.head.version
    }

    /// The number of the state's shape.
    pub fn schema(&self) -> u32 {
        SnapshotFields::schema(&self.payload)
    }

    /// The state, in its author's encoding.
    pub fn data(&self) -> &[u8] {
        self.fields.data(&self.payload)
    }

    /// How the state is encoded, if that was said.
    pub fn content_type(&self) -> Option<&str> {
        if self.fields.is_json() {
            Some("application/json")
        } else {
            self.fields.content_type(&self.payload)
        }
    }

    /// When it was committed.
    pub const fn recorded_at(&self) -> Timestamp {
        Timestamp::from_nanos(self.head.recorded_at)
    }

    /// Position of the last event before it in commit order; 0 if there is none. It has
    /// no position of its own.
    pub const fn position(&self) -> u64 {
        self.head.position
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Snapshot")
            .field("name", &self.name())
            .field("is_state", &self.is_state())
            .field("version", &self.version())
            .field("schema", &self.schema())
            .field("position", &self.position())
            .field("bytes", &self.data().len())
            .finish_non_exhaustive()
    }
}

//! What an append answers.

use std::ops::RangeInclusive;

use crate::durability::Durability;
use crate::names::Versions;

/// The outcome of an append.
///
/// ```
/// use annals::{Batch, Expected, Log, NewEvent};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Log::open(path)?;
/// let mut batch = Batch::new();
/// batch.write("order-17", Expected::NoStream, [NewEvent::new("OrderPlaced")]);
/// let committed = log.append(&batch)?;
/// assert_eq!((committed.first_position(), committed.last_position()), (1, 1));
/// assert_eq!(committed.version("order-17"), Some(1));
/// // The same batch again: nothing is written, the first outcome comes back.
/// assert!(log.append(&batch)?.is_deduplicated());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub(crate) first_position: u64,
    pub(crate) events: u64,
    pub(crate) versions: Versions,
    pub(crate) deduplicated: bool,
    pub(crate) durability: Durability,
}

impl Committed {
    /// Position of the batch's first event. Of a batch without events: the position
    /// that the next event will have.
    pub const fn first_position(&self) -> u64 {
        self.first_position
    }

    /// Position of the batch's last event. Of a batch without events: that of the
    /// last event before it.
    pub const fn last_position(&self) -> u64 {
        self.first_position + self.events - 1
    }

    /// Positions of the batch's events.
    pub const fn positions(&self) -> RangeInclusive<u64> {
        self.first_position()..=self.last_position()
    }

    /// Version of the batch's last event of a stream, which is what to expect of it
    /// next; `None` if the batch did not write it.
    pub fn version(&self, stream: &str) -> Option<u64> {
        self.versions.of(stream)
    }

    /// Whether the log held this very batch already: nothing was written, and the
    /// numbers are those of the first time.
    pub const fn is_deduplicated(&self) -> bool {
        self.deduplicated
    }

    /// How safe it is: at least as safe as was asked for.
    pub const fn durability(&self) -> Durability {
        self.durability
    }
}

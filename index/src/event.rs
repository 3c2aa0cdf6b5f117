//! What a table takes of an event, and what that may come to in a run.

use crate::error::wide;
use crate::keys;
use crate::kind::Kind;
use crate::layout::{POSTING_MAX, STREAM_HEAD_MAX};

/// What a new stream may add to the entries of a run.
pub(crate) const fn new_stream(name: &str) -> u64 {
    STREAM_HEAD_MAX + POSTING_MAX + name.len() as u64
}

/// An event for a table: what it is found by.
///
/// ```
/// use annals_index::{Kind, Table, TableEvent};
///
/// let mut table = Table::new(1);
/// table.insert(&TableEvent {
///     stream: "order-17",
///     version: 1,
///     id: 0xabc,
///     position: 1,
///     offset: 4096,
///     category: "order",
///     event_type: "OrderPlaced",
///     others: &[(Kind::Tag, "customer:9"), (Kind::Correlation, "cart-3")],
/// })?;
/// assert_eq!(table.count(Kind::Category, "order"), 1);
/// assert_eq!(table.last(Kind::Tag, "customer:9"), Some(4096));
/// # Ok::<(), annals_index::TableError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TableEvent<'a> {
    /// Name of its stream.
    pub stream: &'a str,
    /// Its place in the stream, one after that of the event before.
    pub version: u64,
    /// Its id.
    pub id: u128,
    /// Its place in the log.
    pub position: u64,
    /// Place of its record in the segment, in bytes: a multiple of 8 below
    /// [`OFFSET_END`](crate::OFFSET_END).
    pub offset: u64,
    /// Category of its stream. A table looks at that of the first event that it gets of a stream,
    /// and takes it for all others of the stream.
    pub category: &'a str,
    /// Its type.
    pub event_type: &'a str,
    /// Its tags, correlation and cause. What is here twice counts once.
    pub others: &'a [(Kind, &'a str)],
}

impl TableEvent<'_> {
    /// What this event may add to the entries of a run, if all of its keys are new.
    pub(crate) fn most(&self) -> u64 {
        let others = self.others.iter().map(|(_, key)| keys::most(wide(key.len()))).sum::<u64>();
        let of_all =
            keys::most(wide(self.category.len())) + keys::most(wide(self.event_type.len()));
        new_stream(self.stream) + of_all + others
    }
}

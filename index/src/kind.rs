//! The kinds of keys, and the byte that says the kind in a run.

/// What a key is of. Streams are keys too, with questions of their own, since their events have
/// versions.
///
/// ```
/// use annals_index::{Kind, Table};
///
/// let mut table = Table::new(1);
/// table.insert_record(Kind::State, "totals", 4096)?;
/// assert_eq!(table.last(Kind::State, "totals"), Some(4096));
/// assert_eq!(table.last(Kind::Snapshot, "totals"), None);
/// # Ok::<(), annals_index::TableError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// What the streams of an event's kind have in common.
    Category,
    /// The type of an event.
    Type,
    /// One of the tags of an event.
    Tag,
    /// What an event belongs to.
    Correlation,
    /// What caused an event.
    Cause,
    /// The stream that a snapshot is of.
    Snapshot,
    /// The name of a state.
    State,
    /// An idempotency key.
    Key,
}

/// The byte of streams.
pub(crate) const STREAM: u8 = 0;

impl Kind {
    /// All kinds, in the order in which they stand in a run.
    pub const ALL: [Kind; 8] = [
        Kind::Category,
        Kind::Type,
        Kind::Tag,
        Kind::Correlation,
        Kind::Cause,
        Kind::Snapshot,
        Kind::State,
        Kind::Key,
    ];

    /// The byte in a run, greater than that of streams.
    pub(crate) const fn byte(self) -> u8 {
        match self {
            Kind::Category => 1,
            Kind::Type => 2,
            Kind::Tag => 3,
            Kind::Correlation => 4,
            Kind::Cause => 5,
            Kind::Snapshot => 6,
            Kind::State => 7,
            Kind::Key => 8,
        }
    }
}

/// The greatest byte that is a kind.
pub(crate) const LAST: u8 = Kind::Key.byte();

#[cfg(test)]
mod tests {
    use super::*;

    /// These stand in files: if this test fails, the format has changed.
    #[test]
    fn bytes_are_those_of_the_format_and_ascend() {
        assert!(Kind::ALL.iter().map(|kind| kind.byte()).eq(1..=8));
        assert!(Kind::ALL.is_sorted());
    }
}

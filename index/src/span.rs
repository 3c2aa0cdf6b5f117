//! The two answers that tables and runs have in common.

/// What a table or run holds of one stream: consecutive versions.
///
/// ```
/// use annals_index::Span;
///
/// let span = Span { first_version: 5, count: 3 };
/// assert_eq!(span.last_version(), 7);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The least version that is here, at least 1.
    pub first_version: u64,
    /// How many versions are here, at least 1.
    pub count: u64,
}

impl Span {
    /// The greatest version that is here.
    #[must_use]
    pub const fn last_version(&self) -> u64 {
        self.first_version.saturating_add(self.count).saturating_sub(1)
    }

    /// Which events of the span, counted from 0, have a version within `first..=last`.
    pub(crate) fn indexes(&self, first: u64, last: u64) -> Option<(usize, usize)> {
        let first = first.max(self.first_version);
        let last = last.min(self.last_version());
        if first > last {
            return None;
        }
        let index = |version: u64| usize::try_from(version - self.first_version).ok();
        Some((index(first)?, index(last)?))
    }
}

/// The event `position` is the first one at or after `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// Place of an event in the log.
    pub position: u64,
    /// Offset of a group of records in the segment, in bytes.
    pub offset: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_cut_to_the_span() {
        let span = Span { first_version: 5, count: 3 };
        assert_eq!(span.indexes(0, u64::MAX), Some((0, 2)));
        assert_eq!(span.indexes(6, 6), Some((1, 1)));
        assert_eq!(span.indexes(0, 4), None);
        assert_eq!(span.indexes(8, 9), None);
        assert_eq!(span.indexes(7, 6), None);
    }
}

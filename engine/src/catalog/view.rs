//! The published list of segments and their indexes.

use std::sync::Arc;

use super::entry::Entry;
use super::source::Source;

/// Segments in order, and the indexes that cover them, in order. The active segment
/// may have two: a run from when the log was closed, and a table after it.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) entries: Vec<Arc<Entry>>,
    pub(crate) sources: Vec<Arc<Source>>,
}

impl View {
    pub(crate) fn entry(&self, number: u64) -> Option<&Arc<Entry>> {
        let first = self.entries.first()?.segment.number;
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        self.entries.get(index)
    }

    /// The indexes of a segment, in order.
    pub(crate) fn sources_of(&self, number: u64) -> &[Arc<Source>] {
        let below = |end| move |source: &Arc<Source>| source.entry.segment.number < end;
        let from = self.sources.partition_point(below(number));
        let to = self.sources.partition_point(below(number + 1));
        self.sources.get(from..to).unwrap_or_default()
    }

    /// One source instead of all those of a segment.
    pub(super) fn replace(&mut self, number: u64, source: Arc<Source>) {
        let of_segment = |source: &Arc<Source>| source.entry.segment.number == number;
        let Some(at) = self.sources.iter().position(of_segment) else { return };
        self.sources.retain(|source| !of_segment(source));
        self.sources.insert(at, source);
    }
}

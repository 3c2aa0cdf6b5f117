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

    pub(super) fn sources_of(&self, number: u64) -> impl Iterator<Item = &Arc<Source>> {
        self.sources.iter().filter(move |source| source.entry.segment.number == number)
    }

    /// One source instead of all those of a segment.
    pub(super) fn replace(&mut self, number: u64, source: Arc<Source>) {
        let of_segment = |source: &Arc<Source>| source.entry.segment.number == number;
        let Some(at) = self.sources.iter().position(of_segment) else { return };
        self.sources.retain(|source| !of_segment(source));
        self.sources.insert(at, source);
    }
}

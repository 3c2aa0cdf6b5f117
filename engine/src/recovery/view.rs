//! What recovery found, as readers and appends go on with it.

use std::sync::Arc;

use super::analysis::Analysis;
use crate::catalog::entry::Entry;
use crate::catalog::source::{SharedTable, Source};
use crate::catalog::view::View;
use crate::sync::RwLock;

/// The segments and indexes as recovery found them, and the table that appends go on
/// with.
pub(crate) fn view_of(analysis: Analysis) -> (View, SharedTable) {
    let mut entries = Vec::with_capacity(analysis.segments.len());
    for pair in analysis.segments.windows(2) {
        if let [segment, next] = pair {
            entries.push(Arc::new(Entry::sealed(Arc::clone(segment), Arc::clone(next))));
        }
    }
    let mut sources: Vec<_> =
        entries.iter().map(|entry| Arc::new(Source::unloaded(Arc::clone(entry)))).collect();
    let table = analysis.indexer.into_table();
    let first = table.first_position();
    let table = Arc::new(RwLock::new(table));
    if let Some(segment) = analysis.segments.last() {
        let entry = Arc::new(Entry::active(Arc::clone(segment)));
        if let Some(run) = analysis.run {
            let first = analysis.header.first_position;
            let source = Source::of_run(Arc::clone(&entry), first, Arc::new(run));
            sources.push(Arc::new(source));
        }
        let source = Source::of_table(Arc::clone(&entry), first, Arc::clone(&table));
        sources.push(Arc::new(source));
        entries.push(entry);
    }
    (View { entries, sources }, table)
}

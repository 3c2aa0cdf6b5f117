//! One index of part of the log: a table in memory, or a run that is loaded at its
//! first use.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use annals_index::{Kind, Mark, RunError, Span, Table};

use super::Catalog;
use super::entry::Entry;
use super::runs::{self, LoadedRun};
use crate::error::Result;
use crate::sync::RwLock;

/// A table that the commit fills while readers look things up.
pub(crate) type SharedTable = Arc<RwLock<Table>>;

/// An index that can answer.
#[derive(Debug, Clone)]
pub(crate) enum Index {
    Table(SharedTable),
    Run(Arc<LoadedRun>),
}

impl Index {
    pub(crate) fn stream(&self, name: &str) -> Result<Option<Span>, RunError> {
        match self {
            Self::Table(table) => Ok(table.read().stream(name)),
            Self::Run(run) => run.stream(name),
        }
    }

    /// The stream, and the offsets of all its events here, if they are at most `most`.
    pub(crate) fn stream_offsets(
        &self,
        name: &str,
        most: u64,
        out: &mut Vec<u64>,
    ) -> Result<Option<Span>, RunError> {
        let table = match self {
            Self::Run(run) => return run.stream_offsets(name, most, out),
            Self::Table(table) => table.read(),
        };
        let span = table.stream(name);
        if let Some(span) = span.filter(|span| span.count <= most) {
            table.offsets(name, span.first_version..=span.last_version(), out);
        }
        Ok(span)
    }

    pub(crate) fn offsets(
        &self,
        name: &str,
        versions: RangeInclusive<u64>,
        out: &mut Vec<u64>,
    ) -> Result<(), RunError> {
        match self {
            Self::Table(table) => {
                table.read().offsets(name, versions, out);
                Ok(())
            }
            Self::Run(run) => run.offsets(name, versions, out),
        }
    }

    /// Offsets of events that may have this id; a table's one does.
    pub(crate) fn ids(&self, id: u128, out: &mut Vec<u64>) -> Result<(), RunError> {
        match self {
            Self::Table(table) => {
                out.extend(table.read().id(id));
                Ok(())
            }
            Self::Run(run) => run.ids(id, out),
        }
    }

    pub(crate) fn place(&self, position: u64) -> Result<Option<Mark>, RunError> {
        match self {
            Self::Table(table) => Ok(table.read().place(position)),
            Self::Run(run) => run.place(position),
        }
    }
}

/// A key of either kind: a stream's name, or another.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key<'a> {
    Stream(&'a str),
    Other(Kind, &'a str),
}

/// By keys that may be streams. What has a key is counted in the order of offsets, from 0.
impl Index {
    /// How many events with a key lie below an offset.
    pub(crate) fn rank_of(&self, key: Key<'_>, offset: u64) -> Result<u64, RunError> {
        let name = match key {
            Key::Other(kind, key) => return self.rank(kind, key, offset),
            Key::Stream(name) => name,
        };
        let Some(span) = self.stream(name)? else { return Ok(0) };
        let mut one = Vec::with_capacity(1);
        let mut lies_below = |index: u64| {
            one.clear();
            let version = span.first_version + index;
            self.offsets(name, version..=version, &mut one)?;
            // A version of the span has an offset.
            Ok(one.first().is_some_and(|found| *found < offset))
        };
        // Most questions are about all that is here, or about none of it.
        if lies_below(span.count - 1)? {
            return Ok(span.count);
        }
        let (mut low, mut high) = (0, span.count - 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if lies_below(middle)? {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// Offsets of the events that have a key, of those with these indexes.
    pub(crate) fn postings_of(
        &self,
        key: Key<'_>,
        indexes: Range<u64>,
        out: &mut Vec<u64>,
    ) -> Result<(), RunError> {
        let name = match key {
            Key::Other(kind, key) => return self.postings(kind, key, indexes, out),
            Key::Stream(name) => name,
        };
        match self.stream(name)? {
            Some(span) if !indexes.is_empty() => {
                let first = span.first_version + indexes.start;
                self.offsets(name, first..=span.first_version + indexes.end - 1, out)
            }
            _ => Ok(()),
        }
    }
}

/// By keys that are no streams.
impl Index {
    /// Offsets of the records that have a key, of those with these indexes.
    pub(crate) fn postings(
        &self,
        kind: Kind,
        key: &str,
        indexes: Range<u64>,
        out: &mut Vec<u64>,
    ) -> Result<(), RunError> {
        match self {
            Self::Table(table) => {
                table.read().postings(kind, key, indexes, out);
                Ok(())
            }
            Self::Run(run) => run.postings(kind, key, indexes, out),
        }
    }

    /// How many records with a key lie below an offset.
    pub(crate) fn rank(&self, kind: Kind, key: &str, offset: u64) -> Result<u64, RunError> {
        match self {
            Self::Table(table) => Ok(table.read().rank(kind, key, offset)),
            Self::Run(run) => run.rank(kind, key, offset),
        }
    }

    /// The offset of the newest record with a key.
    pub(crate) fn last(&self, kind: Kind, key: &str) -> Result<Option<u64>, RunError> {
        match self {
            Self::Table(table) => Ok(table.read().last(kind, key)),
            Self::Run(run) => run.last(kind, key),
        }
    }

    /// The keys of a kind that start with `prefix`, sorted, with the number of their records.
    pub(crate) fn keys(&self, kind: Kind, prefix: &str) -> Result<Vec<(String, u64)>, RunError> {
        let owned = |(key, count): (&str, u64)| (key.to_owned(), count);
        match self {
            Self::Table(table) => Ok(table.read().keys(kind, prefix).map(owned).collect()),
            Self::Run(run) => run.keys(kind, prefix).map(|found| found.map(owned)).collect(),
        }
    }
}

/// What answers for part of the log.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) entry: Arc<Entry>,
    first_position: Option<u64>,
    index: RwLock<Option<Index>>,
}

impl Source {
    pub(crate) fn of_table(entry: Arc<Entry>, first_position: u64, table: SharedTable) -> Self {
        let index = RwLock::new(Some(Index::Table(table)));
        Self { entry, first_position: Some(first_position), index }
    }

    pub(crate) fn of_run(entry: Arc<Entry>, first_position: u64, run: Arc<LoadedRun>) -> Self {
        let index = RwLock::new(Some(Index::Run(run)));
        Self { entry, first_position: Some(first_position), index }
    }

    /// Of a sealed segment, whose run is looked for when it is needed.
    pub(crate) const fn unloaded(entry: Arc<Entry>) -> Self {
        Self { entry, first_position: None, index: RwLock::new(None) }
    }

    pub(crate) fn first_position(&self) -> Result<u64> {
        match self.first_position {
            Some(position) => Ok(position),
            None => Ok(self.entry.facts()?.first_position),
        }
    }

    /// The table, if that is what it is.
    pub(crate) fn table(&self) -> Option<SharedTable> {
        match &*self.index.read() {
            Some(Index::Table(table)) => Some(Arc::clone(table)),
            Some(Index::Run(_)) | None => None,
        }
    }

    /// The index, loaded if it was not.
    pub(crate) fn index(&self, catalog: &Catalog) -> Result<Index> {
        if let Some(index) = &*self.index.read() {
            return Ok(index.clone());
        }
        let mut slot = self.index.write();
        if let Some(index) = &*slot {
            return Ok(index.clone());
        }
        let facts = self.entry.facts()?;
        let run = runs::load_or_rebuild(catalog, &self.entry.segment, &facts)?;
        Ok(slot.insert(Index::Run(Arc::new(run))).clone())
    }

    /// The run, if that is what it is and it is loaded.
    pub(crate) fn run(&self) -> Option<Arc<LoadedRun>> {
        match &*self.index.read() {
            Some(Index::Run(run)) => Some(Arc::clone(run)),
            Some(Index::Table(_)) | None => None,
        }
    }

    /// Asks the index. A damaged run is made again from the log and asked once more: it
    /// is never believed, and never a reason to fail.
    pub(crate) fn ask<T>(
        &self,
        catalog: &Catalog,
        mut question: impl FnMut(&Index) -> Result<T, RunError>,
    ) -> Result<T> {
        match question(&self.index(catalog)?) {
            Ok(answer) => Ok(answer),
            Err(_) => {
                let fresh = Index::Run(Arc::new(self.rebuild(catalog)?));
                let answer = question(&fresh).map_err(runs::unbuildable(&self.entry.segment));
                *self.index.write() = Some(fresh);
                answer
            }
        }
    }

    fn rebuild(&self, catalog: &Catalog) -> Result<LoadedRun> {
        if self.entry.is_sealed() {
            let keep = !catalog.read_only;
            return runs::rebuild(catalog, &self.entry.segment, &self.entry.facts()?, keep);
        }
        // The run of the active segment, from when the log was closed: only the part that
        // it covered, and only in memory, since another run follows at the close.
        let covered = match &*self.index.read() {
            Some(Index::Run(run)) => run.meta().clone(),
            Some(Index::Table(_)) | None => Default::default(),
        };
        runs::rebuild_part(&self.entry.segment, covered)
    }
}

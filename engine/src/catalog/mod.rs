//! Which segment, run and table answers a question: the log as a whole, for
//! reading.
//!
//! * [`survey`]: which files there are
//! * [`entry`]: a segment in the log
//! * [`view`]: the published, immutable list of segments and their indexes
//! * [`source`]: one index, loaded at its first use
//! * [`runs`]: runs as files: loading, rebuilding, writing
//! * [`find`]: look-ups by stream, id and position
//! * [`outcome`]: look-ups of keys and snapshots
//!
//! Readers take the current [`View`](view::View) and work on it; a roll or a finished
//! run publishes another one.

pub(crate) mod entry;
pub(crate) mod find;
pub(crate) mod outcome;
pub(crate) mod runs;
pub(crate) mod source;
pub(crate) mod survey;
pub(crate) mod view;

use std::sync::Arc;

use annals_index::Table;

use crate::error::{Error, Result};
use crate::io::Storage;
use crate::segment::{ReadMode, Segment};
use crate::sync::{AtomicBool, AtomicU64, Ordering, RwLock};
use entry::{Entry, Facts};
use source::{SharedTable, Source};
use view::View;

/// The segments of the log and their indexes.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) log: u128,
    pub(crate) mode: ReadMode,
    /// Nothing is written, not even a run.
    pub(crate) read_only: bool,
    /// The process that opened the log.
    process: u32,
    view: RwLock<Arc<View>>,
    /// Counts up whenever a table gives way to a run: what was looked up in runs
    /// before may be in them only since.
    generation: AtomicU64,
    /// A run could not be made, since the log is hurt there: nothing waits for it any
    /// more.
    index_failed: AtomicBool,
}

impl Catalog {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        log: u128,
        mode: ReadMode,
        view: View,
        read_only: bool,
    ) -> Self {
        let view = RwLock::new(Arc::new(view));
        let process = storage.process_id();
        Self {
            process,
            storage,
            log,
            mode,
            read_only,
            view,
            generation: AtomicU64::new(0),
            index_failed: AtomicBool::new(false),
        }
    }

    /// Refuses a process that inherited the log from the one that opened it.
    pub(crate) fn owner(&self) -> Result<()> {
        let this = self.storage.process_id();
        if this == self.process {
            Ok(())
        } else {
            Err(Error::Forked { opened_by: self.process, this })
        }
    }

    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read())
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// `next` goes on after the active segment, with an empty table, which is returned.
    /// Called under the commit's lock; [`seal`](Self::seal) follows when the first group
    /// of `next` is durable.
    pub(crate) fn roll(&self, first_position: u64, next: Arc<Segment>) -> SharedTable {
        let mut slot = self.view.write();
        let mut view = View::clone(&slot);
        let entry = Arc::new(Entry::active(next));
        // About as much as before: growing a map under the lock would hold up everybody.
        let before = view.sources.last().and_then(|source| source.table());
        let table = before.map_or_else(
            || Table::new(first_position),
            |before| Table::sized_like(first_position, &before.read()),
        );
        let table = Arc::new(RwLock::new(table));
        view.sources.push(Arc::new(Source::of_table(
            Arc::clone(&entry),
            first_position,
            Arc::clone(&table),
        )));
        view.entries.push(entry);
        *slot = Arc::new(view);
        table
    }

    /// Everything was looked at anew: what was there before may be there no more.
    pub(crate) fn reset(&self, view: View) {
        *self.view.write() = Arc::new(view);
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// The table of a sealed segment gives way to its run, which is loaded when it is
    /// asked for.
    pub(crate) fn unload(&self, number: u64) {
        let mut slot = self.view.write();
        let mut view = View::clone(&slot);
        if let Some(entry) = view.entry(number).cloned() {
            view.replace(number, Arc::new(Source::unloaded(entry)));
            *slot = Arc::new(view);
        }
    }

    /// Segment `number` is sealed. Called before anything of the next one is published.
    pub(crate) fn seal(&self, number: u64, facts: Facts) {
        let view = self.view();
        if let (Some(entry), Some(next)) = (view.entry(number), view.entry(number + 1)) {
            entry.seal(facts, Arc::clone(&next.segment));
        }
    }

    /// The oldest sealed segment that waits for its run.
    pub(crate) fn oldest_waiting(&self) -> Option<u64> {
        let view = self.view();
        view.sources
            .iter()
            .find(|source| source.entry.is_sealed() && source.table().is_some())
            .map(|source| source.entry.segment.number)
    }

    /// Gives up making runs: appends go on with tables in memory rather than stop.
    pub(crate) fn give_up_indexing(&self) {
        self.index_failed.store(true, Ordering::Release);
    }

    /// How many sealed segments wait for their run.
    pub(crate) fn waiting(&self) -> usize {
        if self.index_failed.load(Ordering::Acquire) {
            return 0;
        }
        let view = self.view();
        let active = view.entries.last().map(|entry| entry.segment.number);
        view.sources
            .iter()
            .rev()
            .take_while(|source| source.table().is_some())
            .filter(|source| Some(source.entry.segment.number) != active)
            .count()
    }

    /// Makes the run of a sealed segment and lets it take the place of what answered
    /// for that segment so far. The segment must be durable up to its end.
    pub(crate) fn index_sealed(&self, number: u64) -> Result<()> {
        let view = self.view();
        let Some(entry) = view.entry(number) else { return Ok(()) };
        let facts = entry.facts()?;
        let parts = view.sources_of(number);
        if parts.iter().all(|source| source.table().is_none()) {
            return Ok(());
        }
        let whole = match parts {
            [one] => one.table(),
            _ => None,
        };
        let run = match whole {
            Some(table) => {
                let meta = runs::meta_of(&entry.segment, &facts);
                let bytes = annals_index::build(&table.read(), &meta);
                runs::write(self, number, bytes, true)?
            }
            None => runs::rebuild(self, &entry.segment, &facts, true)?,
        };
        let source = Source::of_run(Arc::clone(entry), facts.first_position, Arc::new(run));
        let mut slot = self.view.write();
        let mut changed = View::clone(&slot);
        changed.replace(number, Arc::new(source));
        *slot = Arc::new(changed);
        drop(slot);
        self.generation.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }
}

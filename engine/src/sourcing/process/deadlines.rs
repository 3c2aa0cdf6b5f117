//! The deadlines that are open, and the pages on which they are kept: no I/O, no clock.
//!
//! A page is a named state with up to [`PAGE`] deadlines; the book says which pages changed
//! since they were written last. A deadline is put on the first page that has room, and stays
//! there, so what is set or taken away costs one page each, those of one step mostly the same
//! ones, and a restart reads one state for every [`PAGE`] deadlines that were ever open at a
//! time. One state per deadline would make each start list every name there ever was; one
//! state for all would be written anew whenever one of them changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// How many deadlines are kept on one page.
pub(super) const PAGE: usize = 32;

/// The number of the pages' format.
const FORMAT: u32 = 1;

/// A deadline's process and name.
pub(super) type Key = Arc<(String, String)>;

/// What is known of an open deadline besides its key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) due: Timestamp,
    /// What led to it, and what that belongs to: what comes of it is told so.
    pub(super) cause: Option<String>,
    pub(super) belongs_to: Option<String>,
    /// Why it is parked, if it is.
    pub(super) parked: Option<String>,
}

/// What a step does to deadlines: what each becomes, or that it is gone.
pub(super) type Changes = BTreeMap<Key, Option<Entry>>;

/// All open deadlines of the processes of one name.
#[derive(Debug, Default)]
pub(super) struct Book {
    open: BTreeMap<Key, (Entry, usize)>,
    /// Those that are not parked, in the order in which they fire.
    due: BTreeSet<(Timestamp, Key)>,
    pages: Vec<BTreeSet<Key>>,
    with_room: BTreeSet<usize>,
    /// Pages that are not written as they are now.
    changed: BTreeSet<usize>,
}

impl Book {
    pub(super) fn get(&self, key: &Key) -> Option<&Entry> {
        self.open.get(key).map(|(entry, _)| entry)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.open.iter().map(|(key, (entry, _))| (key, entry))
    }

    /// Those of one process.
    pub(super) fn of(&self, correlation: &str) -> Vec<Key> {
        let from = Arc::new((correlation.to_owned(), String::new()));
        let of = self.open.range(from..).map(|(key, _)| key);
        of.take_while(|key| key.0 == correlation).cloned().collect()
    }

    /// Those that may fire, in their order.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &(Timestamp, Key)> {
        self.due.iter()
    }

    /// When the first of them comes that is later than this.
    pub(super) fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        let first = Timestamp::from_nanos(now.as_nanos().checked_add(1)?);
        let from = (first, Arc::new((String::new(), String::new())));
        self.due.range(from..).next().map(|(due, _)| *due)
    }

    /// Changes it. Returns how it was.
    pub(super) fn apply(&mut self, changes: Changes) -> Changes {
        changes.into_iter().map(|(key, to)| (Arc::clone(&key), self.set(key, to))).collect()
    }

    fn set(&mut self, key: Key, to: Option<Entry>) -> Option<Entry> {
        let before = self.open.remove(&key);
        if let Some((entry, page)) = &before {
            self.due.remove(&(entry.due, Arc::clone(&key)));
            if to.is_none() {
                self.changed.insert(*page);
                self.with_room.insert(*page);
                if let Some(page) = self.pages.get_mut(*page) {
                    page.remove(&key);
                }
            }
        }
        let (before, page) = before.map_or((None, None), |(entry, page)| (Some(entry), Some(page)));
        if let Some(entry) = to {
            let page = page.unwrap_or_else(|| self.put(&key));
            if before.as_ref() != Some(&entry) {
                self.changed.insert(page);
            }
            if entry.parked.is_none() {
                self.due.insert((entry.due, Arc::clone(&key)));
            }
            self.open.insert(key, (entry, page));
        }
        before
    }

    /// Puts one on the first page that has room.
    fn put(&mut self, key: &Key) -> usize {
        let index = self.with_room.first().copied().unwrap_or_else(|| {
            self.with_room.insert(self.pages.len());
            self.pages.push(BTreeSet::new());
            self.pages.len() - 1
        });
        if let Some(page) = self.pages.get_mut(index) {
            page.insert(Arc::clone(key));
            if page.len() >= PAGE {
                self.with_room.remove(&index);
            }
        }
        index
    }

    /// The pages that are to be written: their numbers, how many deadlines each has, and its
    /// text.
    pub(super) fn unwritten(&self) -> impl Iterator<Item = (usize, usize, String)> {
        self.changed.iter().filter_map(|index| {
            let page = self.pages.get(*index)?;
            let rows = page.iter().filter_map(|key| Some(Row::new(key, self.get(key)?)));
            let page = Page { format: FORMAT, deadlines: rows.collect() };
            Some((*index, page.deadlines.len(), serde_json::to_string(&page).unwrap_or_default()))
        })
    }

    /// All pages are written as they are now.
    pub(super) fn written(&mut self) {
        self.changed.clear();
    }

    /// Takes over a page that was written. Pages come in any order, each once.
    pub(super) fn read(&mut self, index: usize, text: &[u8]) -> Result<(), String> {
        let page: Page = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if page.format != FORMAT {
            return Err(format!("its format is {}", page.format));
        }
        while self.pages.len() <= index {
            self.with_room.insert(self.pages.len());
            self.pages.push(BTreeSet::new());
        }
        for row in page.deadlines {
            let (key, entry) = row.into_parts();
            if let Some(page) = self.pages.get_mut(index) {
                page.insert(Arc::clone(&key));
            }
            if entry.parked.is_none() {
                self.due.insert((entry.due, Arc::clone(&key)));
            }
            if self.open.insert(key, (entry, index)).is_some() {
                return Err("a deadline stands on two pages".to_owned());
            }
        }
        if self.pages.get(index).is_some_and(|page| page.len() >= PAGE) {
            self.with_room.remove(&index);
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) const fn pages(&self) -> usize {
        self.pages.len()
    }
}

/// A page as it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Page {
    format: u32,
    deadlines: Vec<Row>,
}

/// A deadline as it is written: `{"of":"order-7","name":"payment","due":1700000000000000000}`
/// and what else is known of it. Times are nanoseconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    of: String,
    name: String,
    due: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    belongs_to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parked: Option<String>,
}

impl Row {
    fn new(key: &Key, entry: &Entry) -> Self {
        let (of, name) = (**key).clone();
        let Entry { due, cause, belongs_to, parked } = entry.clone();
        Self { of, name, due: due.as_nanos(), cause, belongs_to, parked }
    }

    fn into_parts(self) -> (Key, Entry) {
        let Self { of, name, due, cause, belongs_to, parked } = self;
        let due = Timestamp::from_nanos(due);
        (Arc::new((of, name)), Entry { due, cause, belongs_to, parked })
    }
}

//! What was submitted, acknowledged and shown, kept outside the log: it decides what
//! a log may hold after a crash.
//!
//! What is submitted is in `told`, how a log is read in `check`, what readers keep of
//! their place in `marks`.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use annals::Batch;

use crate::marks::Mark;
use crate::numbers::{digest, wide};
use crate::told::{Entry, Folds, Shown, Told};

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which of the invariants, in words.
    pub invariant: &'static str,
    /// What was seen instead.
    pub what: String,
}

impl Broken {
    /// A broken promise.
    pub fn new(invariant: &'static str, what: impl fmt::Display) -> Self {
        Self { invariant, what: what.to_string() }
    }

    /// The same with where it was seen in front.
    #[must_use]
    pub fn within(self, place: impl fmt::Display) -> Self {
        Self { what: format!("{place}: {}", self.what), ..self }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "[{}] {}", self.invariant, self.what)
    }
}

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// The process dies; the system lives on.
    Kill,
    /// The power goes.
    Cut,
}

/// Everything that is known about a log from outside.
#[derive(Debug, Clone, Default)]
pub struct Oracle {
    /// All batches that were placed, in commit order. The last ones may be in flight,
    /// or answered with an error that says that their fate is open.
    pub entries: Vec<Entry>,
    /// So many of them were acknowledged as written or better: they survive a kill.
    pub written: usize,
    /// So many of them were acknowledged as durable, or made so by a later durable
    /// append, a sync or a close: they survive a power cut.
    pub durable: usize,
    /// So many events the log has called durable, or a cursor has delivered as such.
    pub promised: u64,
    /// So many events were shown to a cursor that sees what is written.
    pub shown: u64,
    /// What cursors keep outside the log of where they are.
    pub marks: Vec<Mark>,
}

impl Oracle {
    /// What tells this oracle from others, as far as that end of a life is concerned.
    pub fn digest(&self, end: End) -> u64 {
        let entries: Vec<_> = self.entries.iter().map(Entry::digest).collect();
        let of_kill = (end == End::Kill).then_some((self.written, self.shown));
        digest(&(entries, self.durable, self.promised, of_kill, &self.marks))
    }

    /// All events that were placed.
    pub fn events(&self) -> impl Iterator<Item = &Told> {
        self.entries.iter().flat_map(|entry| &entry.events)
    }

    /// How many events the first so many batches have.
    pub fn events_of(&self, entries: usize) -> u64 {
        wide(self.entries.iter().take(entries).map(|entry| entry.events.len()).sum())
    }

    /// Version of a stream.
    pub fn version(&self, stream: &str) -> u64 {
        wide(self.events().filter(|told| &*told.stream == stream).count())
    }

    /// Versions of all streams.
    pub fn versions(told: &[Told]) -> BTreeMap<Arc<str>, u64> {
        let mut versions = BTreeMap::new();
        for told in told {
            *versions.entry(Arc::clone(&told.stream)).or_default() += 1;
        }
        versions
    }

    /// A batch that expects every stream where it is.
    pub fn batch(&self, entry: &Entry) -> Batch {
        entry.batch(|stream| self.version(stream))
    }

    /// The number of the batch with this first event or key.
    pub fn place_of(&self, entry: &Entry) -> Option<usize> {
        self.entries.iter().position(|other| other.is_same(entry))
    }

    /// A batch was placed and acknowledged as durable.
    pub fn place_durable(&mut self, entry: Entry) {
        self.entries.push(entry);
        self.durable = self.entries.len();
        self.written = self.durable;
        self.promised = self.events_of(self.durable);
        self.shown = self.shown.max(self.promised);
    }

    /// Batches that may be there and show nothing are taken for absent, whichever they
    /// are: nothing tells the difference any more.
    pub fn assume_absent(&mut self) {
        self.entries.truncate(self.durable);
    }

    /// The power is gone: what was only written is not promised any more.
    pub fn power_is_cut(&mut self) {
        self.written = self.durable;
        self.shown = self.promised;
    }

    /// Whether a log that was opened after a crash may show this. Returns how many of
    /// the batches it may hold: more than one answer where the last ones have nothing
    /// that is shown.
    ///
    /// # Errors
    /// If something that must be there is not, or something is there that must not
    /// be.
    pub fn admits(&self, shown: &Shown, end: End) -> Result<RangeInclusive<usize>, Broken> {
        let found = &shown.events;
        let (floor, seen) = match end {
            End::Kill => (self.written.max(self.durable), self.shown.max(self.promised)),
            End::Cut => (self.durable, self.promised),
        };
        if wide(found.len()) < seen {
            let what = format!("{} events, {seen} were delivered", found.len());
            return Err(Broken::new("9: what was delivered is there", what));
        }
        let all: Vec<_> = self.events().collect();
        let kept = all.iter().take(usize::try_from(self.events_of(floor)).unwrap_or(0));
        if found.len() < kept.len() || !found.iter().zip(kept).all(|(one, other)| one == *other) {
            let kept = &self.entries.get(..floor);
            let what = format!("found {found:?}, must start with {kept:?}");
            return Err(Broken::new("1: every durable record is there", what));
        }
        let invented = || {
            let placed = self.entries.get(floor..);
            let what = format!("found {found:?}, after {floor} batches come {placed:?}");
            Broken::new("3, 4: nothing invented or doubled, batches whole or absent", what)
        };
        if found.len() > all.len() || !found.iter().zip(&all).all(|(one, other)| one == *other) {
            return Err(invented());
        }
        let fits = |count: &usize| self.events_of(*count) == wide(found.len());
        let counts: Vec<_> = (floor..=self.entries.len()).filter(fits).collect();
        if counts.is_empty() {
            return Err(invented());
        }
        let folds = |count: &&usize| shown.folds == self.folds(**count);
        let (first, last) = (counts.iter().find(folds), counts.iter().rev().find(folds));
        let (Some(first), Some(last)) = (first, last) else {
            let what = format!("{:?}, batches {counts:?} of {:?}", shown.folds, self.entries);
            return Err(Broken::new("6: the newest durable snapshot loads", what));
        };
        Ok(*first..=*last)
    }

    /// The newest snapshots and states of the first so many batches.
    fn folds(&self, count: usize) -> Folds {
        let folds = self.entries.iter().take(count).flat_map(|entry| &entry.folds);
        folds
            .map(|fold| {
                ((fold.state, Arc::clone(&fold.name)), (fold.version, Arc::clone(&fold.data)))
            })
            .collect()
    }

    /// What is known once a log has shown this: all of it is durable, and nothing else
    /// is there. Of the batches that show nothing, those in the range may be there.
    #[must_use]
    pub fn settled(&self, shown: &Shown, held: &RangeInclusive<usize>) -> Self {
        let mut settled = self.clone();
        settled.entries.truncate(*held.end());
        settled.durable = *held.start();
        settled.written = settled.durable;
        settled.promised = wide(shown.events.len());
        settled.shown = settled.promised;
        for mark in &mut settled.marks {
            mark.lose(&shown.events);
        }
        settled
    }
}

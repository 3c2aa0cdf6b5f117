//! The keys of a table that are no streams: their names and postings, kind by kind.

use std::ops::Range;

use crate::cells::Found;
use crate::error::wide;
use crate::kind::Kind;
use crate::layout::{KEY_HEAD_MAX, POSTING_MAX};
use crate::names::Names;
use crate::postings::Postings;

/// A map for each kind: so the kind needs no place in a name's entry, and a listing passes over
/// the names of its own kind alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    kinds: [Names<Postings<3>>; Kind::ALL.len()],
    /// Number of the type of the event before: most often it is that of the next one too.
    last_type: usize,
    /// Likewise of the category of the stream that was new last.
    last_category: usize,
    /// Bytes of long posting lists on the heap.
    spilled: usize,
    /// The entries of these keys in a run are not longer than this many bytes.
    pub(crate) blob_bound: u64,
}

/// What a posting of this key may add to the entries of a run, if the key is new.
pub(crate) const fn most(name_len: u64) -> u64 {
    POSTING_MAX + KEY_HEAD_MAX + name_len
}

impl Keys {
    /// None yet, with memory for as many of each kind as there are in `before`.
    pub(crate) fn sized_like(before: &Keys) -> Keys {
        let kinds = Kind::ALL.map(|kind| Names::with_capacity(before.of(kind).len()));
        Keys { kinds, ..Keys::default() }
    }

    /// Notes a posting of a key: the number of its name, for `again`. A posting that was noted
    /// for this key just before counts once. The caller has seen that `most` of it fits.
    pub(crate) fn add(&mut self, kind: Kind, name: &str, posting: u32) -> usize {
        let names = self.of_mut(kind);
        match names.find(name) {
            Found::Number(number) => {
                self.again(kind, number, posting);
                number
            }
            Found::New(hash) => {
                names.add(name, hash, Postings::one(posting));
                let number = names.len() - 1;
                self.blob_bound += most(wide(name.len()));
                number
            }
        }
    }

    /// Notes a posting of a key whose number is known. No hash, no look at the name.
    pub(crate) fn again(&mut self, kind: Kind, number: usize, posting: u32) {
        let Some(postings) = self.of_mut(kind).get_mut(number) else { return };
        if postings.as_slice().last() == Some(&posting) {
            return;
        }
        let grown = postings.push(posting);
        self.spilled += grown;
        self.blob_bound += POSTING_MAX;
    }

    pub(crate) fn add_type(&mut self, name: &str, posting: u32) {
        self.last_type = self.add_likely(Kind::Type, self.last_type, name, posting);
    }

    /// The number of the category, for `again`.
    pub(crate) fn add_category(&mut self, name: &str, posting: u32) -> usize {
        self.last_category = self.add_likely(Kind::Category, self.last_category, name, posting);
        self.last_category
    }

    /// As `add`, without a hash if this is the key with the number `likely`.
    fn add_likely(&mut self, kind: Kind, likely: usize, name: &str, posting: u32) -> usize {
        if self.of(kind).is(likely, name) {
            self.again(kind, likely, posting);
            return likely;
        }
        self.add(kind, name, posting)
    }

    /// Offsets / 8 of a key, ascending.
    pub(crate) fn get(&self, kind: Kind, name: &str) -> &[u32] {
        self.of(kind).get(name).map(Postings::as_slice).unwrap_or_default()
    }

    /// Those with these indexes.
    pub(crate) fn part(&self, kind: Kind, name: &str, indexes: Range<u64>) -> &[u32] {
        let postings = self.get(kind, name);
        let index = |index: u64| {
            usize::try_from(index).map_or(postings.len(), |index| index.min(postings.len()))
        };
        postings.get(index(indexes.start)..index(indexes.end)).unwrap_or_default()
    }

    /// Names and postings of a kind whose names start with `prefix`, sorted by name.
    pub(crate) fn sorted(&self, kind: Kind, prefix: &str) -> Vec<(&str, &[u32])> {
        let mut sorted: Vec<_> = self
            .of(kind)
            .iter()
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(name, postings)| (name, postings.as_slice()))
            .collect();
        sorted.sort_unstable_by_key(|(name, _)| *name);
        sorted
    }

    pub(crate) fn len(&self) -> usize {
        self.kinds.iter().map(Names::len).sum()
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.kinds.iter().map(Names::heap_bytes).sum::<usize>() + self.spilled
    }

    const fn of(&self, kind: Kind) -> &Names<Postings<3>> {
        let [category, of_type, tag, correlation, cause, snapshot, state, key] = &self.kinds;
        match kind {
            Kind::Category => category,
            Kind::Type => of_type,
            Kind::Tag => tag,
            Kind::Correlation => correlation,
            Kind::Cause => cause,
            Kind::Snapshot => snapshot,
            Kind::State => state,
            Kind::Key => key,
        }
    }

    const fn of_mut(&mut self, kind: Kind) -> &mut Names<Postings<3>> {
        let [category, of_type, tag, correlation, cause, snapshot, state, key] = &mut self.kinds;
        match kind {
            Kind::Category => category,
            Kind::Type => of_type,
            Kind::Tag => tag,
            Kind::Correlation => correlation,
            Kind::Cause => cause,
            Kind::Snapshot => snapshot,
            Kind::State => state,
            Kind::Key => key,
        }
    }
}

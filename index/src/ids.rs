//! The ids of a table, exact: each with the offset of the first event that had it.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::cells::{Cells, Found};

/// So many ids at most are not in the cells yet.
const WAITING: usize = 64;

#[derive(Clone, Debug, Default)]
pub(crate) struct Ids {
    /// Of the first entries; the last few wait. The cells lie all over the memory, and each
    /// that is put there alone waits for its own; those of several come together.
    cells: Cells,
    /// In the order in which they came: appending touches the end alone.
    entries: Vec<Entry>,
    /// Seeded: nobody can choose ids that collide.
    hasher: RandomState,
}

/// A u128 would be aligned to 16 bytes, and an entry with its posting take 32 instead of 20.
#[derive(Clone, Copy, Debug)]
struct Entry {
    id: [u8; 16],
    posting: u32,
}

impl Entry {
    const fn number(&self) -> u128 {
        u128::from_ne_bytes(self.id)
    }
}

impl Ids {
    pub(crate) fn with_capacity(ids: usize) -> Ids {
        Ids {
            cells: Cells::with_capacity(ids),
            entries: Vec::with_capacity(ids),
            hasher: RandomState::default(),
        }
    }

    /// Adds an id; one that is here already keeps its posting.
    pub(crate) fn add(&mut self, id: u128, posting: u32) {
        self.entries.push(Entry { id: id.to_ne_bytes(), posting });
        if self.waiting().len() >= WAITING {
            self.settle();
        }
    }

    /// Puts those that wait into the cells.
    fn settle(&mut self) {
        let settled = self.cells.taken();
        let waiting = self.waiting();
        let hashes = waiting.iter().map(|entry| self.hash(*entry));
        std::hint::black_box(hashes.fold(0, |all, hash| all ^ self.cells.touch(hash)));
        for number in settled..self.entries.len() {
            let Some(entry) = self.entries.get(number).copied() else { break };
            if let Found::New(hash) = self.find(entry) {
                // Behind one that was here already, it moves up to where that was.
                self.entries.swap(self.cells.taken(), number);
                self.cells.add(hash);
            }
        }
        self.entries.truncate(self.cells.taken());
    }

    fn waiting(&self) -> &[Entry] {
        self.entries.get(self.cells.taken()..).unwrap_or_default()
    }

    pub(crate) fn get(&self, id: u128) -> Option<u32> {
        let wanted = Entry { id: id.to_ne_bytes(), posting: 0 };
        match self.find(wanted) {
            Found::Number(number) => self.entries.get(number).map(|entry| entry.posting),
            Found::New(_) => {
                let found = self.waiting().iter().find(|entry| entry.id == wanted.id);
                found.map(|entry| entry.posting)
            }
        }
    }

    /// In the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u128, u32)> {
        let settled = self.entries.get(..self.cells.taken()).unwrap_or_default().iter();
        let first = |entry: &&Entry| self.get(entry.number()) == Some(entry.posting);
        let waiting = self.waiting().iter().filter(first);
        settled.chain(waiting).map(|entry| (entry.number(), entry.posting))
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.cells.heap_bytes() + self.entries.capacity() * size_of::<Entry>()
    }

    fn find(&self, wanted: Entry) -> Found {
        let is_it = |number: usize| self.entries.get(number).is_some_and(|at| at.id == wanted.id);
        self.cells.find(self.hash(wanted), is_it)
    }

    fn hash(&self, entry: Entry) -> u64 {
        self.hasher.hash_one(entry.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_the_posting_that_it_had_first() {
        for mut ids in [Ids::with_capacity(0), Ids::with_capacity(3000)] {
            for n in 0..3000u32 {
                ids.add(u128::from(n) << 70, n);
                ids.add(u128::from(n / 2) << 70, u32::MAX);
            }
            assert!((0..3000).all(|n| ids.get(u128::from(n) << 70) == Some(n)));
            assert_eq!(ids.get(1), None);
            assert!(ids.iter().map(|(_, posting)| posting).eq(0..3000));
            // Also among those that wait.
            ids.add(7 << 71, 3000);
            ids.add(1, 3001);
            ids.add(1, 3002);
            assert_eq!((ids.get(7 << 71), ids.get(1)), (Some(14), Some(3001)));
            assert!(ids.iter().map(|(_, posting)| posting).eq((0..3000).chain([3001])));
            ids.settle();
            assert!(ids.iter().map(|(_, posting)| posting).eq((0..3000).chain([3001])));
        }
    }

    #[test]
    fn an_entry_takes_20_bytes() {
        assert_eq!(size_of::<Entry>(), 20);
    }
}

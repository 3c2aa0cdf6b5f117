//! The ids of a table, exact: each with the offset of the first event that had it.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::cells::{Cells, Found};

#[derive(Clone, Debug, Default)]
pub(crate) struct Ids {
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
        if let Found::New(hash) = self.find(id) {
            self.cells.add(hash);
            self.entries.push(Entry { id: id.to_ne_bytes(), posting });
        }
    }

    pub(crate) fn get(&self, id: u128) -> Option<u32> {
        match self.find(id) {
            Found::Number(number) => self.entries.get(number).map(|entry| entry.posting),
            Found::New(_) => None,
        }
    }

    /// In the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u128, u32)> {
        self.entries.iter().map(|entry| (u128::from_ne_bytes(entry.id), entry.posting))
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.cells.heap_bytes() + self.entries.capacity() * size_of::<Entry>()
    }

    fn find(&self, id: u128) -> Found {
        let bytes = id.to_ne_bytes();
        let is_it = |number: usize| self.entries.get(number).is_some_and(|at| at.id == bytes);
        self.cells.find(self.hasher.hash_one(id), is_it)
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
        }
    }

    #[test]
    fn an_entry_takes_20_bytes() {
        assert_eq!(size_of::<Entry>(), 20);
    }
}

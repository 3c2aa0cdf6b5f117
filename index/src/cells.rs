//! The cells of a hash map whose contents stand elsewhere, one after the other, and which
//! only grows: what [`Names`](crate::names::Names) and [`Ids`](crate::ids::Ids) are found by.
//!
//! The standard map keeps its contents in its cells, so that a look-up that is nowhere near
//! the one before misses the cache over as many bytes as all contents take, and growing moves
//! them all, milliseconds under the append lock. Here a cell is 8 bytes, and growing moves
//! cells alone.

use crate::bytes::narrow;

#[derive(Clone, Debug, Default)]
pub(crate) struct Cells {
    /// Open addressing with linear probing; a power of two, or none at all. Between a
    /// content's home and its cell there is no free cell. At most three of four are taken.
    cells: Vec<Cell>,
    taken: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    /// Part of the hash; its low bits are the home.
    hash: u32,
    /// The content's number plus one; 0 is a free cell.
    number: u32,
}

/// Something that was looked for: its number, or where it belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found {
    /// It has this number.
    Number(usize),
    /// It is new, with this hash.
    New(u32),
}

impl Cells {
    /// With room for so many.
    pub(crate) fn with_capacity(contents: usize) -> Cells {
        let mut cells = Cells::default();
        if contents != 0 {
            cells.grow((contents.saturating_add(contents / 3 + 1)).next_power_of_two());
        }
        cells
    }

    /// The content with this hash that `is_it` knows by its number.
    #[inline]
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Found {
        let hash = part(hash);
        for cell in self.probe(hash) {
            let Some(number) = cell.number.checked_sub(1) else { break };
            if cell.hash == hash && is_it(number as usize) {
                return Found::Number(number as usize);
            }
        }
        Found::New(hash)
    }

    /// Looks at the cell where a content with this hash would be, and makes nothing of it: of
    /// several contents that are about to be looked for, the cells come from memory together
    /// instead of one after the other. What it gives is to be used for nothing.
    #[inline]
    pub(crate) fn touch(&self, hash: u64) -> u32 {
        self.cells.get(home(part(hash), self.cells.len())).map_or(0, |cell| cell.hash)
    }

    /// Adds what `find` called new, with the hash that it gave. Numbers count up from 0 and
    /// stay below 2^32 - 1.
    pub(crate) fn add(&mut self, hash: u32) {
        if (self.taken + 1).saturating_mul(4) > self.cells.len().saturating_mul(3) {
            self.grow((self.cells.len() * 2).max(16));
        }
        self.taken += 1;
        put(&mut self.cells, Cell { hash, number: narrow(self.taken) });
    }

    /// How many were added.
    pub(crate) const fn taken(&self) -> usize {
        self.taken
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.cells.capacity() * size_of::<Cell>()
    }

    /// The cells from the home of a hash on, each once.
    #[inline]
    fn probe(&self, hash: u32) -> impl Iterator<Item = &Cell> {
        let home = home(hash, self.cells.len());
        let (before, after) = self.cells.split_at_checked(home).unwrap_or_default();
        after.iter().chain(before)
    }

    fn grow(&mut self, len: usize) {
        let mut cells = vec![Cell::default(); len];
        for cell in self.cells.iter().filter(|cell| cell.number != 0) {
            put(&mut cells, *cell);
        }
        self.cells = cells;
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }
}

/// The part of a hash that stands in a cell: the high half, since some hashes are weaker in
/// the low one.
fn part(hash: u64) -> u32 {
    let [_, _, _, _, a, b, c, d] = hash.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn home(hash: u32, cells: usize) -> usize {
    hash as usize & cells.saturating_sub(1)
}

/// Puts a cell into the first free place from its home on; there is one.
fn put(cells: &mut [Cell], cell: Cell) {
    let home = home(cell.hash, cells.len());
    let (before, after) = cells.split_at_mut_checked(home).unwrap_or_default();
    if let Some(free) = after.iter_mut().chain(before).find(|free| free.number == 0) {
        *free = cell;
    }
}

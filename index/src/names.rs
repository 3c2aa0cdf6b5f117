//! A hash map from names, which only grows: the streams and keys of a `Table`.
//!
//! The standard map would keep name and content in its cells: an allocation per name, and
//! milliseconds under the append lock whenever it grows. Here a cell is 8 bytes, names lie one
//! after the other in one string, and growing moves cells alone.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::bytes::narrow;

#[derive(Clone, Debug)]
pub(crate) struct Names<T> {
    /// Open addressing with linear probing; a power of two, or none at all. Between a name's
    /// home and its cell there is no free cell. At most three of four are taken.
    cells: Vec<Cell>,
    /// All names, one after the other.
    text: String,
    /// What was added, in that order: a name's number is its place here.
    entries: Vec<Entry<T>>,
    /// Seeded: nobody can choose names that collide.
    hasher: RandomState,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    /// Part of the name's hash; its low bits are the name's home.
    hash: u32,
    /// The name's number plus one; 0 is a free cell.
    number: u32,
}

/// Name and content together, so that a look-up misses the cache once for both.
#[derive(Clone, Debug)]
struct Entry<T> {
    /// Where the name stands in `text`, which is below 4 GiB (see `Table::insert`).
    start: u32,
    len: u32,
    content: T,
}

/// A name that was looked for: its number, or where it belongs.
pub(crate) enum Found {
    /// It has this number.
    Number(usize),
    /// It is new. To be handed to `Names::add`.
    New(u32),
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Names::with_capacity(0)
    }
}

impl<T> Names<T> {
    pub(crate) fn with_capacity(names: usize) -> Names<T> {
        let mut all = Names {
            cells: Vec::new(),
            text: String::new(),
            entries: Vec::with_capacity(names),
            hasher: RandomState::default(),
        };
        if names != 0 {
            all.grow((names.saturating_add(names / 3 + 1)).next_power_of_two());
        }
        all
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All names and what they have, in the order in which they were added.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.entries.iter().map(|entry| (self.name(entry), &entry.content))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        match self.find(name) {
            Found::Number(number) => self.entries.get(number).map(|entry| &entry.content),
            Found::New(_) => None,
        }
    }

    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut T> {
        self.entries.get_mut(number).map(|entry| &mut entry.content)
    }

    /// Whether this is the name with this number.
    pub(crate) fn is(&self, number: usize, name: &str) -> bool {
        self.entries.get(number).is_some_and(|entry| self.is_of(entry, name))
    }

    /// As bytes: where characters end needs no look.
    fn is_of(&self, entry: &Entry<T>, name: &str) -> bool {
        let start = entry.start as usize;
        let found = self.text.as_bytes().get(start..start + entry.len as usize);
        found == Some(name.as_bytes())
    }

    fn name(&self, entry: &Entry<T>) -> &str {
        let start = entry.start as usize;
        self.text.get(start..start + entry.len as usize).unwrap_or("")
    }

    pub(crate) fn find(&self, name: &str) -> Found {
        let hash = self.hash(name);
        for cell in self.probe(hash) {
            let Some(number) = cell.number.checked_sub(1) else { break };
            if cell.hash == hash
                && let Some(entry) = self.entries.get(number as usize)
                && self.is_of(entry, name)
            {
                return Found::Number(number as usize);
            }
        }
        Found::New(hash)
    }

    /// Adds a name that `find` has just called new, with this hash. All names must stay below
    /// 4 GiB and 2^32 - 1.
    pub(crate) fn add(&mut self, name: &str, hash: u32, content: T) {
        if (self.entries.len() + 1).saturating_mul(4) > self.cells.len().saturating_mul(3) {
            self.grow((self.cells.len() * 2).max(16));
        }
        self.entries.push(Entry {
            start: narrow(self.text.len()),
            len: narrow(name.len()),
            content,
        });
        self.text.push_str(name);
        let number = narrow(self.entries.len());
        put(&mut self.cells, Cell { hash, number });
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.cells.capacity() * size_of::<Cell>()
            + self.text.capacity()
            + self.entries.capacity() * size_of::<Entry<T>>()
    }

    /// The cells from the home of a hash on, each once.
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

    fn hash(&self, name: &str) -> u32 {
        let [_, _, _, _, a, b, c, d] = self.hasher.hash_one(name).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn number(names: &mut Names<u8>, name: &str) -> usize {
        match names.find(name) {
            Found::Number(number) => number,
            Found::New(hash) => {
                names.add(name, hash, 0);
                names.len() - 1
            }
        }
    }

    #[test]
    fn a_name_keeps_its_number_while_the_map_grows() {
        for mut names in
            [Names::with_capacity(0), Names::with_capacity(1), Names::with_capacity(5000)]
        {
            for n in 0..5000 {
                assert_eq!(number(&mut names, &format!("name-{n}")), n);
                assert_eq!(number(&mut names, &format!("name-{}", n / 2)), n / 2);
            }
            assert_eq!(names.len(), 5000);
            assert!(names.iter().nth(4321).is_some_and(|(name, _)| name == "name-4321"));
            assert!(names.cells.len() == 8192, "{}", names.cells.len());
        }
    }

    #[test]
    fn names_with_one_hash_never_mix() {
        // The caller's hash is taken as it is, so a collision can be made.
        let mut names = Names::with_capacity(0);
        let hash = names.hash("a");
        names.add("b", hash, 'b');
        assert!(matches!(names.find("a"), Found::New(h) if h == hash));
        names.add("a", hash, 'a');
        assert_eq!((names.get("a"), names.get("b")), (Some(&'a'), None));
    }

    #[test]
    fn the_empty_name_is_a_name() {
        let mut names = Names::with_capacity(0);
        assert!(matches!(names.find(""), Found::New(_)));
        assert_eq!(number(&mut names, "x"), 0);
        assert_eq!(number(&mut names, ""), 1);
        assert_eq!(number(&mut names, ""), 1);
        assert!(names.iter().map(|(name, _)| name).eq(["x", ""]));
    }
}

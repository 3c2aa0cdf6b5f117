//! A hash map from names, which only grows: the streams and keys of a `Table`.
//!
//! The standard map would need an allocation per name. Here names lie one after the other in
//! one string.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::bytes::narrow;
use crate::cells::{Cells, Found};

#[derive(Clone, Debug)]
pub(crate) struct Names<T> {
    cells: Cells,
    /// All names, one after the other.
    text: String,
    /// What was added, in that order: a name's number is its place here.
    entries: Vec<Entry<T>>,
    /// Seeded: nobody can choose names that collide.
    hasher: RandomState,
}

/// Name and content together, so that a look-up misses the cache once for both.
#[derive(Clone, Debug)]
struct Entry<T> {
    /// Where the name stands in `text`, which is below 4 GiB (see `Table::insert`).
    start: u32,
    len: u32,
    content: T,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Names::with_capacity(0)
    }
}

impl<T> Names<T> {
    pub(crate) fn with_capacity(names: usize) -> Names<T> {
        Names {
            cells: Cells::with_capacity(names),
            text: String::new(),
            entries: Vec::with_capacity(names),
            hasher: RandomState::default(),
        }
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
            Found::Number(number) => self.content(number),
            Found::New(_) => None,
        }
    }

    /// What the name with this number has.
    pub(crate) fn content(&self, number: usize) -> Option<&T> {
        self.entries.get(number).map(|entry| &entry.content)
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
        self.cells.find(self.hasher.hash_one(name), |number| self.is(number, name))
    }

    /// Adds a name that `find` has just called new, with this hash. All names must stay below
    /// 4 GiB and 2^32 - 1.
    pub(crate) fn add(&mut self, name: &str, hash: u32, content: T) {
        self.cells.add(hash);
        self.entries.push(Entry {
            start: narrow(self.text.len()),
            len: narrow(name.len()),
            content,
        });
        self.text.push_str(name);
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.cells.heap_bytes()
            + self.text.capacity()
            + self.entries.capacity() * size_of::<Entry<T>>()
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
        let Found::New(hash) = names.find("a") else { panic!() };
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

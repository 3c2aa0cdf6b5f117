//! States of aggregates that were used of late, kept in memory.
//!
//! What is kept may be behind the log, never ahead of it: whoever takes a state reads on from
//! its version, and an append expects exactly the version that it rests on.

use std::collections::HashMap;

use super::fold::Folded;
use crate::sync::Mutex;

/// At most `capacity` states. In two halves: when the newer one is full, the older one is
/// dropped; what is used moves to the newer one.
#[derive(Debug)]
pub(super) struct Cache<A> {
    capacity: usize,
    halves: Mutex<Halves<A>>,
}

#[derive(Debug)]
struct Halves<A> {
    newer: HashMap<String, Folded<A>>,
    older: HashMap<String, Folded<A>>,
}

impl<A: Clone> Cache<A> {
    pub(super) fn new(capacity: usize) -> Self {
        let halves = Halves { newer: HashMap::new(), older: HashMap::new() };
        Self { capacity, halves: Mutex::new(halves) }
    }

    pub(super) fn get(&self, stream: &str) -> Option<Folded<A>> {
        if self.capacity == 0 {
            return None;
        }
        let halves = self.halves.lock();
        halves.newer.get(stream).or_else(|| halves.older.get(stream)).cloned()
    }

    pub(super) fn put(&self, stream: &str, folded: &Folded<A>) {
        if self.capacity == 0 {
            return;
        }
        let mut halves = self.halves.lock();
        let halves = &mut *halves;
        let kept = halves.older.remove(stream);
        if let Some(kept) = halves.newer.get_mut(stream) {
            if kept.newness() < folded.newness() {
                *kept = folded.clone();
            }
            return;
        }
        if halves.newer.len() >= self.capacity.div_ceil(2) {
            halves.older = std::mem::take(&mut halves.newer);
        }
        let newest = kept.filter(|kept| kept.newness() >= folded.newness());
        halves.newer.insert(stream.to_owned(), newest.unwrap_or_else(|| folded.clone()));
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let halves = self.halves.lock();
        halves.newer.len() + halves.older.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(version: u64) -> Folded<u64> {
        Folded { state: version, version, ..Folded::default() }
    }

    #[test]
    fn it_keeps_no_more_than_its_capacity_and_what_is_used() {
        for capacity in [1, 2, 3, 10] {
            let cache = Cache::new(capacity);
            for n in 0..100_u64 {
                cache.put("hot", &folded(n + 1));
                cache.put(&n.to_string(), &folded(1));
                assert!(cache.len() <= capacity + 1, "{capacity}: {}", cache.len());
                if capacity > 2 {
                    assert_eq!(cache.get("hot").map(|kept| kept.version), Some(n + 1));
                }
            }
            assert!(cache.get("0").is_none());
        }
        let none = Cache::new(0);
        none.put("a", &folded(1));
        assert!(none.get("a").is_none());
    }

    #[test]
    fn an_older_state_does_not_take_the_place_of_a_newer_one() {
        let cache = Cache::new(2);
        cache.put("a", &folded(7));
        cache.put("a", &folded(6));
        assert_eq!(cache.get("a").map(|kept| kept.state), Some(7));
        // Also where the newer one is in the older half.
        cache.put("b", &folded(1));
        cache.put("a", &folded(5));
        assert_eq!(cache.get("a").map(|kept| kept.state), Some(7));
    }
}

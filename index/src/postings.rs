//! A growing list of offsets / 8 that costs no allocation while it is short.
//!
//! Most streams have a handful of events in one segment, and many other keys have one; a vector
//! for each would be an allocation more per new key on the append path, and twice the memory.

/// Up to `FEW` of them lie in place. Seven take four words, three take three (the least, since
/// the vector has as many).
#[derive(Clone, Debug)]
pub(crate) enum Postings<const FEW: usize> {
    Few { len: u8, at: [u32; FEW] },
    Many(Vec<u32>),
}

impl<const FEW: usize> Postings<FEW> {
    pub(crate) fn one(first: u32) -> Postings<FEW> {
        let mut few = Postings::Few { len: 0, at: [0; FEW] };
        few.push(first);
        few
    }

    /// Returns how many bytes more it takes on the heap now.
    pub(crate) fn push(&mut self, posting: u32) -> usize {
        match self {
            Postings::Few { len, at } => {
                if let Some(free) = at.get_mut(usize::from(*len)) {
                    *free = posting;
                    *len += 1;
                    return 0;
                }
                let mut many = Vec::with_capacity(2 * FEW + 2);
                many.extend_from_slice(at);
                many.push(posting);
                *self = Postings::Many(many);
                self.heap_bytes()
            }
            Postings::Many(many) => {
                let before = many.capacity();
                many.push(posting);
                (many.capacity() - before) * size_of::<u32>()
            }
        }
    }

    pub(crate) fn as_slice(&self) -> &[u32] {
        match self {
            Postings::Few { len, at } => at.get(..usize::from(*len)).unwrap_or(at),
            Postings::Many(many) => many,
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Postings::Few { .. } => 0,
            Postings::Many(many) => many.capacity() * size_of::<u32>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_order<const FEW: usize>() {
        let mut postings = Postings::<FEW>::one(0);
        let mut heap = 0;
        for n in 1..100 {
            assert_eq!(postings.as_slice().len(), n as usize);
            heap += postings.push(n);
            assert_eq!(heap, postings.heap_bytes());
        }
        assert!(postings.as_slice().iter().copied().eq(0..100));
    }

    #[test]
    fn what_was_pushed_is_there_in_order() {
        in_order::<7>();
        in_order::<3>();
    }

    #[test]
    fn short_lists_take_four_words_or_three() {
        assert_eq!(size_of::<Postings<7>>(), 32);
        assert_eq!(size_of::<Postings<3>>(), 24);
        assert_eq!(Postings::<7>::one(1).heap_bytes(), 0);
    }
}

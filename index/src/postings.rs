//! A growing list of offsets / 8 that costs no allocation while it is short.
//!
//! Most streams have a handful of events in one segment; a vector for each would be an
//! allocation more per new stream on the append path, and twice the memory.

/// Fits the vector's three words and a tag.
const FEW: usize = 7;

#[derive(Clone, Debug)]
pub(crate) enum Postings {
    Few { len: u8, at: [u32; FEW] },
    Many(Vec<u32>),
}

impl Postings {
    pub(crate) const fn one(first: u32) -> Postings {
        let mut at = [0; FEW];
        at[0] = first;
        Postings::Few { len: 1, at }
    }

    pub(crate) fn push(&mut self, posting: u32) {
        match self {
            Postings::Few { len, at } => {
                if let Some(free) = at.get_mut(usize::from(*len)) {
                    *free = posting;
                    *len += 1;
                } else {
                    let mut many = Vec::with_capacity(2 * FEW + 2);
                    many.extend_from_slice(at);
                    many.push(posting);
                    *self = Postings::Many(many);
                }
            }
            Postings::Many(many) => many.push(posting),
        }
    }

    pub(crate) fn as_slice(&self) -> &[u32] {
        match self {
            Postings::Few { len, at } => at.get(..usize::from(*len)).unwrap_or(at),
            Postings::Many(many) => many,
        }
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Postings::Few { .. } => 0,
            Postings::Many(many) => many.capacity() * size_of::<u32>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_is_there_in_order() {
        let mut postings = Postings::one(0);
        for n in 1..100 {
            assert_eq!(postings.as_slice().len(), n as usize);
            postings.push(n);
        }
        assert!(postings.as_slice().iter().copied().eq(0..100));
    }

    #[test]
    fn short_lists_take_four_words() {
        assert_eq!(size_of::<Postings>(), 32);
        assert_eq!(Postings::one(1).heap_bytes(), 0);
    }
}

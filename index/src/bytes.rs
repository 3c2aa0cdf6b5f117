//! The seam to whoever holds a run's bytes, and the small helpers to read and write fixed-width
//! numbers. Nothing of the format but its alignment.

use std::ops::Range;
use std::sync::Arc;

use crate::error::wide;
use crate::layout::ALIGN;

/// Bytes that somebody else holds: a vector, or a mapping that hands out parts only.
///
/// They must not change while a [`Run`](crate::Run) is open over them: a block is checked when
/// it is first touched, and trusted after that. (If they change nevertheless, answers may be
/// wrong; nothing panics.) May be asked from any number of threads at once if it is `Sync`.
///
/// ```
/// use annals_index::RunBytes;
///
/// let bytes = vec![1u8, 2, 3];
/// assert_eq!(bytes.slice(1..3), Some(&[2u8, 3][..]));
/// assert_eq!(bytes.slice(1..4), None);
/// ```
pub trait RunBytes {
    /// How many bytes there are.
    fn len(&self) -> usize;

    /// Part of them, or `None` if it is not all there. Never asked for more than a look-up
    /// needs: in practice 4 KiB, or a name.
    fn slice(&self, range: Range<usize>) -> Option<&[u8]>;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl RunBytes for [u8] {
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    fn slice(&self, range: Range<usize>) -> Option<&[u8]> {
        self.get(range)
    }
}

impl RunBytes for Vec<u8> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn slice(&self, range: Range<usize>) -> Option<&[u8]> {
        self.get(range)
    }
}

impl<T: RunBytes + ?Sized> RunBytes for Arc<T> {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn slice(&self, range: Range<usize>) -> Option<&[u8]> {
        (**self).slice(range)
    }
}

impl<T: RunBytes + ?Sized> RunBytes for &T {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn slice(&self, range: Range<usize>) -> Option<&[u8]> {
        (**self).slice(range)
    }
}

/// The u32 at `at`.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

/// The u64 at `at`.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
}

/// A slot of two u32.
pub(crate) const fn pair(slot: &[u8; 8]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = *slot;
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

/// Zeros up to the next place where a section may start.
pub(crate) fn align(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(ALIGN), 0);
}

/// A count or a place as it stands in a run. `Table::insert` proves that all of them fit; if one
/// did not, the run would contradict itself and be refused at its opening, not be wrong.
pub(crate) fn narrow(n: usize) -> u32 {
    u32::try_from(wide(n)).unwrap_or(u32::MAX)
}

//! Reading and writing integers at an offset, checked.

/// Reads `N` bytes at `at`.
#[inline]
pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

macro_rules! integers {
    ($($get:ident $put:ident $int:ty),*) => {$(
        #[inline]
        pub(crate) fn $get(bytes: &[u8], at: usize) -> Option<$int> {
            array_at(bytes, at).map(<$int>::from_le_bytes)
        }

        /// Writes at `at`. Headers are made in arrays of their layout's length, so there
        /// is always room; were there none, the header's checksum would show it.
        #[allow(dead_code)]
        pub(crate) fn $put(bytes: &mut [u8], at: usize, value: $int) {
            debug_assert!(bytes.len() >= at + size_of::<$int>());
            if let Some(room) = bytes.get_mut(at..at + size_of::<$int>()) {
                room.copy_from_slice(&value.to_le_bytes());
            }
        }
    )*};
}

integers!(
    u16_at put_u16 u16,
    u32_at put_u32 u32,
    u64_at put_u64 u64,
    i16_at put_i16 i16,
    i64_at put_i64 i64,
    u128_at put_u128 u128
);

/// Writes bytes at `at`, with the same promise as the integers.
pub(crate) fn put_bytes(bytes: &mut [u8], at: usize, value: &[u8]) {
    debug_assert!(bytes.len() >= at + value.len());
    if let Some(room) = bytes.get_mut(at..at + value.len()) {
        room.copy_from_slice(value);
    }
}

/// A `usize` as the `u64` that it always fits in.
pub(crate) const fn wide(value: usize) -> u64 {
    const { assert!(usize::BITS <= u64::BITS) };
    value as u64
}

/// A `u32` as the `usize` that it always fits in.
pub(crate) const fn size(value: u32) -> usize {
    const { assert!(usize::BITS >= u32::BITS) };
    value as usize
}

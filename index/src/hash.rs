//! The hashes that stand in run files.
//!
//! They are part of the format: the same in every process, on every machine, in every version
//! that writes `layout::VERSION` 1. So there is no seed, and somebody who chooses ids or names
//! can fill one bucket; that makes look-ups of those slower (by the length of the bucket), never
//! wrong. The hash maps of `Table` do not use these, they are seeded.

/// 2^64 divided by the golden ratio: bits without structure, so that zeros do not stay zeros.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of MurmurHash3 (64 bits): a bijection in which every bit of the input changes
/// every bit of the output with a chance close to one half.
pub(crate) const fn mix(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// Hash of an id: its high half is mixed into its low half, and both again.
pub(crate) fn of_id(id: u128) -> u64 {
    let [low, high] = halves(id);
    mix(low ^ mix(high.wrapping_add(STEP)))
}

/// Hash of a name of this kind: eight bytes at a time, seeded with the kind and the length, so
/// that a name padded with zeros is another one.
pub(crate) fn of_name(kind: u8, name: &str) -> u64 {
    let (words, rest) = name.as_bytes().as_chunks::<8>();
    let length = u64::try_from(name.len()).unwrap_or(u64::MAX);
    let mut hash = mix((length ^ (u64::from(kind) << 56)).wrapping_add(STEP));
    for word in words {
        hash = mix(hash ^ u64::from_le_bytes(*word)).wrapping_add(STEP);
    }
    let last = rest.iter().rev().fold(0, |word, &byte| (word << 8) | u64::from(byte));
    mix(hash ^ last)
}

/// Low and high 64 bits.
const fn halves(id: u128) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = id.to_le_bytes();
    [u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes(rest)]
}

/// The part of a hash that stands in a slot.
pub(crate) const fn fingerprint(hash: u64) -> u32 {
    low(hash)
}

/// The bucket of a hash among `buckets`: its high half, scaled.
pub(crate) fn bucket(hash: u64, buckets: u32) -> u32 {
    low(((hash >> 32) * u64::from(buckets)) >> 32)
}

const fn low(x: u64) -> u32 {
    let [a, b, c, d, ..] = x.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These values stand in files: if this test fails, the format has changed.
    #[test]
    fn hashes_are_pinned() {
        assert_eq!(of_id(0), PINNED[0]);
        assert_eq!(of_id(0x0123_4567_89ab_cdef_0011_2233_4455_6677), PINNED[1]);
        assert_eq!(of_name(0, ""), PINNED[2]);
        assert_eq!(of_name(0, "account-1"), PINNED[3]);
        assert_eq!(of_name(8, "account-1"), PINNED[5]);
        assert_eq!(of_name(0, "ärger-ünicode-longer"), PINNED[4]);
    }

    /// Computed by another program.
    const PINNED: [u64; 6] = [
        0x6393_d51c_06c6_18dc,
        0xb231_7dc6_8706_9ccf,
        0x6393_d51c_06c6_18dc,
        0xe6b3_23ab_d38e_f1cf,
        0x3aa7_faa8_b675_2587,
        0xf3c7_92cb_2a4a_ab66,
    ];

    #[test]
    fn neighbours_spread_over_the_buckets() {
        let mut fill = [0u32; 64];
        for n in 0..64_000u128 {
            fill[bucket(of_id(n << 80), 64) as usize] += 1;
        }
        assert!(fill.iter().all(|&n| (800..1200).contains(&n)), "{fill:?}");
        let mut fill = [0u32; 64];
        for n in 0..64_000 {
            fill[bucket(of_name(0, &format!("account-{n}")), 64) as usize] += 1;
        }
        assert!(fill.iter().all(|&n| (800..1200).contains(&n)), "{fill:?}");
    }

    #[test]
    fn the_last_bucket_is_in_range() {
        assert_eq!(bucket(u64::MAX, 7), 6);
        assert_eq!(bucket(u64::MAX, u32::MAX), u32::MAX - 1);
        assert_eq!(bucket(u64::MAX, 1), 0);
        assert_eq!(bucket(0, 7), 0);
    }

    #[test]
    fn a_padded_name_is_another_one() {
        assert_ne!(of_name(0, "a"), of_name(0, "a\0"));
        assert_ne!(of_name(0, ""), of_name(0, "\0"));
        assert_ne!(of_name(0, "12345678"), of_name(0, "12345678\0"));
    }
}

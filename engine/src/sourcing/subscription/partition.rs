//! Which streams are whose, where several consumers share a subscription.

/// The partition of a stream, of `partitions` in all: a number below that, the same in every
/// version. Of no partitions it is 0.
///
/// The hash is FNV-1a of the name's bytes with 64 bits, finished as MurmurHash3 finishes its
/// 64 bits; of the product of the hash and `partitions` the upper 64 bits are the number.
///
/// ```
/// use annals::sourcing::partition_of;
/// assert!(partition_of("order-17", 4) < 4);
/// assert_eq!(partition_of("order-17", 1), 0);
/// ```
pub fn partition_of(stream: &str, partitions: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in stream.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
    }
    hash ^= hash >> 33;
    let product = u128::from(hash) * u128::from(partitions);
    u64::try_from(product >> u64::BITS).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::partition_of;

    #[test]
    fn the_hash_is_the_one_that_is_written_down() {
        let found = ["", "a", "order-17", "b\u{e4}r"].map(|name| partition_of(name, 1 << 32));
        assert_eq!(found, GOLDEN);
    }

    /// Computed by another program.
    const GOLDEN: [u64; 4] = [4023394144, 2191698264, 1301975962, 3848995906];

    #[test]
    fn partitions_are_about_equally_large() {
        let mut counts = [0_u32; 7];
        for n in 0..7_000 {
            let partition = usize::try_from(partition_of(&format!("order-{n}"), 7)).unwrap();
            counts[partition] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }
}

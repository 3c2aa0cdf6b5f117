//! Numbers for the simulation: reproducible randomness, content digests and
//! conversions between lengths.
//!
//! Written out here so that a seed means the same run on every machine and with
//! every version of every crate. Nothing here is fit for secrets.

/// The odd constant of the golden ratio, by which the counters step.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// A file offset or count as an index into memory. What does not fit cannot be
/// in memory either, so that the largest index stands for it.
pub(super) fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// A length in memory as a file offset or count.
pub(super) fn count(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// Spreads every bit of `value` over the result (the finaliser of SplitMix64).
/// Different values give different results.
pub(super) fn spread(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// A reproducible sequence of numbers (SplitMix64).
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    state: u64,
}

impl Numbers {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: spread(seed) }
    }

    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        spread(self.state)
    }

    /// A number below `limit`; 0 if that is 0. The slight unevenness of a
    /// remainder is of no matter to a test.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next().checked_rem(limit).unwrap_or(0)
    }
}

/// The source of [`Storage::random`](crate::io::Storage::random).
#[derive(Debug, Clone)]
pub(super) struct Draws {
    seed: u64,
    drawn: u64,
}

impl Draws {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    /// 128 bits that this source never gave before: the upper half is a one-to-one
    /// image of the counter.
    pub(super) fn draw(&mut self) -> u128 {
        self.drawn = self.drawn.wrapping_add(1);
        let place = self.seed.wrapping_add(self.drawn.wrapping_mul(STEP));
        (u128::from(spread(place)) << 64) | u128::from(spread(spread(place) ^ self.seed))
    }

    /// Leaves the numbers of this life behind, so that a crashed disk and the
    /// same disk uncrashed go on with different ones.
    pub(super) fn next_life(&mut self) {
        self.drawn = (self.drawn | u64::from(u32::MAX)).wrapping_add(1);
    }
}

/// Collects a 128-bit digest. Two lanes with different constants; good against
/// chance, not against an adversary.
#[derive(Debug, Clone)]
pub(super) struct Digest {
    first: u64,
    second: u64,
}

impl Digest {
    pub(super) fn new() -> Self {
        Self { first: STEP, second: 0xC2B2_AE3D_27D4_EB4F }
    }

    pub(super) fn word(&mut self, word: u64) {
        self.first = (self.first ^ word).wrapping_mul(0xFF51_AFD7_ED55_8CCD).rotate_left(31);
        self.second =
            (self.second.rotate_left(27) ^ word).wrapping_mul(0xC4CE_B9FE_1A85_EC53) ^ self.first;
    }

    /// Takes in bytes, and their number, so that neighbours cannot be confused.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.word(count(bytes.len()));
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.word(u64::from(*byte));
        }
    }

    pub(super) fn digest(&mut self, other: u128) {
        let bytes = other.to_le_bytes();
        let (words, _) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
    }

    pub(super) fn finish(&self) -> u128 {
        let first = spread(self.first ^ self.second.rotate_left(32));
        let second = spread(self.second.wrapping_add(first));
        (u128::from(first) << 64) | u128::from(second)
    }
}

//! How long calls took, in little memory: each power of two of nanoseconds is cut into 64
//! parts, so that a percentile is off by less than one in 64.

use std::time::Duration;

const PART_BITS: u32 = 6;
const PARTS: u64 = 1 << PART_BITS;

/// Counts of calls by how long they took.
///
/// ```
/// use std::time::Duration;
/// use annals_benches::histogram::Histogram;
/// let mut took = Histogram::default();
/// (1..=100).for_each(|millis| took.add(Duration::from_millis(millis)));
/// let off = took.percentile(99).unwrap().as_secs_f64() / 0.099;
/// assert!((0.98..1.02).contains(&off));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// Adds a call.
    pub fn add(&mut self, took: Duration) {
        self.add_nanos(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds a call of so many nanoseconds.
    pub fn add_nanos(&mut self, nanos: u64) {
        let slot = slot_of(nanos);
        if slot >= self.counts.len() {
            self.counts.resize(slot + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(slot) {
            *count += 1;
            self.total += 1;
        }
    }

    /// How many calls were added.
    pub const fn len(&self) -> u64 {
        self.total
    }

    /// Whether none was.
    pub const fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// So many of 100 calls took no longer; `None` if there was none.
    pub fn percentile(&self, percent: u64) -> Option<Duration> {
        let rank = self.total.saturating_mul(percent).div_ceil(100).max(1);
        let mut below = 0;
        for (slot, count) in self.counts.iter().enumerate() {
            below += count;
            if below >= rank {
                return Some(Duration::from_nanos(middle_of(u64::try_from(slot).ok()?)));
            }
        }
        None
    }
}

fn slot_of(nanos: u64) -> usize {
    let shift = (u64::BITS - nanos.leading_zeros()).saturating_sub(PART_BITS + 1);
    usize::try_from(u64::from(shift) * PARTS + (nanos >> shift)).unwrap_or(usize::MAX)
}

/// The time in the middle of a slot.
const fn middle_of(slot: u64) -> u64 {
    let shift = (slot / PARTS).saturating_sub(1);
    ((slot - shift * PARTS) << shift) + ((1 << shift) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_comes_back_to_one_in_64() {
        for nanos in (0..2000).chain([4095, 4096, 1_000_003, u64::MAX / 2]) {
            let back = middle_of(u64::try_from(slot_of(nanos)).unwrap());
            assert!(back.abs_diff(nanos) <= nanos / 64, "{nanos} came back as {back}");
        }
    }

    #[test]
    fn percentiles_are_ranks() {
        let mut took = Histogram::default();
        assert!(took.percentile(50).is_none() && took.is_empty());
        (0..98).for_each(|_| took.add_nanos(10));
        (0..2).for_each(|_| took.add_nanos(1000));
        assert_eq!(took.percentile(98), Some(Duration::from_nanos(10)));
        assert!(took.percentile(99).unwrap() >= Duration::from_nanos(990));
        assert_eq!(took.len(), 100);
    }
}

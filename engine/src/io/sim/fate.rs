//! Who decides what a power cut keeps: the trait and the ready-made choosers.
//!
//! They see units, never bytes; `inode` and `directory` carry the verdicts out.

use super::numbers::{Numbers, count, index};
use super::units::{SECTOR_BYTES, Unit, UnitKind, Verdict};

/// How a life of the simulated process ends: the argument of
/// [`SimStorage::crash`](super::SimStorage::crash).
pub enum Crash<'a> {
    /// The process is killed: all that was written stays as it is, and what was
    /// pending stays pending, for a later power cut to lose.
    Kill,
    /// The power goes: of what is pending, only what the chooser keeps survives,
    /// and that is durable from then on.
    PowerCut(&'a mut dyn Fate),
}

impl std::fmt::Debug for Crash<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Kill => "Kill",
            Self::PowerCut(_) => "PowerCut",
        })
    }
}

/// Chooses what survives a power cut. Closures of the same shape are choosers.
///
/// The [module](super) has an example.
pub trait Fate {
    /// What becomes of the unit at `place` of
    /// [`pending_units`](super::SimStorage::pending_units), counted from 0. Asked
    /// once for each unit, in that order.
    fn decide(&mut self, place: usize, unit: &Unit) -> Verdict;
}

impl<F: FnMut(usize, &Unit) -> Verdict> Fate for F {
    fn decide(&mut self, place: usize, unit: &Unit) -> Verdict {
        self(place, unit)
    }
}

/// Loses everything that is pending: the least that a disk which honours flush can
/// keep.
///
/// The [module](super) has an example.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoseAll;

impl Fate for LoseAll {
    fn decide(&mut self, _place: usize, _unit: &Unit) -> Verdict {
        Verdict::Lose
    }
}

/// Keeps everything that is pending.
///
/// The [module](super) has an example.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeepAll;

impl Fate for KeepAll {
    fn decide(&mut self, _place: usize, _unit: &Unit) -> Verdict {
        Verdict::Keep
    }
}

/// Keeps the units whose bits are set: bit 0 is the first of
/// [`pending_units`](super::SimStorage::pending_units). Units from the 65th on are
/// lost.
///
/// ```
/// use annals::io::Storage;
/// use annals::io::sim::{Mask, SimStorage};
/// let disk = SimStorage::new();
/// disk.write_file("log", &[b'.'; 1024]);
/// disk.open("log", true)?.write_all_at(&[b'x'; 1024], 0)?;
/// // Two sectors are pending: four things can be found after a power cut.
/// assert_eq!(disk.pending_units().len(), 2);
/// let found: Vec<_> = (0..4)
///     .map(|mask| {
///         let fork = disk.fork();
///         fork.power_cut(Mask(mask));
///         let bytes = fork.read_file("log").unwrap_or_default();
///         [bytes.first().copied(), bytes.last().copied()].map(|byte| byte == Some(b'x'))
///     })
///     .collect();
/// assert_eq!(found, [[false, false], [true, false], [false, true], [true, true]]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Mask(pub u64);

impl Fate for Mask {
    fn decide(&mut self, place: usize, _unit: &Unit) -> Verdict {
        let bit = u32::try_from(place).ok().and_then(|place| self.0.checked_shr(place));
        if bit.is_some_and(|bits| bits & 1 == 1) { Verdict::Keep } else { Verdict::Lose }
    }
}

/// Chooses by a seed: the same seed and the same units give the same verdicts on
/// every machine. How much is kept differs from seed to seed, from nothing to
/// everything; where something is lost, some sectors are torn or garbled.
///
/// The [guide to testing](crate::guide::testing#crashes) has an example.
#[derive(Debug, Clone)]
pub struct Seeded {
    numbers: Numbers,
    /// How many of eight units are kept.
    kept_of_eight: u64,
}

impl Seeded {
    /// The chooser of this seed.
    pub fn new(seed: u64) -> Self {
        let mut numbers = Numbers::new(seed);
        // The extremes are worth more than their share: losing all and keeping all
        // are what most bugs need.
        let kept_of_eight = match numbers.below(8) {
            0 => 0,
            1 => 8,
            2 | 3 => 1,
            4 | 5 => 7,
            _ => 4,
        };
        Self { numbers, kept_of_eight }
    }
}

impl Fate for Seeded {
    fn decide(&mut self, _place: usize, unit: &Unit) -> Verdict {
        let roll = self.numbers.below(64);
        let sector = matches!(unit.kind, UnitKind::Sector { .. });
        if roll < self.kept_of_eight * 8 {
            Verdict::Keep
        } else if sector && self.kept_of_eight > 0 && roll.is_multiple_of(4) {
            Verdict::Tear(index(self.numbers.below(count(SECTOR_BYTES))))
        } else if sector && self.kept_of_eight > 0 && roll % 4 == 1 {
            Verdict::Garble(self.numbers.next())
        } else {
            Verdict::Lose
        }
    }
}

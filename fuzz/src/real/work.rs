//! What a writer appends: batches that follow from seed, life, writer and number, so
//! that who watches can make them again and knows each event by its id.

use crate::numbers::{Numbers, digest, wide};
use crate::told::{Entry, Fold, Told};

/// The stream that all writers share.
pub const SHARED: &str = "shared-1";

/// The named state that all writers share.
pub const STATE: &str = "sums";

/// The number that stands for the parent among the writers.
pub const PARENT: u16 = u16::MAX;

/// One batch: whose it is, and the how-manieth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Work {
    /// Of the whole run.
    pub seed: u64,
    /// Each child that is started in a directory is another life.
    pub life: u32,
    /// Who appends it.
    pub writer: u16,
    /// The first one is 1.
    pub number: u32,
}

/// What a batch is made of.
#[derive(Debug, Clone, Copy)]
struct Shape {
    /// Length of each event of the writer's own stream.
    own: &'static [usize],
    /// Length of each event of the shared stream; they come first.
    shared: &'static [usize],
    key: bool,
    snapshot: bool,
    state: bool,
}

const NOTHING: Shape = Shape { own: &[], shared: &[], key: false, snapshot: false, state: false };

impl Work {
    /// Numbers for this batch and a purpose.
    pub fn numbers(&self, purpose: u64) -> Numbers {
        Numbers::new(digest(&(self, purpose)))
    }

    /// Whether this life appends large events, whose writes take long enough for a
    /// signal to come in the middle.
    pub fn is_heavy(&self) -> bool {
        digest(&(self.seed, self.life, "heavy")).is_multiple_of(5)
    }

    /// Whether it is one of those large ones.
    pub fn is_large(&self) -> bool {
        self.shape().own.first().is_some_and(|len| *len >= 100 << 10)
    }

    fn shape(&self) -> Shape {
        let kinds = if self.is_heavy() { 18 } else { 16 };
        match self.numbers(0).below(kinds) {
            16 => Shape { own: &[2 << 20, 3], ..NOTHING },
            17 => Shape { own: &[100 << 10], shared: &[200 << 10], key: true, ..NOTHING },
            0..=4 => Shape { own: &[24], ..NOTHING },
            5..=6 => Shape { own: &[300], ..NOTHING },
            7 => Shape { own: &[700, 1], ..NOTHING },
            8 => Shape { shared: &[90], ..NOTHING },
            9 => Shape { shared: &[700], key: true, ..NOTHING },
            10 => Shape { shared: &[40, 0], own: &[10, 500, 60], ..NOTHING },
            11 => Shape { own: &[12 << 10], ..NOTHING },
            12 => Shape { own: &[50], key: true, ..NOTHING },
            13 => Shape { own: &[60], snapshot: true, ..NOTHING },
            14 => Shape { own: &[7], state: true, ..NOTHING },
            _ => Shape { own: &[30, 900], shared: &[80], key: true, snapshot: true, state: true },
        }
    }

    /// The name of the stream that only this writer appends to, in all lives.
    pub fn own_stream(&self) -> String {
        format!("own-{}", self.writer)
    }

    /// How many events of the writer's own stream it has.
    pub fn own_events(&self) -> u64 {
        wide(self.shape().own.len())
    }

    /// How many events of the shared stream it has, before those of the own one.
    pub fn shared_events(&self) -> u64 {
        wide(self.shape().shared.len())
    }

    /// The batch, where the writer's own stream is at that version before it.
    pub fn entry(&self, own_version: u64) -> Entry {
        let shape = self.shape();
        let own = self.own_stream();
        let lens = shape.shared.iter().map(|len| (SHARED, *len));
        let lens = lens.chain(shape.own.iter().map(|len| (&*own, *len)));
        let events =
            (0..).zip(lens).map(|(index, (stream, len))| Told::make(stream, self.id(index), len));
        let mut entry = Entry::of(events.collect());
        if shape.snapshot {
            let version = own_version + self.own_events();
            entry.folds.push(Fold::make(false, &own, version, 200));
        }
        if shape.state {
            entry.folds.push(Fold::make(true, STATE, self.number.into(), 120));
        }
        entry.key =
            shape.key.then(|| format!("key-{}-{}-{}", self.life, self.writer, self.number).into());
        entry
    }

    /// The id of one of its events.
    pub fn id(&self, index: u8) -> u128 {
        let seed = u128::from(digest(&self.seed) & 0xFFFF_FFFF);
        let place = u128::from(self.life) << 32 | u128::from(self.number);
        seed << 96 | place << 32 | u128::from(self.writer) << 16 | u128::from(index)
    }

    /// Which batch has an event with this id, and which of its events that is.
    pub fn of(id: u128, seed: u64) -> Option<(Self, u8)> {
        let half = |shift: u32| u32::try_from(id >> shift & 0xFFFF_FFFF).ok();
        let writer = u16::try_from(id >> 16 & 0xFFFF).ok()?;
        let index = u8::try_from(id & 0xFFFF).ok()?;
        let work = Self { seed, life: half(64)?, writer, number: half(32)? };
        (work.id(index) == id).then_some((work, index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_known_by_the_ids_of_its_events() {
        for number in 1..200 {
            let work = Work { seed: 7, life: number * 3, writer: PARENT, number };
            for (index, told) in (0..).zip(&work.entry(0).events) {
                assert_eq!(Work::of(told.id, 7), Some((work, index)));
                assert_eq!(Work::of(told.id, 8), None);
            }
        }
    }
}

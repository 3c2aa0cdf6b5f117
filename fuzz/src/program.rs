//! The language of operations: what a program does to a log, how programs are
//! enumerated, drawn from a seed, written down and read back.
//!
//! What an operation means is in `run`; nothing here touches a log.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use annals::Durability;

use crate::numbers::{Numbers, narrow, wide};

/// What an append carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    /// `S`: one small event.
    Small,
    /// `X`: one event of 700 bytes, across a sector.
    Sector,
    /// `B`: three events of two streams.
    Batch,
    /// `R`: an event that fills a segment, so that the log rolls unless the active
    /// segment is empty.
    Roll,
    /// `N`: a snapshot alone; nothing if its stream has no event.
    Snapshot,
    /// `Z`: a named state alone.
    State,
    /// `Q`: a key alone.
    Key,
    /// `L`: a key and an event.
    Keyed,
    /// `M`: events of two streams, a snapshot that they lead to, a state and a key.
    Mixed,
}

const WHATS: [(What, &str); 9] = [
    (What::Small, "S"),
    (What::Sector, "X"),
    (What::Batch, "B"),
    (What::Roll, "R"),
    (What::Snapshot, "N"),
    (What::State, "Z"),
    (What::Key, "Q"),
    (What::Keyed, "L"),
    (What::Mixed, "M"),
];

/// One step of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// An append: durable, with `w` behind it written, with `b` buffered.
    Append(What, Durability),
    /// `I`: submits three small batches, durable, written and buffered, and waits for
    /// the last two.
    Tickets,
    /// `J`: submits two small batches buffered and one durable, and drops all tickets.
    Dropped,
    /// `Y`: makes everything durable.
    Sync,
    /// `V`: reads everything that was acknowledged.
    View,
    /// `C`: appends with a wrong expectation, which must be refused.
    Conflict,
    /// `A`: appends the last batch again, which must be recognised, or committed if a
    /// crash took it.
    Again,
    /// `O`: closes the log and opens it.
    Reopen,
    /// `K`: kills the process and opens the log.
    Kill,
    /// `T`: reads on with a cursor of each visibility, and keeps their checkpoints.
    Tail,
    /// `P<seed>`: cuts the power and opens the log.
    Cut(u16),
    /// `D<call>.<seed>`: appends or syncs, dies at that call of it, cuts the power
    /// and opens the log; of some seeds the first opening is cut off as well.
    Die(u8, u16),
}

const fn durable(what: What) -> Op {
    Op::Append(what, Durability::Durable)
}

/// The steps of which short programs are made.
pub const STEPS: [Op; 14] = [
    durable(What::Small),
    durable(What::Sector),
    durable(What::Batch),
    Op::Append(What::Small, Durability::Written),
    Op::Sync,
    durable(What::Roll),
    durable(What::Snapshot),
    Op::Reopen,
    durable(What::Mixed),
    Op::Append(What::Sector, Durability::Buffered),
    Op::Append(What::Key, Durability::Written),
    Op::Again,
    Op::Kill,
    Op::Tail,
];

/// The first so many of them are those of which the longest of these programs are made.
pub const CORE: usize = 8;

/// The steps that are written as one letter.
const LETTERS: [(Op, &str); 9] = [
    (Op::Tickets, "I"),
    (Op::Dropped, "J"),
    (Op::Sync, "Y"),
    (Op::View, "V"),
    (Op::Conflict, "C"),
    (Op::Again, "A"),
    (Op::Reopen, "O"),
    (Op::Kill, "K"),
    (Op::Tail, "T"),
];

/// A list of steps on a log that does not exist yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Program(pub Vec<Op>);

impl Program {
    /// How many programs of this length [`nth`](Self::nth) knows, of so many kinds of
    /// [`STEPS`].
    pub fn count(kinds: usize, steps: u32) -> u64 {
        wide(kinds).saturating_pow(steps)
    }

    /// The program with this number among all of its length.
    pub fn nth(kinds: usize, steps: u32, number: u64) -> Self {
        let base = wide(kinds);
        let mut left = number;
        let digits = (0..steps).filter_map(|_| {
            let digit = left % base;
            left /= base;
            STEPS.get(narrow(digit)).copied()
        });
        let mut ops: Vec<_> = digits.collect();
        ops.reverse();
        Self(ops)
    }

    /// A program of up to so many steps, with crashes in it, drawn from a seed.
    pub fn random(seed: u64, longest: u64) -> Self {
        let mut numbers = Numbers::new(seed);
        let len = 4 + numbers.below(longest.saturating_sub(3));
        Self((0..len).map(|_| Self::random_op(&mut numbers)).collect())
    }

    /// A program of about 200 steps: one to four crashes, one more within recovery, and
    /// one kill after which the log is served before the power goes.
    pub fn long(seed: u64) -> Self {
        let mut numbers = Numbers::new(seed);
        let mut ops: Vec<Op> = std::iter::repeat_with(|| Self::random_op(&mut numbers))
            .filter(|op| !matches!(op, Op::Kill | Op::Cut(_) | Op::Die(..)))
            .take(LONG)
            .collect();
        let mut crashes = vec![vec![Op::Kill, Op::Cut(word(numbers.next()))]];
        // Of even seeds, the first opening after the death is cut off.
        crashes.push(vec![Op::Die(call(&mut numbers), word(numbers.next()) & !1)]);
        for _ in 0..=numbers.below(4) {
            crashes.push(vec![match numbers.below(3) {
                0 => Op::Kill,
                1 => Op::Cut(word(numbers.next())),
                _ => Op::Die(call(&mut numbers), word(numbers.next()) | 1),
            }]);
        }
        for crash in crashes {
            let at = narrow(numbers.below(wide(ops.len()) + 1));
            ops.splice(at..at, crash);
        }
        Self(ops)
    }

    fn random_op(numbers: &mut Numbers) -> Op {
        let what = match numbers.below(16) {
            0..=3 => What::Small,
            4..=5 => What::Sector,
            6..=7 => What::Batch,
            8 => What::Roll,
            9 => What::Snapshot,
            10 => What::State,
            11 => What::Key,
            12..=13 => What::Keyed,
            _ => What::Mixed,
        };
        let level = match numbers.below(4) {
            0 => Durability::Buffered,
            1 => Durability::Written,
            _ => Durability::Durable,
        };
        match numbers.below(32) {
            0..=15 => Op::Append(what, level),
            16 => Op::Tickets,
            17 => Op::Dropped,
            18 => Op::Sync,
            19 => Op::View,
            20 => Op::Conflict,
            21..=22 => Op::Again,
            23 => Op::Reopen,
            24..=25 => Op::Kill,
            26..=27 => Op::Tail,
            28..=29 => Op::Cut(word(numbers.next())),
            _ => Op::Die(call(numbers), word(numbers.next())),
        }
    }

    /// The program without some of its steps.
    #[must_use]
    pub fn without(&self, steps: Range<usize>) -> Self {
        let kept = self.0.iter().enumerate().filter(|(at, _)| !steps.contains(at));
        Self(kept.map(|(_, op)| *op).collect())
    }
}

/// How many steps a long program has beside its crashes.
const LONG: usize = 194;

/// At which of its calls a step dies.
fn call(numbers: &mut Numbers) -> u8 {
    u8::try_from(1 + numbers.below(4)).unwrap_or(1)
}

fn word(number: u64) -> u16 {
    u16::try_from(number & 0xFFFF).unwrap_or(0)
}

impl fmt::Display for Op {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Append(what, level) => {
                let letter = WHATS.iter().find(|(of, _)| of == what).map(|(_, letter)| *letter);
                let suffix = match level {
                    Durability::Buffered => "b",
                    Durability::Written => "w",
                    _ => "",
                };
                write!(out, "{}{suffix}", letter.unwrap_or("?"))
            }
            Self::Cut(seed) => write!(out, "P{seed}"),
            Self::Die(call, seed) => write!(out, "D{call}.{seed}"),
            op => {
                let letter = LETTERS.iter().find(|(of, _)| of == op).map(|(_, letter)| *letter);
                out.write_str(letter.unwrap_or("?"))
            }
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, op) in self.0.iter().enumerate() {
            let space = if at > 0 { " " } else { "" };
            write!(out, "{space}{op}")?;
        }
        Ok(())
    }
}

impl FromStr for Op {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("no operation is written {text:?}");
        if let Some((op, _)) = LETTERS.iter().find(|(_, letter)| *letter == text) {
            return Ok(*op);
        }
        let (letter, level) = match text.as_bytes() {
            [_, b'b'] => (text.trim_end_matches('b'), Durability::Buffered),
            [_, b'w'] => (text.trim_end_matches('w'), Durability::Written),
            _ => (text, Durability::Durable),
        };
        if let Some((what, _)) = WHATS.iter().find(|(_, of)| *of == letter) {
            return Ok(Self::Append(*what, level));
        }
        if let Some(seed) = text.strip_prefix('P') {
            return seed.parse().map(Self::Cut).map_err(|_| unknown());
        }
        let (call, seed) =
            text.strip_prefix('D').and_then(|rest| rest.split_once('.')).ok_or_else(unknown)?;
        let (call, seed) = (call.parse(), seed.parse());
        call.ok().zip(seed.ok()).map(|(call, seed)| Self::Die(call, seed)).ok_or_else(unknown)
    }
}

impl FromStr for Program {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split_whitespace().map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_read_back_as_it_was_written() {
        for seed in 0..200 {
            for program in [Program::random(seed, 40), Program::long(seed)] {
                assert_eq!(program.to_string().parse::<Program>().unwrap(), program);
            }
        }
        for wrong in ["S G", "Yw", "w", "b", "D1", "P"] {
            assert!(wrong.parse::<Program>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_long_program_has_its_crashes() {
        for seed in 0..200 {
            let Program(ops) = Program::long(seed);
            let crash = |op: &&Op| matches!(op, Op::Kill | Op::Cut(_) | Op::Die(..));
            let crashes = ops.iter().filter(crash).count();
            assert!((4..=7).contains(&crashes) && ops.len() == LONG + crashes, "{seed}");
            assert!(ops.iter().any(|op| matches!(op, Op::Die(_, seed) if seed % 2 == 0)), "{seed}");
        }
    }

    #[test]
    fn every_program_of_a_length_has_a_number_of_its_own() {
        let all: std::collections::HashSet<_> =
            (0..Program::count(14, 3)).map(|number| Program::nth(14, 3, number)).collect();
        assert_eq!(all.len(), STEPS.len().pow(3));
        assert!(all.iter().all(|program| program.0.len() == 3));
    }
}

//! The language of operations: what a program does to a log, how programs are
//! enumerated, drawn from a seed, written down and read back.
//!
//! What an operation means is in `run`; nothing here touches a log.

use std::fmt;
use std::str::FromStr;

use crate::numbers::{Numbers, narrow, wide};

/// One step of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// `S`: appends one small event.
    Small,
    /// `X`: appends one event of 700 bytes, across a sector.
    Sector,
    /// `B`: appends a batch of three events of two streams.
    Batch,
    /// `C`: appends with a wrong expectation, which must be refused.
    Conflict,
    /// `A`: appends the last batch again, which must be recognised.
    Again,
    /// `R`: appends an event that fills a segment, so that the log rolls unless the
    /// active segment is empty.
    Roll,
    /// `O`: closes the log and opens it.
    Reopen,
    /// `K`: kills the process and opens the log.
    Kill,
    /// `T`: reads on with a cursor.
    Tail,
    /// `P<seed>`: cuts the power and opens the log.
    Cut(u16),
    /// `D<call>.<seed>`: appends 700 bytes, dies at that call of it, cuts the power
    /// and opens the log; of some seeds the first opening is cut off as well.
    Die(u8, u16),
}

/// The steps of which every short program is made.
pub const STEPS: [Op; 9] = [
    Op::Small,
    Op::Sector,
    Op::Batch,
    Op::Conflict,
    Op::Again,
    Op::Roll,
    Op::Reopen,
    Op::Kill,
    Op::Tail,
];

/// A list of steps on a log that does not exist yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Program(pub Vec<Op>);

impl Program {
    /// How many programs of this length [`nth`](Self::nth) knows.
    pub fn count(steps: u32) -> u64 {
        wide(STEPS.len()).saturating_pow(steps)
    }

    /// The program with this number among all of its length.
    pub fn nth(steps: u32, number: u64) -> Self {
        let base = wide(STEPS.len());
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

    /// A longer program, with crashes in it, drawn from a seed.
    pub fn random(seed: u64, longest: u64) -> Self {
        let mut numbers = Numbers::new(seed);
        let len = 4 + numbers.below(longest.saturating_sub(3));
        let ops = (0..len).map(|_| match numbers.below(24) {
            0..=5 => Op::Small,
            6..=8 => Op::Sector,
            9..=11 => Op::Batch,
            12 => Op::Conflict,
            13..=14 => Op::Again,
            15..=16 => Op::Roll,
            17 => Op::Reopen,
            18 => Op::Kill,
            19 => Op::Tail,
            20 => Op::Cut(word(numbers.next())),
            _ => {
                let call = u8::try_from(1 + numbers.below(4)).unwrap_or(1);
                Op::Die(call, word(numbers.next()))
            }
        });
        Self(ops.collect())
    }

    /// The program without one of its steps.
    pub fn without(&self, step: usize) -> Self {
        let kept = self.0.iter().enumerate().filter(|(at, _)| *at != step);
        Self(kept.map(|(_, op)| *op).collect())
    }
}

fn word(number: u64) -> u16 {
    u16::try_from(number & 0xFFFF).unwrap_or(0)
}

impl fmt::Display for Op {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Small => out.write_str("S"),
            Self::Sector => out.write_str("X"),
            Self::Batch => out.write_str("B"),
            Self::Conflict => out.write_str("C"),
            Self::Again => out.write_str("A"),
            Self::Roll => out.write_str("R"),
            Self::Reopen => out.write_str("O"),
            Self::Kill => out.write_str("K"),
            Self::Tail => out.write_str("T"),
            Self::Cut(seed) => write!(out, "P{seed}"),
            Self::Die(call, seed) => write!(out, "D{call}.{seed}"),
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
        if let Some(op) = STEPS.iter().find(|op| op.to_string() == text) {
            return Ok(*op);
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
            let program = Program::random(seed, 40);
            assert_eq!(program.to_string().parse::<Program>().unwrap(), program);
        }
        assert!("S Q".parse::<Program>().is_err());
    }

    #[test]
    fn every_program_of_a_length_has_a_number_of_its_own() {
        let all: std::collections::HashSet<_> =
            (0..Program::count(3)).map(|number| Program::nth(3, number)).collect();
        assert_eq!(all.len(), 729);
        assert!(all.iter().all(|program| program.0.len() == 3));
    }
}

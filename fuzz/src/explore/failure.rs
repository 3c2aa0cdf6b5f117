//! A program that breaks a promise: made short, and told with a line that runs it again.

use std::fmt;
use std::time::{Duration, Instant};

use annals::planted::Bug;

use crate::oracle::Broken;
use crate::program::Program;

/// How long a failing program is made shorter.
const PATIENCE: Duration = Duration::from_secs(20);

/// A program that breaks a promise.
#[derive(Debug, Clone)]
pub struct Failure {
    /// As it was found.
    pub program: Program,
    /// As short as it could be made.
    pub shrunk: Program,
    /// Of the shorter one.
    pub broken: Broken,
    /// Of the plan.
    pub seed: u64,
    /// The planted bug.
    pub bug: Option<Bug>,
}

impl Failure {
    /// The arguments of `annals crashtest` that run the short program again.
    pub fn again(&self) -> String {
        let plant = self.bug.map_or_else(String::new, |bug| format!(" --plant {bug:?}"));
        format!("--seed {} --program '{}'{plant}", self.seed, self.shrunk)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, shrunk, broken, .. } = self;
        writeln!(out, "{broken}\n  program: {program}\n  shrunk:  {shrunk}")?;
        write!(out, "  again:   cargo run -p annals-fuzz -- {}", self.again())
    }
}

/// Takes steps out, large pieces first, as long as the program still breaks something.
pub(super) fn shrink(
    program: &Program,
    broken: Broken,
    fails: impl Fn(&Program) -> Option<Broken>,
) -> (Program, Broken) {
    let (mut shrunk, mut last) = (program.clone(), broken);
    let until = Instant::now() + PATIENCE;
    let mut piece = shrunk.0.len().div_ceil(2);
    while piece > 0 {
        let mut smaller = false;
        let mut end = shrunk.0.len();
        while end > 0 && Instant::now() < until {
            let begin = end.saturating_sub(piece);
            let shorter = shrunk.without(begin..end);
            if let Some(broken) = fails(&shorter) {
                (shrunk, last, smaller) = (shorter, broken, true);
            }
            end = begin.min(shrunk.0.len());
        }
        if piece == 1 && !smaller {
            break;
        }
        piece = piece.div_ceil(2).min(if smaller { piece } else { piece - 1 }).max(1);
    }
    (shrunk, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_is_made_as_short_as_it_can_be() {
        let program = Program::long(7);
        let wanted: Program = "K R".parse().unwrap();
        let mut planted = program.clone();
        planted.0.insert(50, wanted.0[0]);
        planted.0.insert(120, wanted.0[1]);
        let holds = |program: &Program| {
            let first = program.0.iter().position(|op| *op == wanted.0[0]);
            first.is_some_and(|first| program.0[first..].contains(&wanted.0[1]))
        };
        let fails = |program: &Program| holds(program).then(|| Broken::new("a promise", "broken"));
        let (shrunk, _) = shrink(&planted, Broken::new("a promise", "broken"), fails);
        assert_eq!(shrunk, wanted);
    }
}

//! What is explored: how many programs of which kind, in which order, from which seed.

use std::time::Duration;

use annals::planted::Bug;

use crate::numbers::{digest, narrow};
use crate::program::{CORE, Program, STEPS};

/// How much is explored.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// All programs of up to so many of the [`CORE`] steps are run, and all with one step
    /// less of all [`STEPS`];
    pub steps: u32,
    /// then random ones, until there are so many distinct states,
    pub states: u64,
    /// and at least so many programs,
    pub programs: u64,
    /// or this time is over.
    pub time: Duration,
    /// One of so many random programs is a long one, of which the crashes within it are
    /// looked at, and no others; none is if this is 0.
    pub long_of: u64,
    /// What random programs and samples are drawn from.
    pub seed: u64,
    /// How many threads work.
    pub threads: usize,
    /// A bug that is planted in all of them.
    pub bug: Option<Bug>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            steps: 4,
            states: 1_000_000,
            programs: 0,
            time: Duration::from_secs(3_600),
            long_of: 8,
            seed: 1,
            threads: std::thread::available_parallelism().map_or(2, usize::from),
            bug: None,
        }
    }
}

/// A program, and what of it is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Task {
    /// Every crash from this step on: before it, a shorter program has been looked at.
    From(usize, Program),
    /// The crashes that it makes itself.
    Long(Program),
}

impl Task {
    pub(super) fn program(&self) -> &Program {
        let (Self::From(_, program) | Self::Long(program)) = self;
        program
    }
}

impl Plan {
    /// Nothing but long random programs.
    #[must_use]
    pub fn only_long() -> Self {
        Self { steps: 0, states: 0, programs: 10_000, long_of: 1, ..Self::default() }
    }

    /// Whether a run may end with so many distinct states before the number-th program.
    pub(super) fn is_done(&self, number: u64, states: u64) -> bool {
        number >= self.enumerated().max(self.programs) && states >= self.states
    }

    /// How many steps a program has at most that is made of all kinds of steps.
    fn wide_steps(&self) -> u32 {
        self.steps.saturating_sub(1)
    }

    /// The step kinds and the count of all programs of this length.
    fn of_length(&self, steps: u32) -> (usize, u64) {
        let kinds = if steps <= self.wide_steps() { STEPS.len() } else { CORE };
        (kinds, Program::count(kinds, steps))
    }

    /// How many programs are enumerated before random ones follow.
    pub(super) fn enumerated(&self) -> u64 {
        (1..=self.steps).map(|steps| self.of_length(steps).1).sum()
    }

    /// What is run as the number-th.
    pub(super) fn task(&self, number: u64) -> Task {
        let mut left = number;
        for steps in 1..=self.steps {
            let (kinds, count) = self.of_length(steps);
            if left < count {
                return Task::From(narrow(u64::from(steps)) - 1, Program::nth(kinds, steps, left));
            }
            left -= count;
        }
        let seed = digest(&(self.seed, left));
        if self.long_of > 0 && left % self.long_of == self.long_of - 1 {
            Task::Long(Program::long(seed))
        } else {
            Task::From(0, Program::random(seed, 16))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn all_programs_of_four_core_steps_are_among_those_of_the_plan() {
        let plan = Plan::default();
        let of_core = |program: &Program| {
            program.0.iter().all(|op| STEPS.iter().position(|step| step == op) < Some(CORE))
        };
        let tasks = (0..plan.enumerated()).map(|number| plan.task(number));
        let programs: HashSet<_> = tasks
            .filter_map(|task| match task {
                Task::From(fresh, program) => {
                    assert_eq!(fresh + 1, program.0.len());
                    of_core(&program).then_some(program)
                }
                Task::Long(_) => None,
            })
            .collect();
        assert_eq!(programs.len(), 8 + 64 + 512 + 4_096);
    }

    #[test]
    fn random_programs_follow_and_some_are_long() {
        let plan = Plan::default();
        let first = plan.enumerated();
        let long = (first..first + 80).filter(|n| matches!(plan.task(*n), Task::Long(_))).count();
        assert_eq!(long, 10);
        assert_eq!(plan.task(first + 3), plan.task(first + 3));
        assert_ne!(plan.task(first + 3), Plan { seed: 2, ..plan }.task(first + 3));
    }
}

//! The sweeps of failing calls and of damage, run from a line of text: all of one, or the
//! one run that a failure has named.

use annals::planted::Bug;

use crate::damage::{self, KINDS, Plan, kind_named};
use crate::faults::{self, CANONICAL, beside};
use crate::program::Program;

/// What is swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweep {
    /// The calls of a writer.
    Faults,
    /// The calls of a reader beside it.
    Beside,
    /// What is durable.
    Damage,
}

/// Runs all of a sweep (`all`), or the run that is named. Says what was done.
///
/// # Errors
/// What is broken, or that the text names no run.
pub fn run(
    sweep: Sweep,
    which: &str,
    program: Option<Program>,
    bug: Option<Bug>,
) -> Result<String, String> {
    let canonical = || CANONICAL.parse();
    let program = program.map_or_else(canonical, Ok)?;
    match (sweep, which) {
        (Sweep::Faults, "all") => {
            let swept = faults::sweep(&program, bug).map_err(|failure| failure.to_string())?;
            Ok(format!("{swept:?}"))
        }
        (Sweep::Faults, strike) => {
            let strike = strike.parse()?;
            let tried = faults::try_one(&program, &strike, bug);
            tried.map(|tried| format!("{tried:?}")).map_err(|broken| broken.to_string())
        }
        (Sweep::Beside, "all") => {
            beside::sweep().map(|swept| format!("{swept:?}")).map_err(|broken| broken.to_string())
        }
        (Sweep::Beside, which) => {
            let none = || format!("no run is written {which:?}");
            let (look, strike) = which.split_once('.').ok_or_else(none)?;
            let look = look.parse().map_err(|_| none())?;
            let tried = beside::one(look, &strike.parse()?);
            tried.map(|tried| format!("{tried:?}")).map_err(|broken| broken.to_string())
        }
        (Sweep::Damage, "all") => {
            let swept = damage::sweep(Plan::All, &KINDS, bug);
            swept.map(|swept| swept.to_string()).map_err(|broken| broken.to_string())
        }
        (Sweep::Damage, which) => match kind_named(which) {
            None => damage::try_one(which, bug),
            Some(kind) => {
                let swept = damage::sweep(Plan::Usual, &[kind], bug);
                swept.map(|swept| swept.to_string()).map_err(|broken| broken.to_string())
            }
        },
    }
}

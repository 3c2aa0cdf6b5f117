//! `annals crashtest`: crashes the log, and says what broke.
//!
//! * `states`: on a simulated disk, every state that a crash can leave
//! * `kills`: on real files, processes that are killed

mod kills;
mod states;

use std::time::Duration;

use annals_fuzz::bugs::{Bug, CAN_PLANT, bug_named};

use crate::cli::Crashtest;
use crate::error::{Answer, Failure};
use crate::output::Output;

pub(super) use kills::child;

/// How often somebody who sees no bar is told how far it has come.
const TELL: Duration = Duration::from_secs(30);

pub(super) fn run(asked: &Crashtest, output: &mut Output) -> Result<Answer, Failure> {
    let bug = asked.plant.as_deref().map(planted).transpose()?;
    match &asked.program {
        Some(program) => states::again(asked, program, bug, output),
        None if asked.kill => kills::search(asked, bug, output),
        None => states::search(asked, bug, output),
    }
}

fn planted(name: &str) -> Result<Bug, Failure> {
    let wrong = |why: &str| Failure::Usage { what: format!("--plant {name}"), why: why.to_owned() };
    if !CAN_PLANT {
        return Err(wrong("no bug can be planted in a release build"));
    }
    bug_named(name).ok_or_else(|| wrong("no bug is called that"))
}

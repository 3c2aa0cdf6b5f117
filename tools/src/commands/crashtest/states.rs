//! Crashes on a simulated disk: every state that one can leave, and what broke in it.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use annals_fuzz::bugs::Bug;
use annals_fuzz::explore::{Explored, Failure as Found, Plan, explore_watched, try_program};
use annals_fuzz::program::Program;
use serde::Serialize;

use super::TELL;
use crate::cli::Crashtest;
use crate::error::{Answer, Failure};
use crate::interrupt::stop_on_interrupt;
use crate::output::progress::Progress;
use crate::output::style::{BAD, DIM, GOOD};
use crate::output::{Output, note, units};

/// How many states are looked at if nothing else is asked for.
const STATES: u64 = 100_000;

/// A line of `--json`: what was found, if anything, and how much was tried.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line<'a> {
    Failure {
        invariant: &'a str,
        what: &'a str,
        program: String,
        shrunk: String,
        seed: u64,
        again: String,
    },
    Summary {
        ok: bool,
        seed: u64,
        #[serde(flatten)]
        counts: Counts,
    },
}

#[derive(Serialize)]
struct Counts {
    states: u64,
    checks: u64,
    recovery_crashes: u64,
    programs: u64,
    long_programs: u64,
    seconds: f64,
    states_per_second: f64,
}

impl From<&Explored> for Counts {
    fn from(explored: &Explored) -> Self {
        Self {
            states: explored.states,
            checks: explored.checks,
            recovery_crashes: explored.nested,
            programs: explored.programs,
            long_programs: explored.long,
            seconds: explored.took.as_secs_f64(),
            states_per_second: explored.rate(),
        }
    }
}

/// One program, with every crash of it.
pub(super) fn again(
    asked: &Crashtest,
    program: &Program,
    bug: Option<Bug>,
    output: &mut Output,
) -> Result<Answer, Failure> {
    let broken = try_program(program, asked.seed, bug).err();
    let found = broken.map(|broken| Found {
        program: program.clone(),
        shrunk: program.clone(),
        broken,
        seed: asked.seed,
        bug,
    });
    match found {
        Some(found) => {
            tell(&found, output)?;
            Ok(Answer::No)
        }
        None if output.is_json() => {
            output
                .object(&serde_json::json!({"kind": "summary", "ok": true, "seed": asked.seed}))?;
            Ok(Answer::Yes)
        }
        None => {
            output.line(format_args!("{program}: {GOOD}no promise is broken{GOOD:#}"))?;
            Ok(Answer::Yes)
        }
    }
}

/// Every crash of all short programs, and of random ones.
pub(super) fn search(
    asked: &Crashtest,
    bug: Option<Bug>,
    output: &mut Output,
) -> Result<Answer, Failure> {
    let stopped = stop_on_interrupt()?;
    let mut plan = Plan { steps: asked.steps, seed: asked.seed, bug, ..Plan::default() };
    plan.states = asked.states.unwrap_or(if asked.seconds.is_some() { u64::MAX } else { STATES });
    plan.time = asked.seconds.unwrap_or(Duration::MAX);
    plan.threads = asked.threads.map_or(plan.threads, usize::from);
    let progress = Progress::states(asked.seconds.is_none().then_some(plan.states));
    let mut told = Instant::now();
    let explored = explore_watched(&plan, |so_far| {
        progress.at(so_far.states);
        progress.say(format!("{} programs", so_far.programs));
        if progress.is_hidden() && told.elapsed() >= TELL {
            told = Instant::now();
            note(format_args!("{so_far}"));
        }
        if stopped.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    drop(progress);
    if let Some(found) = &explored.failure {
        tell(found, output)?;
    }
    let ok = explored.failure.is_none();
    summary(&explored, &plan, ok, output)?;
    Ok(if ok { Answer::Yes } else { Answer::No })
}

fn tell(found: &Found, output: &mut Output) -> Result<(), Failure> {
    let again = format!("annals crashtest {}", found.again());
    if output.is_json() {
        return output.object(&Line::Failure {
            invariant: found.broken.invariant,
            what: &found.broken.what,
            program: found.program.to_string(),
            shrunk: found.shrunk.to_string(),
            seed: found.seed,
            again,
        });
    }
    output.line(format_args!("{BAD}a promise is broken{BAD:#}: {}", found.broken))?;
    output.line(format_args!("  program: {}", found.program))?;
    output.line(format_args!("  shrunk:  {}", found.shrunk))?;
    output.line(format_args!("  again:   {again}"))
}

fn summary(explored: &Explored, plan: &Plan, ok: bool, output: &mut Output) -> Result<(), Failure> {
    if output.is_json() {
        let counts = explored.into();
        return output.object(&Line::Summary { ok, seed: plan.seed, counts });
    }
    output.line(format_args!(
        "{} of {} in {}, {}",
        units::counted(explored.states, "distinct crash state"),
        units::counted(explored.programs, "program"),
        units::duration(explored.took),
        units::rate(explored.states, "states", explored.took),
    ))?;
    output.line(format_args!(
        "{}, {} within recovery",
        units::counted(explored.checks, "check"),
        units::counted(explored.nested, "crash"),
    ))?;
    output.line(format_args!(
        "{DIM}seed {}, programs of up to {} steps, then random ones, {} of them long{DIM:#}",
        plan.seed, plan.steps, explored.long
    ))?;
    if ok {
        output.line(format_args!("{GOOD}no promise is broken{GOOD:#}"))?;
    }
    Ok(())
}

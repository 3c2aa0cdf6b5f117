//! Kills on real files: processes that die at a random moment, life after life in one
//! directory, and what broke.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use annals_fuzz::bugs::Bug;
use annals_fuzz::real::child::{self, ChildPlan};
use annals_fuzz::real::kill::{self, KillPlan, Killed};
use serde::Serialize;

use super::TELL;
use crate::cli::{Child, Crashtest};
use crate::error::{Answer, Failure};
use crate::interrupt::stop_on_interrupt;
use crate::output::progress::Progress;
use crate::output::style::{BAD, DIM, GOOD};
use crate::output::{Output, note, units};

/// How many processes are killed if nothing else is asked for.
const KILLS: u64 = 200;

/// A line of `--json`: what was found, if anything, and how much was tried.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line<'a> {
    Failure {
        invariant: &'a str,
        what: &'a str,
        seed: u64,
        kept: String,
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
    kills: u64,
    while_opening: u64,
    acknowledged: u64,
    delivered: u64,
    events: u64,
    torn_tails: u64,
    seconds: f64,
}

impl From<&Killed> for Counts {
    fn from(killed: &Killed) -> Self {
        Self {
            kills: killed.kills,
            while_opening: killed.while_opening,
            acknowledged: killed.acknowledged,
            delivered: killed.delivered,
            events: killed.events,
            torn_tails: killed.torn,
            seconds: killed.took.as_secs_f64(),
        }
    }
}

/// The process that is killed: it says on standard output what it was told.
pub(crate) fn child(asked: Child) -> Result<Answer, Failure> {
    let wrong = |why| Failure::Usage { what: "crashtest-child".to_owned(), why };
    let plan = ChildPlan::parse(asked.words.into_iter()).map_err(wrong)?;
    child::run(&plan, &mut std::io::stdout());
    Ok(Answer::Yes)
}

/// Kills processes until there were enough.
pub(super) fn search(
    asked: &Crashtest,
    bug: Option<Bug>,
    output: &mut Output,
) -> Result<Answer, Failure> {
    let stopped = stop_on_interrupt()?;
    let plan = plan(asked, bug)?;
    let progress = Progress::kills(asked.seconds.is_none().then_some(plan.kills));
    let told = Mutex::new(Instant::now());
    let killed = kill::run(&plan, |so_far| {
        progress.at(so_far.kills);
        if let Ok(mut told) = told.lock()
            && progress.is_hidden()
            && told.elapsed() >= TELL
        {
            *told = Instant::now();
            note(format_args!("{so_far}"));
        }
        if stopped.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    drop(progress);
    tell(&killed, &plan, output)?;
    Ok(if killed.failure.is_none() { Answer::Yes } else { Answer::No })
}

fn plan(asked: &Crashtest, bug: Option<Bug>) -> Result<KillPlan, Failure> {
    let own = std::env::current_exe();
    let own = own.map_err(|source| Failure::Input { name: "this program".to_owned(), source })?;
    let mut plan = KillPlan::new(vec![own.into(), "crashtest-child".into()], asked.seed);
    plan.kills = asked.states.unwrap_or(if asked.seconds.is_some() { u64::MAX } else { KILLS });
    plan.time = asked.seconds.unwrap_or(Duration::MAX);
    plan.parallel = asked.threads.map_or(plan.parallel, |threads| units::wide(threads.get()));
    plan.bug = bug;
    if let Some(directory) = &asked.dir {
        plan.places = vec![directory.clone()];
    }
    Ok(plan)
}

fn tell(killed: &Killed, plan: &KillPlan, output: &mut Output) -> Result<(), Failure> {
    if let Some(failure) = &killed.failure {
        let lives = kill::LIVES;
        let again = format!("annals crashtest --kill --seed {} --states {lives}", failure.seed);
        let kept = failure.kept.display();
        if output.is_json() {
            output.object(&Line::Failure {
                invariant: failure.broken.invariant,
                what: &failure.broken.what,
                seed: failure.seed,
                kept: kept.to_string(),
                again,
            })?;
        } else {
            output.line(format_args!("{BAD}a promise is broken{BAD:#}: {}", failure.broken))?;
            output.line(format_args!("  kept:    {kept}, as life {} left it", failure.life))?;
            output.line(format_args!("  again:   {again}"))?;
        }
    }
    let ok = killed.failure.is_none();
    if output.is_json() {
        return output.object(&Line::Summary { ok, seed: plan.seed, counts: killed.into() });
    }
    output.line(format_args!(
        "{} in {}, {} of them while opening; {} torn",
        units::counted(killed.kills, "kill"),
        units::duration(killed.took),
        units::count(killed.while_opening),
        units::counted(killed.torn, "tail"),
    ))?;
    output.line(format_args!(
        "{} acknowledged, {} found, {} delivered to cursors",
        units::counted(killed.acknowledged, "batch"),
        units::counted(killed.events, "event"),
        units::counted(killed.delivered, "piece"),
    ))?;
    output.line(format_args!("{DIM}seed {}{DIM:#}", plan.seed))?;
    if ok {
        output.line(format_args!("{GOOD}no promise is broken{GOOD:#}"))?;
    }
    Ok(())
}

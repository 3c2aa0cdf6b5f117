//! The explorer: many programs, every crash state of each, on several threads; what
//! fails is made short and told with a line that runs it again.
//!
//! * [`plan`](Plan): which programs, in which order
//! * [`explorer`](Explorer): every crash of a moment, once
//! * [`failure`](Failure): what is found, made short

mod explorer;
mod failure;
mod plan;
mod worker;

use std::fmt;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals::planted::Bug;

use crate::oracle::Broken;
use crate::program::Program;
use crate::run::{Blind, Observe, run};
use worker::Shared;

pub use explorer::Explorer;
pub use failure::Failure;
pub use plan::Plan;

/// How often somebody is told how far it has come.
const GLANCE: Duration = Duration::from_millis(50);

/// What an exploration did, or has done so far.
#[derive(Debug, Clone, Default)]
pub struct Explored {
    /// Distinct disks that a crash left and that were opened and checked.
    pub states: u64,
    /// Distinct pairs of such a disk and what was known from outside: each is a full
    /// check.
    pub checks: u64,
    /// Openings that recovery was cut off for, at each of its calls.
    pub nested: u64,
    /// Programs that were run.
    pub programs: u64,
    /// How many of them were long ones.
    pub long: u64,
    /// How long it took.
    pub took: Duration,
    /// What was found, if anything.
    pub failure: Option<Failure>,
}

impl Explored {
    /// Distinct states a second.
    pub fn rate(&self) -> f64 {
        self.states as f64 / self.took.as_secs_f64().max(0.001)
    }
}

impl fmt::Display for Explored {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} crash states ({} checks, {} crashes in recovery) of {} programs ({} long) in \
             {:.1} s, {:.0} states/s",
            self.states,
            self.checks,
            self.nested,
            self.programs,
            self.long,
            self.took.as_secs_f64(),
            self.rate()
        )
    }
}

/// Plants a bug in the logs of this thread, in builds that can.
pub fn plant(bug: Option<Bug>) {
    #[cfg(debug_assertions)]
    annals::planted::plant(bug);
    #[cfg(not(debug_assertions))]
    let _cannot = bug;
}

/// Explores by a plan, until it is done or something is found.
pub fn explore(plan: &Plan) -> Explored {
    explore_watched(plan, |_| ControlFlow::Continue(()))
}

/// Explores by a plan, until it is done, something is found or `watch` has enough: it is
/// told several times a second how far this has come.
pub fn explore_watched(
    plan: &Plan,
    mut watch: impl FnMut(&Explored) -> ControlFlow<()>,
) -> Explored {
    let began = Instant::now();
    let shared = Arc::new(Shared::new(*plan));
    let spawn = |number: usize| {
        let shared = Arc::clone(&shared);
        std::thread::Builder::new()
            .name(format!("explorer-{number}"))
            .spawn(move || shared.work(number))
    };
    let workers: Vec<_> = (0..plan.threads.max(1)).map_while(|n| spawn(n).ok()).collect();
    if workers.is_empty() {
        shared.work(0);
    }
    while !workers.iter().all(std::thread::JoinHandle::is_finished) {
        std::thread::sleep(GLANCE);
        if watch(&shared.so_far(began)).is_break() {
            shared.stop();
        }
        // What never ends is found too. Its thread cannot be ended, and is left behind.
        if shared.has_stuck() {
            break;
        }
    }
    let mut explored = shared.so_far(began);
    explored.failure = shared.found().map(|found| found.shrunk(plan));
    explored
}

/// Runs one program with every step looked at.
///
/// # Errors
/// The first promise that was broken.
pub fn try_program(program: &Program, seed: u64, bug: Option<Bug>) -> Result<(), Broken> {
    plant(bug);
    let outcome = calmly(program, Arc::new(Explorer::new(seed)), 0);
    plant(None);
    outcome
}

/// Runs one program with every step looked at, and recovery crashed in every state that is
/// found. Returns how many states there were.
///
/// # Errors
/// The first promise that was broken.
pub fn try_recoveries(program: &Program, seed: u64, bug: Option<Bug>) -> Result<u64, Broken> {
    plant(bug);
    let explorer = Arc::new(Explorer::new(seed).every_recovery());
    let outcome = calmly(program, Arc::clone(&explorer) as _, 0);
    plant(None);
    outcome.map(|()| explorer.so_far().states)
}

/// Runs one program with no crashes but its own.
///
/// # Errors
/// The first promise that was broken.
pub fn run_program(program: &Program, bug: Option<Bug>) -> Result<(), Broken> {
    plant(bug);
    let outcome = calmly(program, Arc::new(Blind), usize::MAX);
    plant(None);
    outcome
}

/// Runs a program, of which the steps from this one on are looked at. A panic is a
/// broken promise like others.
fn calmly(program: &Program, observer: Arc<dyn Observe>, from: usize) -> Result<(), Broken> {
    let outcome = catch_unwind(AssertUnwindSafe(|| run(program, observer, |step| step >= from)));
    outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(Broken::new("14: nothing panics", text.unwrap_or("a panic")))
    })
}

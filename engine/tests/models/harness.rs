//! Running a model: how many schedules, from which seed, and what is printed of it.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use annals::model::{self, Time};
use annals::planted::{Bug, plant};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

/// A program whose schedules are tried.
#[derive(Clone, Copy)]
pub(crate) struct Model {
    pub(crate) name: &'static str,
    pub(crate) program: fn(),
    /// Whether waits may end by their time.
    pub(crate) time: Time,
    /// How many schedules a CI run tries.
    pub(crate) schedules: usize,
}

/// How many preemptions are placed in half of the schedules; the other half is random.
const DEPTH: usize = 3;

/// More steps than any schedule of these programs takes: what goes beyond goes round in
/// circles.
const STEPS_MAX: usize = 1_000_000;

/// Schedules within which a planted fault must be caught.
const CAUGHT_WITHIN: usize = 20_000;

fn config(persistence: FailurePersistence) -> Config {
    let mut config = Config::new();
    config.stack_size = 256 << 10;
    config.failure_persistence = persistence;
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    // That orderings are taken for the strongest one is said where the models are described.
    config.silence_warnings = true;
    config
}

fn number(variable: &str, default: usize) -> usize {
    let value = std::env::var(variable).ok();
    value.map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{variable}={value}")))
}

/// Past the capture of the test's output: these are the figures of a run.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
}

/// Tries schedules of one kind; counts those that were begun.
fn run(
    model: &Model,
    scheduler: impl Scheduler + 'static,
    config: Config,
    begun: &Arc<AtomicUsize>,
) {
    let (program, begun) = (model.program, Arc::clone(begun));
    Runner::new(scheduler, config).run(move || {
        begun.fetch_add(1, Ordering::Relaxed);
        program();
    });
}

fn both(
    model: &Model,
    schedules: usize,
    persistence: FailurePersistence,
    begun: &Arc<AtomicUsize>,
) {
    model::set(model.time);
    let seed = number("ANNALS_SEED", 1) as u64;
    let placed = schedules / 2;
    let random = RandomScheduler::new_from_seed(seed, schedules - placed);
    run(model, random, config(persistence.clone()), begun);
    let placed = PctScheduler::new_from_seed(seed, DEPTH, placed);
    run(model, placed, config(persistence), begun);
}

/// The program holds in every schedule that is tried, or in the one that is given.
pub(crate) fn holds(model: &Model) {
    let Model { name, program, time, schedules } = *model;
    if let Ok(schedule) = std::env::var("ANNALS_SCHEDULE") {
        model::set(time);
        shuttle::replay(program, &schedule);
        return;
    }
    let schedules = schedules * number("ANNALS_SCHEDULES", 1);
    let (begun, start) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let tried = catch_unwind(AssertUnwindSafe(|| {
        both(model, schedules, FailurePersistence::Print, &begun);
    }));
    let (begun, took) = (begun.load(Ordering::Relaxed), start.elapsed().as_secs_f64());
    if let Err(panic) = tried {
        eprintln!(
            "{name}: schedule {begun} failed. The schedule printed above runs again with\n    \
             ANNALS_SCHEDULE=... RUSTFLAGS='--cfg shuttle' CARGO_TARGET_DIR=target/models \
             cargo test -p annals --features sim,planted --test models {name}"
        );
        std::panic::resume_unwind(panic);
    }
    say(&format!("{name}: {begun} schedules hold, {took:.1} s"));
}

/// With the bug planted the program fails in some schedule: the models see.
pub(crate) fn catches(model: &Model, bug: Bug) {
    let (begun, start) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    plant(Some(bug));
    let tried = catch_unwind(AssertUnwindSafe(|| {
        both(model, CAUGHT_WITHIN, FailurePersistence::None, &begun);
    }));
    plant(None);
    let (begun, took) = (begun.load(Ordering::Relaxed), start.elapsed().as_secs_f64());
    let Err(panic) = tried else {
        panic!("{bug:?} is not caught by {} in {begun} schedules", model.name)
    };
    let what = panic.downcast_ref::<String>().map(String::as_str);
    let what = what.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
    let first = what.lines().next().unwrap_or_default();
    say(&format!("{bug:?}: caught by {} in schedule {begun}, {took:.2} s: {first}", model.name));
}

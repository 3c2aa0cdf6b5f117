//! Running a model: how many schedules, from which seed, and what is printed of it.

use std::any::Any;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use annals::model::{self, Time};
use annals::planted::{Bug, plant};
use shuttle::scheduler::{
    PctScheduler, RandomScheduler, ReplayScheduler, Schedule, Scheduler, Task, TaskId,
};
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

/// How many preemptions are placed in a schedule, less one.
const DEPTH: usize = 3;

/// How many schedules are tried of one kind and then of the other.
const TURN: usize = 200;

/// More steps than any schedule of these programs takes: what goes beyond goes round in
/// circles.
const STEPS_MAX: usize = 1_000_000;

/// Schedules within which a planted fault must be caught.
const CAUGHT_WITHIN: usize = 20_000;

type Panic = Box<dyn Any + Send>;

/// What was tried: the number of schedules that were begun, and the last one of them.
#[derive(Debug, Clone, Default)]
struct Tried {
    begun: usize,
    last: Option<Schedule>,
}

/// A scheduler that notes what another one says.
#[derive(Debug)]
struct Noting<S> {
    inner: S,
    tried: Arc<Mutex<Tried>>,
}

impl<S> Noting<S> {
    fn note(&self, note: impl FnOnce(&mut Tried)) {
        note(&mut self.tried.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl<S: Scheduler> Scheduler for Noting<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        let schedule = self.inner.new_execution()?;
        self.note(|tried| {
            tried.begun += 1;
            tried.last = Some(schedule.clone());
        });
        Some(schedule)
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        yields: bool,
    ) -> Option<TaskId> {
        let next = self.inner.next_task(runnable, current, yields)?;
        self.note(|tried| tried.last.iter_mut().for_each(|schedule| schedule.push_task(next)));
        Some(next)
    }

    fn next_u64(&mut self) -> u64 {
        self.note(|tried| tried.last.iter_mut().for_each(Schedule::push_random));
        self.inner.next_u64()
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = 256 << 10;
    config.failure_persistence = FailurePersistence::Print;
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

/// Half of the schedules place preemptions, the other half is random, by turns.
fn try_all(model: &Model, schedules: usize) -> (Tried, Result<(), Panic>) {
    model::set(model.time);
    let tried = Arc::new(Mutex::new(Tried::default()));
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut seed = number("ANNALS_SEED", 1) as u64;
        let mut left = schedules;
        while left > 0 {
            let turn = left.min(TURN);
            let random = turn / 2;
            let inner = PctScheduler::new_from_seed(seed, DEPTH, turn - random);
            Runner::new(Noting { inner, tried: tried.clone() }, config()).run(model.program);
            let inner = RandomScheduler::new_from_seed(seed, random);
            Runner::new(Noting { inner, tried: tried.clone() }, config()).run(model.program);
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            left -= turn;
        }
    }));
    let tried = tried.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (tried, outcome)
}

fn replay(model: &Model, scheduler: ReplayScheduler) -> Result<(), Panic> {
    model::set(model.time);
    let runner = Runner::new(scheduler, config());
    catch_unwind(AssertUnwindSafe(|| {
        let _one = runner.run(model.program);
    }))
}

/// The program holds in every schedule that is tried, or in the one that is given.
pub(crate) fn holds(model: &Model) {
    let name = model.name;
    if let Ok(schedule) = std::env::var("ANNALS_SCHEDULE") {
        let mut scheduler = ReplayScheduler::new_from_encoded(&schedule);
        // It ends where it failed.
        scheduler.set_allow_incomplete();
        let outcome = replay(model, scheduler);
        return outcome.unwrap_or_else(|panic| resume_unwind(panic));
    }
    let start = Instant::now();
    let (tried, outcome) = try_all(model, model.schedules * number("ANNALS_SCHEDULES", 1));
    let (begun, took) = (tried.begun, start.elapsed().as_secs_f64());
    if let Err(panic) = outcome {
        let test = std::thread::current().name().unwrap_or(name).to_owned();
        eprintln!(
            "{name}: schedule {begun} failed. The one printed above runs again with\n    \
             ANNALS_SCHEDULE='...' RUSTFLAGS='--cfg shuttle' CARGO_TARGET_DIR=target/models \
             cargo test -p annals --features sim,planted --test models -- --exact {test}"
        );
        resume_unwind(panic);
    }
    say(&format!("{name}: {begun} schedules hold, {took:.1} s"));
}

/// The first line of what a panic says.
fn said(panic: &Panic) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

/// With the bug planted the program fails in some schedule, and again when that is run
/// again: the models see, and what they see can be looked at.
pub(crate) fn catches(model: &Model, bug: Bug) {
    let start = Instant::now();
    plant(Some(bug));
    let (tried, outcome) = try_all(model, CAUGHT_WITHIN);
    let took = start.elapsed().as_secs_f64();
    let (name, begun) = (model.name, tried.begun);
    let Err(panic) = outcome else {
        panic!("{bug:?} is not caught by {name} in {begun} schedules");
    };
    let again = replay(model, ReplayScheduler::new_from_schedule(tried.last.unwrap()));
    plant(None);
    let what = said(&panic);
    assert_eq!(again.err().as_ref().map(said), Some(what.clone()), "{bug:?}: not the same again");
    let what: String = what.chars().take(60).collect();
    say(&format!("{bug:?}: caught by {name} in schedule {begun}, {took:.2} s: {what}"));
}

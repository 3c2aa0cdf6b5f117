//! The explorer: many programs, every crash state of each, on several threads; what
//! fails is made short and printed with a line that runs it again.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use annals::io::sim::SimStorage;
use annals::planted::Bug;

use crate::crash::{Depth, check_kill, check_power_cut, survivors};
use crate::numbers::digest;
use crate::oracle::{Broken, End, Oracle};
use crate::program::Program;
use crate::run::{Observe, run};

/// How much is explored.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Programs of up to so many steps are all run.
    pub steps: u32,
    /// Then random ones, until there are so many distinct states,
    pub states: u64,
    /// or this time is over.
    pub time: Duration,
    /// What random programs and samples are drawn from.
    pub seed: u64,
    /// How many threads work.
    pub threads: u64,
    /// A bug that is planted in all of them.
    pub bug: Option<Bug>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            steps: 3,
            states: 505_000,
            time: Duration::from_secs(3_600),
            seed: 1,
            threads: 2,
            bug: None,
        }
    }
}

/// What an exploration did.
#[derive(Debug)]
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
    /// How long it took.
    pub took: Duration,
    /// What was found, if anything.
    pub failure: Option<Failure>,
}

impl fmt::Display for Explored {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        let rate = self.states as f64 / seconds.max(0.001);
        write!(
            out,
            "{} crash states ({} checks, {} crashes in recovery) of {} programs in {seconds:.1} s, \
             {rate:.0} states/s",
            self.states, self.checks, self.nested, self.programs
        )
    }
}

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

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, shrunk, broken, seed, bug } = self;
        writeln!(out, "{broken}\n  program: {program}\n  shrunk:  {shrunk}")?;
        write!(out, "  again:   cargo run -p annals-fuzz -- --seed {seed} --program '{shrunk}'")?;
        bug.map_or(Ok(()), |bug| write!(out, " --plant {bug:?}"))
    }
}

/// Looks at every crash state of a moment that was not looked at before.
#[derive(Debug)]
pub struct Explorer {
    checked: Mutex<HashSet<(u128, u64)>>,
    disks: Mutex<HashSet<u128>>,
    states: AtomicU64,
    checks: AtomicU64,
    nested: AtomicU64,
    nested_of: u64,
    seed: u64,
}

/// How many power cuts are sampled where not every one is looked at.
const SAMPLES: u64 = 6;

/// In one of so many states recovery itself is crashed.
const NESTED_OF: u64 = 64;

/// In one of so many states every way of reading is tried in each opening.
const AGAIN_OF: u64 = 4;

/// In one of so many states every byte is compared with every index.
const SCAN_OF: u64 = 32;

impl Explorer {
    /// Has seen nothing yet.
    pub fn new(seed: u64) -> Self {
        Self {
            checked: Mutex::default(),
            disks: Mutex::default(),
            states: AtomicU64::new(0),
            checks: AtomicU64::new(0),
            nested: AtomicU64::new(0),
            nested_of: NESTED_OF,
            seed,
        }
    }

    /// Crashes recovery in every state, and not in a few of them.
    #[must_use]
    pub fn every_recovery(self) -> Self {
        Self { nested_of: 1, ..self }
    }

    /// How deeply this is to be checked, if it was not yet; counts it then. A disk that
    /// was checked with other knowledge is probed again only if readers keep
    /// checkpoints, which go by what is appended.
    fn is_new(&self, fingerprint: u128, knowledge: u64, oracle: &Oracle) -> Option<Depth> {
        let lock = |set| Mutex::lock(set).unwrap_or_else(PoisonError::into_inner);
        if !lock(&self.checked).insert((fingerprint, knowledge)) {
            return None;
        }
        let disks = self.disks.lock().unwrap_or_else(PoisonError::into_inner).insert(fingerprint);
        self.states.fetch_add(u64::from(disks), Ordering::Relaxed);
        self.checks.fetch_add(1, Ordering::Relaxed);
        Some(Depth { probe: disks || !oracle.marks.is_empty(), ..self.depth(fingerprint) })
    }

    fn depth(&self, fingerprint: u128) -> Depth {
        let choice = digest(&(fingerprint, self.seed));
        Depth {
            probe: true,
            nested: choice.is_multiple_of(self.nested_of),
            again: (choice >> 24).is_multiple_of(AGAIN_OF),
            scan: (choice >> 8).is_multiple_of(SCAN_OF),
            close: choice & 1 << 32 == 0,
        }
    }
}

impl Observe for Explorer {
    fn moment(&self, disk: &SimStorage, oracle: &Oracle) -> Result<(), Broken> {
        let knowledge = oracle.digest(End::Cut);
        let here = disk.fingerprint();
        // The same moment again, from another program: nothing new can follow.
        let Some(depth) = self.is_new(here, !oracle.digest(End::Kill), oracle) else {
            return Ok(());
        };
        let killed = check_kill(&disk.fork(), oracle, depth);
        let nested = killed.map_err(|broken| broken.within("after a kill"))?;
        self.nested.fetch_add(nested, Ordering::Relaxed);
        for fate in survivors(disk, SAMPLES, self.seed ^ digest(&here)) {
            let after = fate.of(disk);
            let fingerprint = after.fingerprint();
            let Some(depth) = self.is_new(fingerprint, knowledge, oracle) else { continue };
            let checked = check_power_cut(&after, oracle, depth);
            let nested = checked.map_err(|broken| broken.within(format!("after {fate:?}")))?;
            self.nested.fetch_add(nested, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Plants a bug in the logs of this thread, in builds that can.
pub fn plant(bug: Option<Bug>) {
    #[cfg(debug_assertions)]
    annals::planted::plant(bug);
    #[cfg(not(debug_assertions))]
    let _cannot = bug;
}

/// The number-th program of a plan, and from which step on it is new.
fn program_of(plan: &Plan, number: u64) -> (Program, usize) {
    let mut left = number;
    for steps in 1..=plan.steps {
        let count = Program::count(steps);
        if left < count {
            let program = Program::nth(steps, left);
            let last = program.0.len() - 1;
            return (program, last);
        }
        left -= count;
    }
    let program = Program::random(digest(&(plan.seed, left)), 16);
    (program, 0)
}

/// Explores by a plan, until it is done or something is found.
pub fn explore(plan: &Plan) -> Explored {
    let began = Instant::now();
    let explorer = Arc::new(Explorer::new(plan.seed));
    let (next, found) = (AtomicU64::new(0), Mutex::new(None));
    let stop = AtomicBool::new(false);
    let exhaustive: u64 = (1..=plan.steps).map(Program::count).sum();
    let work = || {
        plant(plan.bug);
        while !stop.load(Ordering::Relaxed) && began.elapsed() < plan.time {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let enough = explorer.states.load(Ordering::Relaxed) >= plan.states;
            if number >= exhaustive && enough {
                break;
            }
            let (program, fresh) = program_of(plan, number);
            let observer: Arc<dyn Observe> = explorer.clone();
            if let Err(broken) = run(&program, observer, |step| step >= fresh) {
                stop.store(true, Ordering::Relaxed);
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                found.get_or_insert((program, broken));
            }
        }
        plant(None);
    };
    std::thread::scope(|scope| {
        for _ in 0..plan.threads {
            scope.spawn(work);
        }
    });
    let took = began.elapsed();
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let failure = found.map(|(program, broken)| shrink(plan, program, broken));
    Explored {
        states: explorer.states.load(Ordering::Relaxed),
        checks: explorer.checks.load(Ordering::Relaxed),
        nested: explorer.nested.load(Ordering::Relaxed),
        programs: next.load(Ordering::Relaxed),
        took,
        failure,
    }
}

/// Runs one program with every step looked at.
///
/// # Errors
/// The first promise that was broken.
pub fn try_program(program: &Program, seed: u64, bug: Option<Bug>) -> Result<(), Broken> {
    plant(bug);
    let outcome = run(program, Arc::new(Explorer::new(seed)), |_| true);
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
    let outcome = run(program, Arc::clone(&explorer) as _, |_| true);
    plant(None);
    outcome.map(|()| explorer.states.load(Ordering::Relaxed))
}

/// Takes steps out as long as the program still breaks something.
fn shrink(plan: &Plan, program: Program, broken: Broken) -> Failure {
    let (mut shrunk, mut last) = (program.clone(), broken);
    let began = Instant::now();
    let mut step = shrunk.0.len();
    while step > 0 && began.elapsed() < Duration::from_secs(20) {
        step -= 1;
        let shorter = shrunk.without(step);
        if let Err(broken) = try_program(&shorter, plan.seed, plan.bug) {
            (shrunk, last) = (shorter, broken);
            step = step.min(shrunk.0.len());
        }
    }
    Failure { program, shrunk, broken: last, seed: plan.seed, bug: plan.bug }
}

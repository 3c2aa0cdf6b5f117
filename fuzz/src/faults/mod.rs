//! Errors of the device: every call of a program fails once or for good, and after it
//! nothing is acknowledged that is not there.
//!
//! * [`ways`]: which errors each kind of call can report, and a failing call as text
//! * [`beside`]: the calls of a reader beside a writer
//! * [`full`]: full disks
//!
//! What a step does and what its failure may say is in `run`.

pub mod beside;
pub mod full;
pub mod ways;

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use annals::Reading;
use annals::io::sim::{LoseAll, SimStorage, Times};
use annals::planted::Bug;

use crate::crash::{Depth, check_kill, check_power_cut, power_cut};
use crate::explore::plant;
use crate::oracle::{Broken, End};
use crate::program::Program;
use crate::run::{Blind, Run};
use ways::{GONE, READS, Strike, WRITER, strikes};

/// The program whose calls fail: it makes, extends, rolls, closes, dies and opens, also
/// with a torn tail behind. Appends of all kinds and levels, alone and together.
pub const CANONICAL: &str = "S K Xw Bb R M A O Sw Xw Y S Rb Bw R N T V O C Q Zb J K Lw A I Rw S Y \
                             Sb O Xw Sb J P5 M T Sw Sw";

/// How many threads sweep.
const THREADS: usize = 2;

/// How many of the failing calls of one run are followed by crashes at once; others by
/// the one at the end.
const FRESH: usize = 3;

/// How much was tried.
#[derive(Debug, Clone, Copy, Default)]
pub struct Swept {
    /// Runs of the program, one fault each.
    pub runs: u64,
    /// Disks that were checked after a crash, each once.
    pub states: u64,
    /// How long it took.
    pub took: Duration,
}

/// A program that breaks a promise when a call fails.
#[derive(Debug, Clone)]
pub struct Failure {
    /// As short as it could be made.
    pub program: Program,
    /// What fails in it.
    pub strike: Strike,
    /// What is broken.
    pub broken: Broken,
    /// The planted bug.
    pub bug: Option<Bug>,
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, strike, broken, bug } = self;
        writeln!(out, "{broken}\n  with {strike} in: {program}")?;
        write!(out, "  again: cargo run -p annals-fuzz -- --faults {strike} ")?;
        write!(out, "--program '{program}'")?;
        bug.map_or(Ok(()), |bug| write!(out, " --plant {bug:?}"))
    }
}

/// Disks and what was known of them that were checked before.
type Seen = Mutex<HashSet<(u128, u64, u64)>>;

/// Every way in which a call of a writer can fail. Reads fail where they are calls; all
/// else fails under both ways of reading, though the rarer one takes the device's error
/// alone.
pub fn all_ways() -> Vec<Strike> {
    let both = [Times::Once, Times::ForGood];
    let mut all = strikes(&GONE, &[Times::ForGood], Reading::Mapped);
    all.extend(strikes(&READS, &both, Reading::Pread));
    all.extend(strikes(&WRITER, &both, Reading::Mapped));
    let device = |strike: &Strike| strike.failure == annals::io::sim::Failure::Device;
    let pread = strikes(&WRITER, &[Times::Once], Reading::Pread);
    all.extend(pread.into_iter().filter(|strike| device(strike) && strike.partial.is_none()));
    all
}

/// Lets every call of a program fail in every way; with a planted bug in all of them.
///
/// # Errors
/// The first promise that was broken, with the fault that broke it and the shortest
/// program that was found for it.
pub fn sweep(program: &Program, bug: Option<Bug>) -> Result<Swept, Box<Failure>> {
    let began = Instant::now();
    let ways = all_ways();
    let (next, seen) = (AtomicUsize::new(0), Seen::default());
    let swept = Mutex::new(Ok(Swept::default()));
    let outcome = || swept.lock().unwrap_or_else(PoisonError::into_inner);
    let work = || {
        plant(bug);
        while let Some(way) = ways.get(next.fetch_add(1, Ordering::Relaxed)) {
            for nth in 1.. {
                let strike = Strike { nth, ..*way };
                let tried = one(program, &strike, &seen);
                let mut outcome = outcome();
                match (&mut *outcome, tried) {
                    (Err(_), _) => break,
                    (Ok(sum), Ok(Tried { struck, states })) => {
                        sum.runs += u64::from(struck);
                        sum.states += states;
                        if !struck {
                            break;
                        }
                    }
                    (Ok(_), Err(broken)) => *outcome = Err((strike, broken)),
                }
            }
        }
        plant(None);
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(work);
        }
    });
    let swept = swept.into_inner().unwrap_or_else(PoisonError::into_inner);
    match swept {
        Ok(swept) => Ok(Swept { took: began.elapsed(), ..swept }),
        Err((strike, broken)) => {
            let failure = Failure { program: program.clone(), strike, broken, bug };
            // Of a bug that was planted all that counts is that it was seen.
            Err(Box::new(if bug.is_some() { failure } else { shrink(failure) }))
        }
    }
}

/// Runs a program with one failing call.
///
/// # Errors
/// The first promise that was broken.
pub fn try_one(program: &Program, strike: &Strike, bug: Option<Bug>) -> Result<Tried, Broken> {
    plant(bug);
    let tried = one(program, strike, &Seen::default());
    plant(None);
    tried
}

/// What one run did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tried {
    /// Whether there was such a call.
    pub struck: bool,
    /// Disks that were checked after a crash.
    pub states: u64,
}

fn one(program: &Program, strike: &Strike, seen: &Seen) -> Result<Tried, Broken> {
    let disk = SimStorage::missing();
    disk.fail(strike.fault());
    let mut run = Run::new(disk, Arc::new(Blind)).faulty().reading(strike.reading);
    run.start()?;
    let (mut struck, mut states, mut fresh) = (0, 0, 0);
    for (step, op) in program.0.iter().enumerate() {
        let at = |broken: Broken| broken.within(format!("step {step}, {op}"));
        run.step(*op).map_err(at)?;
        let now = run.disk().faults_struck();
        if now > struck && fresh < FRESH {
            // Looked at while the failure is fresh: a crash comes right after it.
            struck = now;
            fresh += 1;
            states += crashes(&run, seen).map_err(at)?;
        }
    }
    states += crashes(&run, seen)?;
    Ok(Tried { struck: run.disk().faults_struck() > 0, states })
}

/// Crashes the process, and the machine; and the process first, then the machine: a
/// failed sync leaves pages, lengths and names that the system holds for clean, and
/// what a reopened log serves must be durable all the same.
fn crashes(run: &Run, seen: &Seen) -> Result<u64, Broken> {
    let oracle = run.oracle();
    let here = (run.disk().fingerprint(), oracle.digest(End::Kill), oracle.digest(End::Cut));
    if !seen.lock().unwrap_or_else(PoisonError::into_inner).insert(here) {
        return Ok(0);
    }
    let depth = Depth { probe: true, nested: false, again: true, scan: false, close: true };
    let killed = run.disk().fork();
    check_kill(&killed, &oracle, depth).map_err(|b| b.within("then a kill"))?;
    for seed in 0..3 {
        let after = run.disk().fork();
        match seed {
            0 => after.power_cut(LoseAll),
            _ => power_cut(&after, seed),
        }
        check_power_cut(&after, &oracle, depth)
            .map_err(|broken| broken.within(format!("then a power cut, {seed}")))?;
    }
    Ok(4)
}

/// Takes steps out as long as some earlier call still breaks something when it fails in
/// the same way.
fn shrink(mut failure: Failure) -> Failure {
    let began = Instant::now();
    let mut step = failure.program.0.len();
    while step > 0 && began.elapsed() < Duration::from_secs(20) {
        step -= 1;
        let shorter = failure.program.without(step..step + 1);
        let breaks = |nth| {
            let strike = Strike { nth, ..failure.strike };
            Some((strike, try_one(&shorter, &strike, failure.bug).err()?))
        };
        if let Some((strike, broken)) = (1..=failure.strike.nth).rev().find_map(breaks) {
            failure = Failure { program: shorter, strike, broken, ..failure };
        }
        step = step.min(failure.program.0.len());
    }
    failure
}

//! Errors of the device: every call of a program fails once or for good, and after it
//! nothing is acknowledged that is not there.
//!
//! What a step does and what its failure may say is in `run`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use annals::io::sim::{CallKind, Failure, Fault, LoseAll, Nth, SimStorage, Times};
use annals::planted::Bug;
use annals::{Durability, Error};

use crate::check::{must_open, open, options, read_all};
use crate::crash::{Depth, check_kill, check_power_cut, power_cut};
use crate::explore::plant;
use crate::numbers::{digest, narrow};
use crate::oracle::{Broken, End, Oracle};
use crate::program::Program;
use crate::run::{Blind, Run};
use crate::told::{Entry, Told};

/// The program whose calls fail: it makes, extends, rolls, closes and opens.
/// Appends of all kinds and levels, alone and together.
pub const CANONICAL: &str = "S Xw Bb R M A O Sw Xw Y S Rb Bw R N T V O C Q Zb J K Lw A I Rw S Y \
                             Sb O M T Sw Sw";

/// How a call fails.
#[derive(Debug, Clone, Copy)]
struct Way {
    kind: CallKind,
    failure: Failure,
    /// How many bytes of a write happen all the same.
    partial: Option<u64>,
    times: Times,
}

/// The error, and how many bytes of a write happen all the same; of any other call, that
/// it happens.
type How = (Failure, Option<u64>);

/// The calls that fail, and how: what a call cannot report, or does in one way only, is
/// left out.
const WAYS: [(CallKind, &[How]); 9] = [
    (CallKind::SyncData, &SYNCS),
    (CallKind::SyncAll, &SYNCS),
    (CallKind::SyncDir, &SYNCS),
    (
        CallKind::Write,
        &[
            (Failure::Device, None),
            (Failure::Device, Some(100)),
            (Failure::Device, Some(1 << 30)),
            (Failure::NoSpace, None),
            (Failure::NoSpace, Some(700)),
            (Failure::Quota, None),
            (Failure::ReadOnly, None),
            (Failure::Interrupted, Some(600)),
        ],
    ),
    (CallKind::Create, &NAMES),
    (CallKind::Remove, &NAMES),
    (
        CallKind::SetLen,
        &[
            (Failure::Device, None),
            (Failure::Device, Some(0)),
            (Failure::NoSpace, None),
            (Failure::ReadOnly, None),
        ],
    ),
    (CallKind::Open, &[(Failure::TooManyFiles, None), (Failure::Device, None)]),
    (CallKind::Read, &[(Failure::Device, None), (Failure::Interrupted, None)]),
];

const SYNCS: [How; 4] = [
    (Failure::Device, None),
    (Failure::Device, Some(0)),
    (Failure::NoSpace, None),
    (Failure::Interrupted, None),
];

const NAMES: [How; 5] = [
    (Failure::Device, None),
    (Failure::Device, Some(0)),
    (Failure::NoSpace, None),
    (Failure::ReadOnly, None),
    (Failure::TooManyFiles, None),
];

/// How many threads sweep.
const THREADS: usize = 2;

/// How much was tried.
#[derive(Debug, Clone, Copy, Default)]
pub struct Swept {
    /// Runs of the program, one fault each.
    pub runs: u64,
    /// Disks that were checked after a crash.
    pub states: u64,
}

/// Lets every call of a program fail in every way; with a planted bug in all of them.
///
/// # Errors
/// The first promise that was broken, with the fault that broke it.
pub fn sweep(program: &Program, bug: Option<Bug>) -> Result<Swept, Broken> {
    let each = |(kind, failures): &(CallKind, &'static [How])| {
        let kind = *kind;
        failures.iter().flat_map(move |(failure, partial)| {
            let (failure, partial) = (*failure, *partial);
            [Times::Once, Times::ForGood].map(|times| Way { kind, failure, partial, times })
        })
    };
    let ways: Vec<_> = WAYS.iter().flat_map(each).collect();
    let (next, swept) = (AtomicUsize::new(0), Mutex::new(Ok(Swept::default())));
    let outcome = || swept.lock().unwrap_or_else(PoisonError::into_inner);
    let work = || {
        plant(bug);
        while let Some(way) = ways.get(next.fetch_add(1, Ordering::Relaxed))
            && outcome().is_ok()
        {
            let mut here = Swept::default();
            let broken = (1..).find_map(|call| match one(program, call, *way, &mut here) {
                Ok(true) if outcome().is_ok() => None,
                Ok(true) => Some(Ok(())),
                Ok(false) => Some(Ok(())),
                Err(broken) => Some(Err(broken.within(format!("call {call} fails as {way:?}")))),
            });
            let mut outcome = outcome();
            if let Ok(sum) = &mut *outcome {
                sum.runs += here.runs;
                sum.states += here.states;
            }
            if let Some(Err(broken)) = broken {
                *outcome = Err(broken);
            }
        }
        plant(None);
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(work);
        }
    });
    swept.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the program with one fault; `false` if it has fewer calls.
fn one(program: &Program, call: u64, way: Way, swept: &mut Swept) -> Result<bool, Broken> {
    let fault = Fault::new(Nth::Of(way.kind, call), way.failure).times(way.times);
    let fault = match way.partial {
        Some(bytes) => fault.partial(bytes),
        None => fault,
    };
    let disk = SimStorage::new();
    disk.fail(fault);
    let mut run = Run::new(disk, Arc::new(Blind)).faulty();
    run.start()?;
    let mut struck = run.disk().faults_struck();
    let any = |run: &Run| run.disk().faults_struck() > 0;
    for op in &program.0 {
        run.step(*op)?;
        let now = run.disk().faults_struck();
        if now > struck {
            // Looked at while the failure is fresh: a crash comes right after it.
            struck = now;
            swept.states += crashes(&run)?;
        }
    }
    swept.runs += 1;
    swept.states += crashes(&run)?;
    Ok(any(&run))
}

/// Crashes the process, and the machine; and the process first, then the machine: a
/// failed sync leaves pages, lengths and names that the system holds for clean, and
/// what a reopened log serves must be durable all the same.
fn crashes(run: &Run) -> Result<u64, Broken> {
    let oracle = run.oracle();
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

/// Fills a disk of this size: what does not fit is [`Error::Full`], uses no number and
/// leaves nothing, reads go on, and once there is space the same append works
/// without reopening. Returns how many events fitted.
///
/// # Errors
/// If it is otherwise.
pub fn full_disk_heals(capacity: u64) -> Result<usize, Broken> {
    let disk = SimStorage::new();
    disk.set_capacity(Some(capacity));
    let log = match open(&disk, annals::Reading::Mapped) {
        Err(Error::Full { .. }) => return made_later(&disk),
        other => other.map_err(|error| Broken::new("12: full is said to be full", error))?,
    };
    let mut oracle = Oracle::default();
    let mut healed = None;
    for number in 0..60 {
        let told = Entry::of(vec![Told::make("a-1", 1 << 100 | number, 900)]);
        let level = LEVELS.into_iter().cycle().nth(narrow(digest(&number) % 3));
        let level = level.unwrap_or_default();
        match log.append_with(&oracle.batch(&told), level) {
            Ok(_) => oracle.entries.push(told),
            Err(Error::Full { .. }) if healed.is_none() => {
                let held = oracle.admits(&read_all(&log)?, End::Cut)?;
                if *held.end() != oracle.entries.len() {
                    return Err(Broken::new("12: full leaves all that was before", "less"));
                }
                healed = Some(oracle.entries.len());
                disk.set_capacity(None);
                let again = log.append_with(&oracle.batch(&told), level);
                again.map_err(|error| Broken::new("12: full heals", error))?;
                oracle.entries.push(told);
            }
            Err(error) => return Err(Broken::new("12: full is said to be full", error)),
        }
    }
    // Closing makes all of it durable.
    log.close().map_err(|error| Broken::new("12: full heals", error))?;
    oracle.durable = oracle.entries.len();
    let log = must_open(&disk, annals::Reading::Pread)?;
    oracle.admits(&read_all(&log)?, End::Cut)?;
    Ok(healed.unwrap_or(oracle.entries.len()))
}

const LEVELS: [Durability; 3] = [Durability::Durable, Durability::Written, Durability::Buffered];

fn made_later(disk: &SimStorage) -> Result<usize, Broken> {
    disk.set_capacity(None);
    let opened = options(annals::Reading::Mapped).open_on(Arc::new(disk.clone()));
    opened.map(|_| 0).map_err(|error| Broken::new("12: full heals", error))
}

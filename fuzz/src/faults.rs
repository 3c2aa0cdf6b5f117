//! Errors of the device: every call of a program fails once or for good, and after it
//! nothing is acknowledged that is not there.
//!
//! What a step does and what its failure may say is in `run`.

use std::sync::Arc;

use annals::{Durability, Error};
use annals::io::sim::{CallKind, Failure, Fault, LoseAll, Nth, SimStorage, Times};

use crate::check::{must_open, open, options, read_all};
use crate::crash::{Depth, check_kill, check_power_cut, power_cut};
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

const FAILURES: [(Failure, Option<u64>); 9] = [
    (Failure::Device, None),
    (Failure::Device, Some(100)),
    (Failure::Device, Some(1 << 30)),
    (Failure::NoSpace, None),
    (Failure::NoSpace, Some(700)),
    (Failure::Quota, None),
    (Failure::ReadOnly, None),
    (Failure::TooManyFiles, None),
    (Failure::Interrupted, None),
];

const KINDS: [CallKind; 9] = [
    CallKind::SyncData,
    CallKind::SyncAll,
    CallKind::Create,
    CallKind::Write,
    CallKind::SetLen,
    CallKind::SyncDir,
    CallKind::Remove,
    CallKind::Open,
    CallKind::Read,
];

/// How much was tried.
#[derive(Debug, Clone, Copy, Default)]
pub struct Swept {
    /// Runs of the program, one fault each.
    pub runs: u64,
    /// Disks that were checked after a crash.
    pub states: u64,
}

/// Lets every call of a program that changes something fail in every way.
///
/// # Errors
/// The first promise that was broken, with the fault that broke it.
pub fn sweep(program: &Program) -> Result<Swept, Broken> {
    let mut swept = Swept::default();
    for kind in KINDS {
        for (failure, partial) in FAILURES {
            for times in [Times::Once, Times::ForGood] {
                let way = Way { kind, failure, partial, times };
                let mut call = 1;
                while one(program, call, way, &mut swept)
                    .map_err(|broken| broken.within(format!("call {call} fails as {way:?}")))?
                {
                    call += 1;
                }
            }
        }
    }
    Ok(swept)
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
    let depth = Depth { nested: false, scan: false, close: true };
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
    oracle.admits(&read_all(&must_open(&disk, annals::Reading::Pread)?)?, End::Cut)?;
    Ok(healed.unwrap_or(oracle.entries.len()))
}

const LEVELS: [Durability; 3] =
    [Durability::Durable, Durability::Written, Durability::Buffered];

fn made_later(disk: &SimStorage) -> Result<usize, Broken> {
    disk.set_capacity(None);
    let opened = options(annals::Reading::Mapped).open_on(Arc::new(disk.clone()));
    opened.map(|_| 0).map_err(|error| Broken::new("12: full heals", error))
}

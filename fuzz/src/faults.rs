//! Errors of the device: every call of a program fails once or for good, and after it
//! nothing is acknowledged that is not there.
//!
//! What a step does and what its failure may say is in `run`.

use std::sync::Arc;

use annals::Error;
use annals::io::sim::{CallKind, Failure, Fault, LoseAll, Nth, SimStorage, Times};

use crate::check::{must_open, open, options, read_all};
use crate::crash::{Depth, check_kill, check_power_cut, power_cut};
use crate::oracle::{Broken, Oracle, Told};
use crate::program::Program;
use crate::run::{Blind, Run};

/// The program whose calls fail: it makes, extends, rolls, closes and opens.
pub const CANONICAL: &str = "S X B R S A O S R B R X T O C S K X R S O B T";

/// How a call fails.
#[derive(Debug, Clone, Copy)]
struct Way {
    kind: CallKind,
    failure: Failure,
    /// How many bytes of a write happen all the same.
    partial: Option<u64>,
    times: Times,
}

const FAILURES: [(Failure, Option<u64>); 7] = [
    (Failure::Device, None),
    (Failure::Device, Some(100)),
    (Failure::Device, Some(1 << 30)),
    (Failure::NoSpace, None),
    (Failure::NoSpace, Some(700)),
    (Failure::Quota, None),
    (Failure::ReadOnly, None),
];

const KINDS: [CallKind; 7] = [
    CallKind::SyncData,
    CallKind::SyncAll,
    CallKind::Create,
    CallKind::Write,
    CallKind::SetLen,
    CallKind::SyncDir,
    CallKind::Remove,
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
    let depth = Depth { nested: false, close: true };
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
        let told = vec![Told::make("a-1", 1 << 100 | number, 900)];
        match log.append(&oracle.batch(&told)) {
            Ok(_) => oracle.kept.extend(told),
            Err(Error::Full { .. }) if healed.is_none() => {
                if read_all(&log)? != oracle.kept {
                    return Err(Broken::new("12: full leaves nothing behind", "other events"));
                }
                healed = Some(oracle.kept.len());
                disk.set_capacity(None);
                let again = log.append(&oracle.batch(&told));
                again.map_err(|error| Broken::new("12: full heals", error))?;
                oracle.kept.extend(told);
            }
            Err(error) => return Err(Broken::new("12: full is said to be full", error)),
        }
    }
    drop(log);
    let found = read_all(&must_open(&disk, annals::Reading::Pread)?)?;
    oracle.settle(found)?;
    Ok(healed.unwrap_or(oracle.kept.len()))
}

fn made_later(disk: &SimStorage) -> Result<usize, Broken> {
    disk.set_capacity(None);
    let opened = options(annals::Reading::Mapped).open_on(Arc::new(disk.clone()));
    opened.map(|_| 0).map_err(|error| Broken::new("12: full heals", error))
}

//! The operations target: bytes as a program of appends, crashes and failing calls, with
//! the whole oracle.
//!
//! The language is that of `program`; what a step means and must answer is in `run`.

use std::sync::Arc;

use annals::Durability;
use annals::io::sim::{CallKind, Failure, Fault, Nth, SimStorage, Times};

use super::input::Input;
use crate::crash::{Depth, Survivors, check_kill, check_power_cut};
use crate::oracle::Broken;
use crate::program::{Op, Program, What};
use crate::run::{Blind, Run};

/// No program has more steps.
const STEPS: usize = 14;

const WHATS: [What; 16] = [
    What::Small,
    What::Small,
    What::Small,
    What::Sector,
    What::Sector,
    What::Batch,
    What::Batch,
    What::Roll,
    What::Snapshot,
    What::State,
    What::Key,
    What::Keyed,
    What::Keyed,
    What::Mixed,
    What::Mixed,
    What::Mixed,
];

/// Calls that can be made to fail.
const CALLS: [CallKind; 9] = [
    CallKind::Write,
    CallKind::SyncData,
    CallKind::SyncAll,
    CallKind::SyncDir,
    CallKind::Create,
    CallKind::Remove,
    CallKind::SetLen,
    CallKind::Open,
    CallKind::Read,
];

const FAILURES: [Failure; 6] = [
    Failure::Device,
    Failure::NoSpace,
    Failure::Quota,
    Failure::ReadOnly,
    Failure::TooManyFiles,
    Failure::Interrupted,
];

/// How a program ends, and what fails in it.
#[derive(Debug)]
pub struct Plan {
    program: Program,
    fault: Option<Fault>,
    kill: bool,
    depth: Depth,
    seed: u64,
}

impl Plan {
    /// From the bytes of an input.
    pub fn read(input: &mut Input<'_>) -> Self {
        let (choices, seed) = (input.byte(), input.word());
        let depth = Depth {
            probe: choices & 2 != 0,
            nested: choices & 0x1C == 0x1C,
            again: choices & 0x20 != 0,
            scan: choices & 0x40 != 0,
            close: choices & 0x80 != 0,
        };
        let fault = (choices & 0x0C == 0x0C).then(|| fault(input));
        let mut steps = Vec::new();
        while steps.len() < STEPS && !input.is_empty() {
            steps.push(step(input, fault.is_some()));
        }
        let seed = crate::numbers::wide(seed);
        Self { program: Program(steps), fault, kill: choices & 1 != 0, depth, seed }
    }

    fn carry_out(self) -> Result<(), Broken> {
        let disk = SimStorage::new();
        let mut run = Run::new(disk.clone(), Arc::new(Blind));
        if let Some(fault) = self.fault {
            disk.fail(fault);
            run = run.faulty();
        }
        run.start()?;
        self.program.0.iter().try_for_each(|op| run.step(*op))?;
        let oracle = run.oracle();
        let checked = if self.kill {
            check_kill(&disk.fork(), &oracle, self.depth)
        } else {
            let after = Survivors::Seeded(self.seed).of(&disk);
            check_power_cut(&after, &oracle, self.depth)
        };
        disk.clear_hook();
        disk.kill();
        checked.map(drop)
    }
}

fn fault(input: &mut Input<'_>) -> Fault {
    let kind = input.one_of(&CALLS, CallKind::Write);
    let mut failure = input.one_of(&FAILURES, Failure::Device);
    let call = 1 + u64::from(input.byte() & 0x3F);
    let how = input.byte();
    let sync = matches!(kind, CallKind::SyncData | CallKind::SyncAll | CallKind::SyncDir);
    if sync && matches!(failure, Failure::Interrupted) {
        failure = Failure::Device;
    }
    let times = if how & 1 == 0 { Times::Once } else { Times::ForGood };
    let fault = Fault::new(Nth::Of(kind, call), failure).times(times);
    let partial = how & 2 != 0 && kind == CallKind::Write;
    if partial { fault.partial(u64::from(how) * 8) } else { fault }
}

fn step(input: &mut Input<'_>, faulty: bool) -> Op {
    let byte = input.byte();
    let what = WHATS.get(usize::from(byte & 15)).copied().unwrap_or(What::Small);
    let mut word = || u16::try_from(input.word()).unwrap_or(0);
    match byte >> 4 {
        0..=4 => Op::Append(what, Durability::Durable),
        5..=6 => Op::Append(what, Durability::Written),
        7..=8 => Op::Append(what, Durability::Buffered),
        9 if byte & 1 == 0 => Op::Tickets,
        9 => Op::Dropped,
        10 if byte & 1 == 0 => Op::Sync,
        10 => Op::View,
        11 if byte & 1 == 0 => Op::Conflict,
        11 => Op::Again,
        12 => Op::Tail,
        13 if byte & 1 == 0 => Op::Reopen,
        13 => Op::Kill,
        // Crashes of the machine in a run whose calls fail are looked at when it ends.
        _ if faulty => Op::Kill,
        14 => Op::Cut(word()),
        _ => Op::Die(1 + (byte & 3), word()),
    }
}

/// A byte says how it ends, a word what survives then; the others are the fault, if there
/// is one, and the steps.
///
/// # Errors
/// The first promise that was broken.
pub fn operations(bytes: &[u8]) -> Result<(), Broken> {
    let plan = Plan::read(&mut Input::new(bytes));
    let text = format!("{} {:?} {} {}", plan.program, plan.fault, plan.kill, plan.seed);
    plan.carry_out().map_err(|broken| broken.within(text))
}

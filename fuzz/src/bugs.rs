//! Planted bugs: which harness must see which, and how long that takes.
//!
//! The bugs themselves are in the engine, `annals::planted`.

use std::fmt;
use std::time::{Duration, Instant};

pub use annals::planted::Bug;

use crate::damage::{self, KINDS, Plan as DamagePlan};
use crate::explore::{Plan, explore, try_program, try_recoveries};
use crate::oracle::Broken;
use crate::program::Program;
use crate::{faults, settled};

/// Whether this build can plant bugs: release builds have none of them.
pub const CAN_PLANT: bool = cfg!(debug_assertions);

/// What looks for a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harness {
    /// Every crash of short and random programs.
    Explorer,
    /// The explorer on one program, with crashes in every recovery.
    Recovery(&'static str),
    /// Every call failing.
    Faults,
    /// Damaged logs.
    Damage,
    /// Two threads, one of which rests on the other.
    Threads,
}

/// Every bug that can be planted, with the harness that must see it.
pub const BUGS: [(Bug, Harness); 36] = [
    (Bug::AcknowledgeBeforeSync, Harness::Explorer),
    (Bug::PublishBeforeDurable, Harness::Explorer),
    (Bug::NoDirectorySync, Harness::Explorer),
    (Bug::TailNotCut, Harness::Explorer),
    (Bug::RecoveredNotSynced, Harness::Explorer),
    (Bug::PositionsRestarted, Harness::Explorer),
    (Bug::DedupeLostAtReopen, Harness::Explorer),
    (Bug::StaleIndexBelieved, Harness::Explorer),
    (Bug::KeyLostAtReopen, Harness::Explorer),
    (Bug::NoSyncAtRoll, Harness::Explorer),
    (Bug::WrittenBeforeWrite, Harness::Explorer),
    (Bug::SyncDoesNothing, Harness::Explorer),
    (Bug::CloseForgetsBuffered, Harness::Explorer),
    (Bug::DuplicateCalledDurable, Harness::Explorer),
    (Bug::SnapshotTakesPosition, Harness::Explorer),
    (Bug::SnapshotLostAtReopen, Harness::Explorer),
    (Bug::CursorAheadOfSync, Harness::Explorer),
    (Bug::EpochKept, Harness::Explorer),
    (Bug::DivergedTooFar, Harness::Explorer),
    (Bug::FirstNameNotSynced, Harness::Faults),
    (Bug::CloseMarkNotSynced, Harness::Explorer),
    (Bug::SpareNotZeroed, Harness::Explorer),
    (Bug::OffsetCutOff, Harness::Explorer),
    (Bug::RemovedBeforeSync, Harness::Recovery("Rw Rw Rw")),
    (Bug::HalfLeftByFull, Harness::Faults),
    (Bug::ErrorIsTheEnd, Harness::Faults),
    (Bug::LengthBeforeCrc, Harness::Damage),
    (Bug::LastGroupRewritten, Harness::Faults),
    (Bug::PoisonForgotten, Harness::Faults),
    (Bug::AnswerNotSettled, Harness::Threads),
    (Bug::SyncRetried, Harness::Faults),
    (Bug::LeadersErrorNotShared, Harness::Faults),
    (Bug::DamageIsTheEnd, Harness::Damage),
    (Bug::DurableUptoNeverAdvanced, Harness::Damage),
    (Bug::CrcNotSeeded, Harness::Damage),
    (Bug::PayloadUnchecked, Harness::Damage),
];

/// How a bug was caught, or not.
#[derive(Debug)]
pub struct Caught {
    /// The bug.
    pub bug: Bug,
    /// Who looked.
    pub harness: Harness,
    /// What was seen of it.
    pub seen: Option<String>,
    /// Crash states until then, for the explorer.
    pub states: Option<u64>,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Caught {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bug, harness, seen, states, took } = self;
        write!(out, "{bug:?}: ")?;
        match seen {
            None => write!(out, "not caught by {harness:?}")?,
            Some(_) => write!(out, "caught by {harness:?}")?,
        }
        if let Some(states) = states {
            write!(out, " after {states} states")?;
        }
        write!(out, " in {:.2} s", took.as_secs_f64())?;
        let seen = seen.as_deref().unwrap_or_default();
        write!(out, ": {}", seen.chars().take(160).collect::<String>().replace('\n', " "))
    }
}

/// The bug of this name.
pub fn bug_named(name: &str) -> Option<Bug> {
    BUGS.iter().map(|(bug, _)| *bug).find(|bug| format!("{bug:?}") == name)
}

/// Plants every bug, one after the other, and looks for it.
pub fn catch() -> impl Iterator<Item = Caught> {
    BUGS.into_iter().map(|(bug, harness)| look_for(bug, harness))
}

/// Plants a bug and looks for it.
pub fn look_for(bug: Bug, harness: Harness) -> Caught {
    let began = Instant::now();
    let mut states = None;
    let seen = match harness {
        Harness::Explorer => {
            let time = Duration::from_secs(30);
            let plan = Plan { bug: Some(bug), states: 60_000, time, ..Plan::default() };
            let explored = explore(&plan);
            states = Some(explored.states);
            // What breaks without the bug as well is not the bug.
            let failure = explored.failure;
            let failure = failure.filter(|f| try_program(&f.shrunk, f.seed, None).is_ok());
            failure.map(|failure| failure.to_string())
        }
        Harness::Recovery(text) => {
            let program = text.parse::<Program>().map_err(|error| Broken::new("a program", error));
            let tried = program.and_then(|program| try_recoveries(&program, 1, Some(bug)));
            match tried {
                Ok(tried) => {
                    states = Some(tried);
                    None
                }
                Err(broken) => Some(broken.to_string()),
            }
        }
        Harness::Faults => {
            let program: Result<Program, String> = faults::CANONICAL.parse();
            let program = program.map_err(|error| Broken::new("a program", error));
            match program.map(|program| faults::sweep(&program, Some(bug))) {
                Err(broken) => Some(broken.to_string()),
                Ok(swept) => swept.err().map(|failure| failure.to_string()),
            }
        }
        Harness::Threads => settled::answers_wait(Some(bug)).err().map(|b| b.to_string()),
        Harness::Damage => damage::sweep(DamagePlan::Quick, &KINDS, Some(bug))
            .err()
            .map(|broken| broken.to_string()),
    };
    Caught { bug, harness, seen, states, took: began.elapsed() }
}

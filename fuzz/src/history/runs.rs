//! Histories by a seed: the disk, the log and what was in it before, then the threads.

use std::path::Path;
use std::time::Duration;

use annals::io::sim::{CallKind, Failure, Fault, Nth, SimStorage};
use annals::planted::Bug;
use annals::{Background, Durability, Expected, Log, Options, Reading};

use super::call::{Answer, Asked, Call, History, Op, Write};
use super::record::{DURABLE, Plan, noise, record};
use super::script::{append, large_id, shared_id};
use crate::explore::plant;
use crate::numbers::{Numbers, digest, wide};
use crate::oracle::Broken;

fn failed(error: annals::Error) -> Broken {
    Broken::new("10: the log takes appends", error)
}

/// Small segments, and the other options by the seed. A bug is planted in threads: so those
/// that call the log do all of its work then.
fn options(seed: u64, bug: Option<Bug>) -> Options {
    let choice = digest(&(seed, "options"));
    let inline = bug.is_some() || choice & 1 == 0;
    Options::new()
        .segment_bytes(16 << 10)
        .background(if inline { Background::Inline } else { Background::Thread })
        .reading(if choice & 2 == 0 { Reading::Mapped } else { Reading::Pread })
        .flush_after(Duration::from_millis(1))
}

/// A few threads with a few calls each on a simulated disk. With `faulty` one of the first
/// syncs fails, and only durable appends are asked for: then nothing is seen that may be
/// gone.
///
/// # Errors
/// If the log cannot be used at all.
pub fn short(seed: u64, bug: Option<Bug>, faulty: bool) -> Result<History, Broken> {
    let disk = SimStorage::new();
    let open = || options(seed, bug).open_on(std::sync::Arc::new(disk.clone()));
    let mut plan = Plan { bug, ..Plan::short(seed) };
    if faulty {
        plan.levels = DURABLE;
    }
    plant(bug);
    let recorded = with_past(seed, &plan, open).and_then(|(log, past)| {
        if faulty {
            let nth = 1 + Numbers::new(digest(&(seed, "fault"))).below(6);
            disk.fail(Fault::new(Nth::Of(CallKind::SyncData, nth), Failure::Device));
        }
        noise(&disk, seed);
        let recorded = record(&log, Some(&disk), seed, &plan, past);
        disk.clear_hook();
        drop(log);
        recorded
    });
    plant(None);
    recorded
}

/// The same in a real directory, which is empty.
///
/// # Errors
/// If the log cannot be used at all.
pub fn in_directory(path: &Path, seed: u64, plan: &Plan) -> Result<History, Broken> {
    let (log, past) = with_past(seed, plan, || options(seed, None).open(path))?;
    record(&log, None, seed, plan, past)
}

/// Eight threads with so many calls each on a simulated disk.
///
/// # Errors
/// If the log cannot be used at all.
pub fn long(seed: u64, calls: usize, bug: Option<Bug>) -> Result<History, Broken> {
    let disk = SimStorage::new();
    let plan = Plan { bug, ..Plan::long(calls) };
    plant(bug);
    let options = options(seed, bug).segment_bytes(1 << 20);
    let log = options.open_on(std::sync::Arc::new(disk.clone())).map_err(failed);
    noise(&disk, seed);
    let recorded = log.and_then(|log| record(&log, Some(&disk), seed, &plan, Vec::new()));
    disk.clear_hook();
    plant(None);
    recorded
}

/// A log that holds something already, in two of three histories; closed and opened again
/// since, in one of three. What was appended is the history's beginning.
fn with_past(
    seed: u64,
    plan: &Plan,
    open: impl Fn() -> annals::Result<Log>,
) -> Result<(Log, Vec<Call>), Broken> {
    let choice = digest(&(seed, "past")) % 3;
    let log = open().map_err(failed)?;
    let mut past = Vec::new();
    if choice == 0 {
        return Ok((log, past));
    }
    let one = |stream, id| Asked {
        writes: vec![Write { stream, expected: Expected::Any, ids: vec![id] }],
        key: None,
    };
    // Of what several threads append later; a key of theirs; and what nearly fills a segment.
    let mut batches =
        vec![one(0, shared_id(0)), Asked { key: Some(0), ..one(1 % plan.streams, large_id(0)) }];
    batches.extend((1..3).map(|number| one(1, large_id(number))));
    for (number, asked) in (0..).zip(batches) {
        let answer = append(&log, &asked, Durability::Durable, false).map_err(failed)?;
        past.push(Call {
            thread: plan.threads,
            asked: 2 * number,
            answered: 2 * number + 1,
            op: Op::Append(asked, Durability::Durable, false),
            answer,
            crashed: None,
        });
    }
    if choice == 1 {
        return Ok((log, past));
    }
    log.close().map_err(failed)?;
    Ok((open().map_err(failed)?, past))
}

/// The history with one call more, made when all else was answered: the log is read.
pub fn with_last_read(history: &History) -> History {
    let moment = history.calls.iter().map(|call| call.answered + 1).max().unwrap_or(0);
    let thread = history.calls.iter().map(|call| call.thread + 1).max().unwrap_or(0);
    let mut with = history.clone();
    with.calls.push(Call {
        thread,
        asked: moment,
        answered: moment + 1,
        op: Op::All(0, wide(usize::MAX)),
        answer: Answer::Events(history.log.clone()),
        crashed: None,
    });
    with
}

//! A long stream: its state is appended as a snapshot, and the next fold starts there.

use std::path::Path;

use annals::{Batch, Durability, Expected, Log, NewEvent, NewSnapshot, Snapshot};
use serde_json::json;

use super::tour::{Tour, timed};
use crate::error::{Failure, OfLog};
use crate::output::units;

const STREAM: &str = "account-2";
const SCHEMA: u32 = 1;
const DEPOSITS: u64 = 10_000;
const LATER: u64 = 5;
const PER_BATCH: u64 = 500;

pub(super) fn step(log: &Log, log_path: &Path, tour: &mut Tour<'_>) -> Result<(), Failure> {
    tour.step("Snapshot", "a long stream is folded from where it was left")?;
    // Buffered: one sync for all of them, at the end.
    for from in (0..DEPOSITS).step_by(usize::try_from(PER_BATCH).unwrap_or(1)) {
        deposit(log, from, PER_BATCH).of(log_path)?;
    }
    log.sync().of(log_path)?;
    let (whole, slow) = timed(|| fold(log, log_path))?;
    let state = whole.balance.to_string();
    let mut batch = Batch::new();
    batch.snapshot(STREAM, whole.version, NewSnapshot::new(SCHEMA).json(&state));
    log.append(&batch).of(log_path)?;
    deposit(log, DEPOSITS, LATER).of(log_path)?;
    log.sync().of(log_path)?;
    let (short, fast) = timed(|| fold(log, log_path))?;
    tour.say(format_args!(
        "{} of {STREAM} folded in {}",
        units::counted(whole.read, "event"),
        units::duration(slow)
    ))?;
    tour.say(format_args!(
        "from its snapshot at version {} and {} after it: {}",
        units::count(short.from),
        units::counted(short.read, "event"),
        units::duration(fast)
    ))?;
    tour.facts(
        "snapshot",
        json!({ "events": whole.read, "from_snapshot": short.read, "version": short.version,
            "seconds": slow.as_secs_f64(), "seconds_from_snapshot": fast.as_secs_f64() }),
    )?;
    let all = DEPOSITS + LATER;
    let right = short.balance == all * (all + 1) / 2 && short.version == all;
    tour.check(
        right && short.from == DEPOSITS && short.read == LATER && whole.read == DEPOSITS,
        "the fold from the snapshot comes to what the whole fold comes to".to_owned(),
    );
    Ok(())
}

/// The n-th deposit is of n.
fn deposit(log: &Log, from: u64, count: u64) -> annals::Result<annals::Committed> {
    let texts: Vec<_> = (from + 1..=from + count).map(|amount| amount.to_string()).collect();
    let events = texts.iter().map(|text| NewEvent::new("Deposited").json(text));
    let mut batch = Batch::new();
    batch.write(STREAM, Expected::Exact(from), events);
    log.append_with(&batch, Durability::Buffered)
}

/// What a fold came to, and what it took.
struct Fold {
    /// Version of the snapshot that it started from.
    from: u64,
    read: u64,
    version: u64,
    balance: u64,
}

fn fold(log: &Log, log_path: &Path) -> Result<Fold, Failure> {
    let mut loaded = log.load(STREAM, SCHEMA).of(log_path)?;
    let from = loaded.snapshot().map_or(0, Snapshot::version);
    let balance = loaded.snapshot().map_or(Ok(0), |snapshot| amount(snapshot.data()))?;
    let mut fold = Fold { from, read: 0, version: loaded.version(), balance };
    while let Some(event) = loaded.next().of(log_path)? {
        fold.read += 1;
        fold.balance += amount(event.data())?;
    }
    Ok(fold)
}

fn amount(data: &[u8]) -> Result<u64, Failure> {
    serde_json::from_slice(data).map_err(|error| Failure::Tour(format!("an amount: {error}")))
}

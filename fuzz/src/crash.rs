//! Crash states: which ones a disk can be left in, and what must hold in each.
//!
//! Programs and their enumeration are elsewhere: this sees one disk at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use annals::io::sim::{KeepAll, LoseAll, Seeded, SimStorage, Unit, UnitKind, Verdict};
use annals::{Durability, Log, Reading};

use crate::check::{
    WORDS, agrees, append, must_open, no_stray, read_all, segments, sound, written,
};
use crate::numbers::{Numbers, narrow, wide};
use crate::oracle::{Broken, End, Oracle};
use crate::told::{Entry, Shown, Told};

/// Up to so many pending units every subset is looked at.
const EXHAUSTIVE_UNITS: usize = 6;

/// What survives of the pending units.
#[derive(Debug, Clone)]
pub enum Survivors {
    /// Those at these places.
    Of(BTreeSet<usize>),
    /// What [`power_cut`] chooses: torn and garbled sectors too.
    Seeded(u64),
}

impl Survivors {
    /// The disk after such a power cut.
    pub fn of(&self, disk: &SimStorage) -> SimStorage {
        let after = disk.fork();
        match self {
            Self::Of(kept) => {
                let keep =
                    |place| if kept.contains(&place) { Verdict::Keep } else { Verdict::Lose };
                after.power_cut(|place, _: &Unit| keep(place));
            }
            Self::Seeded(seed) => {
                // Shared words reach the disk when the system likes.
                for (bit, name) in WORDS.iter().enumerate() {
                    if seed >> bit & 1 == 1 {
                        after.write_back(name);
                    }
                }
                power_cut(&after, *seed);
            }
        }
        after
    }
}

/// Cuts the power, by a seed: units survive, or not, or are torn or garbled.
pub fn power_cut(disk: &SimStorage, seed: u64) {
    disk.power_cut(Seeded::new(seed));
}

/// Whether anything but zeros stands in a sector.
fn shown(bytes: &[u8], sector: u64) -> bool {
    let bytes = bytes.get(narrow(sector.saturating_mul(512))..).unwrap_or_default();
    bytes.iter().take(512).any(|byte| *byte != 0)
}

/// The power cuts to look at: every subset of up to six units, samples of more.
/// Sectors that are zero before and after are left out: whether they survive is
/// not to be seen.
pub fn survivors(disk: &SimStorage, samples: u64, seed: u64) -> Vec<Survivors> {
    let units = disk.pending_units();
    let mut files = BTreeMap::new();
    let matters = |(place, unit): (usize, &Unit)| {
        let UnitKind::Sector { index } = unit.kind else { return Some(place) };
        let (written, durable) = files.entry(Arc::clone(&unit.name)).or_insert_with(|| {
            let (written, durable) = (disk.read_file(&unit.name), disk.read_durable(&unit.name));
            (written.unwrap_or_default(), durable.unwrap_or_default())
        });
        (shown(written, index) || shown(durable, index)).then_some(place)
    };
    let places: Vec<usize> = units.iter().enumerate().filter_map(matters).collect();
    let subset = |mask: u64| {
        let kept = places.iter().enumerate().filter(|(bit, _)| mask >> (bit % 64) & 1 == 1);
        Survivors::Of(kept.map(|(_, place)| *place).collect())
    };
    let mut all = Vec::new();
    let mut numbers = Numbers::new(seed);
    if places.len() <= EXHAUSTIVE_UNITS {
        all.extend((0..1 << places.len()).map(subset));
    } else {
        all.extend([subset(0), subset(u64::MAX)]);
        for place in &places {
            let others = places.iter().copied().filter(|other| other != place);
            all.push(Survivors::Of(others.collect()));
            all.push(Survivors::Of(BTreeSet::from([*place])));
        }
        all.extend((0..samples).map(|_| subset(numbers.next())));
    }
    if !units.is_empty() {
        all.extend((0..samples).map(|_| Survivors::Seeded(numbers.next())));
    }
    all
}

/// What is done beyond the plain check of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Whether the log is opened again, grows, and is opened once more.
    pub probe: bool,
    /// Whether recovery itself is crashed at each of its calls.
    pub nested: bool,
    /// Whether every way of reading is tried in each opening, and not in the first alone.
    pub again: bool,
    /// Whether a full scan compares every byte and every index.
    pub scan: bool,
    /// Whether the probe ends with a close; with a power cut if not.
    pub close: bool,
}

/// Checks the state that a power cut has left. Nothing is pending on this disk.
///
/// # Errors
/// The first promise that is broken.
pub fn check_power_cut(disk: &SimStorage, oracle: &Oracle, depth: Depth) -> Result<u64, Broken> {
    let nested = depth.nested.then(|| disk.fork());
    let (shown, settled, _) = open_and_check(disk, oracle, Reading::Mapped, End::Cut)?;
    if !depth.probe {
        return Ok(0);
    }
    let before = segments(disk);
    // Served, then the power goes again: all of it is durable by now.
    disk.power_cut(LoseAll);
    let log = must_open(disk, Reading::Pread)?;
    converged(&log, &shown, false, depth)?;
    if segments(disk) != before {
        disk.kill();
        let what = "the second opening changes the segments";
        return Err(Broken::new("7: recovery converges", what));
    }
    probe(disk, log, &settled, &oracle.entries, depth)?;
    nested.map_or(Ok(0), |disk| crash_recovery(&disk, &settled))
}

/// Checks what a killed process leaves: the next one opens it and serves it, and then
/// the power goes.
///
/// # Errors
/// The first promise that is broken.
pub fn check_kill(disk: &SimStorage, oracle: &Oracle, depth: Depth) -> Result<u64, Broken> {
    disk.kill();
    let nested = if depth.nested { crash_recovery(&disk.fork(), oracle)? } else { 0 };
    let (shown, settled, clean) = open_and_check(disk, oracle, Reading::Pread, End::Kill)?;
    disk.power_cut(LoseAll);
    let log = must_open(disk, Reading::Mapped).map_err(|b| b.within("served, then cut"))?;
    converged(&log, &shown, clean, depth).map_err(|broken| broken.within("served, then cut"))?;
    if !depth.probe {
        disk.kill();
        return Ok(nested);
    }
    probe(disk, log, &settled, &oracle.entries, depth)?;
    Ok(nested)
}

fn open_and_check(
    disk: &SimStorage,
    oracle: &Oracle,
    reading: Reading,
    end: End,
) -> Result<(Shown, Oracle, bool), Broken> {
    let log = must_open(disk, reading)?;
    let shown = read_all(&log)?;
    let settled = oracle.settled(&shown, &oracle.admits(&shown, end)?);
    agrees(&log, &shown)?;
    settled.marks.iter().try_for_each(|mark| mark.holds(&log))?;
    no_stray(disk)?;
    let clean = log.recovery().clean;
    // Dropping a log closes it: its process is gone before that.
    disk.kill();
    drop(log);
    Ok((shown, settled, clean))
}

/// A log that was recovered before is as it was, and has nothing more to discard.
///
/// Unless it was closed: opening a closed log syncs nothing, so that a cut which a
/// killed recovery had written behind the close mark can be undone by the power
/// cut, and is made again.
fn converged(log: &Log, before: &Shown, closed: bool, depth: Depth) -> Result<(), Broken> {
    if let Some(discarded) = &log.recovery().discarded
        && !closed
    {
        let what = format!("discarded a second time: {discarded:?}");
        return Err(Broken::new("7: recovery converges", what));
    }
    let shown = read_all(log)?;
    if shown != *before {
        let what = format!("served {before:?}, then found {shown:?}");
        return Err(Broken::new("9: what was served is there", what));
    }
    if depth.again { agrees(log, &shown) } else { Ok(()) }
}

/// How many of the last keys a probe uses again.
const KEYS_PROBED: usize = 2;

/// Uses keys again, appends, ends the life, opens again and reads back.
fn probe(
    disk: &SimStorage,
    log: Log,
    settled: &Oracle,
    placed: &[Entry],
    depth: Depth,
) -> Result<(), Broken> {
    let failed = |error| Broken::new("10: a probe works", error);
    let mut grown = settled.clone();
    let log = Arc::new(log);
    let keyed: Vec<_> = placed.iter().filter(|entry| entry.key.is_some()).collect();
    let from = keyed.len().saturating_sub(KEYS_PROBED);
    let mut ids = PROBE_ID..;
    for entry in keyed.get(from..).unwrap_or_default() {
        let fresh = Entry::of(vec![Told::make("probe", ids.next().unwrap_or(0), 20)]);
        once(&log, &mut grown, Entry { key: entry.key.clone(), ..fresh })?;
    }
    grown.assume_absent();
    let probe = Entry::of(vec![Told::make("probe", ids.next().unwrap_or(0), 600)]);
    let next = grown.events_of(grown.entries.len()) + 1;
    let committed = append(&log, &grown.batch(&probe), Durability::Durable)?.map_err(failed)?;
    if committed.first_position() != next || committed.is_deduplicated() {
        let what = format!("the probe got position {}, not {next}", committed.first_position());
        return Err(Broken::new("8: positions go on after the last one", what));
    }
    grown.place_durable(probe);
    grown.marks.iter().try_for_each(|mark| mark.holds(&log))?;
    if depth.close {
        Arc::into_inner(log).map_or(Ok(()), Log::close).map_err(failed)?;
    } else {
        disk.power_cut(LoseAll);
        drop(log);
    }
    reopened(disk, &grown, depth).map_err(|broken| broken.within("after a probe"))
}

/// Where the ids of probes begin.
const PROBE_ID: u128 = 1 << 120;

fn reopened(disk: &SimStorage, grown: &Oracle, depth: Depth) -> Result<(), Broken> {
    let before = depth.close.then(|| written(disk));
    let log = must_open(disk, Reading::Mapped)?;
    let shown = read_all(&log)?;
    grown.admits(&shown, End::Cut)?;
    if depth.again {
        agrees(&log, &shown)?;
    }
    let changed = before.is_some_and(|before| written(disk) != before);
    let clean = log.recovery().clean;
    disk.kill();
    drop(log);
    if depth.close && (!clean || changed) {
        let what = "a log that was closed is not clean, or opening it writes";
        return Err(Broken::new("7: recovery converges", what));
    }
    if depth.scan {
        sound(disk)?;
    }
    no_stray(disk)
}

/// Appends a batch with a key that may be in the log: it is answered with the first
/// outcome, if the batch is there, and is committed once, if not.
///
/// # Errors
/// If it is otherwise.
pub fn once(log: &Arc<Log>, oracle: &mut Oracle, entry: Entry) -> Result<(), Broken> {
    const INVARIANT: &str = "3: a key commits once";
    let first = oracle.place_of(&entry);
    let committed = append(log, &oracle.batch(&entry), Durability::Durable)?
        .map_err(|error| Broken::new(INVARIANT, error))?;
    let wrong = || Err(Broken::new(INVARIANT, format!("{committed:?} for {entry:?}, {first:?}")));
    match first {
        Some(at) if committed.is_deduplicated() => {
            oracle.durable = oracle.durable.max(at + 1);
            let events = oracle.entries.get(at).map_or(0, |first| wide(first.events.len()));
            let expected = oracle.events_of(at) + 1;
            let same = (committed.first_position(), committed.last_position() + 1);
            if same == (expected, expected + events) { Ok(()) } else { wrong() }
        }
        // Nothing said whether it was there.
        Some(at) if at < oracle.durable => wrong(),
        None if committed.is_deduplicated() => wrong(),
        at => {
            oracle.entries.truncate(at.unwrap_or(usize::MAX));
            let next = oracle.events_of(oracle.entries.len()) + 1;
            oracle.place_durable(entry.clone());
            if committed.first_position() == next { Ok(()) } else { wrong() }
        }
    }
}

/// The names that are made or removed and not durable, if there are several: a disk may
/// take the later one first.
fn names_pending(disk: &SimStorage) -> Vec<usize> {
    let units = disk.pending_units().into_iter().enumerate();
    let of_names =
        |kind: &UnitKind| !matches!(kind, UnitKind::Sector { .. } | UnitKind::Length { .. });
    let names: Vec<_> =
        units.filter(|(_, unit)| of_names(&unit.kind)).map(|(place, _)| place).collect();
    if names.len() > 1 { names } else { Vec::new() }
}

/// Opens the log and cuts the power at each call that this makes: whatever is left
/// opens to the same state.
fn crash_recovery(disk: &SimStorage, oracle: &Oracle) -> Result<u64, Broken> {
    let outcome = Arc::new(Mutex::new((0, Ok(()))));
    let (seen, expected) = (Arc::clone(&outcome), oracle.clone());
    disk.on_call(move |call, disk| {
        let mut outcome = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let names = names_pending(disk);
        for fate in 0..3 + names.len() {
            if outcome.1.is_err() {
                return;
            }
            let after = disk.fork();
            match (fate, fate.checked_sub(3).and_then(|at| names.get(at))) {
                (0, _) => after.power_cut(LoseAll),
                (1, _) => after.power_cut(KeepAll),
                (_, None) => power_cut(&after, call.number),
                (_, Some(lost)) => {
                    let keep = |at| if at == *lost { Verdict::Lose } else { Verdict::Keep };
                    after.power_cut(|place, _: &Unit| keep(place));
                }
            }
            outcome.0 += 1;
            outcome.1 = must_open(&after, Reading::Pread)
                .and_then(|log| {
                    let shown = read_all(&log);
                    after.kill();
                    shown
                })
                .and_then(|shown| expected.admits(&shown, End::Cut).map(drop))
                .map_err(|broken| broken.within(format!("cut in recovery, at {call:?}")));
        }
    });
    let log = must_open(disk, Reading::Mapped);
    disk.clear_hook();
    disk.kill();
    drop(log?);
    let outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
    outcome.1.clone().map(|()| outcome.0)
}

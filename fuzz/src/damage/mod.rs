//! Damage to what is durable: bits turned over, blocks zeroed, garbled, moved, files
//! cut, lost, swapped, or replaced by older and foreign ones. A log answers with
//! everything or with an error, never with less or with something else.
//!
//! The one exception is the documented window: what was synced last, after the last
//! witness, with nothing whole behind it. What lies there is worked out from the
//! writes that were made, not from what the log says.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use annals::io::sim::SimStorage;
use annals::planted::Bug;
use annals::{Error, Log, Reading, Uuid};

use crate::check::{STATES, open};
use crate::explore::plant;
use crate::numbers::{Numbers, narrow, wide};
use crate::oracle::{Broken, End, Oracle};
use crate::program::Program;
use crate::run::{Blind, Run};
use crate::told::{SCHEMA, Shown, Told};

const INVARIANT: &str = "13: damage is an error, never Ok with less";

/// All files of a disk.
type Files = BTreeMap<String, Vec<u8>>;

/// One step as it changed the disk.
#[derive(Debug, Clone)]
struct Write {
    /// File and bytes.
    touched: Vec<(String, Range<usize>)>,
    /// How many batches were written before it.
    before: usize,
    /// How many batches were known to be durable before it: it proves that they were.
    durable: usize,
}

/// A log to damage, and everything that is known of it from outside.
#[derive(Debug)]
pub struct Base {
    files: Files,
    oracle: Oracle,
    writes: Vec<Write>,
    /// So many batches were durable when a witness was written last.
    witnessed: usize,
    /// The same log at earlier times.
    older: Vec<Files>,
}

fn files(disk: &SimStorage) -> Files {
    let names = disk.file_names().into_iter();
    names.filter_map(|name| Some((name.clone(), disk.read_file(&name)?))).collect()
}

/// The first to the last byte that differs, in each file.
fn differences(before: &Files, after: &Files) -> Vec<(String, Range<usize>)> {
    let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let empty = Vec::new();
    let differs = |name: &String| {
        let (old, new) = (before.get(name), after.get(name));
        let (old, new) = (old.unwrap_or(&empty), new.unwrap_or(&empty));
        let len = old.len().max(new.len());
        let at = |bytes: &Vec<u8>, at: usize| bytes.get(at).copied().unwrap_or(0);
        let first = (0..len).find(|byte| at(old, *byte) != at(new, *byte))?;
        let last = (0..len).rfind(|byte| at(old, *byte) != at(new, *byte))?;
        Some((name.clone(), first..last + 1))
    };
    names.into_iter().filter_map(differs).collect()
}

impl Base {
    /// Runs a program of appends; `close` closes the log at the end.
    ///
    /// # Errors
    /// If the program itself breaks a promise.
    pub fn new(program: &Program, close: bool, seed: u64) -> Result<Self, Broken> {
        let disk = SimStorage::new();
        disk.set_seed(seed);
        let mut run = Run::new(disk.clone(), Arc::new(Blind)).numbered_from(seed << 32);
        run.start()?;
        let (mut writes, mut older) = (Vec::new(), Vec::new());
        let (mut witnessed, mut written) = (0, 0);
        for op in &program.0 {
            let (before, known) = (files(&disk), run.oracle());
            run.step(*op)?;
            let after = files(&disk);
            let mut touched = differences(&before, &after);
            touched.retain(|(name, _)| name.ends_with(".seg"));
            // A first block that changes holds a new witness of what came before.
            if touched.iter().any(|(_, range)| range.start < 4096) {
                witnessed = known.durable;
            }
            let placed = run.oracle().entries.len();
            if !touched.is_empty() && placed > written {
                writes.push(Write { touched, before: written, durable: known.durable });
                // What is buffered goes with a later write.
                written = run.oracle().written.max(run.oracle().durable);
            }
            older.push(before);
        }
        if close {
            run.step(crate::program::Op::Reopen)?;
            witnessed = run.oracle().entries.len();
        }
        let (files, oracle) = (files(&disk), run.oracle());
        Ok(Self { files, oracle, writes, witnessed, older })
    }

    /// How few batches a log may have after this damage: all, unless the damage is to a
    /// write behind the last witness, and every write that proves it to have been
    /// durable is hurt as well.
    fn least(&self, damaged: &Files) -> usize {
        let hurt = differences(&self.files, damaged);
        let is_hurt = |write: &Write| {
            write.touched.iter().any(|(name, range)| {
                let meets = |(other, hurt): &(String, Range<usize>)| {
                    other == name && hurt.start < range.end && range.start < hurt.end
                };
                hurt.iter().any(meets)
            })
        };
        let whole = self.writes.iter().filter(|write| !is_hurt(write));
        let proven = whole.map(|write| write.durable).max().unwrap_or(0);
        let lost = self.writes.iter().find(|write| is_hurt(write) && write.before >= proven);
        let written = self.oracle.written.max(self.oracle.durable);
        let lost = lost.map_or(written, |write| write.before);
        lost.max(self.witnessed).min(written)
    }

    /// Opens the damaged log and reads all of it, in both modes.
    ///
    /// # Errors
    /// If it answers with less, or with something else.
    pub fn check(&self, damaged: &Files) -> Result<(), Broken> {
        let least = self.least(damaged);
        for reading in [Reading::Mapped, Reading::Pread] {
            let disk = SimStorage::new();
            for (name, bytes) in damaged {
                disk.write_file(name, bytes);
            }
            match open(&disk, reading) {
                Ok(log) => self.reads(&log, least)?,
                Err(Error::Corrupt(_) | Error::Unsupported { .. }) => {}
                // Nothing is left that could be known to be a log.
                Err(error) => return Err(Broken::new(INVARIANT, error)),
            }
        }
        Ok(())
    }

    fn reads(&self, log: &Log, least: usize) -> Result<(), Broken> {
        let wrong = |what: String| Err(Broken::new(INVARIANT, what));
        let head = narrow(log.head());
        let told: Vec<_> = self.oracle.events().cloned().collect();
        let (lowest, all) = (narrow(self.oracle.events_of(least)), told.len());
        if head < lowest || head > all {
            return wrong(format!("head {head}, must be from {lowest} to {all}"));
        }
        let expected = told.get(..head).unwrap_or_default();
        if expected.last().is_some_and(|told| !told.last) {
            return wrong(format!("head {head} is within a batch"));
        }
        if let Some(events) = excused(log.read_all().collect())? {
            let found: Vec<_> = events.iter().map(|event| Told::read(&event.as_event())).collect();
            if found != expected {
                return wrong(format!("read_all gives {found:?} and no error"));
            }
        }
        for (stream, version) in Oracle::versions(expected) {
            let told: Vec<_> = expected.iter().filter(|told| told.stream == stream).collect();
            if excused(log.version(&stream))?.is_some_and(|found| found != version) {
                return wrong(format!("version of {stream} is not {version}"));
            }
            if let Some(events) = excused(log.read(&stream).collect())? {
                let found: Vec<_> =
                    events.iter().map(|event| Told::read(&event.as_event())).collect();
                if !found.iter().eq(told) {
                    return wrong(format!("{stream} gives {found:?} and no error"));
                }
            }
        }
        for told in expected {
            if let Some(found) = excused(log.event(Uuid::from_u128(told.id)))?
                && found.map(|event| Told::read(&event.as_event())).as_ref() != Some(told)
            {
                return wrong(format!("{told:?} is not found by its id"));
            }
        }
        self.folds(log, least, expected)?;
        self.keys(log, least, expected)
    }

    /// The newest snapshots and states, and what is loaded with them.
    fn folds(&self, log: &Log, least: usize, events: &[Told]) -> Result<(), Broken> {
        let mut shown = Shown { events: events.to_vec(), ..Shown::default() };
        for stream in Oracle::versions(events).keys() {
            let Some(newest) = excused(log.snapshot(stream))? else { return Ok(()) };
            newest.iter().for_each(|snapshot| shown.fold(snapshot));
            let Some(mut loaded) = excused(log.load(stream, SCHEMA))? else { continue };
            let skipped = newest.map_or(0, |snapshot| snapshot.version());
            let mut after = events.iter().filter(|told| told.stream == *stream);
            let mut after = after.by_ref().skip(narrow(skipped));
            while let Some(Some(found)) =
                excused(loaded.next().map(|event| event.as_ref().map(Told::read)))?
            {
                if after.next() != Some(&found) {
                    let what = format!("{stream} is loaded with {found:?} from {skipped}");
                    return Err(Broken::new(INVARIANT, what));
                }
            }
        }
        for name in STATES {
            let Some(newest) = excused(log.state(name, SCHEMA))? else { return Ok(()) };
            newest.iter().for_each(|state| shown.fold(state));
        }
        let mut oracle = self.oracle.clone();
        oracle.power_is_cut();
        (oracle.durable, oracle.promised) = (least, 0);
        oracle.admits(&shown, End::Cut).map(drop)
    }

    /// A key that is there is known, whatever became of the index.
    fn keys(&self, log: &Log, least: usize, events: &[Told]) -> Result<(), Broken> {
        // From the last one back: asking for one that is not there puts it there.
        for (at, entry) in self.oracle.entries.iter().enumerate().rev() {
            let Some(key) = &entry.key else { continue };
            let first = self.oracle.events_of(at) + 1;
            match log.append(annals::Batch::new().once(key)) {
                Ok(known) if known.is_deduplicated() && known.first_position() == first => {}
                // Lost with the tail; with events of its own only if they are too.
                Ok(new)
                    if !new.is_deduplicated()
                        && at >= least
                        && (entry.events.is_empty() || first > wide(events.len())) => {}
                Err(Error::Corrupt(_) | Error::Poisoned { .. }) => return Ok(()),
                other => {
                    return Err(Broken::new(INVARIANT, format!("{other:?} for {entry:?}")));
                }
            }
        }
        Ok(())
    }

    /// Every damage, with a name: bits at this distance, blocks, files.
    pub fn damages(&self, foreign: &Files, every_bit: usize, seed: u64) -> Vec<(String, Files)> {
        let mut all = Vec::new();
        let mut add = |what: String, change: &dyn Fn(&mut Files)| {
            let mut damaged = self.files.clone();
            change(&mut damaged);
            if damaged != self.files {
                all.push((what, damaged));
            }
        };
        let mut numbers = Numbers::new(seed);
        let names: Vec<_> =
            self.files.keys().filter(|name| *name != crate::check::FOREIGN).collect();
        for name in &names {
            let len = self.files.get(*name).map_or(0, Vec::len);
            let mut bit = narrow(numbers.below(wide(every_bit)));
            while bit < len * 8 {
                add(format!("bit {bit} of {name}"), &|files| {
                    change(files, name, bit / 8..bit / 8 + 1, |byte| byte ^ 1 << (bit % 8));
                });
                bit += every_bit;
            }
            for size in [512, 4096] {
                for block in 0..len / size {
                    let range = block * size..(block + 1) * size;
                    add(format!("{size} bytes zeroed, block {block} of {name}"), &|files| {
                        change(files, name, range.clone(), |_| 0);
                    });
                    let choice = numbers.next();
                    add(format!("{size} bytes garbled, block {block} of {name}"), &|files| {
                        let mut garbage = Numbers::new(choice);
                        change(files, name, range.clone(), |_| {
                            garbage.next().to_le_bytes().first().copied().unwrap_or(0)
                        });
                    });
                    let to = narrow(numbers.below(wide(len / size)));
                    add(format!("block {block} of {name} copied to {to}"), &|files| {
                        copy(files, name, range.clone(), to * size);
                    });
                    add(format!("block {block} of {name} of another log"), &|files| {
                        let bytes = foreign.get(*name).and_then(|bytes| bytes.get(range.clone()));
                        put(files, name, range.start, bytes.unwrap_or_default());
                    });
                }
            }
        }
        self.file_damages(foreign, &names, &mut add);
        self.stale_tails(&names, &mut add);
        all
    }

    fn file_damages(&self, foreign: &Files, names: &[&String], add: &mut Add<'_>) {
        for name in names {
            let len = self.files.get(*name).map_or(0, Vec::len);
            for cut in (0..len).step_by(200) {
                add(format!("{name} cut at {cut}"), &|files| {
                    files.entry((*name).clone()).and_modify(|bytes| bytes.truncate(cut));
                });
            }
            add(format!("{name} lost"), &|files| {
                files.remove(*name);
            });
            add(format!("{name} of another log"), &|files| {
                if let Some(bytes) = foreign.get(*name) {
                    files.insert((*name).clone(), bytes.clone());
                }
            });
            // The control file mirrors the witness of the newest segment. Swapping the two
            // takes both away: that is two losses, not one.
            for other in names.iter().filter(|other| **other != "control") {
                if *name == "control" {
                    continue;
                }
                add(format!("{name} and {other} swapped"), &|files| {
                    let (one, two) = (files.remove(*name), files.remove(*other));
                    files.extend(one.map(|bytes| ((*other).clone(), bytes)));
                    files.extend(two.map(|bytes| ((*name).clone(), bytes)));
                });
                add(format!("{name} over {other}"), &|files| {
                    if let Some(bytes) = files.get(*name).cloned() {
                        files.insert((*other).clone(), bytes);
                    }
                });
            }
        }
    }

    /// Each file as it was at an earlier time: whole, and from some place on.
    fn stale_tails(&self, names: &[&String], add: &mut Add<'_>) {
        for (time, older) in self.older.iter().enumerate() {
            for name in names {
                let Some(old) = older.get(*name) else { continue };
                add(format!("{name} as it was before step {time}"), &|files| {
                    files.insert((*name).clone(), old.clone());
                });
                for from in [4096, 8192] {
                    add(format!("{name} from {from} on as before step {time}"), &|files| {
                        put(files, name, from, old.get(from..).unwrap_or_default());
                    });
                }
            }
        }
    }

    /// The files, for damaging another log with them.
    pub fn files(&self) -> &Files {
        &self.files
    }
}

/// Takes a damage.
type Add<'a> = dyn FnMut(String, &dyn Fn(&mut Files)) + 'a;

fn change(files: &mut Files, name: &str, range: Range<usize>, mut to: impl FnMut(u8) -> u8) {
    let bytes = files.get_mut(name).and_then(|bytes| bytes.get_mut(range));
    bytes.into_iter().flatten().for_each(|byte| *byte = to(*byte));
}

fn put(files: &mut Files, name: &str, at: usize, bytes: &[u8]) {
    let place = files.get_mut(name).and_then(|all| all.get_mut(at..));
    place.into_iter().flatten().zip(bytes).for_each(|(to, from)| *to = *from);
}

fn copy(files: &mut Files, name: &str, from: Range<usize>, to: usize) {
    let bytes = files.get(name).and_then(|bytes| bytes.get(from)).map(<[u8]>::to_vec);
    put(files, name, to, &bytes.unwrap_or_default());
}

/// `None` for an answer that says that something is damaged.
fn excused<T>(answer: annals::Result<T>) -> Result<Option<T>, Broken> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::Corrupt(_)) => Ok(None),
        Err(error) => Err(Broken::new(INVARIANT, error)),
    }
}

/// Logs to damage: three segments, the last append small, long, or the one that
/// rolled; one that was closed; and both again with records of every kind and
/// appends of every level.
pub const BASES: [(&str, bool); 6] = [
    ("S X B S X X X S B R R S S B X S S", false),
    ("S B R S X B X", false),
    ("S S X R S R", false),
    ("S X B S X R S S B X S O S B X", true),
    ("M Sw N Zw L Q R M Sw Xb N Q R Zb L Sw M Nw Qw", false),
    ("M S N R Z L Q M Sw Nb R Lw M N Zb Q", true),
];

/// Damages every base in every way, with a planted bug. Returns how many damaged logs
/// were opened.
///
/// # Errors
/// The first that answered wrongly, with the damage.
pub fn sweep(every_bit: usize, seed: u64, bug: Option<Bug>) -> Result<u64, Broken> {
    let (next, count) = (AtomicUsize::new(0), AtomicU64::new(0));
    let broken = Mutex::new(None);
    let found = || broken.lock().unwrap_or_else(PoisonError::into_inner);
    let work = || {
        plant(bug);
        while let Some((text, close)) = BASES.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut go_on = || {
                count.fetch_add(1, Ordering::Relaxed);
                found().is_none()
            };
            if let Err(what) = sweep_base(text, *close, (every_bit, seed), &mut go_on) {
                found().get_or_insert(what);
            }
        }
        plant(None);
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let broken = broken.into_inner().unwrap_or_else(PoisonError::into_inner);
    broken.map_or(Ok(count.into_inner()), Err)
}

fn sweep_base(
    text: &str,
    close: bool,
    (every_bit, seed): (usize, u64),
    go_on: &mut dyn FnMut() -> bool,
) -> Result<(), Broken> {
    let program: Program = text.parse().map_err(|error: String| Broken::new("a program", error))?;
    let base = Base::new(&program, close, 1)?;
    let foreign = Base::new(&program, close, 2)?;
    for (what, damaged) in base.damages(foreign.files(), every_bit, seed) {
        base.check(&damaged).map_err(|b| b.within(format!("{text}, {what}")))?;
        if !go_on() {
            break;
        }
    }
    Ok(())
}

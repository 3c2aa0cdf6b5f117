//! Opening what a crash left in a real directory: once as a reader, once for writing,
//! once more, and going on.
//!
//! What is known of the log is in [`watch`](super::watch).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use annals::io::OsStorage;
use annals::{Background, Durability, Log, Options, Reader, Reading};

use super::watch::Watched;
use crate::check::{FOREIGN, FOREIGN_BYTES, WORDS, no_stray_of, read_all, sound, without_slots};
use crate::numbers::Numbers;
use crate::oracle::{Broken, End};
use crate::told::Shown;

/// Puts a file into the directory that is none of the log's.
///
/// # Errors
/// Those of the system.
pub fn leave_foreign(directory: &Path) -> std::io::Result<()> {
    fs::create_dir_all(directory)?;
    fs::write(directory.join(FOREIGN), FOREIGN_BYTES)
}

fn unreadable(error: impl std::fmt::Display) -> Broken {
    Broken::new("the directory can be read", error)
}

/// Every file but those of shared words, segments without their witness slots.
fn files(directory: &Path) -> Result<BTreeMap<String, Vec<u8>>, Broken> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_words = WORDS.contains(&&*name) || name == "lock";
        let bytes = if is_words || !entry.path().is_file() {
            Vec::new()
        } else {
            fs::read(entry.path()).map_err(unreadable)?
        };
        let is_segment = Path::new(&name).extension().is_some_and(|end| end == "seg");
        files.insert(name, if is_segment { without_slots(bytes) } else { bytes });
    }
    Ok(files)
}

fn open(directory: &Path, turn: u32) -> Result<Log, Broken> {
    let reading = if turn.is_multiple_of(2) { Reading::Mapped } else { Reading::Pread };
    let options = Options::new().segment_bytes(64 << 10).reading(reading);
    let refused = |error| Broken::new("13: what a crash leaves can be opened", error);
    options.background(Background::Inline).open(directory).map_err(refused)
}

/// Opens the log that a crash left, and looks whether everything holds that must. The
/// log is closed then, and the next life begins. Without a log nothing may have been
/// promised.
///
/// # Errors
/// What does not hold.
pub fn recover(watched: &mut Watched, end: End, directory: &Path) -> Result<(), Broken> {
    let life = watched.life();
    let by_reader = if life.is_multiple_of(3) { by_reader(directory)? } else { None };
    let log = open(directory, life)?;
    watched.counts.torn += u64::from(log.recovery().discarded.is_some());
    let shown = watched.after(end, &log).map_err(|broken| broken.within("opened"))?;
    if let Some(by_reader) = by_reader.filter(|by_reader| *by_reader != shown) {
        let what = format!("a reader without a writer: {}", differs(&by_reader, &shown));
        return Err(Broken::new("9: what a reader was shown stays", what));
    }
    known_again(watched, &log, life)?;
    close(log)?;
    no_stray(directory)?;
    sound(&OsStorage::new(directory))?;
    let before = files(directory)?;
    let log = open(directory, life + 1)?;
    let again = read_all(&log)?;
    if again != shown {
        return Err(Broken::new("7: recovery converges", differs(&again, &shown)));
    }
    close(log)?;
    let after = files(directory)?;
    if let Some((name, _)) = before.iter().find(|(name, bytes)| after.get(*name) != Some(bytes)) {
        return Err(Broken::new("7: a second opening changes nothing", name));
    }
    goes_on(watched, directory)?;
    no_stray(directory)
}

/// What differs, in short.
fn differs(one: &Shown, other: &Shown) -> String {
    let same = one.events.iter().zip(&other.events).take_while(|(one, other)| one == other);
    let same = same.count();
    format!(
        "{} and {} events, the same up to {same}, then {:?} and {:?}",
        one.events.len(),
        other.events.len(),
        one.events.get(same),
        other.events.get(same)
    )
}

/// What a reader shows that finds no writer. Where no log was made, nothing.
fn by_reader(directory: &Path) -> Result<Option<Shown>, Broken> {
    match Reader::open(directory) {
        Ok(reader) => read_all(&reader).map(Some),
        Err(annals::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(Broken::new("13: what a crash leaves can be read", error)),
    }
}

fn close(log: Log) -> Result<(), Broken> {
    log.close().map_err(|error| Broken::new("10: the log can be closed", error))
}

fn no_stray(directory: &Path) -> Result<(), Broken> {
    let files = files(directory)?;
    let names: Vec<_> = files.keys().cloned().collect();
    no_stray_of(&names, files.get(FOREIGN).map(Vec::as_slice))
}

/// Some batches again, the last ones among them: they are known by their ids and keys,
/// and nothing is written.
fn known_again(watched: &Watched, log: &Log, life: u32) -> Result<(), Broken> {
    const INVARIANT: &str = "3: what is there is known again";
    let entries = &watched.oracle().entries;
    let mut numbers = Numbers::new(u64::from(life));
    let mut first = 1;
    let head = log.head();
    for (place, entry) in entries.iter().enumerate() {
        let position = first;
        first += crate::numbers::wide(entry.events.len());
        let some = place + 8 > entries.len() || numbers.below(1 + place as u64) == 0;
        if !some && (entry.key.is_none() || numbers.below(16) > 0) {
            continue;
        }
        for batch in [Some(entry.batch(|_| 0)), entry.other_with_key()].into_iter().flatten() {
            let committed = log.append_with(&batch, Durability::Durable);
            let committed = committed.map_err(|error| Broken::new(INVARIANT, error))?;
            if !committed.is_deduplicated() || committed.first_position() != position {
                let what = format!("{entry:?} at {position}: {committed:?}");
                return Err(Broken::new(INVARIANT, what));
            }
        }
    }
    if log.head() == head { Ok(()) } else { Err(Broken::new(INVARIANT, "the head has moved")) }
}

/// Appends, syncs, opens again and reads back.
fn goes_on(watched: &mut Watched, directory: &Path) -> Result<(), Broken> {
    const INVARIANT: &str = "10: the log goes on";
    let failed = |error| Broken::new(INVARIANT, error);
    let life = watched.life();
    let log = open(directory, life)?;
    let work = watched.probe();
    let own = watched.oracle().version(&work.own_stream());
    let batch = watched.oracle().batch(&work.entry(own));
    let next = watched.oracle().promised + 1;
    let committed = log.append(&batch).map_err(failed)?;
    if committed.first_position() != next || committed.is_deduplicated() {
        let what = format!("{committed:?}, next is {next}");
        return Err(Broken::new("8: new positions follow the last one", what));
    }
    watched.probed(work);
    log.sync().map_err(failed)?;
    close(log)?;
    let log = open(directory, life + 1)?;
    let shown = read_all(&log)?;
    let expected: Vec<_> = watched.oracle().events().cloned().collect();
    if shown.events != expected {
        return Err(Broken::new(INVARIANT, "what was appended then is not read back"));
    }
    close(log)
}

//! What a damaged log may answer: everything or an error, never less and never something
//! else. Which damage there is, is elsewhere.

use annals::io::sim::SimStorage;
use annals::{Error, Log, Reading, Uuid};

use super::base::Base;
use super::hurt::{Damage, Judge};
use crate::check::{STATES, open};
use crate::numbers::{digest, narrow, wide};
use crate::oracle::{Broken, End, Oracle};
use crate::told::{SCHEMA, Shown, Told};

const INVARIANT: &str = "13: damage is an error, never Ok with less";
const BOUNDED: &str = "14: memory and time of opening are bounded";

/// Of one in so many damages to segments every single look-up is tried; of all others the
/// log is opened and read as a whole. Damage to other files is looked up in any case,
/// since nothing else reads them.
const LOOKED_UP_OF: u64 = 8;

/// How much more than the largest file a single read may ask for: the first block and the
/// longest header are asked for whole.
const BEYOND_BYTES: u64 = 64 << 10;

/// How often opening may go through all bytes.
const PASSES: u64 = 32;

/// Whether an event is the one that was submitted.
fn is(event: &annals::Event<'_>, told: &Told) -> bool {
    event.stream() == &*told.stream
        && event.id().as_u128() == told.id
        && event.data() == &*told.data
        && event.is_last_of_batch() == told.last
}

impl Base {
    /// Opens the damaged log and reads all of it, in both modes. `false` if the damage
    /// changes nothing.
    ///
    /// # Errors
    /// If it answers with less, or with something else.
    pub fn check(&self, damage: &Damage, number: u64) -> Result<bool, Broken> {
        let changed = damage.changed(&self.files);
        if changed.is_empty() {
            return Ok(false);
        }
        let least = self.least(&changed, &damage.beside);
        let derived = changed.keys().any(|name| !name.ends_with(".seg"));
        let thorough = derived || digest(&number).is_multiple_of(LOOKED_UP_OF);
        let hurt = self.disk.fork();
        for (name, bytes) in &changed {
            match bytes {
                Some(bytes) => hurt.write_file(name, bytes),
                None => drop(hurt.remove_file(name)),
            }
        }
        for reading in [Reading::Mapped, Reading::Pread] {
            let disk = hurt.fork();
            let opened = open(&disk, reading);
            self.bounded(&disk, true)?;
            match (opened, damage.judge) {
                (Ok(log), Judge::Whole) => self.reads(&log, least, thorough)?,
                (Ok(log), Judge::Calm) => calm(&log),
                (Err(Error::Corrupt(_) | Error::Unsupported { .. }), _) => {}
                // Nothing is left that could be known to be a log.
                (Err(error), _) => return Err(Broken::new(INVARIANT, error)),
            }
            self.bounded(&disk, false)?;
            // Dropping a log closes it, which nobody needs here.
            disk.kill();
        }
        Ok(true)
    }

    /// What was read so far, whatever lengths the files claim: at once, and in all.
    fn bounded(&self, disk: &SimStorage, opening: bool) -> Result<(), Broken> {
        let lens = self.files.values().map(|bytes| wide(bytes.len()));
        let (largest, all) = (lens.clone().max().unwrap_or(0), lens.sum::<u64>());
        let counts = disk.counts();
        // A file can have come twice.
        if counts.largest_read > 2 * largest + BEYOND_BYTES {
            let what = format!("a read asks for {} bytes", counts.largest_read);
            return Err(Broken::new(BOUNDED, what));
        }
        let read = counts.bytes_read + counts.bytes_sliced;
        if opening && read > PASSES * (2 * all + BEYOND_BYTES) {
            return Err(Broken::new(BOUNDED, format!("opening reads {read} bytes")));
        }
        Ok(())
    }

    fn reads(&self, log: &Log, least: usize, thorough: bool) -> Result<(), Broken> {
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
            let same = |(event, told): (&annals::OwnedEvent, &Told)| is(&event.as_event(), told);
            if events.len() != head || !events.iter().zip(expected).all(same) {
                return wrong(format!("read_all gives {events:?} and no error"));
            }
        }
        if thorough { self.look_ups(log, least, expected) } else { Ok(()) }
    }

    /// Every stream, event, snapshot and key by itself.
    fn look_ups(&self, log: &Log, least: usize, expected: &[Told]) -> Result<(), Broken> {
        let wrong = |what: String| Err(Broken::new(INVARIANT, what));
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
                Err(Error::Corrupt(_) | Error::Unsupported { .. } | Error::Poisoned { .. }) => {
                    return Ok(());
                }
                other => {
                    return Err(Broken::new(INVARIANT, format!("{other:?} for {entry:?}")));
                }
            }
        }
        Ok(())
    }
}

/// Reads a log of which nothing is promised but that it stays calm.
fn calm(log: &Log) {
    let events = log.read_all().collect().unwrap_or_default();
    for event in events.iter().take(16) {
        let event = event.as_event();
        drop(log.event(event.id()));
        drop(log.read(event.stream()).backward().collect());
        drop(log.load(event.stream(), SCHEMA));
    }
    let mut batch = annals::Batch::new();
    batch.write("calm", annals::Expected::Any, [annals::NewEvent::new("Calm")]);
    drop(log.append(&batch));
}

/// `None` for an answer that says that something is damaged.
fn excused<T>(answer: annals::Result<T>) -> Result<Option<T>, Broken> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::Corrupt(_) | Error::Unsupported { .. }) => Ok(None),
        Err(error) => Err(Broken::new(INVARIANT, error)),
    }
}

//! Errors of the device under a reader in another process: beside a live writer, beside
//! none, and across the change. It answers rightly or with the error, goes on once the
//! device works again, and the writer never notices.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use annals::io::sim::{LoseAll, SimStorage, Times};
use annals::{Cursor, Error, Log, Reader, Reading, Start};

use super::ways::{self, READER, READS, Strike, strikes};
use super::{Swept, Tried};
use crate::check::{must_open, options};
use crate::numbers::{narrow, wide};
use crate::oracle::{Broken, Oracle};
use crate::told::{Entry, Told};

const INVARIANT: &str = "9: a reader is told what is there or an error, and goes on after it";

/// At which look at the log the reader's calls fail: as it opens beside the writer, after
/// a roll, when the writer was killed, as it opens beside none, when a new writer came.
const LOOKS: u64 = 5;

/// Whether the writer came or went before this look.
fn sleeps(look: u64) -> bool {
    look == 2 || look == 4
}

/// How many threads sweep: they sleep most of the time.
const THREADS: usize = 8;

/// A reader without a writer looks for one at most every 100 ms.
const UNTIL_IT_LOOKS: Duration = Duration::from_millis(105);

/// Lets every call of a reader fail in every way, at every look.
///
/// # Errors
/// The first promise that was broken.
pub fn sweep() -> Result<Swept, Broken> {
    let began = Instant::now();
    let both = [Times::Once, Times::ForGood];
    let mut ways = strikes(&READER, &both, Reading::Mapped);
    ways.extend(strikes(&READS, &both, Reading::Pread));
    ways.extend(strikes(&READER, &[Times::Once], Reading::Pread));
    // Those at which it sleeps take the device's error alone.
    let tried = |look: u64, way: &Strike| {
        let plain = way.failure == annals::io::sim::Failure::Device && way.times == Times::Once;
        !sleeps(look) || plain || way.failure == ways::ENOMEM.0 && way.times == Times::Once
    };
    let of = |look| ways.iter().filter(move |way| tried(look, way)).map(move |way| (look, *way));
    let pairs: Vec<_> = (0..LOOKS).flat_map(of).collect();
    let (next, swept) = (AtomicUsize::new(0), Mutex::new(Ok(Swept::default())));
    let outcome = || swept.lock().unwrap_or_else(PoisonError::into_inner);
    let work = || {
        while let Some((look, way)) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
            for nth in 1.. {
                let strike = Strike { nth, ..*way };
                let tried = one(*look, &strike);
                let mut outcome = outcome();
                match (&mut *outcome, tried) {
                    (Ok(sum), Ok(Tried { struck: true, states })) => {
                        sum.runs += 1;
                        sum.states += states;
                    }
                    (Ok(_), Err(broken)) => {
                        let again = format!("cargo run -p annals-fuzz -- --beside {look}.{strike}");
                        *outcome = Err(broken.within(format!("again: {again}")));
                    }
                    (Ok(_), Ok(_)) | (Err(_), _) => break,
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(work);
        }
    });
    let swept = swept.into_inner().unwrap_or_else(PoisonError::into_inner);
    swept.map(|swept| Swept { took: began.elapsed(), ..swept })
}

/// A reader and what it has seen.
struct Beside {
    disk: SimStorage,
    reading: Reading,
    reader: Option<Reader>,
    cursor: Option<Cursor>,
    delivered: usize,
    /// So many events it was shown in any way.
    shown: usize,
}

/// Runs one look with one failing call.
///
/// # Errors
/// The first promise that was broken.
pub fn one(look: u64, strike: &Strike) -> Result<Tried, Broken> {
    let writer = SimStorage::new();
    let mut oracle = Oracle::default();
    let mut reader = Beside::new(writer.another_process(), strike.reading);
    let mut log = Some(must_open(&writer, Reading::Mapped)?);
    let mut tried = Tried::default();
    for now in 0..LOOKS {
        match now {
            // Killed, and a fresh reader beside no writer.
            2 => {
                writer.kill();
                log = None;
            }
            3 => reader = Beside::new(writer.another_process(), strike.reading),
            4 => {
                log = Some(must_open(&writer, Reading::Mapped)?);
            }
            _ => {}
        }
        if let Some(log) = &log {
            grow(log, &mut oracle, now)?;
        }
        let changed = sleeps(now);
        if now == look {
            if changed {
                std::thread::sleep(UNTIL_IT_LOOKS);
            }
            reader.disk.fail(strike.fault());
            let before = reader.disk.faults_struck();
            let seen = reader.look(&oracle, true, true)?;
            tried.struck = reader.disk.faults_struck() > before;
            reader.disk.clear_faults();
            // What was shown beside no writer is durable, though no writer made it so.
            if log.is_none() {
                tried.states += 1;
                still_there(&writer, seen)?;
            }
        }
        if now == look && changed {
            std::thread::sleep(UNTIL_IT_LOOKS);
        }
        let missed = tried.struck && strike.hides_the_words();
        reader.look(&oracle, false, missed || changed && now != look)?;
        if now == look {
            // Whoever opens the log now knows all of it.
            Beside::new(writer.another_process(), strike.reading).look(&oracle, false, false)?;
        }
    }
    if let Some(log) = log {
        grow(&log, &mut oracle, 9)?;
        log.close().map_err(|error| Broken::new("10: the writer goes on", error))?;
    }
    Ok(tried)
}

/// How many events each growth adds.
const ADDED: usize = 3;

/// Durable batches, the second time one that rolls the log.
fn grow(log: &Log, oracle: &mut Oracle, now: u64) -> Result<(), Broken> {
    let lens: [usize; ADDED] = [30, if now == 1 { 12_050 } else { 700 }, 40];
    for (number, len) in lens.into_iter().enumerate() {
        let id = 1 << 100 | u128::from(now) << 8 | u128::from(wide(number));
        let told = Entry::of(vec![Told::make("a-1", id, len)]);
        let committed = log.append(&oracle.batch(&told));
        committed.map_err(|error| Broken::new("10: the writer goes on", error))?;
        oracle.place_durable(told);
    }
    Ok(())
}

/// Whether so many events outlive a power cut.
fn still_there(disk: &SimStorage, seen: usize) -> Result<(), Broken> {
    let after = disk.fork();
    after.power_cut(LoseAll);
    let head = must_open(&after, Reading::Pread)?.head();
    if head >= wide(seen) {
        return Ok(());
    }
    let what = format!("{seen} events were shown as durable, {head} are left");
    Err(Broken::new("9: what was delivered is there", what))
}

impl Beside {
    fn new(disk: SimStorage, reading: Reading) -> Self {
        Self { disk, reading, reader: None, cursor: None, delivered: 0, shown: 0 }
    }

    /// Opens the log if it is not open, and reads it in three ways. Returns how many
    /// events it was shown. `late` says that it may not know of the last growth.
    fn look(&mut self, oracle: &Oracle, failing: bool, late: bool) -> Result<usize, Broken> {
        let told: Vec<_> = oracle.events().collect();
        // It may not have looked for the writer that came, or not have been able to.
        let shown = self.shown;
        let fits = |count: usize| count == told.len() || late && count >= shown;
        let excuse = |error: Error| match error {
            Error::Io { .. } if failing => Ok(()),
            error => Err(Broken::new(INVARIANT, error)),
        };
        if self.reader.is_none() {
            match options(self.reading).open_reader_on(Arc::new(self.disk.clone())) {
                Ok(reader) => self.reader = Some(reader),
                Err(error) => return excuse(error).map(|()| 0),
            }
        }
        let Some(reader) = self.reader.clone() else { return Ok(0) };
        match reader.read_all().collect() {
            Err(error) => excuse(error)?,
            Ok(events) => {
                let found = events.iter().map(|event| Told::read(&event.as_event()));
                let same = found.zip(&told).all(|(one, other)| one == **other);
                if !same || !fits(events.len()) {
                    let what = format!("{} events, {} are durable", events.len(), told.len());
                    return Err(Broken::new(INVARIANT, what));
                }
                self.shown = shown.max(events.len());
            }
        }
        match reader.version("a-1") {
            Err(error) => excuse(error)?,
            Ok(version) if fits(narrow(version)) => {}
            Ok(version) => return Err(Broken::new(INVARIANT, format!("version {version}"))),
        }
        let last = told.last().map_or(0, |told| told.id);
        match reader.event(annals::Uuid::from_u128(last)) {
            Err(error) => excuse(error)?,
            Ok(Some(event)) if event.as_event().position() == wide(told.len()) => {}
            Ok(None) if late => {}
            Ok(found) => return Err(Broken::new(INVARIANT, format!("{found:?} by its id"))),
        }
        self.follow(&reader, &told, &fits, excuse)?;
        Ok(self.shown.max(self.delivered))
    }

    /// The cursor goes on where it was, and hands out each event once.
    fn follow(
        &mut self,
        reader: &Reader,
        told: &[&Told],
        fits: &dyn Fn(usize) -> bool,
        excuse: impl Fn(Error) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        if self.cursor.is_none() {
            match reader.cursor(Start::Beginning) {
                Ok(cursor) => self.cursor = Some(cursor),
                Err(error) => return excuse(error),
            }
        }
        let Some(cursor) = &mut self.cursor else { return Ok(()) };
        loop {
            let events = match cursor.poll(2) {
                Ok(events) => events,
                Err(error) => return excuse(error),
            };
            if events.is_empty() {
                break;
            }
            for event in events.iter() {
                let right = event.position() == wide(self.delivered) + 1
                    && told.get(narrow(event.position()) - 1) == Some(&&Told::read(&event));
                if !right {
                    let what = format!("{event:?} after {} events", self.delivered);
                    return Err(Broken::new(INVARIANT, what));
                }
                self.delivered += 1;
            }
        }
        if fits(self.delivered) {
            return Ok(());
        }
        let what = format!("a cursor stops after {} of {} events", self.delivered, told.len());
        Err(Broken::new(INVARIANT, what))
    }
}

//! Carrying out a program on a simulated disk, with the oracle told of every answer
//! and an observer shown the disk before each call that changes it.
//!
//! * `appends`: what is appended, and what the answers say
//! * `lives`: how a life ends, and the next one begins
//!
//! Which crashes are tried on the disks that are shown is the observer's business.

mod appends;
mod lives;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use annals::io::sim::{Call, SimStorage};
use annals::{Batch, Durability, Error, Expected, Log, NewEvent, Reading, Uuid};

use crate::check::{FOREIGN, FOREIGN_BYTES, append, read_all};
use crate::crash::power_cut;
use crate::marks::read_on;
use crate::numbers::wide;
use crate::oracle::{Broken, End, Oracle};
use crate::program::{Op, Program};
use crate::told::{EVENT_TYPE, Entry};

/// Who is shown the disk.
pub trait Observe: Send + Sync {
    /// Looks at a moment. The disk is not to be changed, forks of it may be.
    ///
    /// # Errors
    /// A promise that some crash at this moment breaks.
    fn moment(&self, disk: &SimStorage, oracle: &Oracle) -> Result<(), Broken>;
}

/// Sees nothing.
#[derive(Debug, Clone, Copy)]
pub struct Blind;

impl Observe for Blind {
    fn moment(&self, _disk: &SimStorage, _oracle: &Oracle) -> Result<(), Broken> {
        Ok(())
    }
}

/// What the run and the hook share.
struct Shared {
    oracle: Mutex<Oracle>,
    log: Mutex<Weak<Log>>,
    looking: AtomicBool,
    broken: Mutex<Option<Broken>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One program on one disk.
pub struct Run {
    disk: SimStorage,
    shared: Arc<Shared>,
    observer: Arc<dyn Observe>,
    log: Option<Arc<Log>>,
    submitted: u64,
    /// The batch that was submitted last.
    last: Entry,
    /// Errors are on order: calls may fail, and must not lie.
    faulty: bool,
    /// The log has told of a failure that ends all appending.
    poisoned: bool,
    /// The process is to die within this step.
    dying: bool,
    /// How the log reads.
    reading: Reading,
}

impl std::fmt::Debug for Run {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Run").field("disk", &self.disk).finish_non_exhaustive()
    }
}

/// Carries out a program; the observer sees the calls of the steps that `looked_at`
/// chooses, and the moment after each of these steps.
///
/// # Errors
/// The first promise that was broken, and the step at which it was.
pub fn run(
    program: &Program,
    observer: Arc<dyn Observe>,
    looked_at: impl Fn(usize) -> bool,
) -> Result<(), Broken> {
    let mut run = Run::new(SimStorage::new(), observer);
    run.look(looked_at(0));
    run.start()?;
    for (step, op) in program.0.iter().enumerate() {
        run.look(looked_at(step));
        run.step(*op)?;
    }
    Ok(())
}

impl Run {
    /// A run on this disk; no log is open yet.
    pub fn new(disk: SimStorage, observer: Arc<dyn Observe>) -> Self {
        disk.write_file(FOREIGN, FOREIGN_BYTES);
        let shared = Arc::new(Shared {
            oracle: Mutex::default(),
            log: Mutex::new(Weak::new()),
            looking: AtomicBool::new(false),
            broken: Mutex::new(None),
        });
        let (seen, eyes) = (Arc::clone(&shared), Arc::clone(&observer));
        disk.on_call(move |_: &Call, disk| {
            let log = lock(&seen.log).upgrade();
            if let Some(log) = log {
                let mut oracle = lock(&seen.oracle);
                oracle.promised = oracle.promised.max(log.head());
            }
            let mut broken = lock(&seen.broken);
            if broken.is_none() && seen.looking.load(Ordering::Relaxed) {
                let oracle = lock(&seen.oracle).clone();
                *broken = eyes.moment(disk, &oracle).err();
            }
        });
        Self {
            disk,
            shared,
            observer,
            log: None,
            submitted: 0,
            last: Entry::default(),
            faulty: false,
            poisoned: false,
            dying: false,
            reading: Reading::Mapped,
        }
    }

    /// Says that errors are on order.
    #[must_use]
    pub fn faulty(self) -> Self {
        Self { faulty: true, ..self }
    }

    /// Says how the log is to read; mapped, unless this says otherwise.
    #[must_use]
    pub fn reading(self, reading: Reading) -> Self {
        Self { reading, ..self }
    }

    /// Numbers the events from here on: another log with the same layout.
    #[must_use]
    pub fn numbered_from(self, first: u64) -> Self {
        Self { submitted: first, ..self }
    }

    /// The disk.
    pub fn disk(&self) -> &SimStorage {
        &self.disk
    }

    /// What is known from outside.
    pub fn oracle(&self) -> Oracle {
        lock(&self.shared.oracle).clone()
    }

    /// Whether the observer is shown what follows.
    pub fn look(&self, looking: bool) {
        self.shared.looking.store(looking, Ordering::Relaxed);
    }

    /// Opens the log for the first time.
    ///
    /// # Errors
    /// A broken promise.
    pub fn start(&mut self) -> Result<(), Broken> {
        self.open(End::Kill)
    }

    /// Carries out one step, and shows the moment after it.
    ///
    /// # Errors
    /// A broken promise.
    pub fn step(&mut self, op: Op) -> Result<(), Broken> {
        match op {
            Op::Append(what, level) => self.append_new(what, level),
            Op::Tickets => self.tickets(),
            Op::Dropped => self.dropped(),
            Op::Sync => self.sync(),
            Op::View => self.view(),
            Op::Conflict => self.conflict(),
            Op::Again => self.again(),
            Op::Tail => self.tail(),
            Op::Reopen => self.reopen(),
            Op::Kill => {
                self.disk.kill();
                self.next_life(End::Kill)
            }
            Op::Cut(seed) => {
                power_cut(&self.disk, seed.into());
                self.next_life(End::Cut)
            }
            Op::Die(call, seed) => self.die(call, seed),
        }?;
        if let Some(broken) = lock(&self.shared.broken).take() {
            return Err(broken);
        }
        if self.shared.looking.load(Ordering::Relaxed) {
            self.observer.moment(&self.disk, &self.oracle())?;
        }
        Ok(())
    }

    fn log(&self) -> Result<Arc<Log>, Broken> {
        self.log.clone().ok_or_else(|| Broken::new("a run has a log", "it has none"))
    }

    fn known(&self) -> MutexGuard<'_, Oracle> {
        lock(&self.shared.oracle)
    }

    fn sync(&mut self) -> Result<(), Broken> {
        let placed = self.known().entries.len();
        match self.log()?.sync() {
            Ok(()) if self.poisoned => {
                let what = "a sync succeeded after a failure";
                Err(Broken::new("12: no Ok after a failed write or sync", what))
            }
            Ok(()) => self.is_as_safe(placed, Durability::Durable, Durability::Durable),
            Err(error) => self.refused(&error, false),
        }
    }

    /// A program reads its own writes.
    fn view(&self) -> Result<(), Broken> {
        let shown = match read_all(&*self.log()?) {
            Err(_) if self.faulty => return Ok(()),
            shown => shown?,
        };
        let mut oracle = self.oracle();
        // A cursor may have been shown what is written and was never acknowledged.
        oracle.shown = oracle.promised;
        let held = oracle.admits(&shown, End::Kill)?;
        if *held.end() == oracle.entries.len() || self.faulty {
            return Ok(());
        }
        let what = format!("{held:?} of {:?}", oracle.entries);
        Err(Broken::new("a program reads its own writes", what))
    }

    fn conflict(&self) -> Result<(), Broken> {
        let version = self.oracle().version("a-1");
        let mut batch = Batch::new();
        batch.write("a-1", Expected::Exact(version + 7), [NewEvent::new(EVENT_TYPE)]);
        match append(&self.log()?, &batch, Durability::Durable)? {
            Err(Error::WrongExpectedVersion { actual, .. }) if actual == version => Ok(()),
            Err(_) if self.faulty => Ok(()),
            other => Err(Broken::new("a wrong expectation is refused", format!("{other:?}"))),
        }
    }

    /// The last batch again: it is known, or was lost and is new. One with a key and
    /// events comes with other events, as from a consumer that handles its message again.
    fn again(&mut self) -> Result<(), Broken> {
        let mut entry = self.last.clone();
        let Some(at) = self.known().place_of(&entry) else {
            // A snapshot is of a version that the stream may not have any more.
            entry.folds.retain(|fold| fold.state);
            let nothing = entry == Entry::default();
            return if nothing { Ok(()) } else { self.append(entry, Durability::Durable) };
        };
        if entry.key.is_some() && !entry.events.is_empty() {
            entry = Entry { key: entry.key, ..self.events(&[("c", 33)]) };
        }
        let level = if at.is_multiple_of(2) { Durability::Written } else { Durability::Durable };
        let (batch, first, events) = {
            let oracle = self.known();
            let events = oracle.entries.get(at).map_or(0, |first| wide(first.events.len()));
            (oracle.batch(&entry), oracle.events_of(at) + 1, events)
        };
        match append(&self.log()?, &batch, level)? {
            Ok(again)
                if again.is_deduplicated()
                    && again.first_position() == first
                    && again.last_position() + 1 == first + events =>
            {
                self.is_as_safe(at + 1, again.durability(), level)
            }
            Err(_) if self.faulty => Ok(()),
            other => Err(Broken::new("3: nothing is doubled", format!("{other:?}"))),
        }
    }

    fn tail(&mut self) -> Result<(), Broken> {
        let log = self.log()?;
        let oracle = self.oracle();
        let marks = self.unless_struck(|| read_on(&log, &oracle))?;
        let absent = log.event(Uuid::from_u128(7));
        let mut known = self.known();
        for mark in &marks {
            let seen = wide(mark.seen.len());
            if mark.visibility == annals::Visibility::Durable {
                known.promised = known.promised.max(seen);
            } else {
                known.shown = known.shown.max(seen);
            }
        }
        known.marks = marks;
        drop(known);
        match absent {
            Ok(None) => Ok(()),
            Err(_) if self.faulty => Ok(()),
            other => Err(Broken::new("3: nothing invented", format!("{other:?}"))),
        }
    }
}

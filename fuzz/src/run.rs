//! Carrying out a program on a simulated disk, with the oracle told of every answer
//! and an observer shown the disk before each call that changes it.
//!
//! Which crashes are tried on the disks that are shown is the observer's business.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use annals::io::sim::{Call, LoseAll, SimStorage};
use annals::{Batch, Committed, Durability, Error, Expected, Log, NewEvent, Reading, Ticket, Uuid};

use crate::check::{FOREIGN, FOREIGN_BYTES, STATES, agrees, append, open, read_all};
use crate::crash::{once, power_cut};
use crate::marks::read_on;
use crate::numbers::wide;
use crate::oracle::{Broken, End, Oracle};
use crate::program::{Op, Program, What};
use crate::told::{EVENT_TYPE, Entry, Fold, Told};

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
        }
    }

    /// Says that errors are on order.
    #[must_use]
    pub fn faulty(self) -> Self {
        Self { faulty: true, ..self }
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

    fn open(&mut self, end: End) -> Result<(), Broken> {
        if end == End::Cut {
            self.known().power_is_cut();
        }
        let opened = match open(&self.disk, Reading::Mapped) {
            Err(_) if self.faulty => {
                self.disk.clear_faults();
                open(&self.disk, Reading::Mapped)
            }
            other => other,
        };
        let refused = |error| Broken::new("13: what a crash leaves can be opened", error);
        let log = Arc::new(opened.map_err(refused)?);
        let shown = self.unless_struck(|| read_all(&log))?;
        let settled = {
            let mut oracle = self.known();
            *oracle = oracle.settled(&shown, &oracle.admits(&shown, end)?);
            oracle.clone()
        };
        self.unless_struck(|| {
            agrees(&log, &shown)?;
            settled.marks.iter().try_for_each(|mark| mark.holds(&log))
        })?;
        *lock(&self.shared.log) = Arc::downgrade(&log);
        self.log = Some(log);
        self.poisoned = false;
        self.ask_for_keys()?;
        lock(&self.shared.broken).take().map_or(Ok(()), Err)
    }

    /// Does it again without faults, if one struck: an error may be the answer then.
    fn unless_struck<T>(&self, look: impl Fn() -> Result<T, Broken>) -> Result<T, Broken> {
        let before = self.disk.faults_struck();
        let seen = look();
        if self.disk.faults_struck() == before {
            return seen;
        }
        self.disk.clear_faults();
        look()
    }

    /// Batches at the end that have a key and show nothing may be there or not: as after
    /// any crash, they are appended again. The oracle is told of what may be there
    /// before: more than the log has, until the answer says it.
    fn ask_for_keys(&mut self) -> Result<(), Broken> {
        let oracle = self.oracle();
        let unsure = oracle.entries.get(oracle.durable..).unwrap_or_default();
        let keyed = unsure.iter().filter(|entry| entry.key.is_some()).cloned();
        for entry in keyed.collect::<Vec<_>>() {
            let mut asked = self.oracle();
            match once(&self.log()?, &mut asked, entry) {
                Ok(()) => *self.known() = asked,
                // It may be there all the same: the next opening tells.
                Err(_) if self.faulty => return Ok(()),
                Err(broken) => return Err(broken),
            }
        }
        self.known().assume_absent();
        Ok(())
    }

    fn log(&self) -> Result<Arc<Log>, Broken> {
        self.log.clone().ok_or_else(|| Broken::new("a run has a log", "it has none"))
    }

    fn known(&self) -> MutexGuard<'_, Oracle> {
        lock(&self.shared.oracle)
    }

    fn events(&mut self, events: &[(&str, usize)]) -> Entry {
        let told = (self.submitted..)
            .zip(events)
            .map(|(number, (stream, len))| Told::make(stream, 1 << 100 | u128::from(number), *len));
        let entry = Entry::of(told.collect());
        self.submitted += wide(events.len());
        entry
    }

    fn key(&mut self) -> Option<Arc<str>> {
        self.submitted += 1;
        Some(format!("message-{}", self.submitted).into())
    }

    /// A new batch; none if it would be empty.
    fn make(&mut self, what: What) -> Option<Entry> {
        let oracle = self.oracle();
        let head = oracle.events_of(oracle.entries.len());
        let state = |through| Fold::make(true, STATES[0], through, 60);
        let entry = match what {
            What::Small => self.events(&[("a-1", 30)]),
            What::Sector => self.events(&[("b-1", 700)]),
            What::Batch => self.events(&[("a-1", 20), ("c", 400), ("a-1", 5)]),
            What::Roll => self.events(&[("b-1", 12_050)]),
            What::Snapshot => {
                let version = oracle.version("a-1");
                let fold = Fold::make(false, "a-1", version, 300);
                (version > 0).then(|| Entry { folds: vec![fold], ..Entry::default() })?
            }
            What::State => Entry { folds: vec![state(head)], ..Entry::default() },
            What::Key => Entry { key: self.key(), ..Entry::default() },
            What::Keyed => {
                let key = self.key();
                Entry { key, ..self.events(&[("c", 25)]) }
            }
            What::Mixed => {
                let key = self.key();
                let snapshot = Fold::make(false, "a-1", oracle.version("a-1") + 1, 500);
                let folds = vec![snapshot, state(head + 2)];
                Entry { key, folds, ..self.events(&[("a-1", 15), ("b-1", 90)]) }
            }
        };
        Some(entry)
    }

    fn append_new(&mut self, what: What, level: Durability) -> Result<(), Broken> {
        let entry = self.make(what);
        entry.map_or(Ok(()), |entry| self.append(entry, level))
    }

    /// Tells the oracle that a batch is on its way.
    fn place(&mut self, entry: &Entry) -> Batch {
        self.last = entry.clone();
        let mut oracle = self.known();
        let batch = oracle.batch(entry);
        if !self.poisoned {
            oracle.entries.push(entry.clone());
        }
        batch
    }

    fn append(&mut self, entry: Entry, level: Durability) -> Result<(), Broken> {
        let log = self.log()?;
        let batch = self.place(&entry);
        let answer = append(&log, &batch, level)?;
        self.answered(&entry, answer, level)
    }

    /// What an answer to the batch that was placed last says.
    fn answered(
        &mut self,
        entry: &Entry,
        answer: annals::Result<Committed>,
        level: Durability,
    ) -> Result<(), Broken> {
        let committed = match answer {
            Ok(committed) => committed,
            Err(error) => return self.refused(&error, true),
        };
        let at = self.known().entries.len();
        self.right(entry, &committed, at)?;
        self.is_as_safe(at, committed.durability(), level)
    }

    /// Whether the numbers of a batch are right, which is the `at`-th of the log.
    fn right(&self, entry: &Entry, committed: &Committed, at: usize) -> Result<(), Broken> {
        if self.poisoned {
            let what = "an append succeeded after one had failed";
            return Err(Broken::new("12: no Ok after a failed write or sync", what));
        }
        let oracle = self.known();
        let next = oracle.events_of(at.saturating_sub(1)) + 1;
        if committed.first_position() != next || committed.is_deduplicated() {
            let what = format!("{committed:?}, expected position {next}");
            return Err(Broken::new("8: positions go on after the last one", what));
        }
        let before = oracle.entries.get(..at).unwrap_or_default();
        for told in &entry.events {
            let events = before.iter().flat_map(|entry| &entry.events);
            let version = wide(events.filter(|other| other.stream == told.stream).count());
            if committed.version(&told.stream) != Some(version) {
                return Err(Broken::new("5: versions are dense", format!("{committed:?}")));
            }
        }
        Ok(())
    }

    /// The first so many batches were acknowledged at a level.
    fn is_as_safe(&self, at: usize, level: Durability, asked: Durability) -> Result<(), Broken> {
        if level < asked {
            let what = format!("{level:?}, asked for {asked:?}");
            return Err(Broken::new("an answer is at least as safe as asked", what));
        }
        let mut oracle = self.known();
        if level >= Durability::Written {
            oracle.written = oracle.written.max(at);
        }
        if level == Durability::Durable {
            oracle.durable = oracle.durable.max(at);
        }
        Ok(())
    }

    /// A call has failed: what that says about the batch that was placed for it, if one
    /// was.
    fn refused(&mut self, error: &Error, placed: bool) -> Result<(), Broken> {
        if self.dying {
            return Ok(());
        }
        if !self.faulty {
            return Err(Broken::new("10: the log takes appends", error));
        }
        match error {
            Error::Poisoned { .. } => self.poisoned = true,
            Error::Full { .. } | Error::Io { .. } if !self.poisoned => {
                if placed {
                    self.known().entries.pop();
                }
            }
            other => return Err(Broken::new("12: a failure says what it is", other)),
        }
        Ok(())
    }

    fn submit(&mut self, level: Durability) -> Result<Option<(Ticket, Entry, usize)>, Broken> {
        let entry = self.events(&[("a-1", 12)]);
        let batch = self.place(&entry);
        match self.log()?.submit_with(&batch, level) {
            Ok(ticket) => {
                let at = self.known().entries.len();
                Ok(Some((ticket, entry, at)))
            }
            Err(error) => self.refused(&error, true).map(|()| None),
        }
    }

    fn tickets(&mut self) -> Result<(), Broken> {
        let levels = [Durability::Durable, Durability::Written, Durability::Buffered];
        let mut tickets = Vec::new();
        for level in levels {
            tickets.push((self.submit(level)?, level));
        }
        // In no order; the first is dropped, and commits all the same.
        for (submitted, level) in tickets.into_iter().skip(1).rev() {
            let Some((ticket, entry, at)) = submitted else { continue };
            match ticket.wait() {
                // It was in memory before anything failed, and that is all it says.
                Ok(_) if level == Durability::Buffered && self.faulty => {}
                Ok(committed) => {
                    self.right(&entry, &committed, at)?;
                    self.is_as_safe(at, committed.durability(), level)?;
                }
                Err(error) => self.refused(&error, false)?,
            }
        }
        Ok(())
    }

    fn dropped(&mut self) -> Result<(), Broken> {
        for level in [Durability::Buffered, Durability::Buffered, Durability::Durable] {
            drop(self.submit(level)?);
        }
        Ok(())
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

    fn reopen(&mut self) -> Result<(), Broken> {
        let log = self.log.take();
        let placed = self.known().entries.len();
        // The hook may hold it for a moment, but not in this thread.
        let closed = log.and_then(Arc::into_inner).map(Log::close);
        match closed {
            Some(Ok(())) if self.poisoned => {
                let what = "a close succeeded after a failure";
                return Err(Broken::new("12: no Ok after a failed write or sync", what));
            }
            Some(Ok(())) => {
                self.is_as_safe(placed, Durability::Durable, Durability::Durable)?;
            }
            Some(Err(error)) if !self.faulty => {
                return Err(Broken::new("10: a log can be closed", error));
            }
            Some(Err(_)) | None => {}
        }
        self.open(End::Kill)
    }

    fn next_life(&mut self, end: End) -> Result<(), Broken> {
        self.log = None;
        self.open(end)
    }

    fn die(&mut self, call: u8, seed: u16) -> Result<(), Broken> {
        self.disk.crash_at(call.into());
        self.dying = true;
        let outcome = match seed / 16 % 8 {
            0 => self.append_new(What::Mixed, Durability::Durable),
            1 => self.append_new(What::Roll, Durability::Written),
            2 => self.append_new(What::Key, Durability::Durable),
            3 => self.sync(),
            4 => self.tickets(),
            _ => self.append_new(What::Sector, Durability::Durable),
        };
        self.dying = false;
        outcome?;
        let mut end = End::Kill;
        if seed.is_multiple_of(3) {
            power_cut(&self.disk, seed.into());
            self.known().power_is_cut();
            end = End::Cut;
        } else if seed % 3 == 1 {
            self.disk.kill();
        }
        self.log = None;
        if seed.is_multiple_of(2) {
            // The opening dies too, and some of what it wrote is lost.
            self.disk.rejoin();
            self.disk.crash_at(1 + u64::from(seed / 8) % 6);
            drop(open(&self.disk, Reading::Pread));
        }
        match seed / 4 % 4 {
            0 => self.disk.kill(),
            1 => {
                self.disk.power_cut(LoseAll);
                end = End::Cut;
            }
            _ => {
                power_cut(&self.disk, u64::from(seed) + 1);
                end = End::Cut;
            }
        }
        self.open(end)
    }
}

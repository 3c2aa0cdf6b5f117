//! Carrying out a program on a simulated disk, with the oracle told of every answer
//! and an observer shown the disk before each call that changes it.
//!
//! Which crashes are tried on the disks that are shown is the observer's business.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use annals::io::sim::{Call, LoseAll, SimStorage};
use annals::{Batch, Error, Expected, Log, NewEvent, Reading, Start, Uuid};

use crate::check::{FOREIGN, FOREIGN_BYTES, agrees, append, open, read_all};
use crate::crash::power_cut;
use crate::numbers::wide;
use crate::oracle::{Broken, EVENT_TYPE, Oracle, Told};
use crate::program::{Op, Program};

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
    last: Vec<Told>,
    tailed: u64,
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
            last: Vec::new(),
            tailed: 0,
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
        self.open()
    }

    /// Carries out one step, and shows the moment after it.
    ///
    /// # Errors
    /// A broken promise.
    pub fn step(&mut self, op: Op) -> Result<(), Broken> {
        match op {
            Op::Small => self.submit_new(&[("a-1", 30)]),
            Op::Sector => self.submit_new(&[("b-1", 700)]),
            Op::Batch => self.submit_new(&[("a-1", 20), ("c", 400), ("a-1", 5)]),
            Op::Roll => self.submit_new(&[("b-1", 12_050)]),
            Op::Conflict => self.conflict(),
            Op::Again => self.again(),
            Op::Tail => self.tail(),
            Op::Reopen => self.reopen(),
            Op::Kill => self.end_life(SimStorage::kill),
            Op::Cut(seed) => self.end_life(|disk| power_cut(disk, seed.into())),
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

    fn open(&mut self) -> Result<(), Broken> {
        let opened = match open(&self.disk, Reading::Mapped) {
            Err(_) if self.faulty => {
                self.disk.clear_faults();
                open(&self.disk, Reading::Mapped)
            }
            other => other,
        };
        let refused = |error| Broken::new("13: what a crash leaves can be opened", error);
        let log = Arc::new(opened.map_err(refused)?);
        let found = read_all(&log)?;
        lock(&self.shared.oracle).settle(found.clone())?;
        agrees(&log, &found)?;
        *lock(&self.shared.log) = Arc::downgrade(&log);
        self.log = Some(log);
        self.poisoned = false;
        lock(&self.shared.broken).take().map_or(Ok(()), Err)
    }

    fn log(&self) -> Result<Arc<Log>, Broken> {
        self.log.clone().ok_or_else(|| Broken::new("a run has a log", "it has none"))
    }

    fn submit_new(&mut self, events: &[(&str, usize)]) -> Result<(), Broken> {
        let mut told: Vec<_> = (self.submitted..)
            .zip(events)
            .map(|(number, (stream, len))| Told::make(stream, 1 << 100 | u128::from(number), *len))
            .collect();
        self.submitted += wide(events.len());
        let all_but_last = told.len().saturating_sub(1);
        told.iter_mut().take(all_but_last).for_each(|told| told.last = false);
        self.submit(told)
    }

    fn submit(&mut self, told: Vec<Told>) -> Result<(), Broken> {
        let log = self.log()?;
        let batch = {
            let mut oracle = lock(&self.shared.oracle);
            if !self.poisoned {
                oracle.flying = Some(told.clone());
            }
            oracle.batch(&told)
        };
        let committed = match append(&log, &batch)? {
            Ok(committed) => committed,
            Err(error) => return self.refused(&error),
        };
        if self.poisoned {
            let what = "an append succeeded after one had failed";
            return Err(Broken::new("12: no Ok after a failed write or sync", what));
        }
        let mut oracle = lock(&self.shared.oracle);
        let next = wide(oracle.kept.len()) + 1;
        if committed.first_position() != next || committed.is_deduplicated() {
            let what = format!("{committed:?}, expected position {next}");
            return Err(Broken::new("8: positions go on after the last one", what));
        }
        oracle.kept.extend(told.iter().cloned());
        oracle.flying = None;
        for told in &told {
            if committed.version(&told.stream) != Some(oracle.version(&told.stream)) {
                return Err(Broken::new("5: versions are dense", format!("{committed:?}")));
            }
        }
        self.last = told;
        Ok(())
    }

    /// An append has failed: what that says about the batch.
    fn refused(&mut self, error: &Error) -> Result<(), Broken> {
        if self.dying {
            return Ok(());
        }
        if !self.faulty {
            return Err(Broken::new("10: the log takes appends", error));
        }
        match error {
            Error::Poisoned { .. } => self.poisoned = true,
            Error::Full { .. } | Error::Io { .. } if !self.poisoned => {
                lock(&self.shared.oracle).flying = None;
            }
            other => return Err(Broken::new("12: a failure says what it is", other)),
        }
        Ok(())
    }

    fn conflict(&self) -> Result<(), Broken> {
        let version = self.oracle().version("a-1");
        let mut batch = Batch::new();
        batch.write("a-1", Expected::Exact(version + 7), [NewEvent::new(EVENT_TYPE)]);
        match append(&self.log()?, &batch)? {
            Err(Error::WrongExpectedVersion { actual, .. }) if actual == version => Ok(()),
            Err(_) if self.faulty => Ok(()),
            other => Err(Broken::new("a wrong expectation is refused", format!("{other:?}"))),
        }
    }

    /// The last batch again, if it is in the log.
    fn again(&self) -> Result<(), Broken> {
        let oracle = self.oracle();
        let Some(first) = self.last.first() else { return Ok(()) };
        let Some(at) = oracle.kept.iter().position(|told| told.id == first.id) else {
            return Ok(());
        };
        match append(&self.log()?, &oracle.batch(&self.last))? {
            Ok(again) if again.is_deduplicated() && again.first_position() == wide(at) + 1 => {
                Ok(())
            }
            Err(_) if self.faulty => Ok(()),
            other => Err(Broken::new("3: nothing is doubled", format!("{other:?}"))),
        }
    }

    fn tail(&mut self) -> Result<(), Broken> {
        let failed = |error| Broken::new("1: every durable record can be read", error);
        let log = self.log()?;
        let kept = self.oracle().kept;
        let mut cursor = log.cursor(Start::After(self.tailed)).map_err(failed)?;
        loop {
            let events = cursor.poll(2).map_err(failed)?;
            if events.is_empty() {
                break;
            }
            for event in events.iter() {
                let expected = usize::try_from(self.tailed).ok().and_then(|at| kept.get(at));
                if expected != Some(&Told::read(&event)) {
                    return Err(Broken::new(
                        "9: only what is durable is delivered",
                        format!("{event:?}"),
                    ));
                }
                self.tailed += 1;
            }
        }
        let absent = log.event(Uuid::from_u128(7)).map_err(failed)?;
        if self.tailed == wide(kept.len()) && absent.is_none() {
            return Ok(());
        }
        let what = format!("{} of {} events", self.tailed, kept.len());
        Err(Broken::new("9: a cursor delivers everything", what))
    }

    fn reopen(&mut self) -> Result<(), Broken> {
        let log = self.log.take();
        // The hook may hold it for a moment, but not in this thread.
        let closed = log.and_then(Arc::into_inner).map_or(Ok(()), Log::close);
        if let Err(error) = closed
            && !self.faulty
        {
            return Err(Broken::new("10: a log can be closed", error));
        }
        self.open()
    }

    fn end_life(&mut self, end: impl FnOnce(&SimStorage)) -> Result<(), Broken> {
        end(&self.disk);
        self.log = None;
        self.open()
    }

    fn die(&mut self, call: u8, seed: u16) -> Result<(), Broken> {
        self.disk.crash_at(call.into());
        self.dying = true;
        let outcome = self.submit_new(&[("b-1", 700)]);
        self.dying = false;
        outcome?;
        if seed.is_multiple_of(3) {
            power_cut(&self.disk, seed.into());
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
            1 => self.disk.power_cut(LoseAll),
            _ => power_cut(&self.disk, u64::from(seed) + 1),
        }
        self.open()
    }
}

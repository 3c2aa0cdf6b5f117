//! Children that are killed at a random moment, life after life in one directory.
//!
//! What they do is in `child`, what must hold afterwards in `watch` and `recover`. The
//! plan of every life follows from the seed; the moment within the child's work that
//! the signal hits does not.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use annals::Durability;
use annals::planted::Bug;

use super::child::ChildPlan;
use super::follow::{Followed, Places, follow};
use super::line::Line;
use super::recover::{leave_foreign, recover};
use super::watch::{Counts, Watched};
use super::work::Work;
use crate::numbers::{Numbers, digest};
use crate::oracle::{Broken, End};

/// How many lives a directory sees.
pub const LIVES: u64 = 20;

/// A child that does not open its log within this time is killed all the same.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a large batch is waited for.
const HUNT: Duration = Duration::from_millis(30);

/// Who is to be killed, how often, and where.
#[derive(Debug, Clone)]
pub struct KillPlan {
    /// So many kills.
    pub kills: u64,
    /// No new child after this time.
    pub time: Duration,
    /// The first directory's seed; the next one has the next number.
    pub seed: u64,
    /// The program, and what to say to it before the words of a [`ChildPlan`].
    pub child: Vec<OsString>,
    /// Directories of the logs are made in these, in turns.
    pub places: Vec<PathBuf>,
    /// So many children at a time.
    pub parallel: u64,
    /// A fault to plant in the children.
    pub bug: Option<Bug>,
}

impl KillPlan {
    /// 200 kills of this program, in memory and on the disk for temporary files.
    pub fn new(child: Vec<OsString>, seed: u64) -> Self {
        let memory = Path::new("/dev/shm");
        let mut places = vec![std::env::temp_dir()];
        if memory.is_dir() {
            // The syncs of a disk take most of the time of a life.
            places.splice(0..0, [memory.to_owned(), memory.to_owned(), memory.to_owned()]);
        }
        let time = Duration::from_secs(3600);
        Self { kills: 200, time, seed, child, places, parallel: 3, bug: None }
    }
}

/// What was broken, where, and how to try it again.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The directory's seed.
    pub seed: u64,
    /// The life at whose end it was seen.
    pub life: u32,
    /// What it is.
    pub broken: Broken,
    /// The log as it was left, and beside it what the children told.
    pub kept: PathBuf,
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, life, broken, kept } = self;
        writeln!(out, "seed {seed}, life {life}: {broken}")?;
        writeln!(out, "kept: {}", kept.display())?;
        write!(out, "again: cargo run -p annals-fuzz -- kill --seed {seed} --kills {LIVES}")
    }
}

/// What became of it.
#[derive(Debug, Clone, Default)]
pub struct Killed {
    /// Children that were killed.
    pub kills: u64,
    /// Kills before the child said that its log is open.
    pub while_opening: u64,
    /// Batches that were acknowledged.
    pub acknowledged: u64,
    /// Pieces that cursors have delivered, in the children and beside them.
    pub delivered: u64,
    /// Events that were found after the kills.
    pub events: u64,
    /// Batches in flight that were not found.
    pub lost: u64,
    /// Cursors that were opened while a writer did not know yet how far its log is, and
    /// again a little later.
    pub early: u64,
    /// Torn tails that were found.
    pub torn: u64,
    /// How long it took.
    pub took: Duration,
    /// The first broken promise.
    pub failure: Option<Failure>,
}

impl fmt::Display for Killed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, while_opening, acknowledged, delivered, events, .. } = self;
        let Self { lost, torn, early, took, .. } = self;
        write!(
            out,
            "{kills} kills ({while_opening} while opening), {acknowledged} batches acknowledged, \
             {delivered} deliveries, {events} events found, {lost} batches in flight gone, \
             {torn} torn tails, {early} times a reader came too early, {:.1} s",
            took.as_secs_f64()
        )
    }
}

/// Kills children until there were enough, or a promise is broken, or `watch` has enough:
/// it hears of every kill.
pub fn run(plan: &KillPlan, watch: impl Fn(&Killed) -> ControlFlow<()> + Sync) -> Killed {
    let began = Instant::now();
    let stop = AtomicBool::new(false);
    let killed = Mutex::new(Killed::default());
    let (begun, next) = (AtomicU64::new(0), AtomicU64::new(0));
    let count = |counts: Counts, while_opening: bool, early: u64| {
        let Ok(mut killed) = killed.lock() else { return false };
        killed.kills += 1;
        killed.while_opening += u64::from(while_opening);
        killed.acknowledged += counts.acknowledged;
        killed.delivered += counts.delivered;
        killed.events += counts.found;
        killed.lost += counts.lost;
        killed.torn += counts.torn;
        killed.early += early;
        killed.took = began.elapsed();
        if watch(&killed).is_break() || killed.failure.is_some() {
            stop.store(true, Ordering::Relaxed);
        }
        !stop.load(Ordering::Relaxed)
    };
    std::thread::scope(|scope| {
        for _ in 0..plan.parallel.max(1) {
            scope.spawn(|| {
                let wanted = || began.elapsed() < plan.time && !stop.load(Ordering::Relaxed);
                while wanted() && begun.fetch_add(LIVES, Ordering::Relaxed) < plan.kills {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let lives = LIVES.min(plan.kills - (number * LIVES).min(plan.kills));
                    let go_on = |counts, opening, early| count(counts, opening, early) && wanted();
                    let Err(failure) = House::new(plan, number).live(lives, &go_on) else {
                        continue;
                    };
                    if let Ok(mut killed) = killed.lock() {
                        killed.kills += 1;
                        if killed.failure.is_none() {
                            killed.failure = Some(failure);
                        } else {
                            // One is enough.
                            let _left = fs::remove_dir_all(&failure.kept);
                        }
                    }
                    stop.store(true, Ordering::Relaxed);
                }
            });
        }
    });
    let mut killed = killed.into_inner().unwrap_or_default();
    killed.took = began.elapsed();
    killed
}

/// A directory with a log, life after life.
struct House<'a> {
    plan: &'a KillPlan,
    seed: u64,
    directory: PathBuf,
    watched: Watched,
    places: Places,
    /// How often a cursor was opened too early, see [`Followed::early`].
    early: u64,
    /// Everything that the children told.
    told: Vec<u8>,
}

/// What a life is to be.
struct Life {
    child: ChildPlan,
    /// When it is killed: after its log is open, or after it was started.
    opened: bool,
    delay: Duration,
    /// After that it is killed when a large batch is on its way, so long after it was
    /// told.
    hunt: Option<Duration>,
    /// A reader follows in this process, and goes on from its checkpoint.
    follow: bool,
    /// The next life begins with what this one left, and not with what the check left.
    pass: bool,
}

impl Life {
    fn new(plan: &KillPlan, directory: PathBuf, seed: u64, life: u32) -> Self {
        let mut numbers = Numbers::new(digest(&(seed, life, "life")));
        let mut child = ChildPlan::new(directory, seed, life);
        child.writers = u16::try_from(1 + numbers.below(4)).unwrap_or(1);
        child.level = match numbers.below(8) {
            0 => Some(Durability::Durable),
            1 => Some(Durability::Written),
            2 => Some(Durability::Buffered),
            _ => None,
        };
        child.segment_bytes = [16 << 10, 64 << 10, 64 << 10, 1 << 20]
            .get(crate::numbers::narrow(numbers.below(4)))
            .copied()
            .unwrap_or(64 << 10);
        child.inline = numbers.below(6) == 0;
        child.pread = numbers.below(4) == 0;
        child.tail = numbers.below(3) > 0;
        child.reopen_every =
            [0, 0, 7, 40].get(crate::numbers::narrow(numbers.below(4))).copied().unwrap_or(0);
        child.bug = plan.bug;
        let opened = numbers.below(6) > 0;
        // A start of the process takes a few milliseconds.
        let longest = if opened { 60_000 } else { 6_000 };
        let delay = Duration::from_micros(numbers.below(longest));
        let follow = numbers.below(3) > 0;
        let pass = numbers.below(2) == 0;
        let hunt = Duration::from_micros(700 + numbers.below(2500));
        let heavy = Work { seed, life, writer: 1, number: 1 }.is_heavy();
        let hunt = (opened && heavy).then_some(hunt);
        Self { child, opened, delay, hunt, follow, pass }
    }
}

impl<'a> House<'a> {
    fn new(plan: &'a KillPlan, number: u64) -> Self {
        let seed = plan.seed.wrapping_add(number);
        let place = crate::numbers::narrow(number).checked_rem(plan.places.len());
        let place = place.and_then(|place| plan.places.get(place)).cloned();
        let place = place.unwrap_or_else(std::env::temp_dir);
        let directory = place.join(format!("annals-kill-{}-{seed}", std::process::id()));
        let (watched, places) = (Watched::new(seed), Places::default());
        Self { plan, seed, directory, watched, places, early: 0, told: Vec::new() }
    }

    fn live(
        mut self,
        lives: u64,
        go_on: &dyn Fn(Counts, bool, u64) -> bool,
    ) -> Result<(), Failure> {
        for _ in 0..lives {
            let life = self.watched.life();
            let before = self.watched.counts;
            let opening = self.life(life).map_err(|broken| self.failure(life, broken))?;
            let counts = self.watched.counts.since(&before);
            if !go_on(counts, opening, std::mem::take(&mut self.early)) {
                break;
            }
        }
        let _left = fs::remove_dir_all(&self.directory);
        Ok(())
    }

    fn failure(&self, life: u32, broken: Broken) -> Failure {
        let _untold = fs::write(self.directory.join("told"), &self.told);
        Failure { seed: self.seed, life, broken, kept: self.directory.clone() }
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// One life, and what must hold after it. Whether it was killed before its log was
    /// open.
    fn life(&mut self, number: u32) -> Result<bool, Broken> {
        let log = self.log();
        let failed = |error| Broken::new("a child is started", error);
        leave_foreign(&log).map_err(failed)?;
        let life = Life::new(self.plan, log.clone(), self.seed, number);
        let over = AtomicBool::new(false);
        let opened_before = self.watched.counts.opened;
        let followed = std::thread::scope(|scope| {
            let (places, over) = (self.places, &over);
            let follower = life.follow.then(|| {
                let (log, pread) = (&log, number.is_multiple_of(2));
                scope.spawn(move || follow(log, places, pread, over))
            });
            let lived = self.child(&life);
            over.store(true, Ordering::Relaxed);
            let followed = follower.map(std::thread::ScopedJoinHandle::join);
            lived.map(|()| followed)
        });
        match followed.map_err(failed)? {
            None => {}
            Some(Ok(followed)) => {
                self.early += followed.early;
                Followed::tell(followed, &mut self.watched, &mut self.places)?;
            }
            Some(Err(_panic)) => return Err(Broken::new("a reader goes on", "it panics")),
        }
        if let Some(error) = self.watched.first_error() {
            return Err(Broken::new("10: the log works", error));
        }
        let opening = self.watched.counts.opened == opened_before;
        if !life.pass {
            recover(&mut self.watched, End::Kill, &log)?;
            return Ok(opening);
        }
        let copy = self.directory.join("copy");
        copy_files(&log, &copy).map_err(failed)?;
        let mut watched = self.watched.clone();
        recover(&mut watched, End::Kill, &copy)?;
        self.watched.counts.torn = watched.counts.torn;
        let _left = fs::remove_dir_all(&copy);
        self.watched.pass(End::Kill);
        Ok(opening)
    }

    /// Starts a child, kills it, and takes in everything that it told.
    fn child(&mut self, life: &Life) -> std::io::Result<()> {
        let mut words = self.plan.child.iter();
        let program = words.next().ok_or(std::io::ErrorKind::InvalidInput)?;
        let mut child = Command::new(program)
            .args(words)
            .args(life.child.words())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take();
        let status = std::thread::scope(|scope| {
            let (opened, is_open) = channel();
            let killer = scope.spawn(move || kill_in_time(child, life, &is_open));
            let mut buffer = [0; 16 << 10];
            let mut stdout = stdout?;
            let mut before = self.watched.counts.opened;
            while let Ok(len @ 1..) = stdout.read(&mut buffer) {
                let bytes = buffer.get(..len).unwrap_or_default();
                self.told.extend_from_slice(bytes);
                self.watched.feed(bytes);
                let is_open = self.watched.counts.opened > before;
                let is_large = self.watched.submits().is_some_and(|work| work.is_large());
                if is_open || is_large {
                    before = self.watched.counts.opened;
                    let _nobody = opened.send(());
                }
            }
            drop(opened);
            killer.join().ok()?
        });
        if let Some(code) = status.and_then(|status| status.code()) {
            self.watched.line(&Line::Broken(format!("the child ends with {code}")));
        }
        Ok(())
    }
}

/// Kills a child when it is time to, and waits until it is gone.
fn kill_in_time(mut child: Child, life: &Life, is_open: &Receiver<()>) -> Option<ExitStatus> {
    if life.opened {
        // If the child ends before, the other side is dropped.
        let _told_or_ended = is_open.recv_timeout(PATIENCE);
    }
    std::thread::sleep(life.delay);
    if let Some(delay) = life.hunt {
        while is_open.try_recv().is_ok() {}
        let _large_or_late = is_open.recv_timeout(HUNT);
        std::thread::sleep(delay);
    }
    let _gone = child.kill();
    child.wait().ok()
}

fn copy_files(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

//! Threads that use one log at once, and what each of them was asked and answered.
//!
//! What is asked follows from a seed; who comes first does not. [`noise`] makes the
//! simulated disk slow now and then, so that threads meet in the middle of things.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use annals::io::sim::SimStorage;
use annals::planted::Bug;
use annals::{Durability, Log};

use super::call::{Answer, Call, Crashed, History, Op, Seen};
use super::script::{Asker, seen};
use crate::explore::plant;
use crate::numbers::{Numbers, digest};
use crate::oracle::Broken;

/// How a history is made.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many threads.
    pub threads: usize,
    /// How many calls each makes.
    pub calls: usize,
    /// How many streams they share.
    pub streams: usize,
    /// The levels that appends ask for.
    pub levels: &'static [Durability],
    /// Whether reads are of everything, as in short histories, or of the last few events.
    pub whole: bool,
    /// After one of so many answers that promise something, a copy of the disk is crashed
    /// and opened; never if this is 0.
    pub crash_of: u64,
    /// A planted bug, in every thread that calls the log.
    pub bug: Option<Bug>,
}

/// Every level.
pub const LEVELS: &[Durability] = &[Durability::Durable, Durability::Written, Durability::Buffered];

/// Durable alone.
pub const DURABLE: &[Durability] = &[Durability::Durable];

impl Plan {
    /// Three or four threads with three or four calls each, by the seed.
    pub fn short(seed: u64) -> Self {
        let mut numbers = Numbers::new(digest(&(seed, "short")));
        let mut below = |limit| crate::numbers::narrow(numbers.below(limit));
        let (threads, calls, streams) = (3 + below(2), 3 + below(2), 2 + below(2));
        Self { threads, calls, streams, levels: LEVELS, whole: true, crash_of: 3, bug: None }
    }

    /// Eight threads with so many calls each.
    pub const fn long(calls: usize) -> Self {
        Self { threads: 8, calls, streams: 4, levels: LEVELS, whole: false, crash_of: 0, bug: None }
    }
}

/// Makes calls on the disk take their time, by the seed.
pub fn noise(disk: &SimStorage, seed: u64) {
    let calls = AtomicU64::new(0);
    disk.on_call(move |_, _| {
        let choice = digest(&(seed, calls.fetch_add(1, Ordering::Relaxed)));
        match choice % 16 {
            0..5 => {}
            5..10 => std::thread::yield_now(),
            10..15 => (0..choice >> 32 & 3).for_each(|_| std::thread::yield_now()),
            _ => std::thread::sleep(Duration::from_micros(choice >> 32 & 63)),
        }
    });
}

/// One moment after the other, for all threads.
#[derive(Debug, Default)]
struct Moments(AtomicU64);

impl Moments {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// Lets threads use a log at once. `disk` is what the log lies on, if copies of it are to be
/// crashed. `before` is what was asked of this log earlier.
///
/// # Errors
/// If a copy cannot be opened, or the log cannot be read at the end.
pub fn record(
    log: &Log,
    disk: Option<&SimStorage>,
    seed: u64,
    plan: &Plan,
    before: Vec<Call>,
) -> Result<History, Broken> {
    let moments = Moments::default();
    moments
        .0
        .store(before.iter().map(|call| call.answered + 1).max().unwrap_or(0), Ordering::SeqCst);
    let start = Barrier::new(plan.threads);
    let recorded: Vec<_> = std::thread::scope(|scope| {
        let thread = |number| {
            let (start, moments) = (&start, &moments);
            scope.spawn(move || {
                plant(plan.bug);
                let mut asker = Asker::new(seed, number, plan);
                start.wait();
                let calls = (0..plan.calls).map_while(|_| one(log, disk, &mut asker, moments));
                let calls = calls.collect::<Vec<_>>();
                plant(None);
                calls
            })
        };
        let threads: Vec<_> = (0..plan.threads).map(thread).collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    let mut calls = before;
    for of_thread in recorded {
        let panicked = |_| Broken::new("10: the log takes appends", "a thread panicked");
        for call in of_thread.map_err(panicked)? {
            calls.push(call?);
        }
    }
    calls.sort_by_key(|call| call.asked);
    let events = log.read_all().collect();
    let events =
        events.map_err(|error| Broken::new("1: every durable record can be read", error))?;
    let log = events.iter().map(|event| seen(&event.as_event())).collect();
    Ok(History { seed, calls, log })
}

/// One call of a thread, if it makes more.
fn one(
    log: &Log,
    disk: Option<&SimStorage>,
    asker: &mut Asker,
    moments: &Moments,
) -> Option<Result<Call, Broken>> {
    let op = asker.think()?;
    let asked = moments.next();
    let answer = asker.ask(log, &op);
    let answered = moments.next();
    let bug = asker.bug();
    let crashed =
        disk.filter(|_| asker.crashes()).and_then(|disk| crash(disk, (&op, &answer), bug));
    let call = Call { thread: asker.thread, asked, answered, op, answer, crashed: None };
    Some(match crashed {
        Some(Err(broken)) => Err(broken.within(call)),
        Some(Ok(crashed)) => Ok(Call { crashed: Some(crashed), ..call }),
        None => Ok(call),
    })
}

/// Crashes a copy of the disk after an answer that says that something survives that, and
/// reads what does.
fn crash(
    disk: &SimStorage,
    (op, answer): (&Op, &Answer),
    bug: Option<Bug>,
) -> Option<Result<(Crashed, Vec<u128>), Broken>> {
    let how = match (op, answer) {
        (_, Answer::Placed(_, Durability::Durable) | Answer::Synced | Answer::Head(_))
        | (Op::Follow(annals::Visibility::Durable), Answer::Events(_)) => Crashed::Cut,
        (_, Answer::Placed(_, Durability::Written))
        | (Op::Follow(annals::Visibility::Written), Answer::Events(_)) => Crashed::Kill,
        _ => return None,
    };
    // The log that looks has no bug.
    plant(None);
    let copy = disk.fork();
    if how == Crashed::Cut {
        copy.power_cut(annals::io::sim::LoseAll);
    }
    let ids = || {
        let log = crate::check::must_open(&copy, annals::Reading::Mapped)?;
        let events = log.read_all().collect();
        let events =
            events.map_err(|error| Broken::new("13: what a crash leaves can be read", error))?;
        Ok(events.iter().map(|event: &annals::OwnedEvent| seen(&event.as_event())).collect())
    };
    let read = ids();
    plant(bug);
    Some(read.map(|seen: Vec<Seen>| (how, seen.iter().map(|seen| seen.id).collect())))
}

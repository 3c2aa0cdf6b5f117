//! What the threads of an exploration share, and what each of them does.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::explorer::Explorer;
use super::failure::{Failure, shrink};
use super::plan::{Plan, Task};
use super::{Explored, calmly, plant, run_program, try_program};
use crate::oracle::Broken;
use crate::program::Program;
use crate::run::{Blind, Observe};

/// How long one program may take: a long one takes less than a second.
const STUCK: Duration = Duration::from_secs(120);

/// A task that broke a promise.
#[derive(Debug, Clone)]
pub(super) struct Found {
    task: Task,
    broken: Broken,
    /// It never ended: making it shorter would not end either.
    stuck: bool,
}

impl Found {
    /// As short as it can be made.
    pub(super) fn shrunk(self, plan: &Plan) -> Failure {
        let Self { task, broken, stuck } = self;
        let program = task.program().clone();
        let fails = |shorter: &Program| match task {
            Task::From(..) => try_program(shorter, plan.seed, plan.bug).err(),
            Task::Long(_) => run_program(shorter, plan.bug).err(),
        };
        let (shrunk, broken) =
            if stuck { (program.clone(), broken) } else { shrink(&program, broken, fails) };
        Failure { program, shrunk, broken, seed: plan.seed, bug: plan.bug }
    }
}

/// What the threads of an exploration share.
#[derive(Debug)]
pub(super) struct Shared {
    plan: Plan,
    explorer: Arc<Explorer>,
    next: AtomicU64,
    done: AtomicU64,
    long: AtomicU64,
    stop: AtomicBool,
    found: Mutex<Option<Found>>,
    /// What each thread is at, and since when.
    at: Vec<Mutex<Option<(Instant, Task)>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            explorer: Arc::new(Explorer::new(plan.seed)),
            next: AtomicU64::new(0),
            done: AtomicU64::new(0),
            long: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            found: Mutex::new(None),
            at: (0..plan.threads.max(1)).map(|_| Mutex::new(None)).collect(),
        }
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn found(&self) -> Option<Found> {
        lock(&self.found).clone()
    }

    pub(super) fn so_far(&self, began: Instant) -> Explored {
        Explored {
            programs: self.done.load(Ordering::Relaxed),
            long: self.long.load(Ordering::Relaxed),
            took: began.elapsed(),
            ..self.explorer.so_far()
        }
    }

    /// Takes tasks until there are enough states.
    pub(super) fn work(&self, thread: usize) {
        plant(self.plan.bug);
        let began = Instant::now();
        while !self.stop.load(Ordering::Relaxed) && began.elapsed() < self.plan.time {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if self.plan.is_done(number, self.explorer.so_far().states) {
                break;
            }
            let task = self.plan.task(number);
            self.notes(thread, Some(&task));
            let outcome = match &task {
                Task::From(fresh, program) => {
                    let observer: Arc<dyn Observe> = self.explorer.clone();
                    calmly(program, observer, *fresh)
                }
                Task::Long(program) => calmly(program, Arc::new(Blind), usize::MAX),
            };
            self.done.fetch_add(1, Ordering::Relaxed);
            self.long.fetch_add(u64::from(matches!(task, Task::Long(_))), Ordering::Relaxed);
            if let Err(broken) = outcome {
                self.finds(Found { task, broken, stuck: false });
            }
        }
        self.notes(thread, None);
        plant(None);
    }

    fn notes(&self, thread: usize, task: Option<&Task>) {
        if let Some(at) = self.at.get(thread) {
            *lock(at) = task.map(|task| (Instant::now(), task.clone()));
        }
    }

    fn finds(&self, found: Found) {
        self.stop();
        lock(&self.found).get_or_insert(found);
    }

    /// Whether a thread has been at one task for so long that it will not end.
    pub(super) fn has_stuck(&self) -> bool {
        let stuck = |at: &Mutex<Option<(Instant, Task)>>| {
            lock(at).clone().filter(|(since, _)| since.elapsed() > STUCK)
        };
        let Some((_, task)) = self.at.iter().find_map(stuck) else { return false };
        let broken = Broken::new("14: time is bounded", format!("no end after {STUCK:?}"));
        self.finds(Found { task, broken, stuck: true });
        true
    }
}

//! Locks and condition variables with the calls of `parking_lot`, of which shuttle knows
//! nothing.
//!
//! Nothing is poisoned here: a thread that panics fails its model.

use std::ops::{Deref, DerefMut};
use std::sync::{LockResult, PoisonError, TryLockError};

use shuttle::sync as model;

use super::time::{self, Instant};

fn whole<G>(locked: LockResult<G>) -> G {
    locked.unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(model::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(model::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { mutex: &self.0, locked: Some(whole(self.0.lock())) }
    }

    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let locked = match self.0.try_lock() {
            Ok(locked) => locked,
            Err(TryLockError::Poisoned(locked)) => locked.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(MutexGuard { mutex: &self.0, locked: Some(locked) })
    }
}

/// A mutex that is held.
#[derive(Debug)]
pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a model::Mutex<T>,
    /// None only inside a wait.
    locked: Option<model::MutexGuard<'a, T>>,
}

#[allow(clippy::expect_used, reason = "empty only inside a wait, which nobody sees")]
impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.locked.as_ref().expect("locked")
    }
}

#[allow(clippy::expect_used, reason = "empty only inside a wait, which nobody sees")]
impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.locked.as_mut().expect("locked")
    }
}

#[derive(Debug, Default)]
pub(crate) struct RwLock<T>(model::RwLock<T>);

impl<T> RwLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(model::RwLock::new(value))
    }

    pub(crate) fn read(&self) -> model::RwLockReadGuard<'_, T> {
        whole(self.0.read())
    }

    pub(crate) fn write(&self) -> model::RwLockWriteGuard<'_, T> {
        whole(self.0.write())
    }
}

/// Whether a wait ended by its time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    pub(crate) const fn timed_out(self) -> bool {
        self.0
    }
}

#[derive(Debug, Default)]
pub(crate) struct Condvar(model::Condvar);

impl Condvar {
    pub(crate) const fn new() -> Self {
        Self(model::Condvar::new())
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        if let Some(locked) = guard.locked.take() {
            guard.locked = Some(whole(self.0.wait(locked)));
        }
    }

    /// Where time stands this is `wait`. Where it runs, the wait may end by its time or for
    /// no reason, whatever anybody does meanwhile.
    pub(crate) fn wait_until<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        deadline: Instant,
    ) -> WaitTimeoutResult {
        match time::now_is() {
            time::Time::Stands => {
                self.wait(guard);
                WaitTimeoutResult(false)
            }
            time::Time::Runs => {
                // Woken by anybody or by nobody: whoever waits must look again anyway.
                let timed_out = time::is_up(deadline);
                drop(guard.locked.take());
                shuttle::thread::yield_now();
                guard.locked = Some(whole(guard.mutex.lock()));
                WaitTimeoutResult(timed_out)
            }
        }
    }

    /// Wakes one: with shuttle any one, so that a model sees what depends on which.
    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

//! Waiting and waking, in one place, so that a model checker can stand in for it.

use std::sync::atomic::{AtomicU32, Ordering};

/// A number that threads sleep on until it changes: one futex where the system has
/// them.
#[derive(Debug, Default)]
pub(crate) struct Signal(AtomicU32);

impl Signal {
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    pub(crate) fn get(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// Sets it and wakes all sleepers with one call.
    pub(crate) fn set(&self, value: u32) {
        self.0.store(value, Ordering::Release);
        atomic_wait::wake_all(&self.0);
    }

    /// Sleeps until it is not 0, and returns it.
    pub(crate) fn wait(&self) -> u32 {
        loop {
            match self.get() {
                0 => atomic_wait::wait(&self.0, 0),
                value => return value,
            }
        }
    }
}

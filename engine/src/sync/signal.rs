//! Waiting for one thing to happen, and waking all who do.

use super::Futex;

/// A number that threads sleep on until it changes: one futex where the system has
/// them.
#[derive(Debug, Default)]
pub(crate) struct Signal(Futex);

/// What stands there while it is 0 and somebody sleeps: who sets it then knows whether
/// there is anybody to wake, and saves the call to the system if not.
const SLEPT_ON: u32 = u32::MAX;

impl Signal {
    pub(crate) fn get(&self) -> u32 {
        match self.0.load() {
            SLEPT_ON => 0,
            value => value,
        }
    }

    /// Sets it and wakes all sleepers with one call, if there are any.
    pub(crate) fn set(&self, value: u32) {
        debug_assert!(value != 0 && value != SLEPT_ON);
        if self.0.swap(value) == SLEPT_ON {
            self.0.wake_all();
        }
    }

    /// Sleeps until it is not 0, and returns it.
    pub(crate) fn wait(&self) -> u32 {
        loop {
            // Whether this one notes the sleep or finds it noted, the other side sees it.
            match self.0.compare_exchange(0, SLEPT_ON) {
                Ok(_) | Err(SLEPT_ON) => self.0.wait(SLEPT_ON),
                Err(value) => return value,
            }
        }
    }
}

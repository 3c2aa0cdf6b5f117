//! What an ordinary build synchronises with: other crates' types under the names that
//! the models have too.

#[cfg(feature = "sim")]
pub(crate) use parking_lot::MutexGuard;
pub(crate) use parking_lot::{Condvar, Mutex, RwLock};
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
pub(crate) use std::time::Instant;

/// Threads.
pub(crate) mod thread {
    pub(crate) use std::thread::{Builder, JoinHandle, sleep};
}

/// Sending work to a thread.
pub(crate) mod channel {
    pub(crate) use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
}

/// A number, and sleeping while it is as it was: what a futex is.
#[derive(Debug, Default)]
pub(super) struct Futex(std::sync::atomic::AtomicU32);

impl Futex {
    pub(super) fn load(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn swap(&self, value: u32) -> u32 {
        self.0.swap(value, Ordering::AcqRel)
    }

    pub(super) fn compare_exchange(&self, current: u32, new: u32) -> Result<u32, u32> {
        self.0.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire)
    }

    /// Sleeps if it still is `expected`; may return for no reason.
    pub(super) fn wait(&self, expected: u32) {
        atomic_wait::wait(&self.0, expected);
    }

    pub(super) fn wake_all(&self) {
        atomic_wait::wake_all(&self.0);
    }
}

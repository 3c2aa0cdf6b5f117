//! What a build with `--cfg shuttle` synchronises with: the model checker's types, with
//! the calls that the ordinary ones have.
//!
//! * `lock`: mutexes, locks of readers and writers, condition variables
//! * `futex`: a number to sleep on
//! * `channel`: sending work to a thread
//! * `time`: the clock of a model, and whether waits end by themselves
//!
//! All orderings of atomics are taken for the strongest one: what only weak orderings can
//! break is not seen here.

pub(crate) mod channel;
mod futex;
mod lock;
pub mod time;

pub(super) use futex::Futex;
pub(crate) use lock::{Condvar, Mutex, MutexGuard, RwLock};
pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
pub(crate) use time::Instant;

/// Threads.
pub(crate) mod thread {
    pub(crate) use super::time::sleep;
    pub(crate) use shuttle::thread::{Builder, JoinHandle};
}

//! Locks, atomics, channels, threads, the clock that waits go by: the one home of
//! synchronisation, so that a model checker can stand in for all of it.
//!
//! * [`signal`]: a number that threads sleep on
//! * `real`: what an ordinary build has: names of other crates, nothing more
//! * `modelled`: what a build with `--cfg shuttle` has instead
//!
//! With `--cfg shuttle` every lock, atomic access, wait and wake is a place where the
//! checker may let another thread go on, and it tries schedule after schedule. So all that
//! is locked, waited on or published in the log and in the simulated storage must come
//! from here: a lock of another kind that is held over one of these would stop the
//! model. `Arc` and `OnceLock` are the standard library's: nothing waits inside them.

mod signal;

#[cfg(shuttle)]
mod modelled;
#[cfg(not(shuttle))]
mod real;

/// Locks that are held for a moment, and never over anything else from here: what they
/// guard is of no interest to a model, which so has fewer schedules to try.
#[cfg(feature = "sim")]
pub(crate) mod brief {
    pub(crate) use parking_lot::{Mutex, RwLock};
}

#[cfg(shuttle)]
pub(crate) use modelled::*;
#[cfg(not(shuttle))]
pub(crate) use real::*;
pub(crate) use signal::Signal;

#[cfg(shuttle)]
pub use modelled::time as model;

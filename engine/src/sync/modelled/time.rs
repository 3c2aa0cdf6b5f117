//! The clock of a model: it goes on only where the model lets it, so that nothing waits
//! in real time and every schedule can be run again.
//!
//! There is one clock for each thread of the system, and a model runs in one: what is
//! set before a model starts holds in it.

use std::cell::Cell;
use std::time::Duration;

use shuttle::rand::{RngCore, thread_rng};

/// Whether a wait with a time can end by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// No wait ends by its time: a wake-up that is lost is a deadlock, which the checker
    /// reports.
    Stands,
    /// A wait with a time ends whenever the checker likes, by its time or for no reason.
    Runs,
}

thread_local! {
    static TIME: Cell<Time> = const { Cell::new(Time::Stands) };
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Sets how waits end in the models that this thread runs.
pub fn set(time: Time) {
    TIME.set(time);
}

pub(super) fn now_is() -> Time {
    TIME.get()
}

/// Whether a wait until then ends by its time, now: if so, it is then.
pub(super) fn is_up(deadline: Instant) -> bool {
    let up = deadline <= Instant::now() || thread_rng().next_u64().is_multiple_of(2);
    if up {
        NOW.set(NOW.get().max(deadline.0));
    }
    up
}

/// Lets others go on meanwhile.
pub(crate) fn sleep(time: Duration) {
    NOW.set(NOW.get().saturating_add(time));
    shuttle::thread::yield_now();
}

/// A point of the model's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(Duration);

impl Instant {
    pub(crate) fn now() -> Self {
        Self(NOW.get())
    }

    pub(crate) fn checked_add(self, time: Duration) -> Option<Self> {
        self.0.checked_add(time).map(Self)
    }

    pub(crate) fn elapsed(self) -> Duration {
        Self::now().saturating_duration_since(self)
    }

    pub(crate) fn saturating_duration_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

//! The wall clock that deadlines go by, which a test can hold.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Timestamp;
use crate::sync::Mutex;

/// Says what time it is. [`SystemClock`] asks the system; [`ManualClock`] says what it is told.
pub trait Clock: Debug + Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_nanos(nanos(since))
    }
}

/// A clock that stands until it is moved: for tests of what happens in time, and examples.
/// Clones are the same clock.
///
/// ```
/// use std::time::Duration;
/// use annals::Timestamp;
/// use annals::sourcing::{Clock, ManualClock};
/// let clock = ManualClock::new(Timestamp::from_nanos(0));
/// let the_same = clock.clone();
/// clock.advance(Duration::from_secs(2));
/// assert_eq!(the_same.now(), Timestamp::from_nanos(2_000_000_000));
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: Arc<Mutex<Timestamp>>,
}

impl ManualClock {
    /// A clock that stands at this time.
    pub fn new(at: Timestamp) -> Self {
        Self { now: Arc::new(Mutex::new(at)) }
    }

    /// Moves it to a time, which may be an earlier one.
    pub fn set(&self, at: Timestamp) {
        *self.now.lock() = at;
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        let mut now = self.now.lock();
        *now = later(*now, by);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.lock()
    }
}

/// A time after another one, or the latest there is.
pub(super) fn later(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_nanos(at.as_nanos().saturating_add(nanos(by)))
}

/// How long after `now` a time comes; nothing if it has come.
pub(super) fn until(now: Timestamp, at: Timestamp) -> Duration {
    let nanos = at.as_nanos().saturating_sub(now.as_nanos());
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

//! Tailing: every event after a start, exactly once, in commit order.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::horizon::Reach;
use crate::read::forward::Forward;
use crate::read::{Events, Shared};
use crate::visibility::Visibility;

/// Where a cursor starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Start {
    /// Before the first event.
    Beginning,
    /// After the last event that is durable now.
    End,
    /// After this position; 0 is the beginning.
    After(u64),
}

/// How many events [`Cursor::wait`] hands out at a time, at most.
const WAIT_EVENTS: usize = 1024;

/// A reader's place in the log. It delivers every event after its start exactly once,
/// in position order, and only what is durable: under any number of writers, over
/// rolls, with no difference between catching up and following live.
///
/// A cursor holds no lock and costs the writer nothing while there is something to
/// read. Its place is in memory: to go on after a restart, keep
/// [`position`](Self::position) and start [`After`](Start::After) it.
///
/// ```
/// use std::time::Duration;
/// use annals::{Batch, Expected, Log, NewEvent, Start};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Log::open(path)?;
/// let mut cursor = log.cursor(Start::Beginning)?;
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         log.append(Batch::new().write("a", Expected::Any, [NewEvent::new("Happened")]))
///     });
///     let events = cursor.wait(Duration::from_secs(5))?;
///     assert_eq!(events.len(), 1);
///     Ok::<(), annals::Error>(())
/// })?;
/// assert_eq!(cursor.position(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Cursor {
    shared: Shared,
    reach: Reach,
    forward: Forward,
}

impl Cursor {
    pub(crate) fn new(shared: Shared, start: Start, visibility: Visibility) -> Result<Self> {
        let reach = Reach::from(visibility);
        let head = shared.horizon.bound(reach)?.position;
        let after = match start {
            Start::Beginning => 0,
            Start::End => head,
            Start::After(position) if position > head => {
                return Err(Error::BeyondHead { position, head });
            }
            Start::After(position) => position,
        };
        let forward = Forward::after(shared.clone(), reach, after)?;
        Ok(Self { shared, reach, forward })
    }

    /// Up to `max` events that are there now, at once; none if there are none.
    ///
    /// May hand out fewer than there are: it is the end for now only if it hands out
    /// none.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the log is damaged: the cursor stays before it and
    /// says so again. [`Error::Io`] if reading fails.
    pub fn poll(&mut self, max: usize) -> Result<Events> {
        self.forward.next(max)
    }

    /// Events as soon as there are some, at most 1,024; none if the time is up first.
    ///
    /// # Errors
    /// Those of [`poll`](Self::poll); [`Error::Closed`] if there is nothing more and
    /// the log was closed.
    pub fn wait(&mut self, timeout: Duration) -> Result<Events> {
        // A time too far off to be a number is no limit.
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let events = self.poll(WAIT_EVENTS)?;
            if !events.is_empty() {
                return Ok(events);
            }
            let place = self.forward.place();
            if !self.shared.horizon.wait_beyond(self.reach, place, deadline)? {
                return Ok(events);
            }
        }
    }

    /// Position of the last event that was handed out; where the cursor started, if
    /// none was.
    pub const fn position(&self) -> u64 {
        self.forward.position()
    }
}

//! Tailing: every event after a start, exactly once, in commit order.

#[cfg(feature = "async")]
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
#[cfg(feature = "async")]
use crate::horizon::Seat;
use crate::horizon::{Bound, Reach};
#[cfg(feature = "async")]
use crate::place::Place;
use crate::read::forward::Forward;
use crate::read::{Events, Shared, locate};
use crate::time::Timestamp;
use crate::visibility::Visibility;

/// Where a cursor starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Start {
    /// Before the first event.
    Beginning,
    /// After the last event that it may see now.
    End,
    /// After this position; 0 is the beginning.
    After(u64),
    /// Before the first event that was recorded at this time or later; at the end, if
    /// there is none yet.
    At(Timestamp),
    /// Where a reader was, if that is still so: see [`Checkpoint`].
    Checkpoint(Checkpoint),
}

/// Options to open a cursor with.
///
/// ```
/// use annals::{Batch, CursorOptions, Durability, Expected, Log, NewEvent, Start, Visibility};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Log::open(path)?;
/// let options = CursorOptions::new().visibility(Visibility::Written);
/// let mut early = log.cursor_with(Start::Beginning, &options)?;
/// let mut batch = Batch::new();
/// batch.write("a", Expected::Any, [NewEvent::new("Happened")]);
/// log.append_with(&batch, Durability::Written)?;
/// assert_eq!(early.poll(10)?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct CursorOptions {
    visibility: Visibility,
}

impl CursorOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How safe events must be before they are handed out. Default:
    /// [`Visibility::Durable`].
    pub const fn visibility(mut self, visibility: Visibility) -> Self {
        self.visibility = visibility;
        self
    }
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
    pub(crate) fn new(shared: Shared, start: Start, options: &CursorOptions) -> Result<Self> {
        let reach = Reach::from(options.visibility);
        let bound = shared.horizon.indexed(reach)?;
        let after = match start {
            Start::Beginning => 0,
            Start::End => bound.position,
            Start::After(position) => within(position, bound)?,
            Start::At(time) => {
                locate::first_recorded_at(&shared, bound, time.as_nanos())?.saturating_sub(1)
            }
            Start::Checkpoint(checkpoint) => locate::resume(&shared, bound, checkpoint)?,
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

    /// As [`wait`](Self::wait), to be awaited: at most `max` events, as soon as there
    /// are some. Any runtime will do. Dropping the future before it is ready loses
    /// nothing: the cursor stays where it was. (Feature `async`.)
    ///
    /// Reading what is there happens in the future's `poll`, without a wait but for
    /// page faults.
    ///
    /// # Errors
    /// Those of [`wait`](Self::wait).
    #[cfg(feature = "async")]
    pub async fn next(&mut self, max: usize) -> Result<Events> {
        loop {
            let events = self.poll(max)?;
            if !events.is_empty() || max == 0 {
                return Ok(events);
            }
            let place = self.forward.place();
            let mut waiting =
                Waiting { shared: &self.shared, reach: self.reach, seat: Seat::default() };
            std::future::poll_fn(|context| waiting.poll(place, context)).await?;
        }
    }

    /// Where it is, to be kept outside the log and to go on from: see [`Checkpoint`].
    /// Reads the heads of a few batches.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the log is damaged, [`Error::Io`] if reading fails.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        let position = self.position();
        let bound = self.shared.horizon.indexed(self.reach)?;
        let epoch = locate::epoch_at(&self.shared, bound, position)?;
        Ok(Checkpoint {
            log: Uuid::from_u128(self.shared.catalog.log),
            epoch: Uuid::from_u128(epoch),
            position,
        })
    }

    /// Position of the last event that was handed out; where the cursor started, if
    /// none was.
    pub const fn position(&self) -> u64 {
        self.forward.position()
    }
}

fn within(position: u64, bound: Bound) -> Result<u64> {
    let head = bound.position;
    if position > head { Err(Error::BeyondHead { position, head }) } else { Ok(position) }
}

/// A future that waits, and leaves its place when it is dropped.
#[cfg(feature = "async")]
struct Waiting<'a> {
    shared: &'a Shared,
    reach: Reach,
    seat: Seat,
}

#[cfg(feature = "async")]
impl Waiting<'_> {
    fn poll(&mut self, place: Place, context: &mut Context<'_>) -> Poll<Result<()>> {
        let horizon = &self.shared.horizon;
        match horizon.poll_beyond(self.reach, place, &mut self.seat, context) {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

#[cfg(feature = "async")]
impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shared.horizon.leave(self.reach, &mut self.seat);
    }
}

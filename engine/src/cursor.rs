//! Tailing: every event after a start, exactly once, in commit order.

#[cfg(feature = "async")]
use std::task::{Context, Poll};
use std::time::Duration;

use uuid::Uuid;

use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::filter::Filter;
#[cfg(feature = "async")]
use crate::horizon::Seat;
use crate::horizon::{Bound, Reach};
use crate::place::Place;
use crate::read::filtered::Filtered;
use crate::read::forward::Forward;
use crate::read::{Events, Shared, locate};
use crate::sync::Instant;
use crate::time::Timestamp;
use crate::visibility::Visibility;

/// Where a cursor starts.
///
/// ```
/// use annals::{Batch, Error, Expected, Log, NewEvent, Start};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Log::open(path)?;
/// log.append(Batch::new().write("a", Expected::Any, ["One", "Two"].map(NewEvent::new)))?;
/// let recorded = log.read_all().limit(1).collect()?[0].as_event().recorded_at();
/// for (start, events) in [
///     (Start::Beginning, 2),
///     (Start::After(1), 1),
///     (Start::End, 0),
///     (Start::At(recorded), 2),
/// ] {
///     assert_eq!(log.cursor(start)?.poll(10)?.len(), events);
/// }
/// // A place that is not there is refused, with the last one that is.
/// assert!(matches!(log.cursor(Start::After(9)), Err(Error::BeyondHead { head: 2, .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Start {
    /// Before the first event.
    Beginning,
    /// After the last event that it may see now.
    End,
    /// After this position; 0 is the beginning. Beyond the last event that it may see it is
    /// refused with [`Error::BeyondHead`].
    After(u64),
    /// Before the first event that was [recorded](crate::Event::recorded_at) at this time or
    /// later; at the end, if there is none yet. Reads the heads of some batches, as many as
    /// halvings of the log.
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
    filter: Filter,
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

    /// Which events are handed out. Default: all of them.
    ///
    /// ```
    /// use annals::{Batch, CursorOptions, Expected, Filter, Log, NewEvent, Start};
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path();
    /// let log = Log::open(path)?;
    /// for stream in ["order-1", "stock-1", "stock-2"] {
    ///     log.append(Batch::new().write(stream, Expected::Any, [NewEvent::new("Happened")]))?;
    /// }
    /// let options = CursorOptions::new().filter(Filter::new().category("order"));
    /// let mut cursor = log.cursor_with(Start::Beginning, &options)?;
    /// assert_eq!(cursor.poll(100)?.len(), 1);
    /// assert!(cursor.poll(100)?.is_empty());
    /// assert_eq!((cursor.position(), cursor.scanned_to()), (1, 3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }
}

/// How many events [`Cursor::wait`] hands out at a time, at most.
const WAIT_EVENTS: usize = 1024;

/// A reader's place in the log. It delivers every event after its start exactly once,
/// in position order, and only what is durable, unless
/// [asked otherwise](CursorOptions::visibility): under any number of writers, over
/// rolls, with no difference between catching up and following live.
///
/// A cursor holds no lock and costs the writer nothing while there is something to
/// read. Its place is in memory: to go on after a restart, keep
/// [`scanned_to`](Self::scanned_to) and start [`After`](Start::After) it, or keep a
/// [`checkpoint`](Self::checkpoint). The [guide to tailing](crate::guide::tailing) shows both,
/// and cursors in other processes.
///
/// With a [filter](CursorOptions::filter) it hands out what matches, with the same
/// promises, and finds it by the indexes: what does not match is not read, and a poll costs
/// in proportion to what is new. It waits until something matches.
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
    tail: Tail,
}

/// How it moves.
#[derive(Debug)]
enum Tail {
    /// From event to event.
    All(Box<Forward>),
    /// From match to match.
    Matching(Box<Matching>),
}

#[derive(Debug)]
struct Matching {
    filtered: Filtered,
    filter: Filter,
    /// Position of the last one that was handed out.
    position: u64,
    /// Of the horizon, when it began, and the epoch at the position up to which everything
    /// was looked at; 0 where no other process writes.
    life: u64,
    epoch: u128,
    /// The position that the epoch is of. Behind what was looked at only if the epoch could not
    /// be read then.
    known: u64,
}

impl Matching {
    fn after(shared: &Shared, bound: Bound, filter: &Filter, after: u64) -> Result<Self> {
        let life = shared.horizon.life();
        let epoch = if life == 0 { 0 } else { locate::epoch_at(shared, bound, after)? };
        let filtered = Filtered::after(shared.clone(), bound, filter.clone(), after)?;
        Ok(Self { filtered, filter: filter.clone(), position: after, life, epoch, known: after })
    }

    fn poll(&mut self, shared: &Shared, reach: Reach, max: usize) -> Result<Events> {
        let bound = shared.horizon.indexed(reach)?;
        if self.life != shared.horizon.life() {
            // Another writer has the log: goes on if what was looked at is still there.
            let checkpoint = Checkpoint {
                log: Uuid::from_u128(shared.catalog.log),
                epoch: Uuid::from_u128(self.epoch),
                position: self.filtered.scanned(),
            };
            let after = locate::resume(shared, bound, checkpoint)?;
            let position = self.position;
            *self = Self { position, ..Self::after(shared, bound, &self.filter, after)? };
        }
        self.learn_epoch(shared, bound)?;
        let events = self.filtered.follow(bound, max)?;
        let last = events.len().checked_sub(1).and_then(|last| events.get(last));
        self.position = last.map_or(self.position, |last| last.position());
        match self.learn_epoch(shared, bound) {
            // What was taken is handed out; the next call says what is wrong.
            Err(error) if events.is_empty() => Err(error),
            _ => Ok(events),
        }
    }

    fn learn_epoch(&mut self, shared: &Shared, bound: Bound) -> Result<()> {
        let scanned = self.filtered.scanned();
        if self.life > 0 && self.known != scanned {
            self.epoch = locate::epoch_at(shared, bound, scanned)?;
            self.known = scanned;
        }
        Ok(())
    }
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
        let tail = if options.filter.is_empty() {
            Tail::All(Box::new(Forward::after(shared.clone(), reach, after)?))
        } else {
            Tail::Matching(Box::new(Matching::after(&shared, bound, &options.filter, after)?))
        };
        Ok(Self { shared, reach, tail })
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
        match &mut self.tail {
            Tail::All(forward) => forward.next(max),
            Tail::Matching(matching) => matching.poll(&self.shared, self.reach, max),
        }
    }

    /// Events as soon as there are some, at most 1,024; none if the time is up first. With
    /// a filter it waits until some match, and [`scanned_to`](Self::scanned_to) moves
    /// meanwhile.
    ///
    /// # Errors
    /// Those of [`poll`](Self::poll); if there is nothing more and never will be,
    /// [`Error::Closed`] for a log that was closed and [`Error::Poisoned`] for one that takes
    /// no more appends. A [`Reader`](crate::Reader) in another process waits for the next
    /// writer instead.
    pub fn wait(&mut self, timeout: Duration) -> Result<Events> {
        // A time too far off to be a number is no limit.
        let deadline = Instant::now().checked_add(timeout);
        let mut last = false;
        loop {
            let events = self.poll(WAIT_EVENTS)?;
            if !events.is_empty() || last {
                return Ok(events);
            }
            let more = self.shared.horizon.wait_beyond(self.reach, self.place(), deadline)?;
            // What comes and does not match must not keep it beyond its time.
            last = !more || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        }
    }

    /// Waits until there is something that was not looked at yet, or the time is up, and
    /// hands out nothing. Returns whether there is something; with a filter it need not match.
    ///
    /// For loops that have something to do when nothing matches, too.
    ///
    /// ```
    /// use std::time::Duration;
    /// use annals::{Batch, Expected, Log, NewEvent, Start};
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path();
    /// let log = Log::open(path)?;
    /// let mut cursor = log.cursor(Start::Beginning)?;
    /// assert!(!cursor.wait_for_more(Duration::ZERO)?);
    /// log.append(Batch::new().write("a", Expected::Any, [NewEvent::new("Happened")]))?;
    /// assert!(cursor.wait_for_more(Duration::from_secs(5))?);
    /// assert_eq!((cursor.position(), cursor.poll(100)?.len()), (0, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`wait`](Self::wait).
    pub fn wait_for_more(&self, timeout: Duration) -> Result<bool> {
        let deadline = Instant::now().checked_add(timeout);
        self.shared.horizon.wait_beyond(self.reach, self.place(), deadline)
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
        let mut woken_for_nothing = false;
        loop {
            let events = self.poll(max)?;
            if !events.is_empty() || max == 0 {
                return Ok(events);
            }
            // What comes and does not match must not keep its thread from others.
            if std::mem::replace(&mut woken_for_nothing, true) {
                yield_once().await;
            }
            let place = self.place();
            let mut waiting =
                Waiting { shared: &self.shared, reach: self.reach, seat: Seat::default() };
            std::future::poll_fn(|context| waiting.poll(place, context)).await?;
        }
    }

    /// Up to where it has looked, to be kept outside the log and to go on from: see
    /// [`Checkpoint`].
    /// Reads the heads of a few batches.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the log is damaged, [`Error::Io`] if reading fails.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        let position = self.scanned_to();
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
        match &self.tail {
            Tail::All(forward) => forward.position(),
            Tail::Matching(matching) => matching.position,
        }
    }

    /// Position up to which everything was looked at: what matches there was handed out.
    /// Without a filter that is [`position`](Self::position). Never moves back. A
    /// call that hands out nothing leaves it at the last event that could be seen then, so it
    /// moves on though nothing matches.
    pub const fn scanned_to(&self) -> u64 {
        match &self.tail {
            Tail::All(forward) => forward.position(),
            Tail::Matching(matching) => matching.filtered.scanned(),
        }
    }

    fn place(&self) -> Place {
        match &self.tail {
            Tail::All(forward) => forward.place(),
            Tail::Matching(matching) => matching.filtered.place(),
        }
    }
}

fn within(position: u64, bound: Bound) -> Result<u64> {
    let head = bound.position;
    if position > head { Err(Error::BeyondHead { position, head }) } else { Ok(position) }
}

/// Lets other tasks run first.
#[cfg(feature = "async")]
async fn yield_once() {
    let mut waited = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::horizon::Horizon;
    use crate::{Batch, Expected, NewEvent, Options};

    /// There is always something beyond: more comes than a reader can look at.
    #[derive(Debug)]
    struct Restless(Arc<dyn Horizon>, Instant);

    impl Horizon for Restless {
        fn bound(&self, reach: Reach) -> Result<Bound> {
            assert!(self.1.elapsed() < Duration::from_secs(5), "it never ends");
            self.0.bound(reach)
        }

        fn wait_beyond(&self, _: Reach, _: Place, _: Option<Instant>) -> Result<bool> {
            Ok(true)
        }

        #[cfg(feature = "async")]
        fn poll_beyond(
            &self,
            _: Reach,
            _: Place,
            _: &mut Seat,
            _: &mut Context<'_>,
        ) -> Result<bool> {
            Ok(true)
        }

        #[cfg(feature = "async")]
        fn leave(&self, _: Reach, _: &mut Seat) {}
    }

    fn restless() -> (tempfile::TempDir, Cursor) {
        let directory = tempfile::tempdir().unwrap();
        let log = Options::new().open(directory.path()).unwrap();
        log.append(Batch::new().write("stock-1", Expected::Any, [NewEvent::new("T")])).unwrap();
        let options = CursorOptions::new().filter(Filter::new().category("order"));
        let mut cursor = log.cursor_with(Start::Beginning, &options).unwrap();
        let horizon = Arc::clone(&cursor.shared.horizon);
        cursor.shared.horizon = Arc::new(Restless(horizon, Instant::now()));
        (directory, cursor)
    }

    #[test]
    fn waiting_ends_in_time_though_what_does_not_match_comes_all_the_while() {
        let (_directory, mut cursor) = restless();
        let begin = Instant::now();
        assert!(cursor.wait(Duration::from_millis(20)).unwrap().is_empty());
        assert!(begin.elapsed() >= Duration::from_millis(20));
        assert_eq!((cursor.position(), cursor.scanned_to()), (0, 1));
    }

    #[cfg(feature = "async")]
    #[test]
    fn awaiting_lets_others_run_though_what_does_not_match_comes_all_the_while() {
        let (_directory, mut cursor) = restless();
        let future = std::pin::pin!(cursor.next(10));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(future.poll(&mut context).is_pending());
    }
}

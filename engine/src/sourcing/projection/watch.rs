//! How far a projector is, for other threads of its process.

use std::sync::Arc;
use std::time::Duration;

use super::{Progress, ProjectionError, Result};
use crate::sourcing::StoreReader;
use crate::sync::{Condvar, Instant, Mutex};

#[derive(Debug, Default)]
struct Place {
    position: u64,
    /// Why it stopped. Taken back when it goes on.
    stopped: Option<ProjectionError>,
    /// Its projector was dropped.
    gone: bool,
}

#[derive(Debug, Default)]
struct Shared {
    place: Mutex<Place>,
    moved: Condvar,
}

/// How far a projector is, as other threads of its process see it. A program that appends and
/// then asks a projection waits here for the position of what it appended: it reads its own
/// writes.
///
/// ```
/// # use std::convert::Infallible;
/// # use std::sync::Arc;
/// # use std::sync::atomic::{AtomicBool, Ordering};
/// # use std::thread;
/// # use std::time::Duration;
/// # use annals::sourcing::{MemoryProjector, Projection};
/// # use annals::{Batch, Event, Expected, Log, NewEvent};
/// # struct Count;
/// # impl Projection for Count {
/// #     type State = u64;
/// #     type Error = Infallible;
/// #     const NAME: &'static str = "count";
/// #     const SCHEMA: u32 = 1;
/// #     fn apply(&self, count: &mut u64, _: &Event<'_>) -> Result<(), Infallible> {
/// #         *count += 1;
/// #         Ok(())
/// #     }
/// # }
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Arc::new(Log::open(path)?);
/// let mut count = MemoryProjector::open(log.clone(), Count)?;
/// let (watch, view) = (count.watch(), count.view());
/// let wanted = Arc::new(AtomicBool::new(true));
/// let go_on = wanted.clone();
/// let running = thread::spawn(move || count.run(|| go_on.load(Ordering::Relaxed)));
///
/// let placed = NewEvent::new("Placed");
/// let committed = log.append(Batch::new().write("order-1", Expected::Any, [placed]))?;
/// assert!(watch.wait_for(committed.last_position(), Duration::from_secs(5))?);
/// assert_eq!(view.read(|count| *count), 1);
/// wanted.store(false, Ordering::Relaxed);
/// # running.join().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ProjectionWatch {
    shared: Arc<Shared>,
}

impl ProjectionWatch {
    /// Everything up to here is applied, and can be read.
    pub fn position(&self) -> u64 {
        self.shared.place.lock().position
    }

    /// Waits until everything up to a position is applied. Returns whether it is: not if the
    /// time is up, or the projector was dropped.
    ///
    /// # Errors
    /// Why the projector stopped, if it did before it got there.
    pub fn wait_for(&self, position: u64, timeout: Duration) -> Result<bool> {
        // A time too far off to be a number is no limit.
        let deadline = Instant::now().checked_add(timeout);
        let mut place = self.shared.place.lock();
        loop {
            if place.position >= position {
                return Ok(true);
            }
            if let Some(stopped) = &place.stopped {
                return Err(stopped.clone());
            }
            if place.gone || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(false);
            }
            match deadline {
                Some(deadline) => {
                    self.shared.moved.wait_until(&mut place, deadline);
                }
                None => self.shared.moved.wait(&mut place),
            }
        }
    }

    /// How far it is from there to the head. Reads one event.
    ///
    /// # Errors
    /// What the store says.
    pub fn progress(&self, store: &dyn StoreReader) -> Result<Progress> {
        Progress::at(store, self.position())
    }
}

/// The projector's end of it.
#[derive(Debug, Default)]
pub(super) struct Teller {
    shared: Arc<Shared>,
}

impl Teller {
    pub(super) fn watch(&self) -> ProjectionWatch {
        ProjectionWatch { shared: Arc::clone(&self.shared) }
    }

    /// What is applied can be read by now.
    pub(super) fn at(&self, position: u64) {
        let mut place = self.shared.place.lock();
        place.position = position;
        place.stopped = None;
        self.shared.moved.notify_all();
    }

    pub(super) fn stopped(&self, why: &ProjectionError) {
        self.shared.place.lock().stopped = Some(why.clone());
        self.shared.moved.notify_all();
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.shared.place.lock().gone = true;
        self.shared.moved.notify_all();
    }
}

//! Subscriptions: named, durable, run in the writing process. Their state is records of the
//! same log.
//!
//! * [`saved`]: what of a subscription is in the log, and its format
//! * [`book`]: the bookkeeping: what was seen, is in flight, is settled, is parked; no I/O
//! * [`core`]: the shell around it; [`answer`]: what deliveries are answered with
//! * [`consumer`]: what is handed to programs
//! * [`status`]: subscriptions as the store knows them
//! * [`options`], [`partition`], [`error`]

mod answer;
mod book;
#[cfg(test)]
mod book_tests;
mod consumer;
mod core;
mod error;
mod options;
mod partition;
mod saved;
mod status;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use self::book::Book;
use self::core::{Core, Gone, Result};
use self::saved::{Marks, Saved};
use crate::sourcing::Store;
use crate::sync::{Instant, Mutex, thread};
use crate::{Error, Filter, Start};

pub use self::consumer::{Consumer, Delivery};
pub use self::error::SubscriptionError;
pub use self::options::{Nack, OnFailure, SubscriptionOptions};
pub use self::partition::partition_of;
pub use self::saved::Skip;
pub(in crate::sourcing) use self::status::lag_time;
pub use self::status::{ParkedStream, SubscriptionStatus};

/// Longest name of a subscription, in bytes. The shortest has one byte.
const NAME_BYTES: usize = 255;

/// Subscriptions that are open or were, by name, and whether those have written their last.
type Open = HashMap<String, (Weak<Core>, Arc<Gone>)>;

/// The open subscriptions of one store.
#[derive(Debug)]
struct Registry {
    store: Arc<dyn Store>,
    open: Mutex<Open>,
}

/// The open subscription of a name. If one is just going, waits until it has written its last:
/// else an older place could come after a newer one.
fn open_in(open: &Open, name: &str) -> Option<Arc<Core>> {
    let (core, gone) = open.get(name)?;
    let core = core.upgrade();
    if core.is_none() {
        gone.wait();
    }
    core.filter(|core| !core.is_deleted())
}

/// All registries of this process, by the address of their store, which each keeps alive.
static REGISTRIES: OnceLock<Mutex<HashMap<usize, Weak<Registry>>>> = OnceLock::new();

/// The subscriptions of a store: named, durable places from which it is followed.
///
/// Run in the process that writes; others follow with a
/// [`Reader`](crate::Reader). However often this is made of one `Arc`, all know of each
/// other's open subscriptions.
///
/// ```
/// use std::sync::Arc;
/// use annals::sourcing::{OnFailure, SubscriptionOptions, Subscriptions};
/// use annals::{Batch, Expected, Filter, Log, NewEvent};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Arc::new(Log::open(path)?);
/// let subscriptions = Subscriptions::new(log.clone());
/// let options = SubscriptionOptions::new().filter(Filter::new().event_type("OrderPaid"));
/// let shipping = subscriptions.open("shipping", &options)?;
///
/// log.append(Batch::new().write("order-7", Expected::NoStream, [NewEvent::new("OrderPaid")]))?;
/// let mut shipped = Vec::new();
/// shipping.consumer().catch_up(OnFailure::stop(), |delivery| {
///     shipped.push(delivery.event().stream().to_owned());
///     Ok::<(), std::convert::Infallible>(())
/// })?;
/// assert_eq!(shipped, ["order-7"]);
/// assert_eq!(shipping.status()?.lag_events, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Subscriptions {
    registry: Arc<Registry>,
}

impl Subscriptions {
    /// The subscriptions of this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        let address = Arc::as_ptr(&store).cast::<()>().addr();
        let mut registries = REGISTRIES.get_or_init(Mutex::default).lock();
        if let Some(registry) = registries.get(&address).and_then(Weak::upgrade) {
            return Self { registry };
        }
        registries.retain(|_, registry| registry.strong_count() > 0);
        let registry = Arc::new(Registry { store, open: Mutex::default() });
        registries.insert(address, Arc::downgrade(&registry));
        Self { registry }
    }

    /// Opens a subscription, for the first time or again. If it is open already, this is
    /// another handle of it; its options stay what they were.
    ///
    /// That it exists, and where it starts, is durable when this returns.
    ///
    /// # Errors
    /// [`SubscriptionError::OtherFilter`], [`SubscriptionError::BeyondHead`],
    /// [`SubscriptionError::Unreadable`], [`SubscriptionError::InUse`] if it is that of a
    /// [`Processing`](crate::sourcing::Processing), and what the store says;
    /// [`Error::Invalid`] and [`Error::TooLarge`] for a name that is empty or has more than
    /// 255 bytes.
    pub fn open(&self, name: &str, options: &SubscriptionOptions) -> Result<Subscription> {
        self.open_as(name, options, false)
    }

    /// As [`open`](Self::open); if it is to be exclusive, nobody else may have it open.
    pub(in crate::sourcing) fn open_as(
        &self,
        name: &str,
        options: &SubscriptionOptions,
        exclusive: bool,
    ) -> Result<Subscription> {
        named(name)?;
        let store = &self.registry.store;
        let mut open = self.registry.open.lock();
        let same = |stored: String| {
            let given = options.filter.to_string();
            let name = name.to_owned();
            let same = stored == given;
            if same { Ok(()) } else { Err(SubscriptionError::OtherFilter { name, stored, given }) }
        };
        if let Some(core) = open_in(&open, name) {
            if exclusive || core.exclusive {
                return Err(SubscriptionError::InUse { name: name.to_owned() });
            }
            same(core.filter())?;
            return Ok(self.handle(core));
        }
        let marks = match status::read(&**store, name)? {
            Some((stored, marks)) => {
                same(stored)?;
                marks
            }
            None => {
                let after = store.tail(options.start, &options.filter)?.scanned_to();
                let marks = Marks::after(after);
                let saved = Saved::new(options.filter.to_string(), &marks);
                status::write(&**store, name, &saved)?;
                marks
            }
        };
        let core = Arc::new(Core::new(Arc::clone(store), name, options, marks, exclusive)?);
        open.insert(name.to_owned(), (Arc::downgrade(&core), core.gone()));
        Ok(self.handle(core))
    }

    pub(in crate::sourcing) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.registry.store)
    }

    fn handle(&self, core: Arc<Core>) -> Subscription {
        Subscription { core, _registry: Arc::clone(&self.registry) }
    }

    fn opened(&self, name: &str) -> Option<Arc<Core>> {
        open_in(&self.registry.open.lock(), name)
    }

    /// How far a subscription is, open or not.
    ///
    /// # Errors
    /// [`SubscriptionError::NotFound`], [`SubscriptionError::Unreadable`], and what the store
    /// says.
    pub fn status(&self, name: &str) -> Result<SubscriptionStatus> {
        let store = &*self.registry.store;
        if let Some(core) = self.opened(name) {
            return core.status();
        }
        let missing = || SubscriptionError::NotFound { name: name.to_owned() };
        let (filter, marks) = status::read(store, name)?.ok_or_else(missing)?;
        status::of(store, name, filter, &marks)
    }

    /// All subscriptions, in the order of their names.
    ///
    /// # Errors
    /// Those of [`status`](Self::status).
    pub fn list(&self) -> Result<Vec<SubscriptionStatus>> {
        let mut list = Vec::new();
        for name in status::names(&*self.registry.store)? {
            match self.status(&name) {
                Err(SubscriptionError::NotFound { .. }) => {}
                other => list.push(other?),
            }
        }
        Ok(list)
    }

    /// Waits until a subscription has settled everything up to a position, such as that of
    /// a batch that was just appended: so a program reads what its own writes led to. Returns
    /// whether it has in that time. Parked and skipped events are settled, too.
    ///
    /// # Errors
    /// Those of [`status`](Self::status); [`SubscriptionError::Stopped`].
    pub fn wait_for(&self, name: &str, position: u64, timeout: Duration) -> Result<bool> {
        const LOOK_EVERY: Duration = Duration::from_millis(10);
        let deadline = Instant::now().checked_add(timeout);
        let left = || match deadline {
            Some(deadline) => deadline.saturating_duration_since(Instant::now()),
            None => Duration::MAX,
        };
        loop {
            if let Some(core) = self.opened(name) {
                return core.wait_for(position, left());
            }
            // Somebody may open it meanwhile.
            if self.status(name)?.checkpoint >= position {
                return Ok(true);
            }
            if left().is_zero() {
                return Ok(false);
            }
            thread::sleep(left().min(LOOK_EVERY));
        }
    }

    /// Starts a subscription again elsewhere. What is in flight counts no more, and nothing is
    /// parked. That is durable when this returns.
    ///
    /// # Errors
    /// Those of [`status`](Self::status), and of starting there.
    pub fn reset(&self, name: &str, start: Start) -> Result<()> {
        let open = self.registry.open.lock();
        if let Some(core) = open_in(&open, name) {
            return core.restart(start);
        }
        let store = &*self.registry.store;
        let missing = || SubscriptionError::NotFound { name: name.to_owned() };
        let (stored, marks) = status::read(store, name)?.ok_or_else(missing)?;
        let after = store.tail(start, &Filter::new())?.scanned_to();
        let marks = Marks { skipped: marks.skipped, ..Marks::after(after) };
        status::write(store, name, &Saved::new(stored, &marks))
    }

    /// Delivers a parked stream again, as [`Subscription::replay`] does, also of a subscription
    /// that is not open: then it is marked so, which is durable when this returns, and it is
    /// delivered when the subscription is opened next and has a consumer.
    ///
    /// # Errors
    /// Those of [`status`](Self::status); [`SubscriptionError::NotParked`].
    pub fn replay(&self, name: &str, stream: &str) -> Result<()> {
        self.unpark(name, stream, None)
    }

    /// Skips the event that a stream is parked at, as [`Subscription::drop_parked`] does, also
    /// of a subscription that is not open: then what waits behind it is delivered when the
    /// subscription is opened next, and that is durable when this returns.
    ///
    /// # Errors
    /// Those of [`status`](Self::status); [`SubscriptionError::NotParked`], also while the
    /// stream is being replayed.
    pub fn drop_parked(&self, name: &str, stream: &str, reason: &str) -> Result<()> {
        self.unpark(name, stream, Some(reason))
    }

    fn unpark(&self, name: &str, stream: &str, skip: Option<&str>) -> Result<()> {
        let open = self.registry.open.lock();
        if let Some(core) = open_in(&open, name) {
            return core.unpark(stream, skip);
        }
        let store = &*self.registry.store;
        let missing = || SubscriptionError::NotFound { name: name.to_owned() };
        let (filter, marks) = status::read(store, name)?.ok_or_else(missing)?;
        // As it would be opened, and nothing read.
        let mut book = Book::<()>::new(marks);
        if !book.unpark(stream, skip, core::now()) {
            let (name, stream) = (name.to_owned(), stream.to_owned());
            return Err(SubscriptionError::NotParked { name, stream });
        }
        status::write(store, name, &Saved::new(filter, book.marks()))
    }

    /// Deletes a subscription: under its name another one may be opened. Nothing is delivered
    /// by it any more. That is durable when this returns.
    ///
    /// # Errors
    /// [`SubscriptionError::NotFound`], and what the store says.
    pub fn delete(&self, name: &str) -> Result<()> {
        let open = self.registry.open.lock();
        if let Some(core) = open_in(&open, name) {
            return core.delete();
        }
        let store = &*self.registry.store;
        if status::read(store, name)?.is_none() {
            return Err(SubscriptionError::NotFound { name: name.to_owned() });
        }
        status::write(store, name, &Saved::deleted())
    }
}

fn named(name: &str) -> Result<()> {
    let (what, size) = ("subscription name (bytes)", name.len());
    if size == 0 {
        return Err(Error::Invalid { what: "subscription name", why: "it is empty" }.into());
    }
    if size > NAME_BYTES {
        let wide = |size| u64::try_from(size).unwrap_or(u64::MAX);
        return Err(Error::TooLarge { what, size: wide(size), limit: wide(NAME_BYTES) }.into());
    }
    Ok(())
}

/// An open subscription; a clone is another handle of it. When all handles, consumers and
/// deliveries are gone, where it is gets saved.
#[derive(Debug, Clone)]
pub struct Subscription {
    core: Arc<Core>,
    /// Keeps its entry: it is opened once.
    _registry: Arc<Registry>,
}

impl Subscription {
    /// A consumer that shares the subscription's streams with the other members: each has an
    /// equal part, by [`partition_of`], which changes as members come and go.
    pub fn consumer(&self) -> Consumer {
        Consumer::member(Arc::clone(&self.core))
    }

    /// A consumer of the streams whose [`partition_of`] `partitions` is `index`, from 0. Every
    /// partition needs one: the checkpoint waits for all of them, and so do the others when
    /// the [window](SubscriptionOptions::window) is full.
    pub fn partition(&self, index: u64, partitions: u64) -> Consumer {
        Consumer::partition(Arc::clone(&self.core), index, partitions)
    }

    /// How far it is.
    ///
    /// # Errors
    /// [`SubscriptionError::NotFound`] if it was deleted, and what the store says.
    pub fn status(&self) -> Result<SubscriptionStatus> {
        self.core.status()
    }

    /// Delivers a parked stream again, from the event that it is parked at, and then what
    /// waits behind it. The checkpoint stays where it is meanwhile.
    ///
    /// # Errors
    /// [`SubscriptionError::NotParked`].
    pub fn replay(&self, stream: &str) -> Result<()> {
        self.core.unpark(stream, None)
    }

    /// Skips the event that a stream is parked at, for this reason, which is recorded, and
    /// delivers what waits behind it.
    ///
    /// # Errors
    /// [`SubscriptionError::NotParked`], also while the stream is being replayed.
    pub fn drop_parked(&self, stream: &str, reason: &str) -> Result<()> {
        self.core.unpark(stream, Some(reason))
    }

    /// Saves where it is now. It does that by itself from time to time, and when it goes.
    ///
    /// # Errors
    /// What the store says.
    pub fn save(&self) -> Result<()> {
        self.core.save_now()
    }

    /// Stops it: consumers are told so, with this reason.
    pub fn stop(&self, reason: &str) {
        self.core.stop(reason);
    }
}

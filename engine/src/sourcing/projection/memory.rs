//! Projections in memory: a value that is folded, and saved in the log as a named state.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::watch::Teller;
use super::{Progress, ProjectionError, ProjectionWatch, Result};
use crate::sourcing::{Store, StoreReader, Tail};
use crate::sync::{Instant, RwLock};
use crate::{Batch, Durability, Event, Filter, NewSnapshot, Start};

/// Before the names of projections, as states in the log.
const PREFIX: &str = "$projection/";

/// How many events are applied before those who read are let in.
const STEP_EVENTS: usize = 1024;

/// How long it is at most until a running projector asks whether to go on.
const ASK_AFTER: Duration = Duration::from_millis(100);

/// A value folded from events of the whole log. [`MemoryProjector`] runs one and has an
/// example.
pub trait Projection {
    /// What is folded. It is saved as JSON: keys of its maps must be texts or numbers.
    type State: Default + Serialize + DeserializeOwned;

    /// Why an event cannot be applied.
    type Error: Display;

    /// Its name, of its state in the log too.
    const NAME: &'static str;

    /// The number of the state's shape, and of what [`apply`](Self::apply) does: to be raised
    /// when either changes. The value is then folded from the first event again.
    const SCHEMA: u32;

    /// Which events it is folded from. Default: all of them. With another one the value is
    /// folded from the first event again, without another number.
    fn filter(&self) -> Filter {
        Filter::new()
    }

    /// Applies one event, all parts of it if it is upcast to several: what is saved is always
    /// between two stored events. It may be called again for the same event with an earlier
    /// state, so it must do nothing but change that.
    ///
    /// # Errors
    /// Its own. The projector stops; what was changed is forgotten, and the value is that
    /// before the event.
    fn apply(
        &self,
        state: &mut Self::State,
        event: &Event<'_>,
    ) -> std::result::Result<(), Self::Error>;
}

/// What is in the log. With the filter, since a value that was folded from other events would
/// look right.
#[derive(Deserialize)]
struct Saved<S> {
    filter: String,
    state: S,
}

#[derive(Serialize)]
struct Saving<'s, S> {
    filter: &'s str,
    state: &'s S,
}

/// The value of a projection, for other threads of its process.
#[derive(Debug)]
pub struct ProjectionView<S> {
    state: Arc<RwLock<S>>,
}

impl<S> Clone for ProjectionView<S> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state) }
    }
}

impl<S> ProjectionView<S> {
    /// Reads the value as it is now, between two events. The projector waits meanwhile.
    pub fn read<T>(&self, read: impl FnOnce(&S) -> T) -> T {
        read(&self.state.read())
    }
}

/// When it is saved, and where.
#[derive(Debug)]
struct Saver {
    store: Arc<dyn Store>,
    every: u64,
    after: Duration,
    /// Events that were applied since.
    unsaved: u64,
    /// When the first of them was.
    since: Instant,
}

/// A [`Projection`] at work in memory. It starts with the value that was saved last, and
/// applies what came since.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::convert::Infallible;
/// use std::sync::Arc;
/// use annals::sourcing::{MemoryProjector, Projection};
/// use annals::{Batch, Event, Expected, Log, NewEvent, Reader};
///
/// /// How many orders are in which state: a dashboard.
/// struct Orders;
///
/// impl Projection for Orders {
///     type State = BTreeMap<String, String>;
///     type Error = Infallible;
///     const NAME: &'static str = "orders";
///     const SCHEMA: u32 = 1;
///
///     fn apply(&self, orders: &mut Self::State, event: &Event<'_>) -> Result<(), Infallible> {
///         orders.insert(event.stream().to_owned(), event.event_type().to_owned());
///         Ok(())
///     }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Arc::new(Log::open(path)?);
/// for (order, step) in [("order-1", "Placed"), ("order-2", "Placed"), ("order-1", "Paid")] {
///     log.append(Batch::new().write(order, Expected::Any, [NewEvent::new(step)]))?;
/// }
/// let mut orders = MemoryProjector::open(log.clone(), Orders)?;
/// assert_eq!(orders.catch_up()?, 3);
/// assert_eq!(orders.view().read(|orders| orders["order-1"].clone()), "Paid");
/// assert_eq!(orders.progress()?.lag_events, 0);
/// orders.save()?;
/// log.sync()?;
///
/// // In another process, which cannot save: it starts with what is saved in the log.
/// let reader = Arc::new(Reader::open(path)?);
/// let mut beside = MemoryProjector::follow(reader, Orders)?;
/// assert_eq!((beside.catch_up()?, beside.watch().position()), (0, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # When the projection changes
///
/// With another [`SCHEMA`](Projection::SCHEMA) it is folded from the first event again. To go on
/// with the old one meanwhile, run both, side by side, and give the program the new one's
/// [`view`](Self::view) when it has caught up: states with different numbers stand in the log
/// beside each other, so neither loses what it saved, and a program that is put back finds
/// its own.
#[derive(Debug)]
pub struct MemoryProjector<P: Projection> {
    projection: P,
    filter: Filter,
    store: Arc<dyn StoreReader>,
    saver: Option<Saver>,
    tail: Option<Box<dyn Tail>>,
    view: ProjectionView<P::State>,
    /// Up to where everything is applied.
    position: u64,
    teller: Teller,
}

impl<P: Projection> MemoryProjector<P> {
    /// Starts with what was saved, or before the first event. It saves when 10,000 events more
    /// are applied.
    ///
    /// # Errors
    /// What the store says.
    pub fn open(store: Arc<dyn Store>, projection: P) -> Result<Self> {
        let (every, after) = (10_000, Duration::MAX);
        let saver =
            Saver { store: Arc::clone(&store), every, after, unsaved: 0, since: Instant::now() };
        Ok(Self { saver: Some(saver), ..Self::follow(store, projection)? })
    }

    /// The same for who cannot write the store, such as another process: it starts with what
    /// the writer saved, and saves nothing.
    ///
    /// # Errors
    /// What the store says.
    pub fn follow(store: Arc<dyn StoreReader>, projection: P) -> Result<Self> {
        let filter = projection.filter();
        let (state, position) = restored::<P>(&*store, &filter)?;
        let (view, teller) =
            (ProjectionView { state: Arc::new(RwLock::new(state)) }, Teller::default());
        teller.at(position);
        Ok(Self { projection, filter, store, saver: None, tail: None, view, position, teller })
    }

    /// After how many events, or how long after the first that is not saved yet, it saves its
    /// value. Default: 10,000 events, whatever the time. What is not saved is applied again
    /// after a restart, at some hundred thousand events a second; each save takes as much room
    /// in the log as the value as JSON, so a large value is saved seldom, or never
    /// (`u64::MAX`).
    #[must_use]
    pub fn save_every(mut self, events: u64, after: Duration) -> Self {
        if let Some(saver) = &mut self.saver {
            (saver.every, saver.after) = (events, after);
        }
        self
    }

    /// The value, also for other threads.
    pub fn view(&self) -> ProjectionView<P::State> {
        self.view.clone()
    }

    /// How far it is, for other threads.
    pub fn watch(&self) -> ProjectionWatch {
        self.teller.watch()
    }

    /// How far it is, and how far there is to go. Reads one event.
    ///
    /// # Errors
    /// What the store says.
    pub fn progress(&self) -> Result<Progress> {
        Progress::at(&*self.store, self.position)
    }

    /// Applies what is there now. Returns how many events that were.
    ///
    /// # Errors
    /// [`ProjectionError::Stopped`] if one cannot be applied, and what the store says. It may
    /// be called again after any.
    pub fn catch_up(&mut self) -> Result<u64> {
        let mut applied = 0;
        loop {
            let outcome = self.step();
            if let Err(error) = &outcome {
                self.teller.stopped(error);
            }
            match outcome? {
                0 => return Ok(applied),
                some => applied += some,
            }
        }
    }

    /// As [`catch_up`](Self::catch_up), and goes on with what comes, for as long as `go_on` says:
    /// it is asked again and again, ten times a second or more often.
    ///
    /// # Errors
    /// Those of [`catch_up`](Self::catch_up), and those of [`Tail::wait`].
    pub fn run(&mut self, mut go_on: impl FnMut() -> bool) -> Result<()> {
        while go_on() {
            self.catch_up()?;
            if let Some(tail) = &mut self.tail {
                tail.wait(ASK_AFTER)?;
            }
        }
        Ok(())
    }

    /// Saves the value in the log, [`Buffered`](Durability::Buffered): what is lost of it with
    /// the process is folded again. Nothing is saved by who cannot write.
    ///
    /// # Errors
    /// [`ProjectionError::Unreadable`] if the value does not go into JSON, and what the store
    /// says: [`TooLarge`](crate::Error::TooLarge) among it.
    pub fn save(&mut self) -> Result<()> {
        let Some(saver) = &mut self.saver else { return Ok(()) };
        let filter = self.filter.to_string();
        let text = self.view.read(|state| {
            serde_json::to_string(&Saving { filter: &filter, state }).map_err(|error| {
                ProjectionError::Unreadable { name: P::NAME.to_owned(), why: error.to_string() }
            })
        })?;
        let mut batch = Batch::new();
        let state = NewSnapshot::new(P::SCHEMA).json(&text);
        batch.state(&state_name::<P>(), self.position, state);
        saver.store.append_with(&batch, Durability::Buffered)?;
        saver.unsaved = 0;
        Ok(())
    }

    /// Applies some events, and saves if it is time. Returns how many; none at the end.
    fn step(&mut self) -> Result<u64> {
        let mut tail = match self.tail.take() {
            Some(tail) => tail,
            None => self.store.tail(Start::After(self.position), &self.filter)?,
        };
        let (mut applied, mut failed) = (0, None);
        let mut state = self.view.state.write();
        let polled = tail.poll(STEP_EVENTS, &mut |event| {
            if failed.is_some() {
                return;
            }
            match self.projection.apply(&mut state, &event) {
                Ok(()) => (applied, self.position) = (applied + 1, event.position()),
                Err(error) => {
                    failed = Some(ProjectionError::stopped(P::NAME, &event, error.to_string()));
                }
            }
        });
        if failed.is_some() {
            // It may have changed a part: nobody sees that.
            (*state, self.position) = self.folded_until(self.position);
        }
        drop(state);
        if let (Ok(_), None) = (&polled, &failed) {
            self.position = tail.scanned_to();
            self.tail = Some(tail);
        }
        self.teller.at(self.position);
        failed.map_or(Ok(()), Err)?;
        polled?;
        self.save_if_due(applied)?;
        Ok(applied)
    }

    /// The value as it is after a position, from what is saved. Where that cannot be read any
    /// more it is an earlier one, from which the next step goes on.
    fn folded_until(&self, until: u64) -> (P::State, u64) {
        let saved = || restored::<P>(&*self.store, &self.filter).unwrap_or_default();
        let (mut state, mut position) = saved();
        let Ok(mut tail) = self.store.tail(Start::After(position), &self.filter) else {
            return saved();
        };
        let (mut sound, mut more) = (position <= until, true);
        while sound && more && position < until {
            let polled = tail.poll(STEP_EVENTS, &mut |event| {
                if sound && event.position() <= until {
                    position = event.position();
                    sound = self.projection.apply(&mut state, &event).is_ok();
                }
            });
            more = polled.as_ref().is_ok_and(|count| *count > 0);
            sound &= polled.is_ok();
        }
        if sound { (state, until) } else { saved() }
    }

    fn save_if_due(&mut self, applied: u64) -> Result<()> {
        let Some(saver) = &mut self.saver else { return Ok(()) };
        if saver.unsaved == 0 {
            saver.since = Instant::now();
        }
        saver.unsaved += applied;
        let late = Instant::now().saturating_duration_since(saver.since) >= saver.after;
        if saver.unsaved >= saver.every || (late && saver.unsaved > 0) {
            self.save()?;
        }
        Ok(())
    }
}

fn state_name<P: Projection>() -> String {
    format!("{PREFIX}{}", P::NAME)
}

/// What was saved last with this number and filter, and up to where it goes. What does not
/// decode is passed over: the value can be folded again.
fn restored<P: Projection>(store: &dyn StoreReader, filter: &Filter) -> Result<(P::State, u64)> {
    let saved = store.state(&state_name::<P>(), P::SCHEMA)?.and_then(|found| {
        let saved: Saved<P::State> = serde_json::from_slice(found.data()).ok()?;
        (saved.filter == filter.to_string()).then_some((saved.state, found.version()))
    });
    Ok(saved.unwrap_or_default())
}

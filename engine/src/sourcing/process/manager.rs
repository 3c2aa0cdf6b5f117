//! The manager: it hands processes what they follow, and commits what comes of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Process;
use super::deadlines::Book;
use super::firing::Retries;
use super::handling::{Events, Pending, States};
use super::saved::{self, Kept, SCHEMA};
use crate::observe::span;
use crate::sourcing::clock::until;
use crate::sourcing::step::{self, Result, STEP_EVENTS};
use crate::sourcing::{
    Clock, Consumer, Delivery, OnFailure, Store, Subscription, SubscriptionError,
    SubscriptionOptions, Subscriptions, SystemClock,
};
use crate::{Durability, Timestamp};

/// While a deadline is set, the clock is looked at so often at the least: it may be put
/// forward.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs all processes of one kind on a subscription of its own. Wherever it is cut off, it goes
/// on with nothing lost and nothing done twice: the commands' events, all other outputs, the
/// states, the deadlines and the acknowledgement are one batch.
///
/// An input whose step meets a conflict is handled again on what there is then; after 16
/// attempts at it alone that counts as its failure.
///
/// It keeps in memory up to 64 MiB of states that were used of late, and all deadlines that
/// are set, some 300 bytes each. When it is opened it reads the deadlines, 32 from each named
/// state, and nothing of the processes themselves. What is left of a process that ended is a
/// record of some 50 bytes, and its key in the index.
///
/// ```
/// use std::convert::Infallible;
/// use std::sync::Arc;
/// use std::time::Duration;
/// use annals::sourcing::{
///     ManualClock, Outputs, Process, ProcessManager, SubscriptionOptions, Subscriptions,
/// };
/// use annals::{Batch, Event, Expected, Filter, Log, NewEvent, Timestamp};
///
/// /// Reminds of an invoice that is not paid after 14 days.
/// struct Dunning;
///
/// impl Process for Dunning {
///     type State = ();
///     type Compensation = ();
///     type Error = Infallible;
///     const STATE_SCHEMA: u32 = 1;
///
///     fn correlation(&self, event: &Event<'_>) -> Option<String> {
///         Some(event.stream().to_owned())
///     }
///
///     fn handle(&self, _: &mut (), event: &Event<'_>, out: &mut Outputs<'_, Self>) -> Result<(), Infallible> {
///         match event.event_type() {
///             "InvoiceSent" => out.deadline_in("payment", Duration::from_secs(14 * 24 * 3600)),
///             "InvoicePaid" => out.end(),
///             _ => {}
///         }
///         Ok(())
///     }
///
///     fn deadline(&self, _: &mut (), _name: &str, out: &mut Outputs<'_, Self>) -> Result<(), Infallible> {
///         let invoice = out.correlation().to_owned();
///         out.write(&invoice, Expected::Exists, [NewEvent::new("PaymentReminded")]);
///         Ok(())
///     }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Arc::new(Log::open(path)?);
/// for (invoice, what) in [(1, "InvoiceSent"), (2, "InvoiceSent"), (1, "InvoicePaid")] {
///     log.append(Batch::new().write(&format!("invoice-{invoice}"), Expected::Any, [NewEvent::new(what)]))?;
/// }
/// let clock = ManualClock::new(Timestamp::from_nanos(1_800_000_000_000_000_000));
/// let options = SubscriptionOptions::new().filter(Filter::new().category("invoice"));
/// let subscriptions = Subscriptions::new(log.clone());
/// let mut dunning = ProcessManager::open(&subscriptions, "dunning", &options, Dunning)?.clock(clock.clone());
/// dunning.catch_up()?;
/// assert_eq!(dunning.deadlines().len(), 1);
///
/// clock.advance(Duration::from_secs(15 * 24 * 3600));
/// dunning.catch_up()?;
/// assert_eq!((log.version("invoice-1")?, log.version("invoice-2")?), (2, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ProcessManager<P: Process> {
    pub(super) process: P,
    pub(super) name: String,
    pub(super) store: Arc<dyn Store>,
    pub(super) subscription: Subscription,
    pub(super) consumer: Consumer,
    pub(super) clock: Box<dyn Clock>,
    pub(super) policy: OnFailure,
    pub(super) durability: Durability,
    pub(super) book: Book,
    pub(super) retries: Retries,
    pub(super) states: States,
    pub(super) pending: Pending,
    /// Events that are tried again: their positions, and when they were recorded.
    pub(super) tried_again: BTreeMap<u64, Timestamp>,
    /// Position of the last event that was handled here.
    pub(super) through: u64,
}

impl<P: Process> ProcessManager<P> {
    /// Opens the subscription of a process, for the first time or again. It belongs to this
    /// alone.
    ///
    /// The name is that of the subscription, and that under which states and deadlines are
    /// kept.
    ///
    /// # Errors
    /// Those of [`Subscriptions::open`]; [`SubscriptionError::InUse`] if it is open;
    /// [`SubscriptionError::UnreadableState`] for deadlines that a later version wrote.
    pub fn open(
        subscriptions: &Subscriptions,
        name: &str,
        options: &SubscriptionOptions,
        process: P,
    ) -> Result<Self> {
        let subscription = subscriptions.open_as(name, options, true)?;
        let store = subscriptions.store();
        let mut book = Book::default();
        let prefix = saved::pages_prefix(name);
        for page in store.states(&prefix)? {
            let unreadable = |why| {
                let (name, key) = (name.to_owned(), page.clone());
                SubscriptionError::UnreadableState { name, key, why }
            };
            let number = page.strip_prefix(&prefix).and_then(|number| number.parse().ok());
            let number = number.ok_or_else(|| unreadable("it is no number".to_owned()))?;
            if let Some(text) = store.state(&page, SCHEMA)? {
                book.read(number, text.data()).map_err(unreadable)?;
            }
        }
        Ok(Self {
            process,
            name: name.to_owned(),
            store,
            consumer: subscription.partition(0, 1),
            subscription,
            clock: Box::new(SystemClock),
            policy: OnFailure::stop(),
            durability: Durability::Durable,
            book,
            retries: Retries::default(),
            states: States::default(),
            pending: Pending::default(),
            tried_again: BTreeMap::new(),
            through: 0,
        })
    }

    /// What a failure of the process comes to. Default: it stops. One that is to park does so
    /// with an event's stream, and with a deadline alone.
    #[must_use]
    pub const fn on_failure(mut self, policy: OnFailure) -> Self {
        self.policy = policy;
        self
    }

    /// How safe a step must be before the next one. Default: durable. Less is as exact, and
    /// after a crash more is done again.
    #[must_use]
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// The clock that deadlines go by. Default: the system's. It is looked at every second at
    /// the least while a deadline is set.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Handles the events that are there now, and the deadlines that are due. Returns how many
    /// those were together.
    ///
    /// # Errors
    /// Those of [`Consumer::next`] and [`Consumer::commit`]; [`SubscriptionError::Stopped`] if
    /// the process failed and the policy says so; [`SubscriptionError::UnreadableState`]. It may
    /// be called again after any.
    pub fn catch_up(&mut self) -> Result<u64> {
        let mut handled = 0;
        loop {
            let retried = self.retries.due(&self.book, self.clock.now());
            let due = [self.consumer.due(), retried].into_iter().flatten().min();
            match self.step(due.unwrap_or_default())? {
                Some(count) => handled += count,
                None if due.is_some() => {}
                None => return Ok(handled),
            }
        }
    }

    /// As [`catch_up`](Self::catch_up), and goes on with what comes.
    ///
    /// # Errors
    /// Those of [`catch_up`](Self::catch_up): why it ended.
    pub fn run(&mut self) -> Result<()> {
        loop {
            self.step(Duration::from_secs(3600))?;
        }
    }

    /// Its subscription: how far it is, what is parked. A clone of it stops
    /// [`run`](Self::run) from another thread.
    ///
    /// ```
    /// # use annals::sourcing::{Process, ProcessManager, SubscriptionError};
    /// fn in_a_thread<P: Process + Send + 'static>(
    ///     mut manager: ProcessManager<P>,
    /// ) -> impl FnOnce() -> Result<(), SubscriptionError> {
    ///     let subscription = manager.subscription().clone();
    ///     let running = std::thread::spawn(move || manager.run());
    ///     move || {
    ///         subscription.stop("the program ends");
    ///         match running.join().expect("it does not panic") {
    ///             Err(SubscriptionError::Stopped { position: None, .. }) => Ok(()),
    ///             ended => ended,
    ///         }
    ///     }
    /// }
    /// ```
    pub const fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// The state of a process, after everything that was handled; `None` if it was not started,
    /// has nothing to note, or ended.
    ///
    /// # Errors
    /// What the store says; [`SubscriptionError::UnreadableState`].
    pub fn state(&self, correlation: &str) -> Result<Option<P::State>> {
        let kept = self.kept(correlation, self.stored(correlation)?.as_deref())?;
        Ok(kept.filter(|kept| !kept.ended).map(|kept| kept.state))
    }

    /// Whether a process [ended](super::Outputs::end).
    ///
    /// # Errors
    /// Those of [`state`](Self::state).
    pub fn has_ended(&self, correlation: &str) -> Result<bool> {
        let kept = self.kept(correlation, self.stored(correlation)?.as_deref())?;
        Ok(kept.is_some_and(|kept| kept.ended))
    }

    pub(super) fn stored(&self, correlation: &str) -> Result<Option<String>> {
        let name = saved::state_name(&self.name, correlation);
        let Some(state) = self.store.state(&name, SCHEMA)? else { return Ok(None) };
        let text = String::from_utf8(state.data().to_vec());
        text.map(Some).map_err(|why| self.unreadable(correlation, why.to_string()))
    }

    pub(super) fn kept(&self, correlation: &str, text: Option<&str>) -> Result<Option<Kept<P>>> {
        let kept = text.map(|text| Kept::decode(text.as_bytes())).transpose();
        kept.map_err(|why| self.unreadable(correlation, why))
    }

    pub(super) fn unreadable(&self, key: &str, why: String) -> SubscriptionError {
        let (name, key) = (self.name.clone(), key.to_owned());
        SubscriptionError::UnreadableState { name, key, why }
    }

    /// Handles some events or deadlines. `None` if there are none in that time.
    fn step(&mut self, timeout: Duration) -> Result<Option<u64>> {
        let now = self.clock.now();
        let held = self.held();
        let due = self.retries.first(&self.book, now).filter(|due| held.is_none_or(|at| *due < at));
        let timeout = if due.is_some() {
            // So that everything that was recorded before it is seen.
            self.store.sync()?;
            Duration::ZERO
        } else {
            let retried = self.retries.due(&self.book, now);
            let next = self.book.next_after(now).map(|at| until(now, at).min(LOOK_EVERY));
            [Some(timeout), retried, next].into_iter().flatten().min().unwrap_or_default()
        };
        let mut deliveries = self.consumer.next_many(STEP_EVENTS, timeout)?;
        if let Some(due) = due {
            // What was recorded until then comes before it.
            let before = |delivery: &&Delivery| delivery.event().recorded_at() <= due;
            let rest = deliveries.split_off(deliveries.iter().take_while(before).count());
            let next = rest.first().map(|delivery| delivery.event().recorded_at());
            rest.into_iter().rev().for_each(Delivery::put_back);
            if deliveries.is_empty() {
                let next = [next, held].into_iter().flatten().min();
                return self.fire(now, next).map(Some);
            }
        }
        if deliveries.is_empty() {
            return Ok(None);
        }
        let outcome = {
            let _span = span::step(&self.name, deliveries.len());
            step::run(&mut Events(self), &mut deliveries)
        };
        if outcome.is_err() {
            self.forget();
        }
        deliveries.into_iter().rev().for_each(Delivery::put_back);
        outcome.map(Some)
    }

    /// When the first event was recorded that waits for its next attempt.
    fn held(&mut self) -> Option<Timestamp> {
        if self.tried_again.is_empty() || self.consumer.due().is_none() {
            self.tried_again.clear();
        }
        self.tried_again.values().min().copied()
    }
}

impl<P: Process> fmt::Debug for ProcessManager<P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ProcessManager")
            .field("name", &self.name)
            .field("clock", &self.clock)
            .field("policy", &self.policy)
            .field("durability", &self.durability)
            .finish_non_exhaustive()
    }
}

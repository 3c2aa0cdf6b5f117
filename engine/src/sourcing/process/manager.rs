//! The manager: it hands processes what they follow, and commits what comes of it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::deadlines::{Book, Changes};
use super::firing::Retries;
use super::outputs::{Fault, Work};
use super::saved::{self, Kept, SCHEMA};
use super::{Outputs, Process};
use crate::planted::{self, Bug};
use crate::sourcing::clock::until;
use crate::sourcing::step::{self, End, Folded, Result, STEP_BYTES, STEP_EVENTS, Step};
use crate::sourcing::{
    Clock, Consumer, Context, Delivery, OnFailure, Store, Subscription, SubscriptionError,
    SubscriptionOptions, Subscriptions, SystemClock,
};
use crate::{Batch, Durability, Error, Event, NewSnapshot};

/// With so much text in memory, states are read from the store again.
const STATES_BYTES: usize = 64 << 20;

/// While a deadline is set, the clock is looked at so often at the least: it may be put
/// forward.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What an input of a process is.
pub(super) enum Input<'i> {
    Event(&'i Event<'i>),
    Deadline(&'i str),
}

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
    consumer: Consumer,
    pub(super) clock: Box<dyn Clock>,
    pub(super) policy: OnFailure,
    pub(super) durability: Durability,
    pub(super) book: Book,
    pub(super) retries: Retries,
    states: States,
    pending: Pending,
    /// Position of the last event that was handled here.
    through: u64,
}

/// States of processes as the log has them, by correlation; nothing where it has none.
#[derive(Debug, Default)]
struct States {
    texts: HashMap<String, Option<String>>,
    bytes: usize,
}

impl States {
    fn put(&mut self, correlation: &str, text: Option<String>) {
        if self.bytes >= STATES_BYTES {
            *self = Self::default();
        }
        let len = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        self.bytes += correlation.len() + len(&text);
        let before = self.texts.insert(correlation.to_owned(), text);
        self.bytes -= before.map_or(0, |before| correlation.len() + len(&before));
    }
}

/// What is so once the batch of a step is committed.
#[derive(Debug, Default)]
struct Pending {
    states: Vec<(String, String)>,
    /// How the deadlines were before.
    undo: Changes,
    /// Of a planted fault: what is written after the batch.
    late: Option<Batch>,
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

    /// Whether a process [ended](Outputs::end).
    ///
    /// # Errors
    /// Those of [`state`](Self::state).
    pub fn has_ended(&self, correlation: &str) -> Result<bool> {
        let kept = self.kept(correlation, self.stored(correlation)?.as_deref())?;
        Ok(kept.is_some_and(|kept| kept.ended))
    }

    fn stored(&self, correlation: &str) -> Result<Option<String>> {
        let name = saved::state_name(&self.name, correlation);
        let Some(state) = self.store.state(&name, SCHEMA)? else { return Ok(None) };
        let text = String::from_utf8(state.data().to_vec());
        text.map(Some).map_err(|why| self.unreadable(correlation, why.to_string()))
    }

    fn kept(&self, correlation: &str, text: Option<&str>) -> Result<Option<Kept<P>>> {
        let kept = text.map(|text| Kept::decode(text.as_bytes())).transpose();
        kept.map_err(|why| self.unreadable(correlation, why))
    }

    fn unreadable(&self, key: &str, why: String) -> SubscriptionError {
        let (name, key) = (self.name.clone(), key.to_owned());
        SubscriptionError::UnreadableState { name, key, why }
    }

    fn load(&mut self, correlation: &str) -> Result<Kept<P>> {
        if !self.states.texts.contains_key(correlation) {
            let text = self.stored(correlation)?;
            self.states.put(correlation, text);
        }
        let text = self.states.texts.get(correlation).and_then(Option::as_deref);
        Ok(self.kept(correlation, text)?.unwrap_or_else(Kept::new))
    }

    /// Handles some events or deadlines. `None` if there are none in that time.
    fn step(&mut self, timeout: Duration) -> Result<Option<u64>> {
        let now = self.clock.now();
        let due = self.retries.first(&self.book, now);
        let timeout = match self.book.in_order().next() {
            _ if due.is_some() => Duration::ZERO,
            Some((at, _)) => timeout.min(LOOK_EVERY).min(until(now, *at)),
            None => timeout,
        };
        let mut deliveries = self.consumer.next_many(STEP_EVENTS, timeout)?;
        if let Some(due) = due {
            // What was recorded until then comes before it.
            let before = |delivery: &&Delivery| delivery.event().recorded_at() <= due;
            let rest = deliveries.split_off(deliveries.iter().take_while(before).count());
            let next = rest.first().map(|delivery| delivery.event().recorded_at());
            rest.into_iter().rev().for_each(Delivery::put_back);
            if deliveries.is_empty() {
                return self.fire(now, next).map(Some);
            }
        }
        if deliveries.is_empty() {
            return Ok(None);
        }
        let outcome = step::run(&mut Events(self), &mut deliveries);
        if outcome.is_err() {
            self.forget();
        }
        deliveries.into_iter().rev().for_each(Delivery::put_back);
        outcome.map(Some)
    }

    /// Has a process handle an input, and says how that ended.
    pub(super) fn input(
        &mut self,
        open: &mut HashMap<String, Kept<P>>,
        work: &mut Work,
        (correlation, context): (&str, Context),
        input: &Input<'_>,
    ) -> Result<End> {
        let mut kept = match open.remove(correlation) {
            Some(kept) => kept,
            None => self.load(correlation)?,
        };
        let mut handled = Ok(());
        if !kept.ended {
            let mut out = Outputs {
                work,
                book: &self.book,
                store: &*self.store,
                context,
                correlation,
                now: self.clock.now(),
                compensations: &mut kept.compensations,
                compensate: false,
                end: false,
            };
            handled = match input {
                Input::Event(event) => self.process.handle(&mut kept.state, event, &mut out),
                Input::Deadline(name) => self.process.deadline(&mut kept.state, name, &mut out),
            };
            if out.compensate {
                let all = std::mem::take(out.compensations);
                handled = all.into_iter().rev().fold(handled, |handled, compensation| {
                    handled?;
                    self.process.compensate(&mut kept.state, compensation, &mut out)
                });
            }
            if out.end {
                out.drop_deadlines();
                kept = Kept { ended: true, ..Kept::new() };
            }
        }
        open.insert(correlation.to_owned(), kept);
        match work.take_fault() {
            Some(Fault::Cut) => Ok(End::Cut),
            Some(Fault::Store(error)) => Err(error.into()),
            Some(Fault::Handler(why)) => Ok(End::Failed(why)),
            None => Ok(handled.map_or_else(|why| End::Failed(why.to_string()), |()| End::Whole)),
        }
    }

    /// Puts states and deadlines into the batch of a step.
    pub(super) fn complete(
        &mut self,
        open: HashMap<String, Kept<P>>,
        mut work: Work,
        count: usize,
    ) -> Result<Folded> {
        for (correlation, kept) in open {
            let why = |why: serde_json::Error| self.unreadable(&correlation, why.to_string());
            let text = kept.encode().map_err(why)?;
            // A state that is as before is not written again.
            let same = match self.states.texts.get(&correlation) {
                Some(Some(before)) => *before == text,
                Some(None) => Kept::<P>::new().encode().map_err(why)? == text,
                None => false,
            };
            if !same {
                let name = saved::state_name(&self.name, &correlation);
                work.batch.state(&name, self.through, NewSnapshot::new(SCHEMA).json(&text));
                self.pending.states.push((correlation, text));
            }
        }
        for key in work.changes.keys() {
            self.retries.forget(key);
        }
        self.pending.undo = self.book.apply(work.changes);
        let (apart, mut late) = (planted::active(Bug::DeadlineOutsideBatch), Batch::new());
        let into = if apart { &mut late } else { &mut work.batch };
        self.add_pages(into);
        self.pending.late = apart.then_some(late);
        Ok(Folded { batch: work.batch, count, end: End::Whole })
    }

    /// Adds the pages of deadlines that changed.
    pub(super) fn add_pages(&self, batch: &mut Batch) {
        for (page, deadlines, text) in self.book.unwritten() {
            let name = format!("{}{page}", saved::pages_prefix(&self.name));
            let deadlines = u64::try_from(deadlines).unwrap_or(u64::MAX);
            batch.state(&name, deadlines, NewSnapshot::new(SCHEMA).json(&text));
        }
    }

    /// The batch of the last step is in the log.
    pub(super) fn committed(&mut self) -> Result<()> {
        let Pending { states, late, .. } = std::mem::take(&mut self.pending);
        for (correlation, text) in states {
            self.states.put(&correlation, Some(text));
        }
        self.book.written();
        if let Some(late) = late {
            self.store.append_with(&late, self.durability)?;
        }
        Ok(())
    }

    /// The batch of the last step is not in the log.
    pub(super) fn forget(&mut self) {
        let undo = std::mem::take(&mut self.pending).undo;
        self.book.apply(undo);
    }
}

/// Whether a step that failed so is folded again, smaller or on newer state.
pub(super) const fn is_tried_again(error: &Error) -> bool {
    error.is_conflict() || matches!(error, Error::TooLarge { .. })
}

/// Events as inputs.
struct Events<'m, P: Process>(&'m mut ProcessManager<P>);

impl<P: Process> Step for Events<'_, P> {
    type Input = Delivery;

    fn fold(&mut self, deliveries: &[Delivery]) -> Result<Folded> {
        let (mut open, mut work) = (HashMap::new(), Work::default());
        for delivery in deliveries {
            let event = delivery.event();
            if let Some(correlation) = self.0.process.correlation(&event) {
                let of = (&*correlation, Context::of(&event));
                let end = self.0.input(&mut open, &mut work, of, &Input::Event(&event))?;
                if !matches!(end, End::Whole) {
                    return Ok(Folded { batch: Batch::new(), count: work.input, end });
                }
            }
            work.input += 1;
            self.0.through = self.0.through.max(event.position());
            if work.batch.bytes() >= STEP_BYTES {
                break;
            }
        }
        let count = work.input;
        self.0.complete(open, work, count)
    }

    fn commit(&mut self, deliveries: &mut Vec<Delivery>, batch: Batch) -> Result<()> {
        self.0.consumer.commit(deliveries, batch, self.0.durability)?;
        self.0.committed()
    }

    fn refuse(&mut self, failed: Delivery, rest: Vec<Delivery>, reason: &str) -> Result<()> {
        rest.into_iter().rev().for_each(Delivery::put_back);
        let nack = self.0.policy.nack(failed.attempt(), reason);
        failed.nack(nack)
    }

    fn forget(&mut self) {
        self.0.forget();
    }

    fn is_tried_again(&self, error: &Error) -> bool {
        is_tried_again(error)
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

//! Processors: they fold a state by key and emit events, exactly once, on a subscription.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::step::{self, End, Folded, Result, STEP_BYTES, STEP_EVENTS, Step};
use crate::observe::span;
use crate::sourcing::{
    Consumer, Delivery, OnFailure, Store, SubscriptionError, SubscriptionOptions, Subscriptions,
};
use crate::{Batch, Durability, Event, NewSnapshot};

/// How many states are kept in memory between steps.
const STATES: usize = 16 << 10;

/// The schema number of its states, for ever: one of another shape has to decode all the same,
/// or be told of.
const SCHEMA: u32 = 1;

/// Folds a state for each key and emits events: the counterpart of stream processing with
/// state stores. [`Processing`] runs one and has an example.
pub trait Processor {
    /// What is folded for one key. It is kept as JSON. Fields that are added later need a
    /// `#[serde(default)]`; what does not decode is an error.
    type State: Default + Serialize + DeserializeOwned;

    /// Why an event cannot be handled.
    type Error: Display;

    /// The key of an event; `None` if there is nothing to do for it.
    fn key(&self, event: &Event<'_>) -> Option<String>;

    /// Handles an event: changes the state of its key, and adds events to the output.
    ///
    /// It is called again for the same event, with the state as it was, if the step cannot be
    /// committed; so it must do nothing but this. The output of several events is committed
    /// as one batch: what is expected of a stream is expected before the first of them, and
    /// an idempotency key has no place in it.
    ///
    /// # Errors
    /// Its own. What it changed and added is forgotten, then.
    fn process(
        &self,
        state: &mut Self::State,
        event: &Event<'_>,
        output: &mut Batch,
    ) -> std::result::Result<(), Self::Error>;
}

/// A [`Processor`] at work on a subscription of its own. Wherever it is cut off, it goes on
/// with nothing lost and nothing done twice: output, states and acknowledgement are one batch.
///
/// ```
/// use std::convert::Infallible;
/// use std::sync::Arc;
/// use annals::sourcing::{Processing, Processor, SubscriptionOptions, Subscriptions};
/// use annals::{Batch, Event, Expected, Filter, Log, NewEvent};
///
/// /// Thanks each customer for every third order.
/// struct Thanks;
///
/// impl Processor for Thanks {
///     type State = u64;
///     type Error = Infallible;
///
///     fn key(&self, event: &Event<'_>) -> Option<String> {
///         event.tags().next().map(str::to_owned)
///     }
///
///     fn process(&self, orders: &mut u64, event: &Event<'_>, output: &mut Batch) -> Result<(), Infallible> {
///         *orders += 1;
///         if *orders % 3 == 0 {
///             let customer = event.tags().next().unwrap_or_default();
///             output.write(customer, Expected::Any, [NewEvent::new("Thanked")]);
///         }
///         Ok(())
///     }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Arc::new(Log::open(path)?);
/// for n in 0..7 {
///     let placed = NewEvent::new("OrderPlaced").tag("customer-9");
///     log.append(Batch::new().write(&format!("order-{n}"), Expected::NoStream, [placed]))?;
/// }
/// let options = SubscriptionOptions::new().filter(Filter::new().event_type("OrderPlaced"));
/// let subscriptions = Subscriptions::new(log.clone());
/// let mut thanks = Processing::open(&subscriptions, "thanks", &options, Thanks)?;
/// assert_eq!(thanks.catch_up()?, 7);
/// assert_eq!(thanks.state("customer-9")?, Some(7));
/// assert_eq!(log.version("customer-9")?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Processing<P: Processor> {
    processor: P,
    name: String,
    store: Arc<dyn Store>,
    consumer: Consumer,
    policy: OnFailure,
    durability: Durability,
    states: HashMap<String, P::State>,
}

impl<P: Processor> Processing<P> {
    /// Opens the subscription of a processor, for the first time or again. It belongs to this
    /// alone: its states are kept in memory.
    ///
    /// # Errors
    /// Those of [`Subscriptions::open`]; [`SubscriptionError::InUse`] if it is open.
    pub fn open(
        subscriptions: &Subscriptions,
        name: &str,
        options: &SubscriptionOptions,
        processor: P,
    ) -> Result<Self> {
        let subscription = subscriptions.open_as(name, options, true)?;
        Ok(Self {
            processor,
            name: name.to_owned(),
            store: subscriptions.store(),
            consumer: subscription.partition(0, 1),
            policy: OnFailure::stop(),
            durability: Durability::Durable,
            states: HashMap::new(),
        })
    }

    /// What a failure of the processor comes to. Default: it stops.
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

    /// Handles what is there now. Returns how many events that were.
    ///
    /// # Errors
    /// Those of [`Consumer::next`] and [`Consumer::commit`]; [`SubscriptionError::Stopped`] if
    /// the processor failed and the policy says so. It may be called again after any.
    pub fn catch_up(&mut self) -> Result<u64> {
        let mut handled = 0;
        loop {
            let due = self.consumer.due();
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

    /// The state of a key, after everything that was handled; `None` if there is none.
    ///
    /// # Errors
    /// What the store says; [`SubscriptionError::UnreadableState`].
    pub fn state(&self, key: &str) -> Result<Option<P::State>> {
        let Some(state) = self.store.state(&self.state_name(key), SCHEMA)? else {
            return Ok(None);
        };
        serde_json::from_slice(state.data()).map(Some).map_err(|why| self.unreadable(key, &why))
    }

    fn unreadable(&self, key: &str, why: &serde_json::Error) -> SubscriptionError {
        let (name, key, why) = (self.name.clone(), key.to_owned(), why.to_string());
        SubscriptionError::UnreadableState { name, key, why }
    }

    /// The name's length keeps names and keys with a `/` apart.
    fn state_name(&self, key: &str) -> String {
        format!("$processor/{}/{}/{key}", self.name.len(), self.name)
    }

    /// Handles some events that may be handled together. `None` if there are none in that time.
    fn step(&mut self, timeout: Duration) -> Result<Option<u64>> {
        let mut deliveries = self.consumer.next_many(STEP_EVENTS, timeout)?;
        if deliveries.is_empty() {
            return Ok(None);
        }
        let outcome = {
            let _span = span::step(&self.name, deliveries.len());
            step::run(self, &mut deliveries)
        };
        if outcome.is_err() || self.states.len() > STATES {
            // Some may be ahead of the log.
            self.states.clear();
        }
        deliveries.into_iter().rev().for_each(Delivery::put_back);
        outcome.map(Some)
    }
}

impl<P: Processor> Step for Processing<P> {
    type Input = Delivery;

    fn fold(&mut self, deliveries: &[Delivery]) -> Result<Folded> {
        let mut folded = Folded { batch: Batch::new(), count: 0, end: End::Whole };
        let mut touched = HashMap::new();
        for delivery in deliveries {
            let event = delivery.event();
            if let Some(key) = self.processor.key(&event) {
                let mut state = match self.states.remove(&key) {
                    Some(state) => state,
                    None => self.state(&key)?.unwrap_or_default(),
                };
                let processed = self.processor.process(&mut state, &event, &mut folded.batch);
                self.states.insert(key.clone(), state);
                if let Err(error) = processed {
                    folded.end = End::Failed(error.to_string());
                    return Ok(folded);
                }
                touched.insert(key, event.position());
            }
            folded.count += 1;
            if folded.batch.bytes() >= STEP_BYTES {
                break;
            }
        }
        for (key, through) in touched {
            let Some(state) = self.states.get(&key) else { continue };
            let text = serde_json::to_string(state).map_err(|why| self.unreadable(&key, &why))?;
            let state = NewSnapshot::new(SCHEMA).json(&text);
            folded.batch.state(&self.state_name(&key), through, state);
        }
        Ok(folded)
    }

    fn commit(&mut self, deliveries: &mut Vec<Delivery>, batch: Batch) -> Result<()> {
        self.consumer.commit(deliveries, batch, self.durability).map(drop)
    }

    fn refuse(&mut self, failed: Delivery, rest: Vec<Delivery>, reason: &str) -> Result<()> {
        rest.into_iter().rev().for_each(Delivery::put_back);
        let nack = self.policy.nack(failed.attempt(), reason);
        failed.nack(nack)
    }

    fn forget(&mut self) {
        self.states.clear();
    }
}

//! Consumers, which are handed a subscription's events, and what they are handed.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

use super::book::Taken;
use super::core::{Core, Result};
use super::options::{Nack, OnFailure};
use super::partition::partition_of;
use crate::observe::span;
use crate::{Batch, Committed, Durability, Event, OwnedEvent};

/// Which streams a consumer takes.
#[derive(Debug, Clone, Copy)]
enum Share {
    /// Those of one partition of several.
    Partition(u64, u64),
    /// An equal share with the other members.
    Member(u64),
}

/// Is handed the events of its share of a [`Subscription`](crate::sourcing::Subscription), in
/// the order of the log.
///
/// An event is delivered when everything before it in its stream is settled, whoever had
/// that; so order within a stream holds however consumers come and go. One that is dropped
/// leaves its share to the other members; what it has delivered stays in flight until it is
/// answered for or dropped.
#[derive(Debug)]
pub struct Consumer {
    core: Arc<Core>,
    share: Share,
}

impl Consumer {
    pub(super) fn member(core: Arc<Core>) -> Self {
        let mut state = core.state.lock();
        let number = state.members.last().map_or(0, |last| last + 1);
        state.members.insert(number);
        drop(state);
        Self { core, share: Share::Member(number) }
    }

    pub(super) const fn partition(core: Arc<Core>, index: u64, of: u64) -> Self {
        Self { core, share: Share::Partition(index, of) }
    }

    fn accepts(&self, members: &BTreeSet<u64>, stream: &str) -> bool {
        match self.share {
            Share::Partition(index, of) => partition_of(stream, of) == index,
            Share::Member(number) => {
                let count = u64::try_from(members.len()).unwrap_or(u64::MAX);
                let rank = members.range(..number).count();
                u64::try_from(rank) == Ok(partition_of(stream, count))
            }
        }
    }

    /// The next event, as soon as there is one; `None` if the time is up first.
    ///
    /// # Errors
    /// [`SubscriptionError::Stopped`](crate::sourcing::SubscriptionError::Stopped),
    /// [`NotFound`](crate::sourcing::SubscriptionError::NotFound) if it was deleted meanwhile,
    /// and what the store says: among that [`Error::Closed`](crate::Error::Closed) and
    /// [`Error::Poisoned`](crate::Error::Poisoned).
    pub fn next(&self, timeout: Duration) -> Result<Option<Delivery>> {
        Ok(self.next_many(1, timeout)?.pop())
    }

    /// Up to `max` events that may be delivered together, as soon as there is one: also
    /// several of one stream, in order. They are acknowledged in that order; if one of them is
    /// refused, those of its stream that are not acknowledged are taken back.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    pub fn next_many(&self, max: usize, timeout: Duration) -> Result<Vec<Delivery>> {
        let accepts = &|members: &BTreeSet<u64>, stream: &str| self.accepts(members, stream);
        let taken = self.core.next(max, timeout, accepts)?;
        let delivery = |Taken { lease, attempt, event }| Delivery {
            core: Arc::clone(&self.core),
            lease,
            attempt,
            event,
        };
        Ok(taken.into_iter().map(delivery).collect())
    }

    /// Commits a batch and acknowledges these events with it: all of that or nothing.
    ///
    /// This is the exactly-once step. What the events led to (further events, named states,
    /// snapshots, an idempotency key) and that they are handled is one record of the log:
    /// wherever it is cut off, both are there or neither. If the batch is in the log already,
    /// by its key or its ids, the events are acknowledged all the same.
    ///
    /// Whether it is durable does not matter for that, only for who else relies on the batch:
    /// `Buffered` is enough for a chain of such steps.
    ///
    /// # Errors
    /// Those of an append; [`SubscriptionError::NotInFlight`](crate::sourcing::SubscriptionError::NotInFlight).
    /// The events are in flight as before, then, and the batch is not in the log, unless
    /// the log is poisoned.
    pub fn commit(
        &self,
        deliveries: &mut Vec<Delivery>,
        mut batch: Batch,
        durability: Durability,
    ) -> Result<Committed> {
        let answered: Vec<_> = deliveries.iter().map(|d| (d.lease, d.position())).collect();
        let committed = self.core.commit(&answered, &mut batch, durability)?;
        deliveries.iter_mut().for_each(|delivery| delivery.lease = 0);
        deliveries.clear();
        Ok(committed)
    }

    /// How long until something may be delivered here, if there is something.
    pub(in crate::sourcing) fn due(&self) -> Option<Duration> {
        self.core.next_due(&|members, stream| self.accepts(members, stream))
    }

    /// Hands the handler every event that is there now, one after the other, and acknowledges
    /// each that it returns `Ok` for. Returns how many that were, when there is nothing left
    /// for this consumer but what is parked. Waits for events that are to be tried again.
    ///
    /// # Errors
    /// Those of [`next`](Self::next); `Stopped` if the handler failed and the policy says so.
    pub fn catch_up<E: Display>(
        &self,
        policy: OnFailure,
        mut handler: impl FnMut(&Delivery) -> std::result::Result<(), E>,
    ) -> Result<u64> {
        let mut handled = 0;
        loop {
            let due = self.due();
            match self.next(due.unwrap_or_default())? {
                Some(delivery) => {
                    handled += u64::from(Self::handle(policy, delivery, &mut handler)?);
                }
                None if due.is_some() => {}
                None => return Ok(handled),
            }
        }
    }

    /// As [`catch_up`](Self::catch_up), and goes on with what comes, until the subscription is
    /// stopped or the log closed.
    ///
    /// # Errors
    /// Those of [`next`](Self::next): why it ended.
    pub fn run<E: Display>(
        &self,
        policy: OnFailure,
        mut handler: impl FnMut(&Delivery) -> std::result::Result<(), E>,
    ) -> Result<()> {
        loop {
            if let Some(delivery) = self.next(Duration::from_secs(3600))? {
                Self::handle(policy, delivery, &mut handler)?;
            }
        }
    }

    /// Says whether the event was handled.
    fn handle<E: Display>(
        policy: OnFailure,
        delivery: Delivery,
        handler: &mut impl FnMut(&Delivery) -> std::result::Result<(), E>,
    ) -> Result<bool> {
        let handled = {
            let event = delivery.event();
            let _span = span::deliver(&delivery.core.name, event.stream(), event.position());
            handler(&delivery)
        };
        match handled {
            Ok(()) => delivery.ack().map(|()| true),
            Err(error) => {
                let reason = error.to_string();
                let nack = policy.nack(delivery.attempt, &reason);
                delivery.nack(nack).map(|()| false)
            }
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        if let Share::Member(number) = self.share {
            self.core.state.lock().members.remove(&number);
            self.core.changed.notify_all();
        }
    }
}

/// An event that was delivered and is to be answered for. Dropped without an answer it is
/// delivered again at once.
#[must_use = "it is delivered again"]
pub struct Delivery {
    core: Arc<Core>,
    /// 0 once it was answered for.
    lease: u64,
    attempt: u32,
    event: Arc<OwnedEvent>,
}

impl Delivery {
    /// The event.
    pub fn event(&self) -> Event<'_> {
        self.event.as_event()
    }

    /// How often it was delivered since the subscription was opened, this time included.
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    pub(in crate::sourcing) fn position(&self) -> u64 {
        self.event().position()
    }

    /// It was handled. That is in the log a little later; if the process ends before, it is
    /// delivered again.
    ///
    /// # Errors
    /// [`SubscriptionError::NotInFlight`](crate::sourcing::SubscriptionError::NotInFlight) if it
    /// was taken back meanwhile;
    /// [`OutOfOrder`](crate::sourcing::SubscriptionError::OutOfOrder) if one of its stream that
    /// was delivered together with it was not acknowledged yet; if saving is due, what the
    /// store says of it where it takes nothing any more.
    pub fn ack(mut self) -> Result<()> {
        self.core.ack(self.lease, self.position())?;
        self.lease = 0;
        Ok(())
    }

    /// It was not handled.
    ///
    /// # Errors
    /// Those of [`ack`](Self::ack).
    pub fn nack(mut self, nack: Nack<'_>) -> Result<()> {
        self.core.nack(self.lease, &self.event, nack)?;
        self.lease = 0;
        Ok(())
    }

    /// Nobody tried to handle it.
    pub(in crate::sourcing) fn put_back(mut self) {
        self.core.give_back(std::mem::take(&mut self.lease), false);
    }

    /// Commits a batch and acknowledges the event with it: see [`Consumer::commit`].
    ///
    /// # Errors
    /// Those of [`Consumer::commit`]; the event is delivered again, then.
    pub fn commit(mut self, mut batch: Batch, durability: Durability) -> Result<Committed> {
        let answered = (self.lease, self.position());
        let committed = self.core.commit(&[answered], &mut batch, durability)?;
        self.lease = 0;
        Ok(committed)
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if self.lease != 0 {
            self.core.give_back(self.lease, true);
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Delivery")
            .field("subscription", &self.core.name)
            .field("attempt", &self.attempt)
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}

//! What a delivery is answered with: acknowledged, refused, or committed with what it led to.

use std::time::Duration;

use super::book::Refused;
use super::core::{Core, Ended, Result, State, Unsaved, now};
use super::error::SubscriptionError;
use super::options::Nack;
use crate::planted::{self, Bug};
use crate::{Batch, Committed, Durability, OwnedEvent};

impl Core {
    fn not_in_flight(&self, position: u64) -> SubscriptionError {
        SubscriptionError::NotInFlight { name: self.name.clone(), position }
    }

    /// Settles these, each with its position.
    fn settle(&self, state: &mut State, deliveries: &[(u64, u64)]) -> Result<Vec<u64>> {
        let leases: Vec<_> = deliveries.iter().map(|(lease, _)| *lease).collect();
        let refused = match state.book.settle(&leases) {
            Ok(()) => return Ok(leases),
            Err(refused) => refused,
        };
        let (Refused::NotInFlight(lease) | Refused::OutOfOrder(lease)) = refused;
        let of_lease = deliveries.iter().find(|(other, _)| *other == lease);
        let position = of_lease.map_or(0, |(_, position)| *position);
        let name = self.name.clone();
        Err(match refused {
            Refused::NotInFlight(_) => self.not_in_flight(position),
            Refused::OutOfOrder(_) => SubscriptionError::OutOfOrder { name, position },
        })
    }

    pub(super) fn ack(&self, lease: u64, position: u64) -> Result<()> {
        let mut state = self.state.lock();
        self.there(&state)?;
        let leases = self.settle(&mut state, &[(lease, position)])?;
        state.book.go_on(&leases);
        self.moved(&mut state, 1);
        self.save_if_due(&mut state)
    }

    pub(super) fn nack(&self, lease: u64, event: &OwnedEvent, nack: Nack<'_>) -> Result<()> {
        let event = event.as_event();
        let (position, stream) = (event.position(), event.stream());
        let mut state = self.state.lock();
        self.there(&state)?;
        let done = match nack {
            Nack::Retry(after) => {
                let not_before = self.now().saturating_add(after);
                state.book.retry(lease, not_before)
            }
            Nack::Park(reason) if self.may_park(&state, stream) => {
                state.book.park(lease, reason, now())
            }
            Nack::Skip(reason) => {
                let leases = self.settle(&mut state, &[(lease, position)])?;
                state.book.skipped(stream, position, reason, now());
                state.book.go_on(&leases);
                true
            }
            Nack::Stop(reason) | Nack::Park(reason) => {
                let stopped = state.book.retry(lease, Duration::ZERO);
                if stopped {
                    state.ended = Some(Ended::Stopped(Some(position), reason.to_owned()));
                }
                stopped
            }
        };
        if !done {
            return Err(self.not_in_flight(position));
        }
        self.moved(&mut state, u64::from(!matches!(nack, Nack::Retry(_))));
        self.save_if_due(&mut state)
    }

    fn may_park(&self, state: &State, stream: &str) -> bool {
        let parked = &state.book.marks().parked;
        parked.len() < self.options.parked_streams || parked.contains_key(stream)
    }

    /// What was not answered for is delivered again.
    pub(super) fn give_back(&self, lease: u64, tried: bool) {
        let book = &mut self.state.lock().book;
        let back = if tried { book.retry(lease, Duration::ZERO) } else { book.put_back(lease) };
        if back {
            self.changed.notify_all();
        }
    }

    /// Commits a batch and settles these, by lease and position, with it: all or nothing.
    pub(super) fn commit(
        &self,
        deliveries: &[(u64, u64)],
        batch: &mut Batch,
        durability: Durability,
    ) -> Result<Committed> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        self.there(state)?;
        let before = state.book.marks().clone();
        let leases = self.settle(state, deliveries)?;
        let apart = planted::active(Bug::AckOutsideBatch);
        if !apart {
            self.add_state(state, batch);
        }
        // Under the lock, since of two states the later one must come later. What is to be
        // durable waits for that afterwards, together with others.
        let level =
            if durability == Durability::Durable { Durability::Buffered } else { durability };
        let committed = match self.store.append_with(batch, level) {
            Ok(committed) => committed,
            Err(error) => {
                state.book.unsettle(&leases, before);
                return Err(error.into());
            }
        };
        state.book.go_on(&leases);
        if committed.is_deduplicated() || apart {
            // Nothing of this batch was written: what it settles is written by itself.
            self.moved(state, 1);
            self.saved(state, Durability::Buffered)?;
        } else {
            state.unsaved = Unsaved::at(state.book.checkpoint());
            self.changed.notify_all();
        }
        drop(guard);
        if durability == Durability::Durable {
            self.store.sync()?;
        }
        Ok(committed)
    }
}

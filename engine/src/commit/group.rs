//! Who waits for a group, and who leads.

use std::sync::OnceLock;
use std::task::Waker;
#[cfg(feature = "async")]
use std::task::{Context, Poll};

use crate::durability::Durability;
use crate::error::{Error, Result};
#[cfg(feature = "async")]
use crate::horizon::Seat;
use crate::planted::{self, Bug};
use crate::sync::{Mutex, Signal};

const LEAD: u32 = 1;
const DONE: u32 = 2;

/// What the waiter that sits in the seat of a group is woken with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Summons {
    /// It is the leader now.
    Lead,
    /// The group got on without it.
    Done,
}

/// The batches that one write and one sync carry, from the side of those who wait.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Whoever has the group's seat sleeps here: it may be made leader while the others
    /// sleep on.
    lead: Signal,
    /// Those who wait for the write.
    written: Signal,
    /// Those who wait for the sync: on one futex, woken with one call.
    done: Signal,
    /// Set before `done`.
    outcome: OnceLock<Result<()>>,
    /// Futures that wait. Taken, and not filled again, when the group is settled.
    asleep: Mutex<Asleep>,
}

/// Futures that wait, each with its level and its seat.
#[derive(Debug, Default)]
struct Asleep {
    #[cfg(feature = "async")]
    last_seat: u64,
    futures: Vec<(u64, Durability, Waker)>,
}

impl Group {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Hands the lead to the waiter in the seat.
    pub(super) fn hand_lead(&self) {
        self.lead.set(LEAD);
    }

    /// Sleeps until the lead is handed over, or the group needs no leader any more.
    pub(super) fn wait_for_lead(&self) -> Summons {
        if self.lead.wait() == LEAD { Summons::Lead } else { Summons::Done }
    }

    /// The system has it. `seat` is what the waiter in the seat waits for.
    pub(super) fn wrote(&self, seat: Option<Durability>) {
        self.written.set(DONE);
        if seat == Some(Durability::Written) && self.lead.get() == 0 {
            self.lead.set(DONE);
        }
        self.wake(|level| level < Durability::Durable);
    }

    /// Settles the group and wakes all who wait for it.
    pub(super) fn settle(&self, outcome: Result<()>) {
        if planted::active(Bug::DoneBeforeOutcome) {
            self.done.set(DONE);
            self.written.set(DONE);
        }
        self.outcome.get_or_init(|| outcome);
        self.done.set(DONE);
        self.written.set(DONE);
        if self.lead.get() == 0 {
            self.lead.set(DONE);
        }
        self.wake(|_| true);
    }

    fn wake(&self, these: impl Fn(Durability) -> bool) {
        let mut asleep = self.asleep.lock();
        if asleep.futures.is_empty() {
            return;
        }
        let all = std::mem::take(&mut asleep.futures);
        let (woken, others): (Vec<_>, _) = all.into_iter().partition(|(_, level, _)| these(*level));
        asleep.futures = others;
        drop(asleep);
        woken.into_iter().for_each(|(_, _, waker)| waker.wake());
    }

    /// Waits until the group has reached a level, or never will.
    pub(super) fn wait(&self, level: Durability) -> Result<()> {
        match level {
            Durability::Buffered => {}
            Durability::Written => {
                self.written.wait();
            }
            Durability::Durable => {
                self.done.wait();
            }
        }
        self.reached(level)
    }

    /// What is known of a level that was waited for.
    fn reached(&self, level: Durability) -> Result<()> {
        match self.outcome.get() {
            Some(outcome) => outcome.clone(),
            // Written, and nothing else is known yet.
            None if level < Durability::Durable => Ok(()),
            None => Err(Error::Closed),
        }
    }

    /// As `wait`, for a future: it is woken with the waker that it was last polled with.
    #[cfg(feature = "async")]
    pub(super) fn poll(
        &self,
        level: Durability,
        seat: &mut Seat,
        context: &Context<'_>,
    ) -> Poll<Result<()>> {
        let signal = if level == Durability::Durable { &self.done } else { &self.written };
        if level == Durability::Buffered || signal.get() != 0 {
            self.leave(seat);
            return Poll::Ready(self.reached(level));
        }
        let waker = context.waker().clone();
        let mut asleep = self.asleep.lock();
        let seated = |(number, _, _): &&mut (u64, Durability, Waker)| *number == seat.0;
        // Most are polled once before they are woken, and have no seat to look for.
        let mine = if seat.0 == 0 { None } else { asleep.futures.iter_mut().find(seated) };
        let before = if let Some((_, _, mine)) = mine {
            Some(std::mem::replace(mine, waker))
        } else {
            asleep.last_seat += 1;
            seat.0 = asleep.last_seat;
            asleep.futures.push((seat.0, level, waker));
            None
        };
        drop(asleep);
        // Not under the lock: it may be the last that holds a task, and so another future.
        drop(before);
        // It may have been settled before the waker stood there.
        if signal.get() == 0 || planted::active(Bug::WakerTooLate) {
            return Poll::Pending;
        }
        self.leave(seat);
        Poll::Ready(self.reached(level))
    }

    /// The future of this seat waits no longer.
    #[cfg(feature = "async")]
    pub(super) fn leave(&self, seat: &mut Seat) {
        if seat.0 == 0 {
            return;
        }
        let mut asleep = self.asleep.lock();
        let at = asleep.futures.iter().position(|(number, _, _)| *number == seat.0);
        let left = at.map(|at| asleep.futures.swap_remove(at));
        drop(asleep);
        drop(left);
        seat.0 = 0;
    }
}

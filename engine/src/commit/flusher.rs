//! The standing flusher: leads for what nobody waits for, and makes durable what was
//! not asked to be, when its time has come.

use std::time::Duration;

use super::Committer;
use crate::planted::{self, Bug};
use crate::sync::{Condvar, Instant, Mutex};

/// How soon the flusher looks again at what another leader is about to sync.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What the flusher is to do.
#[derive(Debug, Default)]
struct Orders {
    /// There is a flusher to take orders.
    stands: bool,
    /// It has the lead.
    lead: bool,
    /// When it looks for what is not durable.
    at: Option<Instant>,
    stop: bool,
}

/// Where the flusher gets its orders.
#[derive(Debug, Default)]
pub(super) struct Flusher {
    orders: Mutex<Orders>,
    changed: Condvar,
}

impl Flusher {
    /// The lead is handed to the flusher. Returns whether there is one.
    pub(super) fn lead(&self) -> bool {
        let mut orders = self.orders.lock();
        if orders.stands {
            orders.lead = true;
            self.changed.notify_one();
        }
        orders.stands
    }

    /// Something that is not durable is there from now on.
    pub(super) fn look_after(&self, time: Duration) {
        let mut orders = self.orders.lock();
        if orders.stands && orders.at.is_none() {
            orders.at = Instant::now().checked_add(time);
            self.changed.notify_one();
        }
    }
}

impl Committer {
    /// From now on there is a flusher; [`flush`](Self::flush) must be run by a thread.
    pub(crate) fn set_flusher(&self) {
        self.flusher.orders.lock().stands = true;
    }

    /// The flusher goes when it has done what was ordered.
    pub(crate) fn stop_flusher(&self) {
        let mut orders = self.flusher.orders.lock();
        orders.stop = true;
        orders.stands = false;
        self.flusher.changed.notify_one();
    }

    /// The flusher's thread.
    pub(crate) fn flush(&self) {
        let mut orders = self.flusher.orders.lock();
        loop {
            if orders.stop && planted::active(Bug::OrderLost) {
                return;
            }
            if std::mem::take(&mut orders.lead) {
                drop(orders);
                self.lead_on();
                orders = self.flusher.orders.lock();
                continue;
            }
            if orders.stop {
                return;
            }
            match orders.at {
                None => self.flusher.changed.wait(&mut orders),
                Some(at) if Instant::now() < at => {
                    self.flusher.changed.wait_until(&mut orders, at);
                }
                Some(_) => {
                    orders.at = None;
                    drop(orders);
                    self.flush_what_is_due();
                    orders = self.flusher.orders.lock();
                }
            }
        }
    }

    fn flush_what_is_due(&self) {
        let after = self.settings.flush_after;
        let since = self.queue.lock().not_durable_since;
        let Some(since) = since else { return };
        let age = since.elapsed();
        if age < after {
            // A sync came in between; what is there now is younger.
            self.flusher.look_after(after.saturating_sub(age));
            return;
        }
        // It never waits for others: the lead may be handed to the flusher at any time, and
        // while it slept nobody would take it.
        let leads = self.queue.lock().all_durable();
        if leads {
            self.lead_on();
        }
        // A failure has poisoned the log: the next append, sync or close tells.
        if self.queue.lock().writable().is_err() {
            return;
        }
        if let Some(since) = self.queue.lock().not_durable_since {
            self.flusher.look_after(after.saturating_sub(since.elapsed()).max(LOOK_AGAIN));
        }
    }
}

//! Who waits for a group, and who leads.

use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::sync::Signal;

const LEAD: u32 = 1;
const DONE: u32 = 2;

/// What the first waiter of a group is woken with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is the leader now.
    Lead,
    /// The group was settled without it.
    Done,
}

/// The batches that one write and one sync carry, from the side of those who wait.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// The first waiter sleeps here: it may be made leader while the others sleep on.
    lead: Signal,
    /// All others sleep here, on one futex, and are woken with one call.
    done: Signal,
    /// Set before `done`.
    outcome: OnceLock<Result<()>>,
}

impl Group {
    pub(super) const fn new() -> Self {
        Self { lead: Signal::new(), done: Signal::new(), outcome: OnceLock::new() }
    }

    /// Hands the lead to the first waiter.
    pub(super) fn hand_lead(&self) {
        self.lead.set(LEAD);
    }

    /// Sleeps until the lead is handed over, or the group is settled.
    pub(super) fn wait_for_lead(&self) -> Outcome {
        if self.lead.wait() == LEAD { Outcome::Lead } else { Outcome::Done }
    }

    /// Settles the group and wakes all who wait for it.
    pub(super) fn settle(&self, outcome: Result<()>) {
        self.outcome.get_or_init(|| outcome);
        self.done.set(DONE);
        if self.lead.get() == 0 {
            self.lead.set(DONE);
        }
    }

    /// Waits for the outcome.
    pub(super) fn wait(&self) -> Result<()> {
        self.done.wait();
        self.outcome.get().cloned().unwrap_or(Err(Error::Closed))
    }
}

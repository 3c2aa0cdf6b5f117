//! Deadlines that come: each is handled in the batch that takes it away.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::Process;
use super::deadlines::{Book, Changes, Entry, Key};
use super::handling::{Input, is_tried_again};
use super::manager::ProcessManager;
use super::outputs::Work;
use crate::sourcing::step::{self, End, Folded, Result, STEP_BYTES, STEP_EVENTS, Step};
use crate::sourcing::{Context, Nack};
use crate::sync::Instant;
use crate::{Batch, Durability, Error, Timestamp};

/// A deadline that is set, from [`ProcessManager::deadlines`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadline {
    /// The process that it is of.
    pub correlation: String,
    /// Its name.
    pub name: String,
    /// When it comes.
    pub due: Timestamp,
    /// Why it is parked, if the process could not handle it and the policy says so.
    pub parked: Option<String>,
}

/// Deadlines that could not be handled and are tried again: how often they were, and when next.
#[derive(Debug, Default)]
pub(super) struct Retries {
    by_key: HashMap<Key, (u32, Option<Instant>)>,
}

impl Retries {
    /// Whether one waits for its next attempt.
    fn holds(&self, key: &Key) -> bool {
        let next = self.by_key.get(key).and_then(|(_, next)| *next);
        next.is_some_and(|next| next > Instant::now())
    }

    /// How long until one is tried again, if there is one.
    pub(super) fn due(&self, book: &Book, now: Timestamp) -> Option<Duration> {
        let due = |key| book.get(key).is_some_and(|entry| entry.due <= now);
        let held = self.by_key.iter().filter(|(key, _)| due(key));
        let next = held.filter_map(|(_, (_, next))| *next).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// It was handled, moved or taken away.
    pub(super) fn forget(&mut self, key: &Key) {
        self.by_key.remove(key);
    }

    /// The time of the first deadline that is due and does not wait.
    pub(super) fn first(&self, book: &Book, now: Timestamp) -> Option<Timestamp> {
        let mut due = book.in_order().take_while(|(due, _)| *due <= now);
        due.find(|(_, key)| !self.holds(key)).map(|(due, _)| *due)
    }
}

impl<P: Process> ProcessManager<P> {
    /// The deadlines that are set, by process and name.
    pub fn deadlines(&self) -> Vec<Deadline> {
        let all = self.book.iter().map(|(key, entry)| Deadline {
            correlation: key.0.clone(),
            name: key.1.clone(),
            due: entry.due,
            parked: entry.parked.clone(),
        });
        all.collect()
    }

    /// Sets a parked deadline again, at its time, which as a rule has come. Returns whether
    /// there is such a one.
    ///
    /// # Errors
    /// What the store says.
    pub fn replay_deadline(&mut self, correlation: &str, name: &str) -> Result<bool> {
        let key = Arc::new((correlation.to_owned(), name.to_owned()));
        let Some(entry) = self.book.get(&key).filter(|entry| entry.parked.is_some()) else {
            return Ok(false);
        };
        let entry = Entry { parked: None, ..entry.clone() };
        self.change(&key, entry)?;
        Ok(true)
    }

    /// Changes one deadline, by itself.
    fn change(&mut self, key: &Key, to: Entry) -> Result<()> {
        let undo = self.book.apply(Changes::from([(Arc::clone(key), Some(to))]));
        let mut batch = Batch::new();
        self.add_pages(&mut batch);
        match self.store.append_with(&batch, self.durability) {
            Ok(_) => self.book.written(),
            Err(error) => {
                self.book.apply(undo);
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Fires deadlines that are due, those before the next event. Returns how many.
    pub(super) fn fire(&mut self, now: Timestamp, next: Option<Timestamp>) -> Result<u64> {
        let due = self.book.in_order();
        let due = due.take_while(|(due, _)| *due <= now && next.is_none_or(|next| *due < next));
        let free = due.filter(|(_, key)| !self.retries.holds(key)).take(STEP_EVENTS);
        let mut keys: Vec<_> = free.map(|(_, key)| Arc::clone(key)).collect();
        let outcome = step::run(&mut Deadlines(self), &mut keys);
        if outcome.is_err() {
            self.forget();
        }
        outcome
    }
}

/// Deadlines as inputs.
struct Deadlines<'m, P: Process>(&'m mut ProcessManager<P>);

impl<P: Process> Step for Deadlines<'_, P> {
    type Input = Key;

    fn fold(&mut self, keys: &[Key]) -> Result<Folded> {
        let (mut open, mut work) = (HashMap::new(), Work::default());
        for key in keys {
            // One before it in this step may have moved it, or taken it away.
            let entry = self.0.book.get(key).filter(|_| !work.changes.contains_key(key));
            if let Some(Entry { cause, belongs_to, .. }) = entry {
                let mut context = Context::new();
                if let Some(text) = belongs_to {
                    context = context.correlation(text);
                }
                if let Some(text) = cause {
                    context = context.caused_by(text);
                }
                work.changes.insert(Arc::clone(key), None);
                let (of, input) = ((&*key.0, context), Input::Deadline(&key.1));
                let end = self.0.input(&mut open, &mut work, of, &input)?;
                if !matches!(end, End::Whole) {
                    return Ok(Folded { batch: Batch::new(), count: work.input, end });
                }
            }
            work.input += 1;
            if work.batch.bytes() >= STEP_BYTES {
                break;
            }
        }
        let count = work.input;
        self.0.complete(open, work, count)
    }

    fn commit(&mut self, keys: &mut Vec<Key>, batch: Batch) -> Result<()> {
        // As for events: what is to be durable is written first, and waited for afterwards.
        let manager = &mut *self.0;
        let durable = manager.durability == Durability::Durable;
        let level = if durable { Durability::Buffered } else { manager.durability };
        manager.store.append_with(&batch, level)?;
        if durable {
            manager.store.sync()?;
        }
        keys.clear();
        manager.committed()
    }

    fn refuse(&mut self, failed: Key, _: Vec<Key>, reason: &str) -> Result<()> {
        let manager = &mut *self.0;
        let attempts = manager.retries.by_key.get(&failed).map_or(0, |(attempts, _)| *attempts);
        match manager.policy.nack(attempts + 1, reason) {
            Nack::Retry(after) => {
                let next = Instant::now().checked_add(after);
                manager.retries.by_key.insert(failed, (attempts + 1, next));
            }
            Nack::Park(reason) | Nack::Skip(reason) => {
                manager.retries.forget(&failed);
                let entry = manager.book.get(&failed).cloned();
                if let Some(entry) = entry {
                    let parked = Some(reason.to_owned());
                    manager.change(&failed, Entry { parked, ..entry })?;
                }
            }
            Nack::Stop(reason) => manager.subscription.stop(reason),
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.0.forget();
    }

    fn is_tried_again(&self, error: &Error) -> bool {
        is_tried_again(error)
    }
}

//! Inputs: each is handed to its process, and what all of a step come to is put into one batch.

use std::collections::HashMap;

use super::deadlines::Changes;
use super::manager::ProcessManager;
use super::outputs::{Fault, Work};
use super::saved::{self, Kept, SCHEMA};
use super::{Outputs, Process};
use crate::planted::{self, Bug};
use crate::sourcing::step::{End, Folded, Result, STEP_BYTES, Step};
use crate::sourcing::{Context, Delivery, Nack};
use crate::{Batch, Error, Event, NewSnapshot};

/// With so much text in memory, states are read from the store again.
const STATES_BYTES: usize = 64 << 20;

/// What an input of a process is.
pub(super) enum Input<'i> {
    Event(&'i Event<'i>),
    Deadline(&'i str),
}

/// States of processes as the log has them, by correlation; nothing where it has none.
#[derive(Debug, Default)]
pub(super) struct States {
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
pub(super) struct Pending {
    states: Vec<(String, String)>,
    /// How the deadlines were before.
    undo: Changes,
    /// Of a planted fault: what is written after the batch.
    late: Option<Batch>,
}

impl<P: Process> ProcessManager<P> {
    fn load(&mut self, correlation: &str) -> Result<Kept<P>> {
        if !self.states.texts.contains_key(correlation) {
            let text = self.stored(correlation)?;
            self.states.put(correlation, text);
        }
        let text = self.states.texts.get(correlation).and_then(Option::as_deref);
        Ok(self.kept(correlation, text)?.unwrap_or_else(Kept::new))
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
pub(super) struct Events<'m, P: Process>(pub(super) &'m mut ProcessManager<P>);

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
        let tried = |delivery: &Delivery| self.0.tried_again.contains_key(&delivery.position());
        let handled: Vec<_> = deliveries.iter().filter(|delivery| tried(delivery)).collect();
        let handled: Vec<_> = handled.into_iter().map(Delivery::position).collect();
        self.0.consumer.commit(deliveries, batch, self.0.durability)?;
        self.0.tried_again.retain(|position, _| !handled.contains(position));
        self.0.committed()
    }

    fn refuse(&mut self, failed: Delivery, rest: Vec<Delivery>, reason: &str) -> Result<()> {
        rest.into_iter().rev().for_each(Delivery::put_back);
        let nack = self.0.policy.nack(failed.attempt(), reason);
        let (position, recorded_at) = (failed.event().position(), failed.event().recorded_at());
        if matches!(nack, Nack::Retry(_)) {
            self.0.tried_again.insert(position, recorded_at);
        } else {
            self.0.tried_again.remove(&position);
        }
        failed.nack(nack)
    }

    fn forget(&mut self) {
        self.0.forget();
    }

    fn is_tried_again(&self, error: &Error) -> bool {
        is_tried_again(error)
    }
}

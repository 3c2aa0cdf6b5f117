//! Appends events in batches, and passes over those that the log has already.

use std::collections::HashMap;
use std::path::Path;

use annals::{Batch, Expected, Log, Uuid};
use serde::Serialize;

use crate::error::{Failure, OfLog};
use crate::incoming::{Holder, Incoming, Item, ItemError, Refusal};

/// A batch ends here, in bytes, however many events it has.
const BATCH_BYTES: u64 = 8 << 20;

/// What an import has done so far. What is counted as imported is committed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Events that were appended.
    pub(crate) imported: u64,
    /// Events that the log, or the input itself, had already.
    pub(crate) passed_over: u64,
    /// Batches that were committed.
    pub(crate) batches: u64,
}

/// Takes events one by one, and commits them in batches.
pub(crate) struct Importer<'l> {
    log: &'l Log,
    log_path: &'l Path,
    /// Where the events come from, for messages.
    input: &'l str,
    batch_events: usize,
    batch: Batch,
    /// What the batch holds, in its order.
    pending: Vec<Item>,
    /// Where in `pending` an id is.
    ids: HashMap<Uuid, usize>,
    counts: Counts,
}

impl<'l> Importer<'l> {
    pub(crate) fn new(
        log: &'l Log,
        log_path: &'l Path,
        input: &'l str,
        batch_events: usize,
    ) -> Self {
        Self {
            log,
            log_path,
            input,
            batch_events,
            batch: Batch::new(),
            pending: Vec::new(),
            ids: HashMap::new(),
            counts: Counts::default(),
        }
    }

    /// Appends everything up to the end or the first error. What came before an error
    /// in the input is committed too. Says in any case what was done.
    pub(crate) fn run(
        mut self,
        items: impl Iterator<Item = Result<Item, Failure>>,
        mut on_batch: impl FnMut(&Counts),
    ) -> (Counts, Result<(), Failure>) {
        let mut outcome = self.take_all(items, &mut on_batch);
        // After an error of the log itself another append makes nothing better.
        if !matches!(outcome, Err(Failure::Log { .. })) {
            let committed = self.commit(&mut on_batch);
            outcome = outcome.and(committed);
        }
        (self.counts, outcome)
    }

    fn take_all(
        &mut self,
        items: impl Iterator<Item = Result<Item, Failure>>,
        on_batch: &mut impl FnMut(&Counts),
    ) -> Result<(), Failure> {
        for item in items {
            let item = item?;
            if self.is_known(&item)? {
                self.counts.passed_over += 1;
                continue;
            }
            let weight = u64::try_from(item.event.weight()).unwrap_or(u64::MAX);
            if self.batch.bytes().saturating_add(weight) > BATCH_BYTES {
                self.commit(on_batch)?;
            }
            self.add(item)?;
            if self.pending.len() >= self.batch_events || self.batch.bytes() >= BATCH_BYTES {
                self.commit(on_batch)?;
            }
        }
        Ok(())
    }

    /// Whether the same event is in the log or waits in the batch. Another one under
    /// its id is an error.
    fn is_known(&self, item: &Item) -> Result<bool, Failure> {
        let Some(id) = item.event.id else { return Ok(false) };
        let other = |holder| self.refuse(item, ItemError::Known { id, holder });
        if let Some(earlier) = self.ids.get(&id).and_then(|index| self.pending.get(*index)) {
            if item.event.has_content_of(&earlier.event) {
                return Ok(true);
            }
            return Err(other(Holder::Input(earlier.origin.clone())));
        }
        let Some(found) = self.log.event(id).of(self.log_path)? else { return Ok(false) };
        let found = found.as_event();
        if item.event.is_content_of(&found) {
            return Ok(true);
        }
        Err(other(Holder::Log { position: found.position() }))
    }

    fn add(&mut self, item: Item) -> Result<(), Failure> {
        let before = self.batch.len();
        write_to(&mut self.batch, &item.event);
        if self.batch.len() == before {
            return self.refused_by_batch(&item);
        }
        if let Some(id) = item.event.id {
            self.ids.insert(id, self.pending.len());
        }
        self.pending.push(item);
        Ok(())
    }

    /// The batch did not take the event: its limits are the library's to know. The
    /// event alone, appended to nothing else, gets their error; the batch, which
    /// would give the same error for all, is made again without it.
    fn refused_by_batch(&mut self, item: &Item) -> Result<(), Failure> {
        self.batch.clear();
        for earlier in &self.pending {
            write_to(&mut self.batch, &earlier.event);
        }
        let mut alone = Batch::new();
        write_to(&mut alone, &item.event);
        match self.log.append(&alone) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.refuse(item, ItemError::Refused(error))),
        }
    }

    fn refuse(&self, item: &Item, source: ItemError) -> Failure {
        let (input, origin) = (self.input.to_owned(), item.origin.clone());
        Failure::Item(Box::new(Refusal { input, origin, source }))
    }

    fn commit(&mut self, on_batch: &mut impl FnMut(&Counts)) -> Result<(), Failure> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.log.append(&self.batch).of(self.log_path)?;
        self.counts.imported += u64::try_from(self.pending.len()).unwrap_or(u64::MAX);
        self.counts.batches += 1;
        self.batch.clear();
        self.pending.clear();
        self.ids.clear();
        on_batch(&self.counts);
        Ok(())
    }
}

fn write_to(batch: &mut Batch, event: &Incoming) {
    batch.write(&event.stream, Expected::Any, [event.as_new_event()]);
}

//! Appends events in batches, and passes over those that the log has already.

use std::collections::HashMap;
use std::path::Path;

use annals::{Batch, Durability, Expected, Log, Uuid};
use serde::Serialize;

use super::flights::Flights;
use crate::error::{Failure, OfLog};
use crate::incoming::{Holder, Incoming, Item, ItemError, Refusal};

/// A batch ends here, in bytes, however many events it has.
const BATCH_BYTES: u64 = 8 << 20;

/// What an import has done so far. What is counted as imported is durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Events that were appended.
    pub(crate) imported: u64,
    /// Events that the log, or the input itself, had already.
    pub(crate) passed_over: u64,
    /// Batches that they were in.
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
    /// What was submitted and is not known to be in the log.
    flights: Flights<'l>,
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
            flights: Flights::new(log, Durability::Durable),
            counts: Counts::default(),
        }
    }

    /// How safe a batch is when the log answers for it. Whatever it is, only what is
    /// durable is counted.
    pub(crate) fn durability(mut self, durability: Durability) -> Self {
        self.flights = Flights::new(self.log, durability);
        self
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
        let settled = self.flights.finish(&mut self.counts).of(self.log_path);
        on_batch(&self.counts);
        (self.counts, outcome.and(settled))
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

    /// Whether the same event is in the log, under way to it, or waits in the batch. Another one under
    /// its id is an error.
    fn is_known(&mut self, item: &Item) -> Result<bool, Failure> {
        let Some(id) = item.event.id else { return Ok(false) };
        if let Some(earlier) = self.ids.get(&id).and_then(|index| self.pending.get(*index)) {
            if item.event.has_content_of(&earlier.event) {
                return Ok(true);
            }
            let holder = Holder::Input(earlier.origin.clone());
            return Err(self.refuse(item, ItemError::Known { id, holder }));
        }
        if self.flights.has(id) {
            self.flights.settle(&mut self.counts).of(self.log_path)?;
        }
        let Some(found) = self.log.event(id).of(self.log_path)? else { return Ok(false) };
        let found = found.as_event();
        if item.event.is_content_of(&found) {
            return Ok(true);
        }
        let holder = Holder::Log { position: found.position() };
        Err(self.refuse(item, ItemError::Known { id, holder }))
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
        match alone.check() {
            Ok(()) => Ok(()),
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
        if self.flights.make_room(&mut self.counts).of(self.log_path)? {
            on_batch(&self.counts);
        }
        let ids = self.ids.drain().map(|(id, _)| id).collect();
        self.flights.start(&self.batch, ids).of(self.log_path)?;
        self.batch.clear();
        self.pending.clear();
        Ok(())
    }
}

fn write_to(batch: &mut Batch, event: &Incoming) {
    batch.write(&event.stream, Expected::Any, [event.as_new_event()]);
}

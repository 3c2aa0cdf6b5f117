//! Batches that were submitted and are not settled yet: while the device syncs one, the
//! next ones are read and submitted.
//!
//! They are settled in the order in which they were submitted, which is that of their
//! positions, so what counts as imported is always the first part of the input.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use annals::{Batch, Durability, Log, Ticket, Uuid};

use super::Counts;

/// So many batches are under way at most.
const MOST: usize = 16;

/// So many bytes of them, unless one alone has more.
const MOST_BYTES: u64 = 16 << 20;

/// What is not durable when it is answered is synced this often, so that progress can be
/// told.
const SYNC_EVERY: Duration = Duration::from_millis(250);

/// The batches under way.
#[derive(Debug)]
pub(super) struct Flights<'l> {
    log: &'l Log,
    durability: Durability,
    /// In the order of their positions.
    flying: VecDeque<Flight>,
    /// The ids in them: the log does not answer for these yet.
    ids: HashSet<Uuid>,
    bytes: u64,
    /// Answered, but with less than a sync.
    answered: Counts,
    synced_at: Instant,
}

#[derive(Debug)]
struct Flight {
    ticket: Ticket,
    events: usize,
    ids: Vec<Uuid>,
    bytes: u64,
}

impl<'l> Flights<'l> {
    pub(super) fn new(log: &'l Log, durability: Durability) -> Self {
        Self {
            log,
            durability,
            flying: VecDeque::new(),
            ids: HashSet::new(),
            bytes: 0,
            answered: Counts::default(),
            synced_at: Instant::now(),
        }
    }

    /// Whether a batch under way has this id.
    pub(super) fn has(&self, id: Uuid) -> bool {
        self.ids.contains(&id)
    }

    /// Submits a batch. An error means that it is not in the log; what was submitted
    /// before is not touched by that, and nothing must be submitted after it.
    pub(super) fn start(&mut self, batch: &Batch, ids: Vec<Uuid>) -> annals::Result<()> {
        let ticket = self.log.submit_with(batch, self.durability)?;
        self.ids.extend(&ids);
        self.bytes += batch.bytes();
        self.flying.push_back(Flight { ticket, events: batch.len(), ids, bytes: batch.bytes() });
        Ok(())
    }

    /// Settles the oldest batches until there is room for another. Returns whether any was
    /// added to `counts`, which is when it is durable.
    pub(super) fn make_room(&mut self, counts: &mut Counts) -> annals::Result<bool> {
        let before = counts.batches;
        while self.flying.len() >= MOST || self.bytes >= MOST_BYTES {
            self.settle_oldest(counts)?;
        }
        if self.answered.batches > 0 && self.synced_at.elapsed() >= SYNC_EVERY {
            self.sync(counts)?;
        }
        Ok(counts.batches > before)
    }

    /// Settles all of them. The log answers for every id then.
    pub(super) fn settle(&mut self, counts: &mut Counts) -> annals::Result<()> {
        while !self.flying.is_empty() {
            self.settle_oldest(counts)?;
        }
        Ok(())
    }

    /// Settles all of them, and makes all durable.
    pub(super) fn finish(&mut self, counts: &mut Counts) -> annals::Result<()> {
        self.settle(counts)?;
        if self.answered.batches > 0 { self.sync(counts) } else { Ok(()) }
    }

    fn settle_oldest(&mut self, counts: &mut Counts) -> annals::Result<()> {
        let Some(flight) = self.flying.pop_front() else { return Ok(()) };
        self.bytes -= flight.bytes;
        for id in &flight.ids {
            self.ids.remove(id);
        }
        let committed = flight.ticket.wait()?;
        let durable = committed.durability() == Durability::Durable;
        let counts = if durable { counts } else { &mut self.answered };
        counts.imported += u64::try_from(flight.events).unwrap_or(u64::MAX);
        counts.batches += 1;
        Ok(())
    }

    fn sync(&mut self, counts: &mut Counts) -> annals::Result<()> {
        self.log.sync()?;
        let answered = std::mem::take(&mut self.answered);
        counts.imported += answered.imported;
        counts.batches += answered.batches;
        self.synced_at = Instant::now();
        Ok(())
    }
}

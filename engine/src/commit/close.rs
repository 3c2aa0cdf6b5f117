//! The orderly end of a log: the close mark, the witness, the run of the active
//! segment, and space given back.

use std::sync::Arc;

use super::Committer;
use super::queue::{Queue, State};
use crate::catalog::runs;
use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::planted::{self, Bug};
use crate::segment::{Segment, name};
use crate::tail::{Tail, write_control, write_slot};

impl Committer {
    /// Ends appending. What was acknowledged is durable already; this makes the next
    /// open fast and gives back unused space. A log that ends with a close mark is left
    /// as it is. Stops at the first failure: what is left undone costs time at the next
    /// open, and nothing else.
    pub(crate) fn close(&self) -> Result<()> {
        {
            let mut queue = self.queue.lock();
            match queue.state {
                State::Open => queue.state = State::Closing,
                State::Closing | State::Closed => return Ok(()),
                State::Poisoned(_) => {
                    let poisoned = queue.usable();
                    drop(queue);
                    self.watermark.close();
                    return poisoned;
                }
            }
        }
        // What came in before is carried out; nothing comes in after.
        if planted::active(Bug::CloseForgetsBuffered) && !self.queue.lock().groups.is_empty() {
            return Ok(());
        }
        let outcome = self.settle_all(Durability::Durable, true).and_then(|()| {
            let open_ended = self.tail.lock().open_ended;
            if open_ended { self.close_open_ended() } else { Ok(()) }
        });
        let mut queue = self.queue.lock();
        if matches!(queue.state, State::Closing) {
            queue.state = State::Closed;
        }
        drop(queue);
        self.watermark.close();
        outcome
    }

    fn close_open_ended(&self) -> Result<()> {
        self.space_for_mark()?;
        {
            let mut queue = self.queue.lock();
            let now = self.catalog.storage.now();
            queue.place_close_mark(now);
            queue.leading = true;
        }
        self.lead();
        self.settle_close()
    }

    fn space_for_mark(&self) -> Result<()> {
        let (segment, end) = {
            let queue = self.queue.lock();
            let end = queue.offset + Queue::close_mark_bytes();
            (Arc::clone(&queue.segment), end)
        };
        if segment.secured() >= end {
            return Ok(());
        }
        segment.secure(end, end)
    }

    fn settle_close(&self) -> Result<()> {
        {
            let queue = self.queue.lock();
            queue.writable()?;
        }
        self.index_waiting();
        let mut tail = self.tail.lock();
        let witness = tail.witness(self.catalog.log, self.settings.epoch, true);
        write_slot(&mut tail, &witness)?;
        let segment = Arc::clone(&tail.segment);
        self.index_active(&segment, &tail);
        segment.cut(tail.durable.place.offset())?;
        drop(tail);
        self.remove_spare(segment.number + 1)?;
        drop(write_control(&*self.catalog.storage, &witness));
        Ok(())
    }

    /// Writes the run of the active segment. Without it the next open reads the segment.
    fn index_active(&self, segment: &Segment, tail: &Tail) {
        let view = self.catalog.view();
        let whole = view
            .sources
            .last()
            .filter(|source| source.first_position().ok() == Some(tail.first_position))
            .and_then(|source| source.table());
        let facts = crate::catalog::entry::Facts {
            first_position: tail.first_position,
            next_position: tail.durable.position + 1,
            end: tail.durable.place.offset(),
            end_crc: tail.durable.last_crc,
            previous_crc: tail.previous_crc,
        };
        let one_source =
            view.sources.iter().filter(|s| s.entry.segment.number == segment.number).count() == 1;
        let _in_any_case = match whole.filter(|_| one_source) {
            Some(table) => {
                let bytes = annals_index::build(&table.read(), &runs::meta_of(segment, &facts));
                runs::write(&self.catalog, segment.number, bytes, true)
            }
            None => runs::rebuild(&self.catalog, segment, &facts, true),
        };
    }

    fn remove_spare(&self, number: u64) -> Result<()> {
        let spare = self.queue.lock().spare.take();
        if spare.is_none() {
            return Ok(());
        }
        let file = name::segment(number);
        let storage = &*self.catalog.storage;
        storage.remove(&file).map_err(|error| Error::io("remove", &file, error))?;
        storage.sync_dir().map_err(|error| Error::io("sync directory of", &file, error))
    }
}

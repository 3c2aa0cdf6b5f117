//! When the durable end is written down: after a roll, and when the log goes idle.

use super::Committer;
use crate::control::{Control, Start};
use crate::tail::{write_control, write_slot};

impl Committer {
    /// Readers in other processes find the log's end from here on. The files are derived:
    /// without them readers go by what the segments prove.
    pub(crate) fn set_up_control(&self) {
        // Nobody publishes meanwhile.
        let tail = self.tail.lock();
        let start = Start {
            log: self.catalog.log,
            epoch: self.settings.epoch,
            durable: (tail.durable.place, tail.durable.position),
            written: (tail.written.place, tail.written.position),
        };
        let control = Control::set_up(&*self.catalog.storage, &start).ok();
        self.watermark.set_control(control);
    }

    /// Makes the files again that somebody deleted.
    fn keep_control(&self) {
        if !self.watermark.is_mirrored(&*self.catalog.storage) {
            self.set_up_control();
        }
    }

    /// After a roll the segment has its witness in its first block; this is its mirror.
    pub(super) fn mirror_witness(&self) {
        self.keep_control();
        let witness = {
            let tail = self.tail.lock();
            tail.witness(self.catalog.log, self.settings.epoch, false)
        };
        drop(write_control(&*self.catalog.storage, &witness));
    }

    /// Nothing was appended for a while: what is durable is written down, so that damage
    /// to what was synced last is told from a torn tail. Returns whether there is
    /// nothing left to write down.
    pub(super) fn witness_when_idle(&self) -> bool {
        let Some(mut tail) = self.tail.try_lock() else { return false };
        if tail.durable.place == tail.witnessed || self.queue.lock().usable().is_err() {
            return true;
        }
        if !tail.can_be_witnessed() {
            return false;
        }
        let witness = tail.witness(self.catalog.log, self.settings.epoch, false);
        if let Err(error) = write_slot(&mut tail, &witness) {
            self.poison(&error);
            return true;
        }
        drop(tail);
        self.keep_control();
        drop(write_control(&*self.catalog.storage, &witness));
        true
    }
}

//! When the durable end is written down: after a roll, and when the log goes idle.

use super::Committer;
use crate::tail::{write_control, write_slot};

impl Committer {
    /// After a roll the segment has its witness in its first block; this is its mirror.
    pub(super) fn mirror_witness(&self) {
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
        drop(write_control(&*self.catalog.storage, &witness));
        true
    }
}

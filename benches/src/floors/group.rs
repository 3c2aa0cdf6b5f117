//! w2: leader and followers with nothing but a buffer.
//!
//! A caller copies its record into the open group. If nobody leads, it does: one
//! write and one sync for all that joined, while the next group fills. Then it
//! hands the lead to the first of the next group before it wakes its own
//! followers, who sleep on one futex. No positions, no index, no checks: what is
//! left is what the scheduler and the disk take. The floor that keeps what annals keeps adds
//! that to the copying, under the same lock.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::device::Device;
use crate::Result;

const PENDING: u32 = 0;
const SET: u32 = 1;

/// Those who wait for one write.
#[derive(Debug, Default)]
struct Group {
    /// The first of the group sleeps here until it leads.
    lead: AtomicU32,
    /// The others sleep here until the group is durable.
    done: AtomicU32,
    /// Set before `done`.
    failed: AtomicBool,
}

#[derive(Debug, Default)]
struct Open<K> {
    /// What is kept in memory of all records.
    kept: K,
    buffer: Vec<u8>,
    /// The buffer of the group before, for the next one.
    spare: Vec<u8>,
    records: u32,
    group: Arc<Group>,
    leading: bool,
}

/// A file that many threads append to, and what is kept of it in memory.
#[derive(Debug)]
pub struct GroupCommit<K = ()> {
    open: Mutex<Open<K>>,
    /// Used by the leader alone.
    device: Mutex<Device>,
}

impl<K: Default> GroupCommit<K> {
    /// Appends to a prepared file.
    pub fn new(device: Device) -> Self {
        Self { open: Mutex::default(), device: Mutex::new(device) }
    }
}

impl GroupCommit {
    /// Appends a record and returns when it is durable.
    ///
    /// # Errors
    /// If the write or the sync of its group fails.
    pub fn append(&self, record: &[u8]) -> Result<()> {
        self.append_with(|(), buffer| {
            buffer.extend_from_slice(record);
            Ok(())
        })
    }
}

impl<K> GroupCommit<K> {
    /// Appends what `place` puts into the buffer, and returns when it is durable.
    ///
    /// # Errors
    /// Those of `place`; if the write or the sync of its group fails.
    pub fn append_with(
        &self,
        place: impl FnOnce(&mut K, &mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let mut open = hold(&self.open);
        let Open { kept, buffer, records, .. } = &mut *open;
        place(kept, buffer)?;
        *records += 1;
        if !open.leading {
            open.leading = true;
            return self.lead(open);
        }
        let first = open.records == 1;
        let group = Arc::clone(&open.group);
        drop(open);
        if first {
            sleep(&group.lead);
            return self.lead(hold(&self.open));
        }
        sleep(&group.done);
        if group.failed.load(Ordering::Relaxed) {
            return Err("the leader could not write or sync".into());
        }
        Ok(())
    }

    /// What is kept.
    pub fn with_kept<T>(&self, look: impl FnOnce(&mut K) -> T) -> T {
        look(&mut hold(&self.open).kept)
    }

    fn lead(&self, mut open: MutexGuard<'_, Open<K>>) -> Result<()> {
        let spare = std::mem::take(&mut open.spare);
        let mut bytes = std::mem::replace(&mut open.buffer, spare);
        let followers = open.records > 1;
        open.records = 0;
        let group = std::mem::take(&mut open.group);
        drop(open);

        let outcome = hold(&self.device).append(&bytes);

        bytes.clear();
        let mut open = hold(&self.open);
        open.spare = bytes;
        let next = (open.records > 0).then(|| Arc::clone(&open.group));
        open.leading = next.is_some();
        drop(open);
        if let Some(next) = next {
            next.lead.store(SET, Ordering::Release);
            atomic_wait::wake_one(&next.lead);
        }
        group.failed.store(outcome.is_err(), Ordering::Relaxed);
        group.done.store(SET, Ordering::Release);
        if followers {
            atomic_wait::wake_all(&group.done);
        }
        outcome
    }
}

fn sleep(signal: &AtomicU32) {
    while signal.load(Ordering::Acquire) == PENDING {
        atomic_wait::wait(signal, PENDING);
    }
}

/// A thread that panicked ends the bench anyway; what it left is not looked at.
fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_of_every_thread_is_written_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("device");
        let commit = GroupCommit::new(Device::prepare(&path, 1).unwrap());
        std::thread::scope(|scope| {
            for thread in 1..=8 {
                let commit = &commit;
                scope.spawn(move || (0..20).for_each(|_| commit.append(&[thread; 16]).unwrap()));
            }
        });
        let bytes = std::fs::read(&path).unwrap();
        for thread in 1..=8u8 {
            assert_eq!(bytes.iter().filter(|byte| **byte == thread).count(), 20 * 16);
        }
    }
}

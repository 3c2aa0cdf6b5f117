//! Room ahead of the appends: the active segment's space, the next segment, and the
//! runs of sealed ones. Done by a thread in the background where there is one, and
//! by the appender where appends are faster or there is none.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::Committer;
use super::plan::{Job, WAITING_MAX, segment_limit};
use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::observe::{self, Stopwatch, span};
use crate::planted::{self, Bug};
use crate::record::field::wide;
use crate::record::layout::{group, segment as layout};
use crate::segment::{Segment, name};
use crate::sync::channel::{Receiver, RecvTimeoutError};

/// How much space an append makes at once when nobody made it before.
const STEP_BYTES: u64 = 256 << 10;

/// How much space the background makes at once: as much again as there is, within
/// these.
const AHEAD_BYTES_MIN: u64 = 1 << 20;
const AHEAD_BYTES_MAX: u64 = 4 << 20;

/// How long nothing must have been appended before the witness is written.
const IDLE: Duration = Duration::from_millis(200);

impl Committer {
    pub(super) fn send(&self, job: Job) {
        if let Some(worker) = &*self.worker.lock() {
            // A closed channel only means that the appender does it later.
            let _later = worker.send(job);
        }
    }

    /// The background thread: works until the channel is closed.
    pub(crate) fn work(&self, jobs: &Receiver<Job>) {
        // Where the log was durable when it was last looked at, while it is not known to
        // be idle: without this the thread sleeps until there is something to do.
        let mut watched = None;
        loop {
            let next = match watched {
                None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(_) => jobs.recv_timeout(IDLE),
            };
            match next {
                Ok(Job::Extend) => self.extend_ahead(),
                Ok(Job::Spare) => self.spare_ahead(),
                Ok(Job::Index) => self.index_waiting(),
                Ok(Job::Witness) => self.mirror_witness(),
                Ok(Job::Watch) => watched = Some(self.watermark.place()),
                Err(RecvTimeoutError::Timeout) => {
                    let place = self.watermark.place();
                    let idle = watched.replace(place) == Some(place);
                    if idle && self.witness_when_idle() {
                        watched = None;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Space in a segment for a batch that ends at `end`, made by the appender.
    pub(super) fn extend(&self, segment: &Segment, end: u64) -> Result<()> {
        let limit = segment_limit(segment.number, self.settings.segment_bytes);
        let wanted = limit.min(segment.secured().saturating_add(STEP_BYTES));
        self.poison_unless_full(segment.secure(end, wanted))
    }

    /// A segment that cannot be extended for want of space is full; any other failure
    /// of the device ends all appending.
    fn poison_unless_full(&self, outcome: Result<()>) -> Result<()> {
        if let Err(error @ Error::Io { .. }) = &outcome {
            self.poison(error);
            let queue = self.queue.lock();
            queue.usable()?;
        }
        outcome
    }

    fn extend_ahead(&self) {
        let segment = Arc::clone(&self.queue.lock().segment);
        let limit = segment_limit(segment.number, self.settings.segment_bytes);
        let before = segment.secured();
        let wanted = limit.min(before + before.clamp(AHEAD_BYTES_MIN, AHEAD_BYTES_MAX));
        // Not synced here: a sync beside the leader's own would take the error of its write
        // with it, and the leader's would succeed. No space is told to the append that
        // needs it.
        drop(self.poison_unless_full(segment.secure(before, wanted)));
    }

    fn spare_ahead(&self) {
        let (number, ready) = {
            let queue = self.queue.lock();
            (queue.segment.number + 1, queue.spare.is_some())
        };
        if !ready {
            let limit = segment_limit(number, self.settings.segment_bytes);
            drop(self.make_spare(0, limit));
        }
    }

    /// What a roll needs: a next segment with space for a batch of `len` bytes, and not
    /// too many tables in memory.
    pub(super) fn make_roll_possible(&self, len: u64) -> Result<()> {
        let needed = wide(layout::DATA) + wide(group::LEN) + len;
        let number = self.queue.lock().segment.number + 1;
        let limit = segment_limit(number, self.settings.segment_bytes);
        let wanted = if self.settings.threads { limit.min(needed + STEP_BYTES) } else { limit };
        self.make_spare(needed, wanted)?;
        if self.catalog.waiting() >= WAITING_MAX {
            // What waits may still be in flight, or not be synced.
            self.settle_all(Durability::Durable, true)?;
            self.index_waiting();
        }
        Ok(())
    }

    /// Makes the next segment, or makes it larger: its space, its name and both durable,
    /// so that a roll needs neither a rename nor another sync.
    fn make_spare(&self, needed: u64, wanted: u64) -> Result<()> {
        let _one_at_a_time = self.making_spare.lock();
        let (number, ready) = {
            let queue = self.queue.lock();
            queue.usable()?;
            (queue.segment.number + 1, queue.spare.clone())
        };
        if let Some(spare) = ready {
            return if spare.secured() >= needed {
                Ok(())
            } else {
                self.poison_unless_full(spare.secure(needed, wanted))
            };
        }
        let spare = match self.make_segment(number, needed, wanted) {
            Ok(spare) => spare,
            Err(error) => {
                // Space that is short is not kept by a file that is not used. Nor is one used
                // whose sync failed: what that has lost counts as clean, and another sync of
                // the same file would prove nothing.
                self.poison_unless_full(self.unmake_segment(number))?;
                self.poison_unless_full(Err(error))?;
                return Ok(());
            }
        };
        let mut queue = self.queue.lock();
        if queue.segment.number + 1 == number {
            queue.spare = Some(Arc::new(spare));
        }
        Ok(())
    }

    fn unmake_segment(&self, number: u64) -> Result<()> {
        let name = name::segment(number);
        match self.catalog.storage.remove(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", &name, error))
            }
            _ => Ok(()),
        }
    }

    fn make_segment(&self, number: u64, needed: u64, wanted: u64) -> Result<Segment> {
        if number > crate::place::SEGMENT_MAX {
            let limit = crate::place::SEGMENT_MAX;
            return Err(Error::TooLarge { what: "segments", size: number, limit });
        }
        let name = name::segment(number);
        let storage = &*self.catalog.storage;
        let failed = |operation| {
            let name = name.clone();
            move |error: io::Error| creation_error(operation, &name, error)
        };
        // Recovery left nothing after the last segment.
        let file = storage.create(&name).map_err(failed("create"))?;
        let secured = file.len().map_err(failed("stat"))?;
        let log = self.catalog.log;
        let spare = Segment::over(file, name.clone(), log, number, self.catalog.mode, secured);
        spare.secure(needed.max(wide(layout::DATA)), wanted)?;
        spare.file().sync_all().map_err(failed("sync"))?;
        if !planted::active(Bug::NoDirectorySync) {
            storage.sync_dir().map_err(failed("sync directory of"))?;
        }
        Ok(spare)
    }

    /// Makes the runs of sealed segments that have none yet.
    pub(super) fn index_waiting(&self) {
        let _one_at_a_time = self.indexing.lock();
        while let Some(number) = self.catalog.oldest_waiting() {
            let _span = span::index(number);
            let watch = Stopwatch::start();
            let indexed = self.catalog.index_sealed(number);
            observe::indexed(&watch);
            if indexed.is_err() {
                // The log itself is hurt there; reads will say so.
                self.catalog.give_up_indexing();
                return;
            }
        }
    }
}

/// No space for a name is the same to the user as no space for bytes.
fn creation_error(operation: &'static str, name: &str, error: io::Error) -> Error {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    if matches!(error.kind(), StorageFull | QuotaExceeded) {
        Error::Full { file: name.to_owned(), bytes: 0, source: Arc::new(error) }
    } else {
        Error::io(operation, name, error)
    }
}

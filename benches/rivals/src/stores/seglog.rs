//! seglog: one preallocated segment of records, the layer under tephra.
//!
//! An append copies records into a buffer of 16 KiB; its commit adds a marker, writes the
//! buffer and calls `fdatasync`. The file is preallocated with `fallocate`, not zeroed, so
//! that a sync also converts extents. One writer; who wants several takes a lock around it,
//! and nobody shares a sync.
//!
//! Chosen: one segment that holds all of a turn, so that none is sealed in between.
//!
//! Less than annals: no streams, no ids, no types, no index, no second segment: bytes in,
//! bytes out.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use annals_benches::Result;
use seglog::read::Reader;
use seglog::write::Writer;

use crate::codec;
use crate::store::{Appender, Durability, Event, Rival, Setup, Store, Work};

const NO_STREAMS: &str = "a segment keeps no streams";

pub(super) const RIVAL: Rival = Rival {
    name: "seglog",
    package: "seglog",
    durable: "one write and one fdatasync a commit, on a file from fallocate",
    early: &[
        (Durability::Buffered, "into a buffer of 16 KiB"),
        (Durability::Written, "one write; without the marker that makes recovery keep it"),
    ],
    checksum: "CRC-32 of every record, on every read",
    streams: "none",
    less: "no streams, ids or index; one segment, one writer",
    without: &[
        (Work::Threads, "one writer; a lock around it is w1"),
        (Work::Streams, NO_STREAMS),
        (Work::Expected, NO_STREAMS),
    ],
    open,
};

/// A segment is never smaller: what a test appends is little.
const LEAST_BYTES: u64 = 1 << 20;

fn open(directory: &Path, setup: Setup) -> Result<Box<dyn Store>> {
    std::fs::create_dir_all(directory)?;
    let path = directory.join("segment.log");
    let writer = match std::fs::metadata(&path) {
        Ok(found) => Writer::open(&path, usize::try_from(found.len())?, 0)?,
        // What frames a record, and the markers, fit into as much again.
        Err(_) => {
            let bytes = setup.bytes.max(LEAST_BYTES).saturating_mul(2);
            Writer::create(&path, usize::try_from(bytes)?, 0)?
        }
    };
    let last = writer.last_committed_position().unwrap_or(0);
    let writer = Mutex::new((writer, last));
    Ok(Box::new(Seglog { path, writer, durability: setup.durability }))
}

struct Seglog {
    path: PathBuf,
    /// The writer and how many events it was given.
    writer: Mutex<(Writer<0>, u64)>,
    durability: Durability,
}

impl Seglog {
    fn hold(&self) -> MutexGuard<'_, (Writer<0>, u64)> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Seglog {
    fn appender(&self) -> Result<Box<dyn Appender + '_>> {
        Ok(Box::new(Append { store: self, record: Vec::new() }))
    }

    fn replay(&self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let flushed = self.hold().0.flushed_offset();
        let mut reader = Reader::<0>::open_read_only(&self.path, Some(flushed))?;
        let mut records = reader.iter(0);
        while let Some(record) = records.next_record()? {
            each(codec::decode(&record.data)?);
        }
        Ok(())
    }

    fn read_stream(&self, _: &str, _: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        Err(NO_STREAMS.into())
    }

    fn close(self: Box<Self>) -> Result<()> {
        let (mut writer, last) = self.writer.into_inner().unwrap_or_else(PoisonError::into_inner);
        if last > writer.last_committed_position().unwrap_or(0) {
            writer.commit(last)?;
        }
        Ok(writer.close()?)
    }
}

struct Append<'s> {
    store: &'s Seglog,
    record: Vec<u8>,
}

impl Appender for Append<'_> {
    fn append(&mut self, events: &[Event<'_>]) -> Result<()> {
        let mut held = self.store.hold();
        let (writer, last) = &mut *held;
        for event in events {
            self.record.clear();
            codec::encode(event, &mut self.record)?;
            writer.append_data(&self.record)?;
            *last += 1;
        }
        match self.store.durability {
            Durability::Durable => drop(writer.commit(*last)?),
            Durability::Written => writer.flush_writer()?,
            Durability::Buffered => {}
        }
        Ok(())
    }

    fn append_expected(&mut self, _: &Event<'_>) -> Result<()> {
        Err(NO_STREAMS.into())
    }
}

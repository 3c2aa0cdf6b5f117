//! okaywal: a write-ahead log of segments that are recycled.
//!
//! An append is one entry with a chunk for each event. Its commit queues for a sync: one
//! thread writes the buffer and calls `fdatasync` for all that wait (and syncs the directory
//! after a new segment). There is no commit without a sync. It hands its entries out when it
//! opens; afterwards a chunk is read by its place, opening the file for each.
//!
//! Chosen: segments of 64 MiB, which it fills with zeros ahead, as large as those of annals;
//! a buffer of 1 MiB. In turns that only append, segments are recycled once they are full,
//! by a manager that keeps nothing: as little as a write-ahead log ever does. Where the
//! events must stay, it never recycles, and its one segment grows.
//!
//! Less than annals: no streams, no ids, no types, no index: bytes in, bytes out.

use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use annals_benches::Result;
use okaywal::{
    Configuration, Entry, EntryId, LogManager, LogPosition, ReadChunkResult, SegmentReader,
    WriteAheadLog,
};

use crate::codec;
use crate::store::{Appender, Event, Rival, Setup, Store, Work};

const NO_STREAMS: &str = "a write-ahead log keeps no streams";

pub(super) const RIVAL: Rival = Rival {
    name: "okaywal",
    package: "okaywal",
    durable: "one write and one fdatasync for all entries that wait, on a zeroed, preallocated \
              file",
    early: &[],
    checksum: "CRC-32C of every chunk, looked at by who reads it",
    streams: "none",
    less: "no streams, ids or index; recycles what it wrote",
    without: &[
        (Work::Replay, "hands its entries out only while it opens: w6"),
        (Work::Streams, NO_STREAMS),
        (Work::Expected, NO_STREAMS),
    ],
    open,
};

const SEGMENT_BYTES: u32 = 64 << 20;
/// Below the segment's size, so that the last entry before the change still fits.
const FULL_BYTES: u64 = 63 << 20;
const BUFFER_BYTES: usize = 1 << 20;

fn open(directory: &Path, setup: Setup) -> Result<Box<dyn Store>> {
    let places = Arc::default();
    let full = if setup.kept { u64::MAX } else { FULL_BYTES };
    let manager = Manager { places: Arc::clone(&places), kept: setup.kept };
    let log = Configuration::default_for(directory)
        .preallocate_bytes(SEGMENT_BYTES)
        .checkpoint_after_bytes(full)
        .buffer_bytes(BUFFER_BYTES)
        .open(manager)?;
    Ok(Box::new(Okaywal { log, places, kept: setup.kept }))
}

type Places = Mutex<Vec<LogPosition>>;

fn hold(places: &Places) -> MutexGuard<'_, Vec<LogPosition>> {
    places.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes where the events lie, and checks them, when the log opens.
#[derive(Debug)]
struct Manager {
    places: Arc<Places>,
    kept: bool,
}

impl LogManager for Manager {
    fn recover(&mut self, entry: &mut Entry<'_>) -> io::Result<()> {
        let mut places = Vec::new();
        loop {
            match entry.read_chunk()? {
                ReadChunkResult::Chunk(mut chunk) => {
                    places.push(chunk.log_position());
                    chunk.read_all()?;
                    if !chunk.check_crc()? {
                        return Err(io::Error::other("a checksum does not hold"));
                    }
                }
                ReadChunkResult::EndOfEntry => break,
                ReadChunkResult::AbortedEntry => return Ok(()),
            }
        }
        hold(&self.places).append(&mut places);
        Ok(())
    }

    fn checkpoint_to(
        &mut self,
        _: EntryId,
        _: &mut SegmentReader,
        _: &WriteAheadLog,
    ) -> io::Result<()> {
        if self.kept {
            return Err(io::Error::other("what must be kept would be recycled"));
        }
        Ok(())
    }
}

struct Okaywal {
    log: WriteAheadLog,
    /// Where each event lies; only of a log that is kept.
    places: Arc<Places>,
    kept: bool,
}

impl Store for Okaywal {
    fn appender(&self) -> Result<Box<dyn Appender + '_>> {
        Ok(Box::new(Append { store: self, record: Vec::new() }))
    }

    fn replay(&self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let places = hold(&self.places).clone();
        let mut record = Vec::new();
        for place in places {
            record.clear();
            let mut reader = self.log.read_at(place)?;
            reader.read_to_end(&mut record)?;
            if !reader.crc_is_valid()? {
                return Err("a checksum does not hold".into());
            }
            each(codec::decode(&record)?);
        }
        Ok(())
    }

    fn read_stream(&self, _: &str, _: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        Err(NO_STREAMS.into())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.log.shutdown()?)
    }
}

struct Append<'s> {
    store: &'s Okaywal,
    record: Vec<u8>,
}

impl Appender for Append<'_> {
    fn append(&mut self, events: &[Event<'_>]) -> Result<()> {
        let mut entry = self.store.log.begin_entry()?;
        for event in events {
            self.record.clear();
            codec::encode(event, &mut self.record)?;
            let chunk = entry.write_chunk(&self.record)?;
            if self.store.kept {
                hold(&self.store.places).push(chunk.position);
            }
        }
        entry.commit()?;
        Ok(())
    }

    fn append_expected(&mut self, _: &Event<'_>) -> Result<()> {
        Err(NO_STREAMS.into())
    }
}

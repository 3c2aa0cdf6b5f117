//! RocksDB: a log-structured merge tree with a write-ahead log.
//!
//! Events lie in the default column family by position, stream keys in a second one; one
//! write batch goes into the log for both. A durable write appends to the log and calls
//! `fdatasync` once for all that wait (group commit). Otherwise it is written to the log's file,
//! or, with manual flushing, stays in the log's buffer.
//!
//! Chosen: no compression, since the data is random; pipelined writes; log files recycled,
//! so that later ones need not be extended; two background jobs, one for each core.
//!
//! Less than annals: no ids checked, no versions; positions are drawn from a counter of the
//! bench before the write, so that with several threads they can commit out of order; blocks
//! are checksummed when they are read from disk and not when they come from its cache.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use annals_benches::Result;
use rocksdb::{ColumnFamily, DB, IteratorMode, Options, WriteBatch, WriteOptions};

use crate::codec;
use crate::store::{Appender, Durability, Event, Rival, Setup, Store};

pub(super) const RIVAL: Rival = Rival {
    name: "rocksdb",
    package: "librocksdb-sys",
    durable: "one write and one fdatasync for all batches that wait",
    early: &[
        (Durability::Buffered, "into the log's buffer (`manual_wal_flush`)"),
        (Durability::Written, "one write to the log"),
    ],
    checksum: "XXH3 of blocks, when they come from disk",
    streams: "a second column family: stream and position",
    less: "no ids, no versions, positions may commit out of order",
    without: &[],
    open,
};

const STREAMS: &str = "streams";
const RECYCLED_FILES: usize = 4;
const BACKGROUND_JOBS: i32 = 2;

fn open(directory: &Path, setup: Setup) -> Result<Box<dyn Store>> {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_max_background_jobs(BACKGROUND_JOBS);
    options.set_enable_pipelined_write(true);
    options.set_recycle_log_file_num(RECYCLED_FILES);
    options.set_manual_wal_flush(setup.durability == Durability::Buffered);
    let database = DB::open_cf(&options, directory, ["default", STREAMS])?;
    let last = match database.iterator(IteratorMode::End).next() {
        Some(entry) => codec::position_of(&entry?.0)?,
        None => 0,
    };
    let durable = setup.durability == Durability::Durable;
    let last = AtomicU64::new(last);
    Ok(Box::new(Rocks { database, durable, last, expecting: Mutex::new(()) }))
}

struct Rocks {
    database: DB,
    durable: bool,
    last: AtomicU64,
    /// Held from reading a stream's end to the write that rests on it.
    expecting: Mutex<()>,
}

impl Rocks {
    fn streams(&self) -> Result<&ColumnFamily> {
        Ok(self.database.cf_handle(STREAMS).ok_or("no column family of streams")?)
    }
}

impl Store for Rocks {
    fn appender(&self) -> Result<Box<dyn Appender + '_>> {
        let streams = self.streams()?;
        let mut how = WriteOptions::default();
        how.set_sync(self.durable);
        Ok(Box::new(Append { store: self, streams, how, record: Vec::new(), key: Vec::new() }))
    }

    fn replay(&self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let mut entries = self.database.raw_iterator();
        entries.seek_to_first();
        while let Some(record) = entries.value() {
            each(codec::decode(record)?);
            entries.next();
        }
        Ok(entries.status()?)
    }

    fn read_stream(&self, stream: &str, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let mut prefix = Vec::new();
        codec::stream_prefix(stream, &mut prefix);
        let mut keys = self.database.raw_iterator_cf(self.streams()?);
        keys.seek(&prefix);
        while let Some(key) = keys.key()
            && key.starts_with(&prefix)
        {
            let position = codec::position_of(key)?.to_be_bytes();
            let record = self.database.get_pinned(position)?.ok_or("an event is missing")?;
            each(codec::decode(&record)?);
            keys.next();
        }
        Ok(keys.status()?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.database.flush_wal(true)?;
        // What a program does that wants a quick open: otherwise the log is read again.
        for family in ["default", STREAMS] {
            let family = self.database.cf_handle(family).ok_or("a column family is missing")?;
            self.database.flush_cf(family)?;
        }
        Ok(())
    }
}

struct Append<'s> {
    store: &'s Rocks,
    streams: &'s ColumnFamily,
    how: WriteOptions,
    record: Vec<u8>,
    key: Vec<u8>,
}

impl Appender for Append<'_> {
    fn append(&mut self, events: &[Event<'_>]) -> Result<()> {
        let mut batch = WriteBatch::default();
        for event in events {
            self.record.clear();
            codec::encode(event, &mut self.record)?;
            let position = self.store.last.fetch_add(1, Ordering::Relaxed) + 1;
            codec::stream_key(event.stream, position, &mut self.key);
            batch.put(position.to_be_bytes(), &self.record);
            batch.put_cf(self.streams, &self.key, []);
        }
        Ok(self.store.database.write_opt(batch, &self.how)?)
    }

    fn append_expected(&mut self, event: &Event<'_>) -> Result<()> {
        let store = self.store;
        let _held = store.expecting.lock().unwrap_or_else(PoisonError::into_inner);
        codec::stream_key(event.stream, u64::MAX, &mut self.key);
        let mut keys = store.database.raw_iterator_cf(self.streams);
        keys.seek_for_prev(&self.key);
        std::hint::black_box(keys.valid());
        drop(keys);
        self.append(std::slice::from_ref(event))
    }
}

//! fjall: a log-structured merge tree with a journal.
//!
//! Events lie in a keyspace by position, stream keys in a second one; one write batch
//! goes into the journal for both. Its durable commit writes the batch to the journal and
//! calls `fdatasync` (`PersistMode::SyncData`) while it holds the journal, so that commits of
//! several threads do not share a sync. Otherwise a commit is written to the journal's file
//! (`PersistMode::Buffer`, its default), or stays in a buffer of 8 KiB (manual persistence).
//!
//! Chosen: defaults; no compression, since the data is random.
//!
//! Less than annals: no ids checked; no versions; positions are drawn from a counter of the
//! bench before the commit, so that with several threads they can commit out of order; journal
//! batches and blocks are checksummed, blocks when they are read from disk and not when they
//! come from its cache.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use annals_benches::Result;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::codec;
use crate::store::{Appender, Durability, Event, Rival, Setup, Store};

pub(super) const RIVAL: Rival = Rival {
    name: "fjall",
    package: "fjall",
    durable: "writes the batch to the journal and calls fdatasync, one thread after the other",
    early: &[
        (Durability::Buffered, "into the journal's buffer of 8 KiB"),
        (Durability::Written, "one write to the journal"),
    ],
    checksum: "of blocks, when they come from disk",
    streams: "a second keyspace: stream and position",
    less: "no ids, no versions, positions may commit out of order",
    without: &[],
    open,
};

fn open(directory: &Path, setup: Setup) -> Result<Box<dyn Store>> {
    let manual = setup.durability == Durability::Buffered;
    let database = Database::builder(directory).manual_journal_persist(manual).open()?;
    let events = database.keyspace("events", KeyspaceCreateOptions::default)?;
    let streams = database.keyspace("streams", KeyspaceCreateOptions::default)?;
    let last = match events.last_key_value() {
        Some(entry) => codec::position_of(&entry.key()?)?,
        None => 0,
    };
    let durable = setup.durability == Durability::Durable;
    let last = AtomicU64::new(last);
    Ok(Box::new(Fjall { database, events, streams, durable, last, expecting: Mutex::new(()) }))
}

struct Fjall {
    database: Database,
    events: Keyspace,
    streams: Keyspace,
    durable: bool,
    last: AtomicU64,
    /// Held from reading a stream's end to the commit that rests on it.
    expecting: Mutex<()>,
}

impl Store for Fjall {
    fn appender(&self) -> Result<Box<dyn Appender + '_>> {
        Ok(Box::new(Append { store: self, record: Vec::new(), key: Vec::new() }))
    }

    fn replay(&self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        for entry in self.events.iter() {
            each(codec::decode(&entry.value()?)?);
        }
        Ok(())
    }

    fn read_stream(&self, stream: &str, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let mut prefix = Vec::new();
        codec::stream_prefix(stream, &mut prefix);
        for entry in self.streams.prefix(&prefix) {
            let position = codec::position_of(&entry.key()?)?;
            let record = self.events.get(position.to_be_bytes())?.ok_or("an event is missing")?;
            each(codec::decode(&record)?);
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }
}

struct Append<'s> {
    store: &'s Fjall,
    record: Vec<u8>,
    key: Vec<u8>,
}

impl Appender for Append<'_> {
    fn append(&mut self, events: &[Event<'_>]) -> Result<()> {
        let mut batch = self.store.database.batch();
        if self.store.durable {
            batch = batch.durability(Some(PersistMode::SyncData));
        }
        for event in events {
            self.record.clear();
            codec::encode(event, &mut self.record)?;
            let position = self.store.last.fetch_add(1, Ordering::Relaxed) + 1;
            codec::stream_key(event.stream, position, &mut self.key);
            batch.insert(&self.store.events, position.to_be_bytes(), self.record.as_slice());
            batch.insert(&self.store.streams, self.key.as_slice(), []);
        }
        Ok(batch.commit()?)
    }

    fn append_expected(&mut self, event: &Event<'_>) -> Result<()> {
        let store = self.store;
        let _held = store.expecting.lock().unwrap_or_else(PoisonError::into_inner);
        codec::stream_prefix(event.stream, &mut self.key);
        let last = store.streams.prefix(&self.key).next_back();
        std::hint::black_box(last.map(fjall::Guard::key).transpose()?);
        self.append(std::slice::from_ref(event))
    }
}

//! redb: a copy-on-write B-tree in one file.
//!
//! Events lie in a table by position, stream keys in a second one; one transaction writes
//! both. Its durable commit writes the changed pages and syncs once (`fdatasync`; commits in
//! one phase, the default). A commit without durability changes memory alone until the next
//! durable one. There is one writer at a time, and nobody shares a sync.
//!
//! Chosen: defaults, with a cache of 1 GiB. Quick repair is left off: it makes commits slower,
//! and only the open after a kill quicker.
//!
//! Less than annals: no ids checked; no versions, a stream's end is the position of its last
//! event; pages are checksummed when they are written and looked at after a crash, but a plain
//! read checks nothing.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use annals_benches::Result;
use redb::{Database, Durability as Safe, ReadableDatabase, ReadableTable, TableDefinition};

use crate::codec;
use crate::store::{Appender, Durability, Event, Rival, Setup, Store};

pub(super) const RIVAL: Rival = Rival {
    name: "redb",
    package: "redb",
    durable: "writes the changed pages, one fdatasync a commit; commits wait for each other",
    early: &[(Durability::Buffered, "a commit in memory, `Durability::None`")],
    checksum: "of pages, after a crash only",
    streams: "a second table: stream and position",
    less: "no ids, no versions",
    without: &[],
    open,
};

const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");
const STREAMS: TableDefinition<'_, &[u8], ()> = TableDefinition::new("streams");

const CACHE_BYTES: usize = 1 << 30;

fn open(directory: &Path, setup: Setup) -> Result<Box<dyn Store>> {
    std::fs::create_dir_all(directory)?;
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    let database = builder.create(directory.join("events.redb"))?;
    let transaction = database.begin_write()?;
    let last = {
        let events = transaction.open_table(EVENTS)?;
        transaction.open_table(STREAMS)?;
        events.last()?.map_or(0, |(position, _)| position.value())
    };
    transaction.commit()?;
    let durability =
        if setup.durability == Durability::Durable { Safe::Immediate } else { Safe::None };
    Ok(Box::new(Redb { database, durability, last: AtomicU64::new(last) }))
}

struct Redb {
    database: Database,
    durability: Safe,
    /// The last position given out; changed within a write transaction alone.
    last: AtomicU64,
}

impl Redb {
    fn put(&self, events: &[Event<'_>], expected: bool) -> Result<()> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(self.durability)?;
        {
            let mut table = transaction.open_table(EVENTS)?;
            let mut streams = transaction.open_table(STREAMS)?;
            let (mut record, mut key) = (Vec::new(), Vec::new());
            for event in events {
                if expected {
                    codec::stream_prefix(event.stream, &mut key);
                    let end = codec::after(&key);
                    let range = streams.range(key.as_slice()..end.as_slice())?;
                    std::hint::black_box(range.last().transpose()?.is_some());
                }
                record.clear();
                codec::encode(event, &mut record)?;
                let position = self.last.fetch_add(1, Ordering::Relaxed) + 1;
                codec::stream_key(event.stream, position, &mut key);
                table.insert(position, record.as_slice())?;
                streams.insert(key.as_slice(), ())?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

impl Store for Redb {
    fn appender(&self) -> Result<Box<dyn Appender + '_>> {
        Ok(Box::new(Append(self)))
    }

    fn replay(&self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let transaction = self.database.begin_read()?;
        for entry in transaction.open_table(EVENTS)?.iter()? {
            each(codec::decode(entry?.1.value())?);
        }
        Ok(())
    }

    fn read_stream(&self, stream: &str, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let transaction = self.database.begin_read()?;
        let events = transaction.open_table(EVENTS)?;
        let mut key = Vec::new();
        codec::stream_prefix(stream, &mut key);
        let end = codec::after(&key);
        for entry in transaction.open_table(STREAMS)?.range(key.as_slice()..end.as_slice())? {
            let position = codec::position_of(entry?.0.value())?;
            let record = events.get(position)?.ok_or("an event is missing")?;
            each(codec::decode(record.value())?);
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.database.close()?)
    }
}

struct Append<'s>(&'s Redb);

impl Appender for Append<'_> {
    fn append(&mut self, events: &[Event<'_>]) -> Result<()> {
        self.0.put(events, false)
    }

    fn append_expected(&mut self, event: &Event<'_>) -> Result<()> {
        self.0.put(std::slice::from_ref(event), true)
    }
}

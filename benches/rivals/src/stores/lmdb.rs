//! LMDB, through heed: a copy-on-write B-tree in one mapped file.
//!
//! Events lie in a database by position, stream keys in a second one; one transaction writes
//! both. A durable commit writes the changed pages, calls `fdatasync`, and writes the page that
//! names the new root through a descriptor that syncs (`O_DSYNC`): two flushes. With
//! `NO_SYNC` a commit only writes. There is one writer at a time, and nobody shares a sync.
//!
//! Chosen: defaults, positions put with `APPEND`; not `WRITE_MAP`, with which a stray write
//! of the program damages the store.
//!
//! Less than annals: no ids checked, no versions, and no checksum anywhere: what the disk
//! returns is believed.
#![allow(unsafe_code)]

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use annals_benches::Result;
use heed::byteorder::BE;
use heed::types::{Bytes, U64, Unit};
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, PutFlags};

use crate::codec;
use crate::store::{Appender, Durability, Event, Rival, Setup, Store};

pub(super) const RIVAL: Rival = Rival {
    name: "lmdb",
    package: "heed",
    durable: "writes the changed pages, fdatasync, writes the root with O_DSYNC; commits wait \
              for each other",
    early: &[(Durability::Written, "writes the changed pages (`NO_SYNC`)")],
    checksum: "none",
    streams: "a second database: stream and position",
    less: "no ids, no versions, no checksums",
    without: &[],
    open,
};

/// The map is as large as what it will hold this many times: pages are half full at worst,
/// and old ones are kept while they are read.
const ROOM: u64 = 6;
const LEAST_BYTES: u64 = 64 << 20;
const PAGE_BYTES: u64 = 4096;

fn open(directory: &Path, setup: Setup) -> Result<Box<dyn Store>> {
    std::fs::create_dir_all(directory)?;
    let bytes = setup.bytes.saturating_mul(ROOM).max(LEAST_BYTES).next_multiple_of(PAGE_BYTES);
    let mut options = EnvOpenOptions::new();
    options.map_size(usize::try_from(bytes)?).max_dbs(2);
    if setup.durability != Durability::Durable {
        // SAFETY: what the flag gives up is the state after a power cut, which is what the
        // turn asks for; the file is thrown away after one.
        unsafe { options.flags(EnvFlags::NO_SYNC) };
    }
    // SAFETY: the directory belongs to this run; one process at a time opens it, once, and
    // nobody else writes or cuts the file under the mapping.
    let env = unsafe { options.open(directory)? };
    let (events, streams) = env
        .create_databases_and_commit(env.write_txn()?, |databases, transaction| {
            let events = databases.create_database(transaction, Some("events"))?;
            let streams = databases.create_database(transaction, Some("streams"))?;
            heed::Result::Ok(CommitOrAbort::<_, ()>::Commit((events, streams)))
        })?
        .unwrap_commit();
    let mut store = Lmdb { env, events, streams, last: AtomicU64::new(0) };
    let reading = store.env.read_txn()?;
    let last = store.events.last(&reading)?.map_or(0, |(position, _)| position);
    drop(reading);
    store.last = AtomicU64::new(last);
    Ok(Box::new(store))
}

struct Lmdb {
    env: Env,
    events: Database<'static, U64<BE>, Bytes>,
    streams: Database<'static, Bytes, Unit>,
    /// The last position given out; changed within a write transaction alone.
    last: AtomicU64,
}

impl Lmdb {
    fn put(&self, events: &[Event<'_>], expected: bool, scratch: &mut Scratch) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        let Scratch { record, key } = scratch;
        for event in events {
            if expected {
                codec::stream_prefix(event.stream, key);
                let mut keys = self.streams.rev_prefix_iter(&transaction, key)?;
                std::hint::black_box(keys.next().transpose()?.is_some());
            }
            record.clear();
            codec::encode(event, record)?;
            let position = self.last.fetch_add(1, Ordering::Relaxed) + 1;
            codec::stream_key(event.stream, position, key);
            self.events.put_with_flags(&mut transaction, PutFlags::APPEND, &position, record)?;
            self.streams.put(&mut transaction, key, &())?;
        }
        Ok(transaction.commit()?)
    }
}

impl Store for Lmdb {
    fn appender(&self) -> Result<Box<dyn Appender + '_>> {
        Ok(Box::new(Append { store: self, scratch: Scratch::default() }))
    }

    fn replay(&self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let transaction = self.env.read_txn()?;
        for entry in self.events.iter(&transaction)? {
            each(codec::decode(entry?.1)?);
        }
        Ok(())
    }

    fn read_stream(&self, stream: &str, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let transaction = self.env.read_txn()?;
        let mut prefix = Vec::new();
        codec::stream_prefix(stream, &mut prefix);
        for entry in self.streams.prefix_iter(&transaction, &prefix)? {
            let position = codec::position_of(entry?.0)?;
            let record = self.events.get(&transaction, &position)?.ok_or("an event is missing")?;
            each(codec::decode(record)?);
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.env.force_sync()?;
        self.env.prepare_for_closing().wait();
        Ok(())
    }
}

#[derive(Default)]
struct Scratch {
    record: Vec<u8>,
    key: Vec<u8>,
}

struct Append<'s> {
    store: &'s Lmdb,
    scratch: Scratch,
}

impl Appender for Append<'_> {
    fn append(&mut self, events: &[Event<'_>]) -> Result<()> {
        self.store.put(events, false, &mut self.scratch)
    }

    fn append_expected(&mut self, event: &Event<'_>) -> Result<()> {
        self.store.put(std::slice::from_ref(event), true, &mut self.scratch)
    }
}

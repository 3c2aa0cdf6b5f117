//! raft-engine: a log of entries by group, with an index of all of it in memory.
//!
//! Events are the entries of one group, their index is the position. A stream is a second
//! group whose number is a hash of its name; it has a key for each of its events, kept in
//! memory and written in the same log batch. A durable write goes to the log with one write,
//! and one `fdatasync` serves all that wait for it. Otherwise it is only written.
//!
//! Chosen: no compression, since the data is random; in turns that only append, files are
//! prepared with zeros ahead and recycled (`prefill_for_recycle`), so that a sync need not
//! extend a file. Purging is never called: an event log keeps what it has.
//!
//! Less than annals: no ids checked, no versions; the stream of an event is found by a hash
//! of its name. The entries of a group must be written in order, so that several threads
//! that share a group could not share a sync: each thread appends to a group of its own, and
//! there is no one order of what several threads appended.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use annals_benches::Result;
use protobuf::well_known_types::BytesValue;
use raft_engine::{Config, Engine, LogBatch, MessageExt, ReadableSize};

use crate::codec;
use crate::store::{Appender, Durability, Event, Rival, Setup, Store};

pub(super) const RIVAL: Rival = Rival {
    name: "raft-engine",
    package: "raft-engine",
    durable: "one write and one fdatasync for all batches that wait, on files prepared with \
              zeros",
    early: &[(Durability::Written, "one write")],
    checksum: "CRC-32 of every block, on every read",
    streams: "keys in memory, by a hash of the stream",
    less: "no ids, no versions; no one order of several threads",
    without: &[],
    open,
};

/// Files of 128 MiB, its default; two of them prepared.
const FILE_MIB: u64 = 128;
const PREPARED_MIB: u64 = 2 * FILE_MIB;

/// Entries that a replay fetches at a time: each fetch gathers what it returns.
const FETCH_EVENTS: u64 = 1024;

/// The group of the events; of other threads, the groups after it.
const EVENTS: u64 = 1;
/// Set in the number of every group that is a stream.
const STREAM_BIT: u64 = 1 << 63;

/// An event as an entry: the position in front of the record, in a message of one field.
struct Entry;

impl MessageExt for Entry {
    type Entry = BytesValue;

    fn index(entry: &BytesValue) -> u64 {
        entry.value.first_chunk().map_or(0, |position| u64::from_be_bytes(*position))
    }
}

fn open(directory: &Path, setup: Setup) -> Result<Box<dyn Store>> {
    let config = Config {
        dir: directory.to_str().ok_or("the directory's name is not UTF-8")?.to_owned(),
        batch_compression_threshold: ReadableSize(0),
        prefill_for_recycle: !setup.kept,
        prefill_limit: (!setup.kept).then_some(ReadableSize::mb(PREPARED_MIB)),
        ..Config::default()
    };
    let engine = Engine::open(config)?;
    let durable = setup.durability == Durability::Durable;
    let groups = AtomicU64::new(EVENTS);
    let shared = setup.threads > 1;
    Ok(Box::new(Raft { engine, durable, shared, groups, expecting: Mutex::new(()) }))
}

struct Raft {
    engine: Engine,
    durable: bool,
    /// Whether several threads append.
    shared: bool,
    /// The group of the next thread.
    groups: AtomicU64,
    /// Held from reading a stream's end to the write that rests on it.
    expecting: Mutex<()>,
}

fn group_of(stream: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(stream) | STREAM_BIT
}

fn hand_out(entry: &BytesValue, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
    let (_, record) = entry.value.split_first_chunk::<8>().ok_or("an entry is cut off")?;
    each(codec::decode(record)?);
    Ok(())
}

impl Raft {
    fn replay_group(&self, group: u64, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let (Some(first), Some(last)) =
            (self.engine.first_index(group), self.engine.last_index(group))
        else {
            return Ok(());
        };
        let mut from = first;
        let mut found = Vec::new();
        while from <= last {
            let to = from.saturating_add(FETCH_EVENTS).min(last + 1);
            found.clear();
            self.engine.fetch_entries_to::<Entry>(group, from, to, None, &mut found)?;
            found.iter().try_for_each(|entry| hand_out(entry, each))?;
            from = to;
        }
        Ok(())
    }
}

impl Store for Raft {
    fn appender(&self) -> Result<Box<dyn Appender + '_>> {
        let group = if self.shared { self.groups.fetch_add(1, Ordering::Relaxed) } else { EVENTS };
        let last = self.engine.last_index(group).unwrap_or(0);
        let batch = LogBatch::default();
        Ok(Box::new(Append { store: self, group, last, batch, entry: BytesValue::new() }))
    }

    fn replay(&self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let mut groups = self.engine.raft_groups();
        groups.retain(|group| group & STREAM_BIT == 0);
        groups.sort_unstable();
        groups.into_iter().try_for_each(|group| self.replay_group(group, each))
    }

    fn read_stream(&self, stream: &str, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let mut positions = Vec::new();
        self.engine.scan_raw_messages(group_of(stream), None, None, false, |key, _| {
            positions.push(codec::position_of(key));
            true
        })?;
        for position in positions {
            let entry = self.engine.get_entry::<Entry>(EVENTS, position?)?;
            hand_out(&entry.ok_or("an event is missing")?, each)?;
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.engine.sync()?)
    }
}

struct Append<'s> {
    store: &'s Raft,
    group: u64,
    last: u64,
    batch: LogBatch,
    entry: BytesValue,
}

impl Appender for Append<'_> {
    fn append(&mut self, events: &[Event<'_>]) -> Result<()> {
        for event in events {
            self.last += 1;
            let position = self.last.to_be_bytes();
            self.entry.value.clear();
            self.entry.value.extend_from_slice(&position);
            codec::encode(event, &mut self.entry.value)?;
            self.batch.add_entries::<Entry>(self.group, std::slice::from_ref(&self.entry))?;
            self.batch.put(group_of(event.stream), position.to_vec(), Vec::new())?;
        }
        self.store.engine.write(&mut self.batch, self.store.durable)?;
        Ok(())
    }

    fn append_expected(&mut self, event: &Event<'_>) -> Result<()> {
        let store = self.store;
        let _held = store.expecting.lock().unwrap_or_else(PoisonError::into_inner);
        let group = group_of(event.stream);
        store.engine.scan_raw_messages(group, None, None, true, |key, _| {
            std::hint::black_box(key);
            false
        })?;
        self.append(std::slice::from_ref(event))
    }
}

//! tephra: an event store with tags and conditions, over seglog.
//!
//! One thread of its own writes; it takes all requests that wait, writes them with a commit
//! marker, and calls `fdatasync` once. There is no append without a sync. Segments are
//! preallocated with `fallocate`, not zeroed.
//!
//! Chosen: segments of 64 MiB, as large as those of annals; otherwise its defaults. A stream
//! is a tag. It knows no id: ours goes in front of the data.
//!
//! Less than annals: no ids checked, no versions (its conditions say more than an expected
//! version does); its index is on disk for sealed segments alone, so that opening reads the
//! active one.

use std::path::Path;

use annals_benches::Result;
use tephra::{
    EventType, Position, Query, QueryItem, SegmentConfig, SegmentSet, Tag, Tags, WriteCoordinator,
    WriteHandle, WriterConfig,
};

use crate::store::{Appender, Event, Rival, Setup, Store, Work};

const ALWAYS_SYNCS: &str = "every append syncs";

pub(super) const RIVAL: Rival = Rival {
    name: "tephra",
    package: "tephra",
    durable: "a thread of its own: one write and one fdatasync for all requests that wait, on a \
              file from fallocate",
    early: &[],
    checksum: "CRC-32 of every record, on every read",
    streams: "an index of tags",
    less: "no ids, no versions",
    without: &[(Work::Expected, ALWAYS_SYNCS)],
    open,
};

const SEGMENT_BYTES: usize = 64 << 20;
const ID_BYTES: usize = size_of::<u128>();

fn open(directory: &Path, _: Setup) -> Result<Box<dyn Store>> {
    let segments = SegmentSet::open(directory, SegmentConfig::new(SEGMENT_BYTES))?;
    let (coordinator, handle) = WriteCoordinator::start(segments, WriterConfig::default())?;
    Ok(Box::new(Tephra { handle, coordinator }))
}

struct Tephra {
    /// First, so that it is gone when the writer is told to end.
    handle: WriteHandle,
    coordinator: WriteCoordinator,
}

impl Tephra {
    fn read(&self, query: &Query, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let mut reads = self.handle.read(query, Position::ZERO, None);
        while let Some(found) = reads.next() {
            let event = found?.event;
            let (id, data) =
                event.data().split_first_chunk::<ID_BYTES>().ok_or("an id is cut off")?;
            let stream = event.tags().next().ok_or("an event has no stream")?;
            let id = u128::from_le_bytes(*id);
            each(Event { id, stream, kind: event.event_type(), data });
        }
        Ok(())
    }
}

impl Store for Tephra {
    fn appender(&self) -> Result<Box<dyn Appender + '_>> {
        Ok(Box::new(Append { handle: self.handle.clone(), payload: Vec::new() }))
    }

    fn replay(&self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        self.read(&Query::all(), each)
    }

    fn read_stream(&self, stream: &str, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let tags = Tags::new([Tag::new(stream)?])?;
        self.read(&Query::item(QueryItem::with_tags(tags)), each)
    }

    fn close(self: Box<Self>) -> Result<()> {
        let Self { handle, coordinator } = *self;
        drop(handle);
        drop(coordinator.shutdown());
        Ok(())
    }
}

struct Append {
    handle: WriteHandle,
    payload: Vec<u8>,
}

impl Appender for Append {
    fn append(&mut self, events: &[Event<'_>]) -> Result<()> {
        let mut new = Vec::with_capacity(events.len());
        for event in events {
            self.payload.clear();
            self.payload.extend_from_slice(&event.id.to_le_bytes());
            self.payload.extend_from_slice(event.data);
            let tags = Tags::new([Tag::new(event.stream)?])?;
            new.push(tephra::Event::new(&EventType::new(event.kind)?, &tags, &self.payload)?);
        }
        self.handle.append(new, None)?;
        Ok(())
    }

    fn append_expected(&mut self, _: &Event<'_>) -> Result<()> {
        Err(ALWAYS_SYNCS.into())
    }
}

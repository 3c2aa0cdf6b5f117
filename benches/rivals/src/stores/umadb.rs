//! UmaDB, its storage alone (`umadb-core`): an event store with tags and conditions in one
//! copy-on-write B-tree file.
//!
//! A commit writes the changed pages, calls `fdatasync`, writes a header page, and calls
//! `fdatasync` again: two syncs. There is no append without them. One thread appends by
//! itself; where there are several, the writer thread that its server uses takes all requests
//! that wait into one commit.
//!
//! Chosen: reading through a mapping; no page cache of its own, as by default. A stream is
//! a tag.
//!
//! Less than annals: no versions; ids are looked at only when a condition failed.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use annals_benches::Result;
use tokio::sync::{mpsc, oneshot, watch};
use umadb_core::db::UmaDb;
use umadb_core::mvcc::{Mvcc, StorageOptions};
use umadb_core::pager::ReadMethod;
use umadb_core::writer_thread_blocking::writer_thread_blocking;
use umadb_core::writer_thread_request::WriterThreadRequest as Request;
use umadb_dcb::{DcbEvent, DcbEventStoreSync, DcbQuery, DcbQueryItem, DcbSequencedEvent};
use uuid::Uuid;

use crate::store::{Appender, Event, Rival, Setup, Store, Work};

const ALWAYS_SYNCS: &str = "every append syncs";

pub(super) const RIVAL: Rival = Rival {
    name: "umadb",
    package: "umadb-core",
    durable: "writes the changed pages, fdatasync, writes the header, fdatasync; for all \
              requests that wait",
    early: &[],
    checksum: "CRC-32 of every page, on every read",
    streams: "an index of tags",
    less: "no versions; ids checked only after a conflict",
    without: &[(Work::Expected, ALWAYS_SYNCS)],
    open,
};

/// Events that the writer thread commits together at most, and requests that may wait.
const GROUP_EVENTS: usize = 5000;
const WAITING: usize = 4096;

/// Events that a replay asks for at a time: a read gathers all that it returns.
const PAGE_EVENTS: u32 = 1024;

fn open(directory: &Path, setup: Setup) -> Result<Box<dyn Store>> {
    std::fs::create_dir_all(directory)?;
    let options = StorageOptions::default().db_path(directory).read_method(ReadMethod::Mmap);
    let mvcc = Arc::new(Mvcc::new(false, options)?);
    let store = UmaDb::from_arc(Arc::clone(&mvcc));
    let writer = (setup.threads > 1).then(|| Writer::start(mvcc));
    Ok(Box::new(Uma { store, writer }))
}

struct Uma {
    store: UmaDb,
    writer: Option<Writer>,
}

struct Writer {
    requests: mpsc::Sender<Request>,
    thread: JoinHandle<()>,
}

impl Writer {
    fn start(mvcc: Arc<Mvcc>) -> Self {
        let (requests, waiting) = mpsc::channel(WAITING);
        let thread = std::thread::spawn(move || {
            let (head, _watched) = watch::channel(None);
            writer_thread_blocking(mvcc, waiting, head, GROUP_EVENTS);
        });
        Self { requests, thread }
    }
}

fn hand_out(found: &DcbSequencedEvent, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
    let event = &found.event;
    each(Event {
        id: event.uuid.map_or(0, |id| id.as_u128()),
        stream: event.tags.first().ok_or("an event has no stream")?,
        kind: &event.event_type,
        data: &event.data,
    });
    Ok(())
}

impl Store for Uma {
    fn appender(&self) -> Result<Box<dyn Appender + '_>> {
        Ok(Box::new(Append(self)))
    }

    fn replay(&self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let mut next = 1;
        loop {
            let (found, _) =
                self.store.read_with_head(None, Some(next), false, Some(PAGE_EVENTS))?;
            let Some(last) = found.last() else { return Ok(()) };
            next = last.position + 1;
            found.iter().try_for_each(|found| hand_out(found, each))?;
        }
    }

    fn read_stream(&self, stream: &str, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let query = DcbQuery::new().item(DcbQueryItem::new().tags([stream]));
        let (found, _) = self.store.read_with_head(Some(query), None, false, None)?;
        found.iter().try_for_each(|found| hand_out(found, each))
    }

    fn close(self: Box<Self>) -> Result<()> {
        if let Some(writer) = self.writer {
            drop(writer.requests);
            writer.thread.join().map_err(|_| "the writer thread panicked")?;
        }
        Ok(())
    }
}

struct Append<'s>(&'s Uma);

impl Appender for Append<'_> {
    fn append(&mut self, events: &[Event<'_>]) -> Result<()> {
        let new = events.iter().map(|event| {
            DcbEvent::new()
                .event_type(event.kind)
                .tags([event.stream])
                .data(event.data)
                .uuid(Uuid::from_u128(event.id))
        });
        let events = new.collect();
        let Some(writer) = &self.0.writer else {
            self.0.store.append(events, None, None)?;
            return Ok(());
        };
        let (response_tx, answer) = oneshot::channel();
        let request = Request::Append {
            events,
            condition: None,
            tracking_info: None,
            response_tx,
            cancel: None,
        };
        writer.requests.blocking_send(request).map_err(|_| "the writer thread ended")?;
        answer.blocking_recv().map_err(|_| "the writer thread ended")??;
        Ok(())
    }

    fn append_expected(&mut self, _: &Event<'_>) -> Result<()> {
        Err(ALWAYS_SYNCS.into())
    }
}

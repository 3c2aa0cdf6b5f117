//! annals, through its public surface and with its defaults.
//!
//! It makes the ids itself, as it does for a program that gives none; it assigns versions,
//! checks what is expected, keeps every index, and writes in the background, 50 ms later at
//! most, what nobody waits for. One batch is kept and cleared, as a program that cares for
//! speed keeps it.

use std::path::Path;

use annals::{Batch, Durability as Safe, Expected, Log, NewEvent, Options, Start};
use annals_benches::Result;

use crate::store::{Appender, Durability, Event, Rival, Setup, Store};

pub(super) const RIVAL: Rival = Rival {
    name: "annals",
    package: "annals",
    durable: "one pwrite and one fdatasync for all batches that wait, on a zeroed, preallocated \
              file",
    early: &[
        (Durability::Buffered, "into memory; written and synced in the background within 50 ms"),
        (Durability::Written, "handed to the system; synced in the background within 50 ms"),
    ],
    checksum: "CRC-32 of every record, on every read",
    streams: "an index of streams and versions beside the log",
    less: "–",
    without: &[],
    open,
};

/// How many events a replay asks the cursor for at a time.
const POLL_EVENTS: usize = 1024;

fn open(directory: &Path, setup: Setup) -> Result<Box<dyn Store>> {
    let durability = match setup.durability {
        Durability::Buffered => Safe::Buffered,
        Durability::Written => Safe::Written,
        Durability::Durable => Safe::Durable,
    };
    Ok(Box::new(Annals(Options::new().durability(durability).open(directory)?)))
}

struct Annals(Log);

impl Store for Annals {
    fn appender(&self) -> Result<Box<dyn Appender + '_>> {
        Ok(Box::new(Append { log: &self.0, batch: Batch::new() }))
    }

    fn replay(&self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let mut cursor = self.0.cursor(Start::Beginning)?;
        loop {
            let events = cursor.poll(POLL_EVENTS)?;
            if events.is_empty() {
                return Ok(());
            }
            events.iter().for_each(|event| each(seen(&event)));
        }
    }

    fn read_stream(&self, stream: &str, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let mut events = self.0.read(stream);
        while let Some(event) = events.next()? {
            each(seen(&event));
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.0.close()?)
    }
}

fn seen<'a>(event: &annals::Event<'a>) -> Event<'a> {
    let id = event.id().as_u128();
    Event { id, stream: event.stream(), kind: event.event_type(), data: event.data() }
}

struct Append<'s> {
    log: &'s Log,
    batch: Batch,
}

impl Appender for Append<'_> {
    fn append(&mut self, events: &[Event<'_>]) -> Result<()> {
        self.batch.clear();
        for run in events.chunk_by(|one, next| one.stream == next.stream) {
            let Some(first) = run.first() else { continue };
            let new = run.iter().map(|event| NewEvent::new(event.kind).data(event.data));
            self.batch.write(first.stream, Expected::Any, new);
        }
        self.log.append(&self.batch)?;
        Ok(())
    }

    fn append_expected(&mut self, event: &Event<'_>) -> Result<()> {
        let version = self.log.version(event.stream)?;
        self.batch.clear();
        let new = NewEvent::new(event.kind).data(event.data);
        self.batch.write(event.stream, Expected::Exact(version), [new]);
        self.log.append(&self.batch)?;
        Ok(())
    }
}

//! A view of a log that ends before its end: for who is to be behind others.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use annals::sourcing::{StoreReader, Tail, Visit};
use annals::{
    Checkpoint, Committed, Event, Filter, Log, OwnedEvent, Result, Snapshot, Start, Uuid,
};

/// A log whose tails hand out nothing after this position.
#[derive(Debug)]
pub(crate) struct Late {
    pub(crate) log: Arc<Log>,
    pub(crate) until: u64,
}

#[derive(Debug)]
struct LateTail {
    tail: Box<dyn Tail>,
    until: u64,
}

impl Tail for LateTail {
    fn poll(&mut self, max: usize, each: &mut dyn FnMut(Event<'_>)) -> Result<usize> {
        // One at a time, so that it does not come to what is behind the end.
        if self.scanned_to() >= self.until { Ok(0) } else { self.tail.poll(max.min(1), each) }
    }

    fn wait(&mut self, timeout: Duration) -> Result<bool> {
        self.tail.wait(timeout)
    }

    fn scanned_to(&self) -> u64 {
        self.tail.scanned_to()
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        self.tail.checkpoint()
    }
}

impl StoreReader for Late {
    fn read(&self, stream: &str, from: u64, each: &mut Visit<'_>) -> Result<()> {
        StoreReader::read(&*self.log, stream, from, each)
    }

    fn load(
        &self,
        stream: &str,
        schema: u32,
        restore: &mut dyn FnMut(&Snapshot) -> bool,
        each: &mut Visit<'_>,
    ) -> Result<u64> {
        StoreReader::load(&*self.log, stream, schema, restore, each)
    }

    fn version(&self, stream: &str) -> Result<u64> {
        StoreReader::version(&*self.log, stream)
    }

    fn snapshot(&self, stream: &str) -> Result<Option<Snapshot>> {
        StoreReader::snapshot(&*self.log, stream)
    }

    fn streams(
        &self,
        prefix: &str,
        each: &mut dyn FnMut(&str, u64) -> ControlFlow<()>,
    ) -> Result<()> {
        StoreReader::streams(&*self.log, prefix, each)
    }

    fn event(&self, id: Uuid) -> Result<Option<OwnedEvent>> {
        StoreReader::event(&*self.log, id)
    }

    fn outcome(&self, key: &str) -> Result<Option<Committed>> {
        StoreReader::outcome(&*self.log, key)
    }

    fn state(&self, name: &str, schema: u32) -> Result<Option<Snapshot>> {
        StoreReader::state(&*self.log, name, schema)
    }

    fn states(&self, prefix: &str) -> Result<Vec<String>> {
        StoreReader::states(&*self.log, prefix)
    }

    fn head(&self) -> Result<u64> {
        StoreReader::head(&*self.log)
    }

    fn tail(&self, start: Start, filter: &Filter) -> Result<Box<dyn Tail>> {
        let tail = StoreReader::tail(&*self.log, start, filter)?;
        Ok(Box::new(LateTail { tail, until: self.until }))
    }
}

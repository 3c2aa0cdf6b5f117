//! What every store is asked to do, in one vocabulary, so that all run the same loops.

use std::path::Path;

use annals_benches::Result;

/// What is appended and read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// 16 bytes that name it.
    pub id: u128,
    /// The stream it belongs to.
    pub stream: &'a str,
    /// Its type.
    pub kind: &'a str,
    /// Its payload.
    pub data: &'a [u8],
}

/// How safe an event is when its append returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// In the memory of the process: a killed process loses it.
    Buffered,
    /// Handed to the operating system: survives a killed process, not a power cut.
    Written,
    /// Synced to the device.
    Durable,
}

/// How a store is opened.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// How safe an append must be when it returns.
    pub durability: Durability,
    /// Threads that will append at the same time.
    pub threads: u64,
    /// Content that it will hold at most, in bytes: some stores must be told ahead.
    pub bytes: u64,
    /// Whether what is appended must still be there at the next open. A turn that only
    /// appends throws its store away, which lets a write-ahead log reuse its files.
    pub kept: bool,
}

/// What a store can be asked for beyond appending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Appends by many threads that share syncs.
    Threads,
    /// Appends that expect a stream to be where it was.
    Expected,
    /// All events in order.
    Replay,
    /// The events of one stream.
    Streams,
    /// Opening what another process left.
    Open,
}

/// A store under test, and what must be known of it to read its figures.
#[derive(Debug, Clone, Copy)]
pub struct Rival {
    /// As on the command line and in the table.
    pub name: &'static str,
    /// Its crate.
    pub package: &'static str,
    /// What its durable append does. Counted by `calls`.
    pub durable: &'static str,
    /// What an append does when it need not be durable: for each way, how safe it is.
    pub early: &'static [(Durability, &'static str)],
    /// What it checks when it reads.
    pub checksum: &'static str,
    /// How a stream is found.
    pub streams: &'static str,
    /// What annals does for an event that it does not.
    pub less: &'static str,
    /// What it is not asked to do, and why.
    pub without: &'static [(Work, &'static str)],
    /// Opens it in a directory, which need not be there.
    pub open: fn(&Path, Setup) -> Result<Box<dyn Store>>,
}

impl Rival {
    /// How safe an append is that need not be safer than `wanted`: the cheapest call it has
    /// that is at least as safe, and that does not sync unless that is wanted.
    ///
    /// # Errors
    /// Why it has none.
    pub fn nearest(&self, wanted: Durability) -> std::result::Result<Durability, &'static str> {
        if wanted == Durability::Durable {
            return Ok(wanted);
        }
        let ways = self.early.iter().map(|(durability, _)| *durability);
        let enough = ways.filter(|durability| *durability >= wanted);
        enough.min().ok_or(if self.early.is_empty() {
            "every append syncs"
        } else {
            "an append that does not sync is only in memory"
        })
    }

    /// Whether it can be asked for this.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn can(&self, work: Work) -> std::result::Result<(), &'static str> {
        let reason = self.without.iter().find(|(without, _)| *without == work);
        reason.map_or(Ok(()), |(_, why)| Err(*why))
    }
}

/// An open store.
pub trait Store: Send + Sync {
    /// What one thread appends through.
    ///
    /// # Errors
    /// Those of the store.
    fn appender(&self) -> Result<Box<dyn Appender + '_>>;

    /// Hands out every event in order.
    ///
    /// # Errors
    /// Those of the store.
    fn replay(&self, each: &mut dyn FnMut(Event<'_>)) -> Result<()>;

    /// Hands out the events of one stream in order.
    ///
    /// # Errors
    /// Those of the store; if it keeps no streams.
    fn read_stream(&self, stream: &str, each: &mut dyn FnMut(Event<'_>)) -> Result<()>;

    /// Closes it the way a program that ends does.
    ///
    /// # Errors
    /// Those of the store.
    fn close(self: Box<Self>) -> Result<()>;
}

/// Appends, for one thread.
pub trait Appender {
    /// Appends a batch, all or nothing, as safely as the store was opened for.
    ///
    /// # Errors
    /// Those of the store.
    fn append(&mut self, events: &[Event<'_>]) -> Result<()>;

    /// Reads where the event's stream ends, and appends the event if it still ends there.
    ///
    /// # Errors
    /// Those of the store; if it keeps no streams.
    fn append_expected(&mut self, event: &Event<'_>) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere(_: &Path, _: Setup) -> Result<Box<dyn Store>> {
        Err("not opened here".into())
    }

    const RIVAL: Rival = Rival {
        name: "none",
        package: "none",
        durable: "",
        early: &[(Durability::Buffered, "")],
        checksum: "",
        streams: "",
        less: "",
        without: &[(Work::Streams, "keeps none")],
        open: nowhere,
    };

    #[test]
    fn a_safer_call_may_stand_in_and_a_less_safe_one_may_not() {
        assert!(RIVAL.nearest(Durability::Written).is_err());
        assert_eq!(RIVAL.nearest(Durability::Buffered), Ok(Durability::Buffered));
        let written = Rival { early: &[(Durability::Written, "")], ..RIVAL };
        assert_eq!(written.nearest(Durability::Buffered), Ok(Durability::Written));
        let durable = Rival { early: &[], ..RIVAL };
        assert_eq!(durable.nearest(Durability::Buffered), Err("every append syncs"));
        assert_eq!(RIVAL.can(Work::Streams), Err("keeps none"));
    }
}

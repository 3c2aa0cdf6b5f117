//! The one trait that event sourcing stands on, and the log as its first implementation.
//!
//! It is object-safe, and nothing in it borrows from an engine: what is read is handed to a
//! closure, event by event, so that an engine may lend its own bytes or copies. What an
//! engine needs to make what it answers is public:
//! [`OwnedEvent::new`](crate::OwnedEvent::new), [`Snapshot::of_stream`](crate::Snapshot::of_stream),
//! [`Committed::new`](crate::Committed::new), [`Error::Store`](crate::Error::Store).

use std::fmt::Debug;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use crate::{
    Batch, Checkpoint, Committed, Cursor, CursorOptions, Durability, Event, Filter, Log,
    OwnedEvent, Reader, Result, Snapshot, Start, Uuid,
};

/// What is handed each event of a read, and says whether to go on.
pub type Visit<'v> = dyn FnMut(Event<'_>) -> ControlFlow<()> + 'v;

/// The reading half of a [`Store`]: what a projection in another process needs.
///
/// A [`Reader`] is one. Everything but [`tail`](Self::tail) sees what was acknowledged, so
/// that a program reads its own writes; a tail sees what is durable.
pub trait StoreReader: Debug + Send + Sync {
    /// Reads a stream from a version on (1, or 0, is its beginning), in order, until `each`
    /// breaks. Nothing is read of a stream that does not exist.
    ///
    /// # Errors
    /// Those of [`StreamRead::next`](crate::StreamRead::next).
    fn read(&self, stream: &str, from: u64, each: &mut Visit<'_>) -> Result<()>;

    /// Reads a stream as it is folded: its newest snapshot with this schema number that
    /// `restore` takes, and then all events after it, until `each` breaks. Returns the
    /// version of the stream's last event, which is what to expect of it next, also if
    /// `each` broke before it.
    ///
    /// `restore` is offered snapshots from the newest to the oldest, and refuses one that
    /// does not decode, or that is of a later time than is wanted. When it refuses all, or
    /// there are none, the events start at version 1.
    ///
    /// # Errors
    /// Those of [`Reader::load`] and [`Loaded::next`](crate::Loaded::next).
    fn load(
        &self,
        stream: &str,
        schema: u32,
        restore: &mut dyn FnMut(&Snapshot) -> bool,
        each: &mut Visit<'_>,
    ) -> Result<u64>;

    /// As [`Reader::version`].
    ///
    /// # Errors
    /// Those of [`Reader::version`].
    fn version(&self, stream: &str) -> Result<u64>;

    /// As [`Reader::snapshot`].
    ///
    /// # Errors
    /// Those of [`Reader::snapshot`].
    fn snapshot(&self, stream: &str) -> Result<Option<Snapshot>>;

    /// Calls `each` with the name and version of every stream whose name starts with
    /// `prefix`, in the byte order of the names, until it breaks.
    ///
    /// # Errors
    /// Those of [`Reader::streams`].
    fn streams(
        &self,
        prefix: &str,
        each: &mut dyn FnMut(&str, u64) -> ControlFlow<()>,
    ) -> Result<()>;

    /// As [`Reader::event`].
    ///
    /// # Errors
    /// Those of [`Reader::event`].
    fn event(&self, id: Uuid) -> Result<Option<OwnedEvent>>;

    /// As [`Reader::outcome`].
    ///
    /// # Errors
    /// Those of [`Reader::outcome`].
    fn outcome(&self, key: &str) -> Result<Option<Committed>>;

    /// As [`Reader::state`].
    ///
    /// # Errors
    /// Those of [`Reader::state`].
    fn state(&self, name: &str, schema: u32) -> Result<Option<Snapshot>>;

    /// As [`Reader::states`].
    ///
    /// # Errors
    /// Those of [`Reader::states`].
    fn states(&self, prefix: &str) -> Result<Vec<String>>;

    /// Position of the last durable event; 0 if there is none.
    ///
    /// # Errors
    /// Those of [`Reader::head`].
    fn head(&self) -> Result<u64>;

    /// Follows what matches a filter, in commit order, each event exactly once.
    ///
    /// # Errors
    /// Those of [`Reader::cursor`]; among them
    /// [`Error::BeyondHead`](crate::Error::BeyondHead) and
    /// [`Error::Diverged`](crate::Error::Diverged) if it cannot start there.
    fn tail(&self, start: Start, filter: &Filter) -> Result<Box<dyn Tail>>;
}

/// What event sourcing stands on: a log, or another engine that does the same.
///
/// Programs hold it as `Arc<dyn Store>`.
pub trait Store: StoreReader {
    /// Appends a batch, all or nothing, and returns when it is as safe as the store's own
    /// default says.
    ///
    /// # Errors
    /// Those of [`Log::append`].
    fn append(&self, batch: &Batch) -> Result<Committed>;

    /// Appends a batch, all or nothing, and returns when it is that safe. Batches have their
    /// place when this returns: of two calls one after the other, the second one's batch is
    /// never there after a crash without the first one's.
    ///
    /// # Errors
    /// Those of [`Log::append_with`].
    fn append_with(&self, batch: &Batch, durability: Durability) -> Result<Committed>;

    /// As [`append`](Self::append), awaited: the outcome is asked for with a future. A batch
    /// whose future is dropped may commit all the same. (Feature `async`.)
    ///
    /// Unless an engine does better, this appends at once, and blocks as long as that takes. A
    /// log [submits](Log::submit) the batch, and the future is its ticket.
    ///
    /// # Errors
    /// Those of [`append`](Self::append), from the future.
    #[cfg(feature = "async")]
    fn append_async<'s>(&'s self, batch: &Batch) -> Appending<'s> {
        Box::pin(std::future::ready(self.append(batch)))
    }

    /// Makes durable what was appended before.
    ///
    /// # Errors
    /// Those of [`Log::sync`].
    fn sync(&self) -> Result<()>;
}

/// The outcome of an [append that is awaited](Store::append_async).
#[cfg(feature = "async")]
pub type Appending<'s> = std::pin::Pin<Box<dyn Future<Output = Result<Committed>> + Send + 's>>;

/// A place from which a store is followed, as a [`Cursor`] is.
pub trait Tail: Debug + Send {
    /// Hands `each` up to `max` events that are there now; returns how many. None means
    /// that this is the end for now.
    ///
    /// # Errors
    /// Those of [`Cursor::poll`].
    fn poll(&mut self, max: usize, each: &mut dyn FnMut(Event<'_>)) -> Result<usize>;

    /// Waits until there is something that was not looked at yet, whether or not it matches,
    /// or the time is up. Returns whether there is.
    ///
    /// # Errors
    /// Those of [`Cursor::wait_for_more`].
    fn wait(&mut self, timeout: Duration) -> Result<bool>;

    /// Position up to which everything was looked at: what matches there was handed out.
    fn scanned_to(&self) -> u64;

    /// The same place, to be kept outside the store.
    ///
    /// # Errors
    /// Those of [`Cursor::checkpoint`].
    fn checkpoint(&self) -> Result<Checkpoint>;
}

impl Tail for Cursor {
    fn poll(&mut self, max: usize, each: &mut dyn FnMut(Event<'_>)) -> Result<usize> {
        let events = Self::poll(self, max)?;
        events.iter().for_each(each);
        Ok(events.len())
    }

    fn wait(&mut self, timeout: Duration) -> Result<bool> {
        self.wait_for_more(timeout)
    }

    fn scanned_to(&self) -> u64 {
        Self::scanned_to(self)
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        Self::checkpoint(self)
    }
}

impl StoreReader for Reader {
    fn read(&self, stream: &str, from: u64, each: &mut Visit<'_>) -> Result<()> {
        let mut read = Self::read(self, stream).from(from);
        while let Some(event) = read.next()? {
            if each(event).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn load(
        &self,
        stream: &str,
        schema: u32,
        restore: &mut dyn FnMut(&Snapshot) -> bool,
        each: &mut Visit<'_>,
    ) -> Result<u64> {
        let mut loaded = Self::load(self, stream, schema)?;
        while let Some(snapshot) = loaded.snapshot() {
            if restore(snapshot) {
                break;
            }
            loaded = loaded.earlier()?;
        }
        while let Some(event) = loaded.next()? {
            if each(event).is_break() {
                break;
            }
        }
        Ok(loaded.version())
    }

    fn version(&self, stream: &str) -> Result<u64> {
        Self::version(self, stream)
    }

    fn snapshot(&self, stream: &str) -> Result<Option<Snapshot>> {
        Self::snapshot(self, stream)
    }

    fn streams(
        &self,
        prefix: &str,
        each: &mut dyn FnMut(&str, u64) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut streams = Self::streams(self, prefix)?;
        while let Some(stream) = streams.next()? {
            if each(stream.name, stream.version).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn event(&self, id: Uuid) -> Result<Option<OwnedEvent>> {
        Self::event(self, id)
    }

    fn outcome(&self, key: &str) -> Result<Option<Committed>> {
        Self::outcome(self, key)
    }

    fn state(&self, name: &str, schema: u32) -> Result<Option<Snapshot>> {
        Self::state(self, name, schema)
    }

    fn states(&self, prefix: &str) -> Result<Vec<String>> {
        Self::states(self, prefix)
    }

    fn head(&self) -> Result<u64> {
        Self::head(self)
    }

    fn tail(&self, start: Start, filter: &Filter) -> Result<Box<dyn Tail>> {
        let options = CursorOptions::new().filter(filter.clone());
        Ok(Box::new(self.cursor_with(start, &options)?))
    }
}

/// The reading half by what dereferences to one that has it.
macro_rules! reads_as {
    ($($of:ty, [$($generics:tt)*], $reader:expr;)*) => {$(
        impl<$($generics)*> StoreReader for $of {
            fn read(&self, stream: &str, from: u64, each: &mut Visit<'_>) -> Result<()> {
                StoreReader::read($reader(self), stream, from, each)
            }

            fn load(
                &self,
                stream: &str,
                schema: u32,
                restore: &mut dyn FnMut(&Snapshot) -> bool,
                each: &mut Visit<'_>,
            ) -> Result<u64> {
                StoreReader::load($reader(self), stream, schema, restore, each)
            }

            fn version(&self, stream: &str) -> Result<u64> {
                StoreReader::version($reader(self), stream)
            }

            fn snapshot(&self, stream: &str) -> Result<Option<Snapshot>> {
                StoreReader::snapshot($reader(self), stream)
            }

            fn streams(
                &self,
                prefix: &str,
                each: &mut dyn FnMut(&str, u64) -> ControlFlow<()>,
            ) -> Result<()> {
                StoreReader::streams($reader(self), prefix, each)
            }

            fn event(&self, id: Uuid) -> Result<Option<OwnedEvent>> {
                StoreReader::event($reader(self), id)
            }

            fn outcome(&self, key: &str) -> Result<Option<Committed>> {
                StoreReader::outcome($reader(self), key)
            }

            fn state(&self, name: &str, schema: u32) -> Result<Option<Snapshot>> {
                StoreReader::state($reader(self), name, schema)
            }

            fn states(&self, prefix: &str) -> Result<Vec<String>> {
                StoreReader::states($reader(self), prefix)
            }

            fn head(&self) -> Result<u64> {
                StoreReader::head($reader(self))
            }

            fn tail(&self, start: Start, filter: &Filter) -> Result<Box<dyn Tail>> {
                StoreReader::tail($reader(self), start, filter)
            }
        }
    )*};
}

reads_as! {
    Log, [], Log::reader;
    Arc<T>, [T: StoreReader + ?Sized], Arc::as_ref;
}

impl Store for Log {
    fn append(&self, batch: &Batch) -> Result<Committed> {
        Self::append(self, batch)
    }

    fn append_with(&self, batch: &Batch, durability: Durability) -> Result<Committed> {
        Self::append_with(self, batch, durability)
    }

    #[cfg(feature = "async")]
    fn append_async<'s>(&'s self, batch: &Batch) -> Appending<'s> {
        match self.submit(batch) {
            Ok(ticket) => Box::pin(ticket),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn sync(&self) -> Result<()> {
        Self::sync(self)
    }
}

impl<T: Store + ?Sized> Store for Arc<T> {
    fn append(&self, batch: &Batch) -> Result<Committed> {
        (**self).append(batch)
    }

    fn append_with(&self, batch: &Batch, durability: Durability) -> Result<Committed> {
        (**self).append_with(batch, durability)
    }

    #[cfg(feature = "async")]
    fn append_async<'s>(&'s self, batch: &Batch) -> Appending<'s> {
        (**self).append_async(batch)
    }

    fn sync(&self) -> Result<()> {
        (**self).sync()
    }
}

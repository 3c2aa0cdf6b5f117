//! What an append commits: events of one or several streams and control records, all
//! or nothing.
//!
//! A batch encodes its records and computes their checksums as they are added,
//! outside any lock; what is left for the commit is their place.
//!
//! * [`event`]: an event as it is handed in
//! * [`snapshot`]: a snapshot as it is handed in
//! * [`control`]: keys and snapshots of a batch
//! * [`payloads`]: what it has encoded
//! * [`foreign`]: what engines other than the log need
//! * [`check`]: sizes against limits

mod check;
mod control;
mod event;
mod foreign;
mod payloads;
mod snapshot;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use uuid::Uuid;

use self::check::within;
pub(crate) use self::control::{Control, Subject};
pub use self::event::NewEvent;
pub use self::foreign::{EventPlace, SnapshotPlace};
use self::payloads::{Payload, Payloads};
pub use self::snapshot::NewSnapshot;
use crate::error::{Error, Result};
use crate::expected::Expected;
use crate::io;
use crate::limits;
use crate::names::{Named, Names};
use crate::record::field::wide;
use crate::record::key::Outcome;
use crate::record::layout;
use crate::sync::{AtomicBool, Ordering};

/// An encoded event of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Encoded {
    /// Index of its stream among the named ones.
    pub(crate) stream: usize,
    pub(crate) id: u128,
    /// Where its payload starts in the batch's buffer.
    pub(crate) start: usize,
    /// Without the zeros that fill it up.
    pub(crate) len: u32,
    pub(crate) crc: u32,
}

/// A batch: what one append commits, all or nothing, in the order in which it was
/// written.
///
/// Something that cannot be appended (too large, an empty name) is noted when it is
/// added and reported by the append. A batch can be appended again, after an error
/// or to make sure: its ids are part of it, so it commits at most once. The
/// [guide to appending](crate::guide::appending) says more.
///
/// ```
/// use annals::{Batch, Expected, NewEvent};
/// let mut batch = Batch::new();
/// batch
///     .write("order-17", Expected::NoStream, [NewEvent::new("OrderPlaced")])
///     .write("stock-4", Expected::Exact(8), [NewEvent::new("Reserved")])
///     .expect("customer-9", Expected::Exists);
/// assert_eq!(batch.len(), 2);
/// ```
#[derive(Debug, Default)]
pub struct Batch {
    /// Shared with the outcomes of its commits, which tell versions by them.
    names: Arc<Names>,
    events: Vec<Encoded>,
    controls: Vec<Control>,
    key: Option<Payload>,
    /// What the key says, if that is not what the batch itself comes to.
    outcome: Option<Outcome>,
    payloads: Payloads,
    given_ids: bool,
    last_made_id: Option<u128>,
    /// The last one before it was cleared.
    made_before: Option<u128>,
    committed: AtomicBool,
    error: Option<Error>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds events of a stream, which must be as `expected` before the batch. A stream
    /// can be written in several places of a batch; everything that was expected
    /// of it must hold.
    pub fn write<'e>(
        &mut self,
        stream: &str,
        expected: Expected,
        events: impl IntoIterator<Item = NewEvent<'e>>,
    ) -> &mut Self {
        match self.name(stream, expected) {
            Ok(index) => {
                let before = self.events.len();
                for event in events {
                    let added = self.push(index, stream, &event);
                    self.noted(added);
                }
                let written = wide(self.events.len() - before);
                self.names().written(index, written);
                self
            }
            Err(error) => self.noted(Err(error)),
        }
    }

    /// Expects something of a stream that the batch need not write.
    pub fn expect(&mut self, stream: &str, expected: Expected) -> &mut Self {
        let named = self.name(stream, expected).map(drop);
        self.noted(named)
    }

    /// How many events it has.
    pub const fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether it has no events.
    pub const fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// How many bytes its records take on disk: events, snapshots, named states and the
    /// idempotency key.
    pub const fn bytes(&self) -> u64 {
        self.payloads.record_bytes()
    }

    /// Makes it an empty batch again that keeps its memory.
    pub fn clear(&mut self) {
        match Arc::get_mut(&mut self.names) {
            Some(names) => names.clear(),
            // The outcome of a commit still tells by them.
            None => self.names = Arc::default(),
        }
        self.events.clear();
        self.controls.clear();
        self.key = None;
        self.outcome = None;
        self.payloads.clear();
        self.given_ids = false;
        self.made_before = self.last_made_id.take().or(self.made_before);
        self.committed = AtomicBool::new(false);
        self.error = None;
    }

    /// Names a stream. Returns its index.
    fn name(&mut self, stream: &str, expected: Expected) -> Result<usize> {
        within("stream name", stream.len(), limits::STREAM_NAME_BYTES)?;
        Ok(self.names().name(stream, expected))
    }

    /// Notes the first error that was met.
    fn noted(&mut self, added: Result<()>) -> &mut Self {
        if let Err(error) = added {
            self.error.get_or_insert(error);
        }
        self
    }

    fn push(&mut self, stream: usize, name: &str, event: &NewEvent<'_>) -> Result<()> {
        event.check()?;
        let id = event.id.map_or_else(|| self.next_id(), |id| id.as_u128());
        let parts = event.parts(id, name);
        let encode = |out: &mut Vec<u8>| parts.encode(out);
        let payload = self.payloads.push("event (bytes)", layout::event::LEN, encode)?;
        let Payload { start, len, crc } = payload;
        self.events.push(Encoded { stream, id, start, len, crc });
        self.given_ids |= event.id.is_some();
        Ok(())
    }

    /// A UUID of version 7. The first one of a tick of the clock is random; those after it count
    /// up from it in their last 62 bits, as RFC 9562 (6.2, method 2) has it: in order, and
    /// no dearer than an addition. Within a batch the clock is asked once.
    fn next_id(&mut self) -> u128 {
        const RANDOM: u128 = (1 << 62) - 1;
        const MILLISECOND_BITS: u32 = u128::BITS - 48;
        let counts_up = |last: u128| (last & !RANDOM) | (last.wrapping_add(1) & RANDOM);
        let tick = || u128::from(io::tick_millis());
        let id = match (self.last_made_id, self.made_before) {
            (Some(last), _) => counts_up(last),
            (None, Some(last)) if last >> MILLISECOND_BITS >= tick() => counts_up(last),
            (None, _) => Uuid::now_v7().as_u128(),
        };
        self.last_made_id = Some(id);
        id
    }

    /// What was wrong with what was added, if anything: what an append of it answers.
    ///
    /// # Errors
    /// [`Error::TooLarge`] or [`Error::Invalid`], the first that was met. What was refused
    /// is not part of the batch; after [`clear`](Self::clear) all is well again.
    ///
    /// ```
    /// use annals::{Batch, Expected, NewEvent};
    /// let mut batch = Batch::new();
    /// batch.write("", Expected::Any, [NewEvent::new("Happened")]);
    /// assert!(batch.check().is_err() && batch.is_empty());
    /// ```
    pub fn check(&self) -> Result<()> {
        self.error.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn named(&self) -> &[Named] {
        self.names.list()
    }

    pub(crate) fn shared_names(&self) -> Arc<Names> {
        Arc::clone(&self.names)
    }

    /// To change them: apart from those of an outcome that is still there.
    fn names(&mut self) -> &mut Names {
        Arc::make_mut(&mut self.names)
    }

    pub(crate) fn events(&self) -> &[Encoded] {
        &self.events
    }

    /// An event's payload with the zeros that fill it up.
    pub(crate) fn filled_payload(&self, event: &Encoded) -> &[u8] {
        self.payloads.filled(event.start, event.len)
    }

    /// Whether it may be in a log already, by its key or its ids.
    pub(crate) fn may_be_known(&self) -> bool {
        self.key.is_some() || self.ids_may_exist()
    }

    /// Whether its ids may be in a log already: they were given, or it was committed
    /// before. Ids that were made here are new the first time.
    pub(crate) fn ids_may_exist(&self) -> bool {
        self.given_ids || self.committed.load(Ordering::Acquire)
    }

    /// Notes that it is being committed, under the commit's lock. Returns whether it was
    /// before: two threads may append the same batch at once.
    pub(crate) fn commits(&self) -> bool {
        self.committed.swap(true, Ordering::AcqRel)
    }
}

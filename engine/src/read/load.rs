//! A stream from its newest snapshot on.

use annals_index::Kind;

use super::Shared;
use super::stream::StreamRead;
use crate::error::Result;
use crate::event::Event;
use crate::horizon::Reach;
use crate::snapshot::Snapshot;

/// A stream as it is folded: its newest snapshot that fits, and the events after it. Made
/// by [`Log::load`](crate::Reader::load).
///
/// ```
/// use annals::{Batch, Expected, Log, NewEvent, NewSnapshot};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Log::open(path)?;
/// const SCHEMA: u32 = 1;
/// let mut batch = Batch::new();
/// batch
///     .write("account-7", Expected::NoStream, ["+5", "+4"].map(NewEvent::new))
///     .snapshot("account-7", 2, NewSnapshot::new(SCHEMA).data(b"9"));
/// log.append(&batch)?;
/// log.append(Batch::new().write("account-7", Expected::Exact(2), [NewEvent::new("-3")]))?;
///
/// let mut account = log.load("account-7", SCHEMA)?;
/// let mut balance = match account.snapshot() {
///     Some(snapshot) => std::str::from_utf8(snapshot.data())?.parse::<i64>()?,
///     None => 0,
/// };
/// while let Some(event) = account.next()? {
///     balance += event.event_type().parse::<i64>()?;
/// }
/// assert_eq!((balance, account.version()), (6, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct Loaded {
    shared: Shared,
    stream: String,
    schema: u32,
    snapshot: Option<Snapshot>,
    events: StreamRead,
    version: u64,
}

impl Loaded {
    pub(crate) fn new(shared: Shared, stream: &str, schema: u32) -> Result<Self> {
        Self::before(shared, stream, schema, u64::MAX)
    }

    /// With the newest snapshot of a version below `end`.
    fn before(shared: Shared, stream: &str, schema: u32, end: u64) -> Result<Self> {
        // The bound before the view: what is before it is in some index by then.
        let bound = shared.horizon.indexed(Reach::Acknowledged)?;
        let view = shared.catalog.view();
        let version = shared.catalog.version_before(&view, stream, bound.place)?;
        // One of a later version than the stream has is of a batch that is not there.
        let mut fits = |snapshot: &Snapshot| {
            snapshot.schema() == schema && snapshot.version() < end && snapshot.version() <= version
        };
        let key = (Kind::Snapshot, stream);
        let snapshot = shared.catalog.snapshot(&view, key, bound, &mut fits)?;
        let from = snapshot.as_ref().map_or(1, |snapshot| snapshot.version() + 1);
        let events = StreamRead::new(shared.clone(), stream).from(from).to(version);
        Ok(Self { shared, stream: stream.to_owned(), schema, snapshot, events, version })
    }

    /// The newest snapshot with the schema that was asked for; none if the fold starts
    /// at the first event.
    pub const fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// Version of the stream's last event, which is what to expect of it next; 0 if it
    /// has none.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The next event after the snapshot; `None` at the end. Lent until the next call.
    ///
    /// # Errors
    /// Those of [`StreamRead::next`].
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Event<'_>>> {
        if self.version == 0 { Ok(None) } else { self.events.next() }
    }

    /// Passes over this snapshot, since it does not decode: the same stream from the
    /// snapshot before it, or from its first event. Without a snapshot it starts again.
    ///
    /// # Errors
    /// Those of [`Log::load`](crate::Reader::load).
    pub fn earlier(self) -> Result<Self> {
        let end = self.snapshot.as_ref().map_or(1, Snapshot::version);
        Self::before(self.shared, &self.stream, self.schema, end)
    }
}

//! Reading a log, in the process that writes it or in another one.

use std::collections::BTreeSet;
use std::path::Path;

use annals_index::Kind;
use uuid::Uuid;

use crate::catalog::find::Hit;
use crate::catalog::survey;
use crate::committed::Committed;
use crate::cursor::{Cursor, CursorOptions, Start};
use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::event::OwnedEvent;
use crate::horizon::{Bound, Reach};
use crate::options::Options;
use crate::read::{Loaded, LogRead, Shared, StreamRead, Streams, collect_streams};
use crate::recovered::Recovery;
use crate::snapshot::Snapshot;
use crate::stats::Stats;

/// A log, open for reading by any number of threads of this process.
///
/// [`Log`](crate::Log) reads through one too, and derefs to it: there it sees everything
/// that was acknowledged. In another process [`Reader::open`] makes one beside a live
/// writer, or without one; it sees what is durable, or written if
/// [`Options::visibility`](crate::Options::visibility) says so. It goes on by itself when the
/// writer dies or another one opens the log.
///
/// Cloning is cheap; clones share what they know of the log. Cursors and what they handed
/// out stay readable when it is gone.
///
/// ```
/// use annals::{Batch, Expected, Log, NewEvent, Reader, Start};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Log::open(path)?;
/// log.append(Batch::new().write("a", Expected::Any, [NewEvent::new("Happened")]))?;
///
/// // In another process, as a rule:
/// let reader = Reader::open(path)?;
/// let mut cursor = reader.cursor(Start::Beginning)?;
/// assert_eq!(cursor.poll(100)?.len(), 1);
/// log.append(Batch::new().write("a", Expected::Any, [NewEvent::new("Happened")]))?;
/// assert_eq!(cursor.poll(100)?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Reader {
    pub(crate) shared: Shared,
    pub(crate) recovery: Option<Recovery>,
}

impl Reader {
    /// Opens a log for reading, with the default options. Nothing is written, also on a
    /// read-only file system.
    ///
    /// Beside a live writer this opens the segments and reads the headers of two. Without one
    /// it reads what opening for writing would read, syncs what is not known to be durable,
    /// and keeps writers out meanwhile: one that opens the log then waits, up to a second on
    /// Linux and 20 ms elsewhere, before it is told [`Locked`](crate::Error::Locked).
    ///
    /// The [guide to tailing](crate::guide::tailing#from-another-process) has an example.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no log,
    /// [`Error::Corrupt`](crate::Error::Corrupt) if acknowledged data was hurt,
    /// [`Error::Unsupported`](crate::Error::Unsupported) for a log of a later version,
    /// [`Error::Io`](crate::Error::Io).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Options::new().open_reader(path)
    }

    /// Reads a stream, from its first event on unless told otherwise. [`StreamRead`] has an
    /// example.
    pub fn read(&self, stream: &str) -> StreamRead {
        StreamRead::new(self.shared.clone(), stream)
    }

    /// A stream as it is folded: its newest snapshot with this schema number and all
    /// events after it. Snapshots with another one are passed over. [`Loaded`] has an example.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) where the log is damaged, [`Error::Io`](crate::Error::Io) if reading fails.
    pub fn load(&self, stream: &str, schema: u32) -> Result<Loaded> {
        Loaded::new(self.shared.clone(), stream, schema)
    }

    /// The newest snapshot of a stream, whatever its schema.
    ///
    /// # Errors
    /// Those of [`load`](Self::load).
    pub fn snapshot(&self, stream: &str) -> Result<Option<Snapshot>> {
        self.newest((Kind::Snapshot, stream), &mut |_| true)
    }

    /// The newest state of a name with this schema number, as
    /// [`Batch::state`](crate::Batch::state) appended it. Those with another one are passed over.
    ///
    /// ```
    /// use annals::{Batch, Log, NewSnapshot};
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path();
    /// let log = Log::open(path)?;
    /// let totals = NewSnapshot::new(1).json(r#"{"orders":3}"#);
    /// log.append(Batch::new().state("totals", 1020, totals))?;
    /// let state = log.state("totals", 1)?;
    /// assert_eq!(state.map(|state| state.version()), Some(1020));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`load`](Self::load).
    pub fn state(&self, name: &str, schema: u32) -> Result<Option<Snapshot>> {
        self.newest((Kind::State, name), &mut |state| state.schema() == schema)
    }

    /// The names of all named states that start with `prefix`, in the order of their bytes,
    /// whatever their schemas. Holds them in memory.
    ///
    /// ```
    /// use annals::{Batch, Log, NewSnapshot};
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path();
    /// let log = Log::open(path)?;
    /// for name in ["sales/2024", "stock", "sales/2023"] {
    ///     log.append(Batch::new().state(name, 0, NewSnapshot::new(1)))?;
    /// }
    /// assert_eq!(log.states("sales/")?, ["sales/2023", "sales/2024"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`load`](Self::load).
    pub fn states(&self, prefix: &str) -> Result<Vec<String>> {
        // The bound before the view: what is before it is in some index by then.
        let _ = self.shared.horizon.indexed(Reach::Acknowledged)?;
        let mut names = BTreeSet::new();
        for source in &self.shared.catalog.view().sources {
            let keys = source.ask(&self.shared.catalog, |index| index.keys(Kind::State, prefix))?;
            names.extend(keys.into_iter().map(|(name, _)| name));
        }
        Ok(names.into_iter().collect())
    }

    /// What the batch with this [idempotency key](crate::Batch::once) came to; `None` if there
    /// is none: what an append with the key would answer, without appending.
    ///
    /// ```
    /// use annals::{Batch, Expected, Log, NewEvent};
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path();
    /// let log = Log::open(path)?;
    /// let mut batch = Batch::new();
    /// batch.once("bill/77").write("invoice-3", Expected::Any, [NewEvent::new("Billed")]);
    /// assert_eq!(log.outcome("bill/77")?, None);
    /// log.append(&batch)?;
    /// let first = log.outcome("bill/77")?;
    /// assert_eq!(first.and_then(|first| first.version("invoice-3")), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`load`](Self::load).
    pub fn outcome(&self, key: &str) -> Result<Option<Committed>> {
        let bound = self.shared.horizon.indexed(Reach::Acknowledged)?;
        let view = self.shared.catalog.view();
        let hit = self.shared.catalog.key(&view, key)?;
        let Some(hit) = hit.filter(|hit| hit.place() < bound.place) else { return Ok(None) };
        let outcome = hit.outcome(key, bound)?;
        let durable = hit.place() < bound.lasting;
        Ok(Some(Committed {
            first_position: outcome.first_position,
            events: u64::from(outcome.events),
            versions: self.shared.catalog.versions_of(&view, outcome, bound)?,
            deduplicated: true,
            durability: if durable { Durability::Durable } else { Durability::Written },
        }))
    }

    fn newest(
        &self,
        key: (Kind, &str),
        wanted: &mut dyn FnMut(&Snapshot) -> bool,
    ) -> Result<Option<Snapshot>> {
        let bound = self.shared.horizon.indexed(Reach::Acknowledged)?;
        let view = self.shared.catalog.view();
        self.shared.catalog.snapshot(&view, key, bound, wanted)
    }

    /// Reads the whole log, from its first event on unless told otherwise. [`LogRead`] has an
    /// example.
    pub fn read_all(&self) -> LogRead {
        LogRead::new(self.shared.clone())
    }

    /// A cursor that follows the log. [`Cursor`] has an example.
    ///
    /// # Errors
    /// [`Error::BeyondHead`](crate::Error::BeyondHead) if it is to start after the head, [`Error::Diverged`](crate::Error::Diverged) if it
    /// is to start at a checkpoint that does not fit the log; [`Error::Corrupt`](crate::Error::Corrupt) and
    /// [`Error::Io`](crate::Error::Io) if its start cannot be read.
    pub fn cursor(&self, start: Start) -> Result<Cursor> {
        Cursor::new(self.shared.clone(), start, &CursorOptions::new())
    }

    /// A cursor with options: what it is handed, and when. [`CursorOptions`] has examples.
    ///
    /// # Errors
    /// Those of [`cursor`](Self::cursor).
    pub fn cursor_with(&self, start: Start, options: &CursorOptions) -> Result<Cursor> {
        Cursor::new(self.shared.clone(), start, options)
    }

    /// The event with this id, if there is one.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) where the log is damaged, [`Error::Io`](crate::Error::Io) if reading fails.
    pub fn event(&self, id: Uuid) -> Result<Option<OwnedEvent>> {
        let bound = self.shared.horizon.indexed(Reach::Acknowledged)?;
        self.find(id, bound)?.map(|hit| hit.event(bound)).transpose()
    }

    /// Whether an event with this id is in the log.
    ///
    /// # Errors
    /// Those of [`event`](Self::event).
    pub fn contains(&self, id: Uuid) -> Result<bool> {
        let bound = self.shared.horizon.indexed(Reach::Acknowledged)?;
        Ok(self.find(id, bound)?.is_some())
    }

    fn find(&self, id: Uuid, bound: Bound) -> Result<Option<Hit>> {
        let view = self.shared.catalog.view();
        let hit = self.shared.catalog.id(&view, id.as_u128(), bound)?;
        Ok(hit.filter(|hit| hit.place() < bound.place))
    }

    /// Version of a stream's last event; 0 if nothing was ever appended to it. In the writing
    /// process it tells of every append that was answered, written or not, and writes nothing.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) where the log is damaged, [`Error::Io`](crate::Error::Io) if reading fails.
    pub fn version(&self, stream: &str) -> Result<u64> {
        // The end before the view: what is before it is in some index by then.
        let end = self.shared.horizon.told()?;
        let view = self.shared.catalog.view();
        self.shared.catalog.version_before(&view, stream, end)
    }

    /// The streams whose names start with `prefix`: all of them, if it is empty.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) where the log is damaged, [`Error::Io`](crate::Error::Io) if reading fails.
    pub fn streams(&self, prefix: &str) -> Result<Streams> {
        collect_streams(&self.shared, prefix)
    }

    /// Numbers about the log. Reads the names of all streams.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) where the log is damaged, [`Error::Io`](crate::Error::Io) if reading fails.
    pub fn stats(&self) -> Result<Stats> {
        let survey = survey::survey(&*self.shared.catalog.storage)?;
        let streams = self.streams("")?.len();
        let activity = self.shared.horizon.activity();
        Stats::of(&self.shared.catalog, self.head()?, streams, &survey, activity)
    }

    /// Position of the last durable event; 0 in an empty log.
    ///
    /// # Errors
    /// In the writing process [`Error::Forked`](crate::Error::Forked) alone; in another
    /// one also [`Error::Corrupt`](crate::Error::Corrupt) and
    /// [`Error::Io`](crate::Error::Io), where it cannot be found out.
    pub fn head(&self) -> Result<u64> {
        Ok(self.shared.horizon.bound(Reach::Durable)?.position)
    }

    /// Whether somebody has the log open for writing now, in this process or another one.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the lock cannot be asked.
    pub fn has_writer(&self) -> Result<bool> {
        let storage = &*self.shared.catalog.storage;
        storage.writer_alive().map_err(|error| Error::io("lock", &storage.describe(), error))
    }

    /// What opening the log for reading found at its end: how it was closed, and what the
    /// next writer will discard. `None` if a writer had it open.
    pub const fn recovery(&self) -> Option<&Recovery> {
        self.recovery.as_ref()
    }

    /// The log's identity: random, made with it.
    pub fn log_id(&self) -> Uuid {
        Uuid::from_u128(self.shared.catalog.log)
    }
}

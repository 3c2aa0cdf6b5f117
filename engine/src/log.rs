//! The log: wires the parts, touches no bytes and no system call.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use annals_index::Kind;
use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

use crate::batch::Batch;
use crate::catalog::Catalog;
use crate::catalog::entry::Entry;
use crate::catalog::find::Hit;
use crate::catalog::runs;
use crate::catalog::source::Source;
use crate::catalog::survey;
use crate::catalog::view::View;
use crate::commit::{Committer, Resume, Settings, Ticket};
use crate::committed::{Committed, Durability};
use crate::cursor::{Cursor, CursorOptions, Start};
use crate::error::{Error, Result};
use crate::event::OwnedEvent;
use crate::horizon::{Bound, Horizon, Reach};
use crate::io::{LockError, OsStorage, Storage, StorageLock};
use crate::options::{Background, Options, Reading};
use crate::planted::{self, Bug};
use crate::read::{Loaded, LogRead, Shared, StreamRead, Streams, collect_streams};
use crate::recovered::Recovery;
use crate::recovery::analysis::{Analysis, How, analyse};
use crate::recovery::{apply, create};
use crate::segment::ReadMode;
use crate::snapshot::Snapshot;
use crate::stats::Stats;
use crate::watermark::Watermark;

/// An event log, open for appending and reading by any number of threads of this
/// process.
///
/// Dropping it closes it; [`close`](Self::close) also tells whether that worked.
///
/// ```
/// use annals::{Batch, Expected, Log, NewEvent};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Log::open(path)?;
/// let placed = NewEvent::new("OrderPlaced").json(r#"{"total":12}"#);
/// log.append(Batch::new().write("order-17", Expected::NoStream, [placed]))?;
/// assert_eq!(log.version("order-17")?, 1);
/// log.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Log {
    committer: Arc<Committer>,
    shared: Shared,
    recovery: Recovery,
    /// What an append promises unless it says otherwise.
    durability: Durability,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Given back last of all.
    _lock: Box<dyn StorageLock>,
}

impl Log {
    /// Opens the log in a directory with the default options; makes one if there is
    /// none.
    ///
    /// # Errors
    /// Those of [`Options::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Options::new().open(path)
    }

    fn open_with(storage: Arc<dyn Storage>, options: &Options) -> Result<Self> {
        let place = storage.describe();
        if !storage.exists().map_err(|error| Error::io("open", &place, error))? {
            if !options.create {
                return Err(Error::NotFound { log: place });
            }
            storage.create_dir().map_err(|error| Error::io("create", &place, error))?;
        }
        let lock = storage.lock().map_err(|error| match error {
            LockError::Held { pid } => Error::Locked { log: place.clone(), pid },
            LockError::Io(error) => Error::io("lock", &place, error),
        })?;
        let mode = match options.reading {
            Reading::Mapped => ReadMode::Mapped,
            Reading::Pread => ReadMode::Pread,
        };
        let epoch = storage.random();
        let how = How { mode, strict: options.strict, write: true };
        let (analysis, created) = find_or_create(&storage, options, how, epoch)?;
        let tail = apply::apply(&*storage, &analysis, epoch)?;
        let settings = Settings {
            epoch,
            segment_bytes: options.segment_bytes,
            flush_after: options.flush_after,
            in_flight_bytes: options.in_flight_bytes,
            threads: options.background == Background::Thread,
        };
        let watermark = Arc::new(Watermark::new(tail.durable.place, tail.durable.position));
        let next_position =
            if planted::active(Bug::PositionsRestarted) { 1 } else { analysis.end.next_position };
        let last_time = analysis.end.last_time;
        let last_mark = analysis.indexer.last_mark();
        let segment = Arc::clone(&tail.segment);
        let mut recovery = analysis.recovery.clone();
        recovery.clean |= created;
        let log = analysis.log;
        let (view, table) = view_of(analysis);
        let catalog = Arc::new(Catalog::new(storage, log, mode, view));
        let resume = Resume { segment, table, next_position, last_time, last_mark, tail };
        let committer = Arc::new(Committer::new(Arc::clone(&catalog), watermark, settings, resume));
        let horizon: Arc<dyn Horizon> = Arc::clone(&committer) as _;
        let shared = Shared { catalog, horizon };
        let threads = if settings.threads { start_threads(&committer)? } else { Vec::new() };
        let threads = Mutex::new(threads);
        let durability = options.durability;
        Ok(Self { committer, shared, recovery, durability, threads, _lock: lock })
    }

    /// Appends a batch, all or nothing, and returns when it is as safe as the log's
    /// options say: durable by default.
    ///
    /// Callers from several threads share a sync. Alone, a durable append costs one write
    /// and one sync of the device.
    ///
    /// # Errors
    /// * [`Error::WrongExpectedVersion`]: a stream is not as the batch expects.
    /// * [`Error::DuplicateConflict`]: some of its ids are in the log, but not as this
    ///   very batch. (If they are, the first outcome comes back.)
    /// * [`Error::SnapshotAhead`]: a snapshot is of a version that its stream has not.
    /// * [`Error::TooLarge`], [`Error::Invalid`]: something in the batch, see
    ///   [`limits`](crate::limits).
    /// * [`Error::Full`]: no space. All of these leave nothing behind and use no
    ///   number.
    /// * [`Error::Poisoned`]: a write or sync failed, now or before. Whether this batch
    ///   is in the log is settled when it is opened again; appending it again then is
    ///   safe, since its ids are known.
    /// * [`Error::Closed`], [`Error::Forked`], [`Error::Corrupt`], [`Error::Io`].
    pub fn append(&self, batch: &Batch) -> Result<Committed> {
        self.committer.append(batch, self.durability)
    }

    /// As [`append`](Self::append), and says how safe the batch must be first.
    ///
    /// ```
    /// use annals::{Batch, Durability, Expected, Log, NewEvent};
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path();
    /// let log = Log::open(path)?;
    /// let mut batch = Batch::new();
    /// batch.write("clicks", Expected::Any, [NewEvent::new("Clicked")]);
    /// let committed = log.append_with(&batch, Durability::Buffered)?;
    /// // It is seen at once in this process; the device has it 50 ms later, or now:
    /// assert_eq!(log.version("clicks")?, 1);
    /// log.sync()?;
    /// assert_eq!(log.head(), committed.last_position());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`append`](Self::append).
    pub fn append_with(&self, batch: &Batch, durability: Durability) -> Result<Committed> {
        self.committer.append(batch, durability)
    }

    /// Submits a batch and returns at once: it has its place and its numbers, and the
    /// [`Ticket`] tells when it is as safe as the log's options say. One thread can so
    /// keep many batches in flight; they share writes and syncs.
    ///
    /// Waits only while more than [`in_flight_bytes`](crate::Options::in_flight_bytes) are
    /// in memory. A ticket that is dropped commits all the same.
    ///
    /// # Errors
    /// Those of [`append`](Self::append) that do not rest on what is in flight;
    /// the others come from the ticket.
    pub fn submit(&self, batch: &Batch) -> Result<Ticket> {
        self.committer.submit(batch, self.durability)
    }

    /// As [`submit`](Self::submit), and says how safe the batch must be first.
    ///
    /// # Errors
    /// Those of [`submit`](Self::submit).
    pub fn submit_with(&self, batch: &Batch, durability: Durability) -> Result<Ticket> {
        self.committer.submit(batch, durability)
    }

    /// Makes durable everything that was appended before.
    ///
    /// # Errors
    /// [`Error::Poisoned`] if a write or sync failed, now or before, also one in the
    /// background; [`Error::Closed`], [`Error::Forked`].
    pub fn sync(&self) -> Result<()> {
        self.committer.sync_all()
    }

    /// Reads a stream, from its first event on unless told otherwise.
    pub fn read(&self, stream: &str) -> StreamRead {
        StreamRead::new(self.shared.clone(), stream)
    }

    /// A stream as it is folded: its newest snapshot with this schema number and all
    /// events after it. Snapshots with another one are passed over.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the log is damaged, [`Error::Io`] if reading fails.
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
    /// [`Batch::state`] appended it. Those with another one are passed over.
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

    fn newest(
        &self,
        key: (Kind, &str),
        wanted: &mut dyn FnMut(&Snapshot) -> bool,
    ) -> Result<Option<Snapshot>> {
        let bound = self.shared.horizon.bound(Reach::Acknowledged)?;
        let view = self.shared.catalog.view();
        self.shared.catalog.snapshot(&view, key, bound, wanted)
    }

    /// Reads the whole log, from its first event on unless told otherwise.
    pub fn read_all(&self) -> LogRead {
        LogRead::new(self.shared.clone())
    }

    /// A cursor that follows the log.
    ///
    /// # Errors
    /// [`Error::BeyondHead`] if it is to start after the head, [`Error::Diverged`] if it
    /// is to start at a checkpoint that does not fit the log; [`Error::Corrupt`] and
    /// [`Error::Io`] if its start cannot be read.
    pub fn cursor(&self, start: Start) -> Result<Cursor> {
        Cursor::new(self.shared.clone(), start, &CursorOptions::new())
    }

    /// A cursor with options: what it is handed, and when.
    ///
    /// # Errors
    /// Those of [`cursor`](Self::cursor).
    pub fn cursor_with(&self, start: Start, options: &CursorOptions) -> Result<Cursor> {
        Cursor::new(self.shared.clone(), start, options)
    }

    /// The event with this id, if there is one.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the log is damaged, [`Error::Io`] if reading fails.
    pub fn event(&self, id: Uuid) -> Result<Option<OwnedEvent>> {
        let bound = self.shared.horizon.bound(Reach::Acknowledged)?;
        self.find(id, bound)?.map(|hit| hit.event(bound)).transpose()
    }

    /// Whether an event with this id is in the log.
    ///
    /// # Errors
    /// Those of [`event`](Self::event).
    pub fn contains(&self, id: Uuid) -> Result<bool> {
        let bound = self.shared.horizon.bound(Reach::Acknowledged)?;
        Ok(self.find(id, bound)?.is_some())
    }

    fn find(&self, id: Uuid, bound: Bound) -> Result<Option<Hit>> {
        let view = self.shared.catalog.view();
        let hit = self.shared.catalog.id(&view, id.as_u128(), bound)?;
        Ok(hit.filter(|hit| hit.place() < bound.place))
    }

    /// Version of a stream's last event; 0 if nothing was ever appended to it.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the log is damaged, [`Error::Io`] if reading fails.
    pub fn version(&self, stream: &str) -> Result<u64> {
        let bound = self.shared.horizon.bound(Reach::Acknowledged)?;
        let view = self.shared.catalog.view();
        self.shared.catalog.version_before(&view, stream, bound.place)
    }

    /// Position of the last durable event; 0 in an empty log.
    pub fn head(&self) -> u64 {
        self.committer.watermark.position()
    }

    /// The streams whose names start with `prefix`: all of them, if it is empty.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the log is damaged, [`Error::Io`] if reading fails.
    pub fn streams(&self, prefix: &str) -> Result<Streams> {
        collect_streams(&self.shared, prefix)
    }

    /// Numbers about the log. Reads the names of all streams.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the log is damaged, [`Error::Io`] if reading fails.
    pub fn stats(&self) -> Result<Stats> {
        let survey = survey::survey(&*self.shared.catalog.storage)?;
        let streams = self.streams("")?.len();
        Ok(Stats::of(self.shared.catalog.log, self.head(), streams, &survey))
    }

    /// What opening found.
    pub const fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Closes the log: appends that are under way are carried out, then a close mark is
    /// written, unused space is given back, and the active segment gets its index,
    /// so that the next open reads no record. If the log had been closed and nothing was
    /// appended since, nothing is written.
    ///
    /// Cursors and what they handed out stay readable.
    ///
    /// # Errors
    /// [`Error::Poisoned`] if a write or sync failed earlier, or the failure of the close
    /// itself. What was acknowledged is durable in any case; the next open takes as
    /// long as after a crash.
    pub fn close(self) -> Result<()> {
        self.end()
    }

    fn end(&self) -> Result<()> {
        // A process that inherited the log has neither its thread nor a right to close it.
        self.committer.owner()?;
        // The background first: what it writes (a witness, a spare) must not come after
        // the close. It ends when its channel is closed. Whoever leads goes on with what
        // the flusher leaves.
        self.committer.set_worker(None);
        self.committer.stop_flusher();
        for thread in self.threads.lock().drain(..) {
            drop(thread.join());
        }
        self.committer.close()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // Who wants to know calls `close`.
        drop(self.end());
    }
}

impl Options {
    /// Opens the log in a directory, for appending and reading.
    ///
    /// # Errors
    /// [`Error::Invalid`] for options without meaning, [`Error::NotFound`],
    /// [`Error::Locked`] while another writer has it open, [`Error::Corrupt`] if
    /// acknowledged data was hurt, [`Error::WouldDiscard`] if strict,
    /// [`Error::Unsupported`] for a log of a later version, [`Error::Full`],
    /// [`Error::Io`].
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Log> {
        self.open_on(Arc::new(OsStorage::new(path.as_ref())))
    }

    /// Opens the log on a storage of your own, such as the simulated one.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_on(&self, storage: Arc<dyn Storage>) -> Result<Log> {
        self.check()?;
        Log::open_with(storage, self)
    }
}

fn find_or_create(
    storage: &Arc<dyn Storage>,
    options: &Options,
    how: How,
    epoch: u128,
) -> Result<(Analysis, bool)> {
    let load = |_, number| runs::load_from(&**storage, how.mode, number);
    if let Some(analysis) = analyse(&**storage, how, &load)? {
        return Ok((analysis, false));
    }
    let log = storage.describe();
    if !options.create {
        return Err(Error::NotFound { log });
    }
    create(&**storage, epoch)?;
    let analysis = analyse(&**storage, how, &load)?.ok_or(Error::NotFound { log })?;
    Ok((analysis, true))
}

/// The segments and indexes as recovery found them, and the table that appends go on
/// with.
fn view_of(analysis: Analysis) -> (View, crate::catalog::source::SharedTable) {
    let mut entries = Vec::with_capacity(analysis.segments.len());
    for pair in analysis.segments.windows(2) {
        if let [segment, next] = pair {
            entries.push(Arc::new(Entry::sealed(Arc::clone(segment), Arc::clone(next))));
        }
    }
    let mut sources: Vec<_> =
        entries.iter().map(|entry| Arc::new(Source::unloaded(Arc::clone(entry)))).collect();
    let table = analysis.indexer.into_table();
    let first = table.first_position();
    let table = Arc::new(RwLock::new(table));
    if let Some(segment) = analysis.segments.last() {
        let entry = Arc::new(Entry::active(Arc::clone(segment)));
        if let Some(run) = analysis.run {
            let first = analysis.header.first_position;
            let source = Source::of_run(Arc::clone(&entry), first, Arc::new(run));
            sources.push(Arc::new(source));
        }
        let source = Source::of_table(Arc::clone(&entry), first, Arc::clone(&table));
        sources.push(Arc::new(source));
        entries.push(entry);
    }
    (View { entries, sources }, table)
}

/// The background thread, which prepares space and makes runs, and the flusher.
fn start_threads(committer: &Arc<Committer>) -> Result<Vec<JoinHandle<()>>> {
    let start = |work: Box<dyn FnOnce(&Committer) + Send>| {
        let committer = Arc::clone(committer);
        std::thread::Builder::new()
            .name("annals".to_owned())
            .spawn(move || work(&committer))
            .map_err(|error| Error::io("start a thread for", "the log", error))
    };
    let flusher = start(Box::new(Committer::flush));
    committer.set_flusher();
    let flusher = flusher.inspect_err(|_| committer.stop_flusher())?;
    let (sender, receiver) = crossbeam_channel::unbounded();
    let worker = match start(Box::new(move |committer| committer.work(&receiver))) {
        Ok(worker) => worker,
        Err(error) => {
            committer.stop_flusher();
            drop(flusher.join());
            return Err(error);
        }
    };
    committer.set_worker(Some(sender));
    Ok(vec![flusher, worker])
}

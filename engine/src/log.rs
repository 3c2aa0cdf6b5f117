//! The log: wires the parts, touches no bytes and no system call.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use crate::batch::Batch;
use crate::catalog::Catalog;
use crate::catalog::{runs, survey};
use crate::commit::{Committer, Resume, Settings, Ticket};
use crate::committed::Committed;
use crate::control;
use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::follower::Follower;
use crate::horizon::Horizon;
use crate::io::{LockError, OsStorage, Storage, StorageLock};
use crate::observe::{self, Stopwatch, span};
use crate::options::{Background, Options, Reading};
use crate::planted::{self, Bug};
use crate::read::Shared;
use crate::reader::Reader;
use crate::recovered::Recovery;
use crate::recovery::analysis::{Analysis, How, analyse};
use crate::recovery::{apply, create, view_of};
use crate::segment::{ReadMode, name};
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Mutex, channel};
use crate::watermark::Watermark;

/// An event log, open for appending and reading by any number of threads of this
/// process.
///
/// Dropping it closes it; [`close`](Self::close) also tells whether that worked. It reads
/// through a [`Reader`], whose methods are its own.
///
/// The [guide](crate::guide) goes through what can be done with it.
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
    reader: Reader,
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
    /// What it finds after a crash, and what it does about it, is told by
    /// [`recovery`](Self::recovery): see the [guide to recovery](crate::guide::recovery).
    ///
    /// # Errors
    /// Those of [`Options::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Options::new().open(path)
    }

    /// A new log in memory, on the [simulated disk](crate::io::sim): the same engine, for a
    /// test. It is gone when it is dropped. To see it survive that, or a crash, open logs
    /// on a disk of your own: the [guide to testing](crate::guide::testing) shows how.
    ///
    /// ```
    /// use annals::{Batch, Expected, Log, NewEvent};
    /// let log = Log::temporary()?;
    /// log.append(Batch::new().write("order-17", Expected::NoStream, [NewEvent::new("Placed")]))?;
    /// assert_eq!(log.version("order-17")?, 1);
    /// # Ok::<(), annals::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Io`] if no threads can be started.
    #[cfg(feature = "sim")]
    pub fn temporary() -> Result<Self> {
        let disk = crate::io::sim::SimStorage::new();
        // Each log is one of its own: a checkpoint of another one is refused.
        disk.set_seed(uuid::Uuid::new_v4().as_u64_pair().0);
        Options::new().open_on(Arc::new(disk))
    }

    fn open_with(storage: Arc<dyn Storage>, options: &Options) -> Result<Self> {
        let place = storage.describe();
        observe::describe();
        let _span = span::open(&place);
        let watch = Stopwatch::start();
        if !storage.exists().map_err(|error| Error::io("open", &place, error))? {
            if !options.create {
                return Err(Error::NotFound { log: place });
            }
            storage.create_dir().map_err(|error| Error::io("create", &place, error))?;
        }
        if !options.create && survey::survey(&*storage)?.segments.is_empty() {
            // Looking for a log leaves nothing behind.
            return Err(Error::NotFound { log: place });
        }
        let lock = storage.lock().map_err(|error| match error {
            LockError::Held { pid } => Error::Locked { log: place.clone(), pid },
            LockError::Io(error) => Error::io("lock", &place, error),
        })?;
        control::unsettle(&*storage);
        let mode = mode_of(options);
        let epoch = if planted::active(Bug::EpochKept) { 1 } else { storage.random() };
        let how = How { mode, strict: options.strict, write: true };
        let (analysis, created) = find_or_create(&storage, options, how, epoch)?;
        analysis.header.writable(&name::segment(analysis.header.number))?;
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
        let discarded = recovery.discarded.as_ref().map_or(0, |tail| tail.bytes);
        span::recovered(recovery.clean, recovery.head, discarded);
        let log = analysis.log;
        let (view, table) = view_of(analysis);
        let catalog = Arc::new(Catalog::new(storage, log, mode, view, false));
        let resume = Resume { segment, table, next_position, last_time, last_mark, tail };
        let committer = Arc::new(Committer::new(Arc::clone(&catalog), watermark, settings, resume));
        committer.set_up_control();
        let horizon: Arc<dyn Horizon> = Arc::clone(&committer) as _;
        let shared = Shared { catalog, horizon };
        let reader = Reader { shared, recovery: Some(recovery.clone()) };
        let threads = if settings.threads { start_threads(&committer)? } else { Vec::new() };
        let threads = Mutex::new(threads);
        observe::recovered(&watch, recovery.clean, discarded);
        let durability = options.durability;
        Ok(Self { committer, reader, recovery, durability, threads, _lock: lock })
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
    /// in memory, and with [`Background::Inline`], which has nobody else to write it, until
    /// it is written or synced. A ticket that is dropped commits all the same. [`Ticket`] has
    /// an example, the [guide to durability](crate::guide::durability) says more.
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

    /// Makes durable everything that was appended before, with one write and one sync at
    /// most. There is an [example](crate::guide::durability#sync-now) in the guide.
    ///
    /// # Errors
    /// [`Error::Poisoned`] if a write or sync failed, now or before, also one in the
    /// background; [`Error::Closed`], [`Error::Forked`].
    pub fn sync(&self) -> Result<()> {
        self.committer.sync_all()
    }

    /// Position of the last durable event; 0 in an empty log.
    pub fn head(&self) -> u64 {
        self.committer.watermark.position()
    }

    /// The reading side, to be handed to those who must not append. It sees what the log
    /// sees, also what is not durable yet.
    pub const fn reader(&self) -> &Reader {
        &self.reader
    }

    /// What opening found. The [guide to recovery](crate::guide::recovery) has an example.
    pub const fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Closes the log: appends that are under way are carried out, everything that was
    /// appended is made durable, then a close mark is written, unused space is given back, and the active segment gets its index,
    /// so that the next open reads no record. If the log had been closed and nothing was
    /// appended since, nothing is written.
    ///
    /// Cursors and what they handed out stay readable.
    ///
    /// # Errors
    /// [`Error::Poisoned`] if a write or sync failed earlier, or the failure of the close
    /// itself. What was acknowledged as durable is so in any case, and what was acknowledged
    /// as less may be lost; the next open takes as long as after a crash.
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

/// What a log is read with.
impl Deref for Log {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
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

    /// Opens the log in a directory for reading only: see [`Reader::open`]. Of the options
    /// [`reading`](Self::reading) and [`visibility`](Self::visibility) matter.
    ///
    /// # Errors
    /// Those of [`Reader::open`].
    pub fn open_reader(&self, path: impl AsRef<Path>) -> Result<Reader> {
        self.open_reader_on(Arc::new(OsStorage::new(path.as_ref())))
    }

    /// As [`open_reader`](Self::open_reader), on a storage of your own.
    ///
    /// # Errors
    /// Those of [`Reader::open`].
    pub fn open_reader_on(&self, storage: Arc<dyn Storage>) -> Result<Reader> {
        self.check()?;
        let follower = Follower::open(storage, mode_of(self), self.visibility)?;
        let catalog = Arc::clone(&follower.catalog);
        let recovery = follower.recovery.clone();
        let horizon: Arc<dyn Horizon> = follower;
        Ok(Reader { shared: Shared { catalog, horizon }, recovery })
    }
}

const fn mode_of(options: &Options) -> ReadMode {
    match options.reading {
        Reading::Mapped => ReadMode::Mapped,
        Reading::Pread => ReadMode::Pread,
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

/// The background thread, which prepares space and makes runs, and the flusher.
fn start_threads(committer: &Arc<Committer>) -> Result<Vec<JoinHandle<()>>> {
    let start = |work: Box<dyn FnOnce(&Committer) + Send>| {
        let committer = Arc::clone(committer);
        thread::Builder::new()
            .name("annals".to_owned())
            .spawn(move || work(&committer))
            .map_err(|error| Error::io("start a thread for", "the log", error))
    };
    let flusher = start(Box::new(Committer::flush));
    committer.set_flusher();
    let flusher = flusher.inspect_err(|_| committer.stop_flusher())?;
    let (sender, receiver) = channel::unbounded();
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

//! Following from another process: a read-only tail, and checkpoints kept outside the log.

use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::sourcing::{StoreReader, Tail};
use crate::{Checkpoint, Error, Event, Filter, Result, Start};

/// Where a program that does not write the log keeps how far it is.
///
/// One that keeps what it does in a database keeps its checkpoint there too, in the same
/// transaction, and needs none of these.
pub trait CheckpointStore: Debug + Send {
    /// What was saved last under a name; `None` if nothing was.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Invalid`] for what is no checkpoint, [`Error::Store`].
    fn load(&self, name: &str) -> Result<Option<Checkpoint>>;

    /// Saves a checkpoint under a name. It is durable when this returns; cut off before, what
    /// was saved last is still there.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Store`].
    fn save(&self, name: &str, checkpoint: &Checkpoint) -> Result<()>;
}

/// Checkpoints as files of a directory: one for each name, with the checkpoint's text.
///
/// ```
/// use annals::Checkpoint;
/// use annals::sourcing::{CheckpointStore, FileCheckpoints};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let checkpoints = FileCheckpoints::new(path);
/// assert_eq!(checkpoints.load("search/orders")?, None);
/// let checkpoint = Checkpoint { log: annals::Uuid::nil(), epoch: annals::Uuid::nil(), position: 0 };
/// checkpoints.save("search/orders", &checkpoint)?;
/// assert_eq!(checkpoints.load("search/orders")?, Some(checkpoint));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct FileCheckpoints {
    directory: PathBuf,
}

/// The operating system's refusal of a call on a file.
fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let file = path.display().to_string();
    move |error| Error::Io { operation, file, source: Arc::new(error) }
}

impl FileCheckpoints {
    /// In this directory, which is made when something is saved.
    pub fn new(directory: impl AsRef<Path>) -> Self {
        Self { directory: directory.as_ref().to_owned() }
    }

    /// A name never becomes a path: what is not a letter or digit of ASCII, `-` or `_` is
    /// written as `%` and two hexadecimal digits, byte by byte.
    fn path(&self, name: &str) -> PathBuf {
        let mut file = String::new();
        for byte in name.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => file.push(byte.into()),
                _ => file.push_str(&format!("%{byte:02x}")),
            }
        }
        file.push_str(".checkpoint");
        self.directory.join(file)
    }
}

impl CheckpointStore for FileCheckpoints {
    fn load(&self, name: &str) -> Result<Option<Checkpoint>> {
        let path = self.path(name);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(failed("read", &path))?,
        };
        let why = "the file holds no checkpoint";
        let parsed = text.trim_end().parse();
        parsed.map(Some).map_err(|_| Error::Invalid { what: "checkpoint", why })
    }

    fn save(&self, name: &str, checkpoint: &Checkpoint) -> Result<()> {
        let path = self.path(name);
        fs::create_dir_all(&self.directory).map_err(failed("create", &self.directory))?;
        // Under another name first: one that is half written is no checkpoint.
        let half = path.with_extension("half");
        let mut file = File::create(&half).map_err(failed("create", &half))?;
        file.write_all(format!("{checkpoint}\n").as_bytes()).map_err(failed("write", &half))?;
        file.sync_all().map_err(failed("sync", &half))?;
        fs::rename(&half, &path).map_err(failed("rename", &half))?;
        let directory = File::open(&self.directory).map_err(failed("open", &self.directory))?;
        directory.sync_all().map_err(failed("sync", &self.directory))
    }
}

/// Follows a store in a process that does not write it, at least once, and keeps how far it
/// is outside.
///
/// ```
/// use annals::sourcing::{FileCheckpoints, Follower};
/// use annals::{Batch, Expected, Filter, Log, NewEvent, Reader, Start};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("log");
/// # let places = directory.path().join("places");
/// let log = Log::open(&path)?;
/// log.append(Batch::new().write("order-1", Expected::Any, [NewEvent::new("Placed")]))?;
///
/// // In another process:
/// let reader = Reader::open(&path)?;
/// for expected in [1, 0] {
///     let kept = FileCheckpoints::new(&places);
///     let mut follower = Follower::open(&reader, "search", &Filter::new(), Start::Beginning, kept)?;
///     let mut seen = 0;
///     while follower.poll(100, &mut |_event| seen += 1)? > 0 {
///         // What was handled is not handed out again.
///         follower.save()?;
///     }
///     assert_eq!(seen, expected);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Follower<C> {
    name: String,
    tail: Box<dyn Tail>,
    checkpoints: C,
}

impl<C: CheckpointStore> Follower<C> {
    /// Goes on where the name was saved; the first time at `start`.
    ///
    /// # Errors
    /// Those of the checkpoints. [`Error::Diverged`] if the log is not what it was there, since
    /// an older copy was restored or a tail was lost: it says up to where it is the same.
    /// [`Error::BeyondHead`], and what else the store says.
    pub fn open(
        reader: &(impl StoreReader + ?Sized),
        name: &str,
        filter: &Filter,
        start: Start,
        checkpoints: C,
    ) -> Result<Self> {
        let start = checkpoints.load(name)?.map_or(start, Start::Checkpoint);
        Ok(Self { name: name.to_owned(), tail: reader.tail(start, filter)?, checkpoints })
    }

    /// As [`Tail::poll`].
    ///
    /// # Errors
    /// Those of [`Tail::poll`].
    pub fn poll(&mut self, max: usize, each: &mut dyn FnMut(Event<'_>)) -> Result<usize> {
        self.tail.poll(max, each)
    }

    /// As [`Tail::wait`].
    ///
    /// # Errors
    /// Those of [`Tail::wait`].
    pub fn wait(&mut self, timeout: Duration) -> Result<bool> {
        self.tail.wait(timeout)
    }

    /// Saves that everything that was handed out is handled, and returns what was saved.
    ///
    /// # Errors
    /// Those of [`Tail::checkpoint`] and of the checkpoints.
    pub fn save(&mut self) -> Result<Checkpoint> {
        let checkpoint = self.tail.checkpoint()?;
        self.checkpoints.save(&self.name, &checkpoint)?;
        Ok(checkpoint)
    }
}

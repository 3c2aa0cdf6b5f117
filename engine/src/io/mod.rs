//! The one door to the operating system: files, directory entries, mappings,
//! the lock, the clock and randomness.
//!
//! Everything the log does to the outside goes through [`Storage`] and
//! [`StorageFile`]. [`OsStorage`] is the real one; the simulated one (feature
//! `sim`) keeps what is written apart from what is durable. Nothing here knows
//! what a record or a segment is.
//!
//! # Contract of the seam
//!
//! * One `Storage` is one flat directory. Names are plain file names: never a
//!   separator, never `.` or `..`.
//! * All methods may be called from any thread at any time; calls on disjoint
//!   ranges of one file do not disturb each other.
//! * A write is *written* when `write_all_at` returns: it survives a killed
//!   process. It is *durable* when a later `sync_data` of the same file returned
//!   `Ok`: it survives a power cut. Between the two any part of it, down to single
//!   bytes, may be on the disk or not, in any order.
//! * A file's length is durable with `sync_data` as far as written data needs it,
//!   and with `sync_all` in any case.
//! * A created, renamed or removed name is durable when a later `sync_dir`
//!   returned `Ok`.
//! * After a failed `sync_data`, `sync_all` or `sync_dir` nothing is known of what
//!   was pending, and a later success proves nothing about it. Callers must
//!   not retry.
//! * A sync makes durable what any process has written to that file, and works on
//!   files opened for reading, also where the file system is read-only.
//! * The lock has two kinds, as `flock` has: one writer, or any number of
//!   readers. It is given back when its holder's process ends, however it ends.
//!
//! # Words shared between processes
//!
//! [`StorageFile::share`] maps the first words of a small file, and every process
//! that does so sees the same [`SharedWords`].
//!
//! * A word is 8 bytes, in the byte order of the machine: such a file is for the
//!   processes of one machine and derived from files that say the same durably.
//! * A store is *written* at once: it survives a killed process. It is never
//!   known to be durable: after a power cut a word may have any value that it ever
//!   had, each word for itself.
//! * Who stores to one word and then loads another cannot miss, together with
//!   somebody who does it the other way round, what both stored: one of the two sees
//!   the other's store. So a reader says that it waits and looks at the head again; a
//!   writer moves the head and looks whether somebody waits.
//! * The bytes are to be written before they are shared, zeros for instance, and the
//!   file is never cut: a store into a hole of a full disk, and a load beyond the
//!   end, end the process by a signal.

#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
mod holder;
mod map;
mod os;
#[cfg(feature = "sim")]
pub mod sim;

use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

pub use os::OsStorage;
pub(crate) use os::tick_millis;

/// The name of the file that tells who holds the lock. On systems where a
/// directory cannot be locked it is the lock itself.
pub(crate) const LOCK_FILE: &str = "lock";

/// What kind of directory entry a name is.
///
/// [`Storage`] has an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file: the only kind that a log reads or writes.
    File,
    /// A directory, a symbolic link, a pipe, a socket or a device: refused where
    /// a file of the log is expected.
    Other,
}

/// One name of the directory.
///
/// [`Storage`] has an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The file name. Names that are not UTF-8 are not listed: no file of a log
    /// has such a name.
    pub name: String,
    /// What stands under it.
    pub kind: EntryKind,
    /// Its length in bytes; 0 for what is not a file.
    pub len: u64,
}

/// Why [`Storage::lock`] did not give a lock.
#[derive(Debug)]
pub enum LockError {
    /// Somebody else holds it: the process id, where it could be found out.
    Held {
        /// The holder, if known.
        pid: Option<u32>,
    },
    /// Asking failed.
    Io(io::Error),
}

/// The lock on a directory, the writer's or a reader's, given back when dropped.
pub trait StorageLock: Send + Sync + Debug {}

/// One directory and what a log needs of the operating system. The [module](self) says what
/// holds of it; [`OsStorage`] and the simulated one are the two that there are.
///
/// ```
/// use std::sync::Arc;
/// use annals::io::{EntryKind, OsStorage, Storage};
/// let directory = tempfile::tempdir()?;
/// let storage: Arc<dyn Storage> = Arc::new(OsStorage::new(directory.path()));
/// let log = annals::Options::new().open_on(Arc::clone(&storage))?;
/// let files = storage.list()?;
/// assert!(files.iter().all(|entry| entry.kind == EntryKind::File));
/// assert!(storage.writer_alive()?);
/// log.close()?;
/// assert!(!storage.writer_alive()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Storage: Send + Sync + Debug {
    /// What is locked and shown in errors: a path, or a made-up name.
    fn describe(&self) -> String;

    /// Whether the directory exists.
    fn exists(&self) -> io::Result<bool>;

    /// Creates the directory (mode 0700) and makes its own entry durable in the
    /// parent. Fine if it is there already.
    fn create_dir(&self) -> io::Result<()>;

    /// All names in the directory, in no particular order.
    fn list(&self) -> io::Result<Vec<Entry>>;

    /// Opens an existing regular file for reading, and for writing if asked. Links,
    /// pipes and directories are refused with [`io::ErrorKind::InvalidInput`].
    fn open(&self, name: &str, write: bool) -> io::Result<Arc<dyn StorageFile>>;

    /// Creates a file (mode 0600) for reading and writing. It is an error
    /// ([`io::ErrorKind::AlreadyExists`]) if the name is taken.
    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>>;

    /// Gives a file another name, replacing what had that name, in one step.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a name.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes creations, renames and removals of names durable.
    fn sync_dir(&self) -> io::Result<()>;

    /// Takes the writer's lock, or says at once which writer holds it. Two locks of
    /// one directory exclude each other within one process too. While it is held, but
    /// not known to be by a writer, it is asked for again for about 20 ms: a
    /// [`writer_alive`](Self::writer_alive) lasts microseconds, and is nobody to give
    /// way to.
    fn lock(&self) -> Result<Box<dyn StorageLock>, LockError>;

    /// Keeps writers out while somebody reads, without leaving a trace; several readers
    /// may hold it at once. Unless a storage knows better, it is the writer's lock.
    fn lock_shared(&self) -> Result<Box<dyn StorageLock>, LockError> {
        self.lock()
    }

    /// Whether somebody holds the writer's lock at this moment, in any process, this
    /// one included. Keeps nobody out, writes nothing, and works on a read-only file
    /// system. An answer can be old as soon as it is there: a writer may come or go.
    fn writer_alive(&self) -> io::Result<bool>;

    /// The wall clock, in nanoseconds since 1970-01-01 UTC.
    fn now(&self) -> i64;

    /// 128 random bits that nobody else draws.
    fn random(&self) -> u128;

    /// This process.
    fn process_id(&self) -> u32;
}

/// One open file. Closed when dropped; closing makes nothing durable.
///
/// ```
/// use annals::io::{OsStorage, Storage};
/// let directory = tempfile::tempdir()?;
/// let storage = OsStorage::new(directory.path());
/// let file = storage.create("notes")?;
/// file.write_all_at(b"kept", 0)?;
/// file.sync_all()?;
/// storage.sync_dir()?;
/// let mut buffer = [0; 8];
/// assert_eq!(file.read_at(&mut buffer, 0)?, 4);
/// assert_eq!(file.map(4)?.slice(0..4), Some(&b"kept"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait StorageFile: Send + Sync + Debug {
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether it has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts it, or extends it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Writes all of `data` at `offset`, extending the file if needed. On an error
    /// any part of it may have been written.
    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()>;

    /// Reads up to `buffer.len()` bytes at `offset`; fewer only at the end of the
    /// file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Makes the written data durable, and as much of the length as it needs: what
    /// anybody has written, not only through this handle. Works on a file opened for
    /// reading (on Windows the system refuses that).
    fn sync_data(&self) -> io::Result<()>;

    /// Makes data and length durable, as [`sync_data`](Self::sync_data) does.
    fn sync_all(&self) -> io::Result<()>;

    /// Maps the first `len` bytes for reading. `len` must be above 0 and at most
    /// the file's length.
    fn map(&self, len: u64) -> io::Result<Arc<dyn Mapping>>;

    /// Maps the first `words` words, shared with every process that does the same.
    /// `write` says whether this side may store.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if `words` is 0, the file is shorter, or
    /// `write` is asked of a file opened for reading; [`io::ErrorKind::Unsupported`]
    /// where the machine has no shared words of 64 bits.
    fn share(&self, words: usize, write: bool) -> io::Result<Arc<dyn SharedWords>>;
}

/// Bytes of a file in memory. [`StorageFile`] has an example.
pub trait Mapping: Send + Sync + Debug {
    /// How many bytes are mapped.
    fn len(&self) -> usize;

    /// Whether nothing is mapped.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes in `range`; `None` if it is not within the mapping.
    ///
    /// The caller promises that nobody changes these bytes while the slice
    /// lives: a log asks only for what lies below its watermark, or for files
    /// that never change.
    fn slice(&self, range: Range<usize>) -> Option<&[u8]>;

    /// Whether writes made after the mapping can be seen through it. The real
    /// mapping is live; the simulated one is a copy, and whoever needs later
    /// bytes maps again.
    fn is_live(&self) -> bool;
}

/// Words of a file that every process which maps it shares: numbers, and waiting for
/// them to change. The [module](self) says what holds of them after a crash.
///
/// ```
/// use annals::io::{OsStorage, Storage};
/// let directory = tempfile::tempdir()?;
/// let storage = OsStorage::new(directory.path());
/// storage.create("words")?.write_all_at(&[0; 16], 0)?;
/// let ours = storage.open("words", true)?.share(2, true)?;
/// let theirs = storage.open("words", false)?.share(2, false)?;
/// ours.store(1, 7);
/// assert_eq!(theirs.load(1), 7);
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait SharedWords: Send + Sync + Debug {
    /// How many words are shared.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The word: who reads a value also sees what was stored before it. 0 beyond
    /// the end. Costs what a read of memory costs.
    fn load(&self, index: usize) -> u64;

    /// Sets the word, in one order with all stores, swaps and loads of the caller.
    /// Does nothing beyond the end, or if shared without `write`.
    fn store(&self, index: usize, value: u64);

    /// Sets the word as [`store`](Self::store) does and returns what was there. 0,
    /// and nothing done, beyond the end or if shared without `write`.
    fn swap(&self, index: usize, value: u64) -> u64;

    /// Sleeps while the [low half](low_half) of the word is `expected`, until a
    /// [`wake`](Self::wake) of that word in any process, at most for `timeout`. May
    /// return early: who waits looks again. Works without `write` too.
    ///
    /// Where the system has no such call (all but Linux) it looks every 1 to 5 ms.
    fn wait(&self, index: usize, expected: u32, timeout: Duration);

    /// Wakes all who wait on the word, in every process. To be called after the
    /// store that they wait for; a store alone wakes nobody. One call to the system,
    /// also if nobody waits.
    fn wake(&self, index: usize);
}

/// The half of a word that [`SharedWords::wait`] compares: its lower 32 bits.
///
/// ```
/// assert_eq!(annals::io::low_half(0x1_0000_0002), 2);
/// ```
pub fn low_half(word: u64) -> u32 {
    u32::try_from(word & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

//! The real storage: a directory of the file system.
//!
//! The only module that calls `std::fs`. Portable through std; where a Linux
//! call gives more (locking the directory itself, finding the holder of a lock),
//! it is used there and replaced elsewhere.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
#[cfg(not(unix))]
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::holder::Holder;
use super::{
    Entry, EntryKind, LOCK_FILE, LockError, Mapping, SharedWords, Storage, StorageFile,
    StorageLock, map,
};

/// How often a lock is asked for whose holder is not known to be a writer, and how
/// long to wait in between. Tries are counted, not time: on a busy machine both sides
/// are slow. A reader without a writer holds it for as long as it takes to find the end
/// of the log; where a writer cannot be told from a reader, it would be waited for too.
const LOCK_TRIES: u32 = if cfg!(target_os = "linux") { 1000 } else { 20 };
const LOCK_STEP: Duration = Duration::from_millis(1);

/// Milliseconds since 1970 by the system's clock as of its last tick, a few milliseconds ago
/// at most; 0 before. A quarter of the price of the clock itself, where Linux has it.
pub(crate) fn tick_millis() -> u64 {
    #[cfg(target_os = "linux")]
    let since = {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        Duration::try_from(now).unwrap_or_default()
    };
    #[cfg(not(target_os = "linux"))]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs().saturating_mul(1000).saturating_add(u64::from(since.subsec_millis()))
}

/// A directory of the real file system.
///
/// ```
/// use annals::io::{OsStorage, Storage};
/// let directory = tempfile::tempdir()?;
/// let storage = OsStorage::new(directory.path().join("log"));
/// assert!(!storage.exists()?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct OsStorage {
    directory: PathBuf,
}

impl OsStorage {
    /// The storage of a log in `directory`, which need not exist yet. Touches
    /// nothing.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        let plain = Path::new(name).components().count() == 1
            && !name.contains(['/', '\\', '\0'])
            && name != "."
            && name != "..";
        if plain {
            Ok(self.directory.join(name))
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file name"))
        }
    }
}

/// Refuses what is not a regular file before it is opened: opening a pipe would
/// block, opening a link would leave the directory.
fn only_regular(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.file_type().is_file() {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

fn make_private_dir(path: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), allow(unused_mut))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.recursive(true).create(path)
}

/// Makes a directory's entries durable. Windows has no such call: there the
/// file system's journal orders entries.
fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

impl Storage for OsStorage {
    fn describe(&self) -> String {
        self.directory.display().to_string()
    }

    fn exists(&self) -> io::Result<bool> {
        match fs::metadata(&self.directory) {
            Ok(found) if found.is_dir() => Ok(true),
            Ok(_) => Err(io::ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn create_dir(&self) -> io::Result<()> {
        let mut missing = Vec::new();
        let mut next = Some(self.directory.as_path());
        while let Some(path) = next {
            if path.as_os_str().is_empty() || path.exists() {
                break;
            }
            missing.push(path);
            next = path.parent();
        }
        make_private_dir(&self.directory)?;
        // Each directory made here is an entry of its parent, and is lost with a
        // power cut unless that parent is synced.
        for path in missing {
            match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent)?,
                _ => sync_directory(Path::new("."))?,
            }
        }
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let metadata = match fs::symlink_metadata(entry.path()) {
                Ok(metadata) => metadata,
                // Somebody else's file went away between the two calls.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let file = metadata.file_type().is_file();
            entries.push(Entry {
                name,
                kind: if file { EntryKind::File } else { EntryKind::Other },
                len: if file { metadata.len() } else { 0 },
            });
        }
        Ok(entries)
    }

    fn open(&self, name: &str, write: bool) -> io::Result<Arc<dyn StorageFile>> {
        let path = self.path(name)?;
        only_regular(&path)?;
        let file = OpenOptions::new().read(true).write(write).open(path)?;
        Ok(Arc::new(OsFile { file, write }))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let path = self.path(name)?;
        let file =
            private(OpenOptions::new().read(true).write(true).create_new(true)).open(path)?;
        Ok(Arc::new(OsFile { file, write: true }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from)?, self.path(to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name)?)
    }

    fn sync_dir(&self) -> io::Result<()> {
        sync_directory(&self.directory)
    }

    fn lock(&self) -> Result<Box<dyn StorageLock>, LockError> {
        let locked = self.lock_target().map_err(LockError::Io)?;
        let mut tries = LOCK_TRIES;
        loop {
            match locked.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
            }
            tries -= 1;
            let writer = holder_by_system(&locked).is_some_and(|holder| holder.exclusive);
            if writer || tries == 0 {
                return Err(LockError::Held { pid: self.holder(&locked) });
            }
            std::thread::sleep(LOCK_STEP);
        }
        self.note_holder().map_err(LockError::Io)?;
        Ok(OsLock::held(locked))
    }

    fn lock_shared(&self) -> Result<Box<dyn StorageLock>, LockError> {
        if !cfg!(unix) {
            return self.lock();
        }
        let locked = self.lock_target().map_err(LockError::Io)?;
        match locked.try_lock_shared() {
            Ok(()) => Ok(OsLock::held(locked)),
            Err(TryLockError::WouldBlock) => Err(LockError::Held { pid: self.holder(&locked) }),
            Err(TryLockError::Error(error)) => Err(LockError::Io(error)),
        }
    }

    fn writer_alive(&self) -> io::Result<bool> {
        let target = if cfg!(unix) {
            self.directory.clone()
        } else {
            // Opened, not made as `lock_target` does: where nobody ever wrote there is none.
            let file = self.directory.join(LOCK_FILE);
            if self.exists()? && !file.try_exists()? {
                return Ok(false);
            }
            file
        };
        let probe = File::open(target)?;
        match probe.try_lock_shared() {
            // Given back by name: a process that is being started at this moment has a
            // copy of the descriptor, and closing this one would leave the lock with it.
            Ok(()) => probe.unlock().map(|()| false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn now(&self) -> i64 {
        let nanos = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => i128::try_from(after.as_nanos()).unwrap_or(i128::MAX),
            Err(before) => -i128::try_from(before.duration().as_nanos()).unwrap_or(i128::MAX),
        };
        i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
    }

    fn random(&self) -> u128 {
        uuid::Uuid::new_v4().as_u128()
    }

    fn process_id(&self) -> u32 {
        map::process_id()
    }
}

impl OsStorage {
    /// What is locked: the directory itself where that can be, so that deleting a
    /// lock file cannot let a second writer in.
    fn lock_target(&self) -> io::Result<File> {
        if cfg!(unix) {
            File::open(&self.directory)
        } else {
            private(OpenOptions::new().read(true).write(true).create(true).truncate(false))
                .open(self.directory.join(LOCK_FILE))
        }
    }

    /// Writes this process's id where a refused one will look for it. Not synced:
    /// after a power cut nobody holds the lock.
    fn note_holder(&self) -> io::Result<()> {
        if !cfg!(unix) {
            // The lock file is locked as a whole; its bytes cannot be read by others.
            return Ok(());
        }
        let path = self.directory.join(LOCK_FILE);
        let text = format!("{}\n", std::process::id());
        match only_regular(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let opened = private(OpenOptions::new().write(true).create(true).truncate(true)).open(path);
        match opened {
            Ok(mut file) => file.write_all(text.as_bytes()),
            // Who holds it is a courtesy: a full disk must not keep a log shut.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(()),
            Err(error) => Err(error),
        }
        .or_else(|error| {
            if error.kind() == io::ErrorKind::StorageFull { Ok(()) } else { Err(error) }
        })
    }

    /// Who holds the lock: asked of the system first, since a lock file can be
    /// deleted or stale; then read from the lock file.
    fn holder(&self, locked: &File) -> Option<u32> {
        if let Some(holder) = holder_by_system(locked) {
            return Some(holder.pid);
        }
        let path = self.directory.join(LOCK_FILE);
        only_regular(&path).ok()?;
        let mut text = String::new();
        File::open(path).ok()?.take(32).read_to_string(&mut text).ok()?;
        text.trim().parse().ok()
    }
}

/// Who holds the lock as the system tells it, which is somebody who is alive.
#[cfg(target_os = "linux")]
fn holder_by_system(locked: &File) -> Option<Holder> {
    use std::os::unix::fs::MetadataExt;
    let inode = locked.metadata().ok()?.ino();
    super::holder::find(&fs::read_to_string("/proc/locks").ok()?, inode)
}

#[cfg(not(target_os = "linux"))]
fn holder_by_system(_locked: &File) -> Option<Holder> {
    None
}

/// Held until it is dropped; the system gives it back when the process ends, however
/// it ends.
#[derive(Debug)]
struct OsLock {
    locked: File,
    /// The process that took it. One that inherited it must not give it back.
    by: u32,
}

impl OsLock {
    fn held(locked: File) -> Box<dyn StorageLock> {
        Box::new(Self { locked, by: std::process::id() })
    }
}

impl StorageLock for OsLock {}

impl Drop for OsLock {
    fn drop(&mut self) {
        // By name: a process that is being started at this moment has a copy of the
        // descriptor, and closing this one would leave the lock with it. Where that
        // fails, the descriptor is closed all the same.
        if std::process::id() == self.by {
            drop(self.locked.unlock());
        }
    }
}

#[derive(Debug)]
struct OsFile {
    file: File,
    write: bool,
}

impl StorageFile for OsFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    #[cfg(unix)]
    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.file, data, offset)
    }

    #[cfg(not(unix))]
    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        // A seek and a write on a descriptor of its own: two threads must not share
        // one cursor.
        let mut own = self.file.try_clone()?;
        own.seek(SeekFrom::Start(offset))?;
        own.write_all(data)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
            match read_some(&self.file, rest, at) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn map(&self, len: u64) -> io::Result<Arc<dyn Mapping>> {
        map::map(&self.file, len)
    }

    fn share(&self, words: usize, write: bool) -> io::Result<Arc<dyn SharedWords>> {
        if write && !self.write {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "opened for reading"));
        }
        map::share(&self.file, words, write)
    }
}

#[cfg(unix)]
fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(not(unix))]
fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut own = file.try_clone()?;
    own.seek(SeekFrom::Start(offset))?;
    own.read(buffer)
}

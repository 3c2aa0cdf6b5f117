//! The lock of the real file system as writers, readers and probes see it, and syncs
//! of files opened for reading.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use annals::io::{LockError, OsStorage, Storage, StorageLock};

/// Tells the role below where to look.
const DIRECTORY: &str = "ANNALS_TEST_LOCK";

/// How that role ends when it had the lock.
const HELD: i32 = 77;

/// All names with what is under them.
fn content(directory: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        found.insert(entry.file_name().to_string_lossy().into(), std::fs::read(entry.path())?);
    }
    Ok(found)
}

fn locked(storage: &OsStorage) -> io::Result<Box<dyn StorageLock>> {
    storage.lock().map_err(|error| io::Error::other(format!("{error:?}")))
}

#[test]
fn a_writer_is_seen_alive_as_long_as_it_holds_the_lock() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let (writer, reader) = (OsStorage::new(directory.path()), OsStorage::new(directory.path()));
    assert!(!reader.writer_alive()?);
    let lock = locked(&writer)?;
    let before = content(directory.path())?;
    assert!(reader.writer_alive()?);
    assert!(writer.writer_alive()?, "the writer itself may ask too");
    assert_eq!(content(directory.path())?, before);
    drop(lock);
    assert!(!reader.writer_alive()?);
    drop(locked(&writer)?);
    Ok(())
}

#[test]
fn a_probe_writes_nothing_and_needs_nothing_but_the_directory() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let reader = OsStorage::new(directory.path());
    assert!(!reader.writer_alive()?);
    assert_eq!(content(directory.path())?, BTreeMap::new());
    let missing = OsStorage::new(directory.path().join("missing")).writer_alive();
    assert_eq!(missing.err().map(|error| error.kind()), Some(ErrorKind::NotFound));
    assert_eq!(content(directory.path())?, BTreeMap::new());
    Ok(())
}

#[cfg(unix)]
#[test]
fn readers_share_the_lock_and_are_no_writer() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let storage = OsStorage::new(directory.path());
    let (first, second) = (storage.lock_shared(), storage.lock_shared());
    assert!(first.is_ok() && second.is_ok());
    assert!(!storage.writer_alive()?);
    let start = Instant::now();
    assert!(matches!(storage.lock(), Err(LockError::Held { .. })));
    assert!(start.elapsed() >= Duration::from_millis(10), "a reader may be gone in a moment");
    assert!(!storage.writer_alive()?, "a writer that was refused is none");
    drop((first, second));
    let _writer = locked(&storage)?;
    assert!(matches!(storage.lock_shared(), Err(LockError::Held { pid: Some(_) })));
    Ok(())
}

#[test]
fn a_writer_that_is_probed_all_the_time_gets_the_lock() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let (done, alive, gone) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let probing = scope.spawn(|| {
            let reader = OsStorage::new(directory.path());
            while !done.load(Ordering::Relaxed) {
                let seen = if reader.writer_alive()? { &alive } else { &gone };
                seen.fetch_add(1, Ordering::Relaxed);
            }
            io::Result::Ok(())
        });
        let writer = OsStorage::new(directory.path());
        let refused = (0..1000).find_map(|round| {
            writer.lock().err().map(|error| format!("refused in round {round}: {error:?}"))
        });
        done.store(true, Ordering::Relaxed);
        assert_eq!(refused, None);
        probing.join().unwrap()
    })?;
    assert!(gone.load(Ordering::Relaxed) > 0, "{alive:?}");
    Ok(())
}

#[cfg(target_os = "linux")]
/// Killed children were watched by a process with several threads. One closed its log
/// and opened it again; another one was starting a child meanwhile, which had a copy of
/// every descriptor until its program began, that of the lock among them. The log was
/// closed and still locked, by the very process that had closed it.
#[test]
fn a_lock_that_was_given_back_is_free_also_while_processes_are_started() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let storage = OsStorage::new(directory.path());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let _status = Command::new("true").status();
                }
            });
        }
        let until = Instant::now() + Duration::from_secs(1);
        let tried = (|| {
            while Instant::now() < until {
                drop(locked(&storage)?);
                let shared = storage.lock_shared();
                drop(shared.map_err(|error| io::Error::other(format!("{error:?}")))?);
            }
            Ok(())
        })();
        over.store(true, Ordering::Relaxed);
        tried
    })
}

#[test]
fn a_second_writer_is_refused_at_once() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let storage = OsStorage::new(directory.path());
    let _writer = locked(&storage)?;
    let own = std::process::id();
    let start = Instant::now();
    for _ in 0..100 {
        assert!(matches!(storage.lock(), Err(LockError::Held { pid: Some(pid) }) if pid == own));
    }
    // Had each been asked again and again, it would be two seconds.
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    Ok(())
}

#[test]
#[ignore = "what the test below runs as another process"]
fn role_of_a_writer() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let _lock = locked(&OsStorage::new(directory)).unwrap();
    // Ends while it holds the lock, as a killed process does.
    std::process::exit(HELD);
}

#[test]
fn a_process_that_dies_is_no_writer_any_more() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let output = Command::new(std::env::current_exe()?)
        .args(["role_of_a_writer", "--exact", "--ignored"])
        .env(DIRECTORY, directory.path())
        .output()?;
    assert_eq!(output.status.code(), Some(HELD));
    let storage = OsStorage::new(directory.path());
    assert!(!storage.writer_alive()?);
    drop(locked(&storage)?);
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_file_that_may_only_be_read_can_be_synced_mapped_and_shared() -> io::Result<()> {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir()?;
    let storage = OsStorage::new(directory.path());
    storage.create("a")?.write_all_at(&[7; 16], 0)?;
    set_permissions(directory.path().join("a"), Permissions::from_mode(0o400))?;
    set_permissions(directory.path(), Permissions::from_mode(0o500))?;
    let file = storage.open("a", false)?;
    file.sync_data()?;
    file.sync_all()?;
    storage.sync_dir()?;
    assert!(!storage.writer_alive()?);
    assert_eq!(file.share(2, false)?.load(1), u64::from_ne_bytes([7; 8]));
    assert!(file.write_all_at(b"x", 0).is_err());
    set_permissions(directory.path(), Permissions::from_mode(0o700))?;
    Ok(())
}

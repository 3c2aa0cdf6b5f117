//! Words that processes share, on the real file system: what they are, what is
//! refused, and sleeping and waking across processes.

use std::io::{self, BufRead, BufReader, ErrorKind};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use annals::io::{OsStorage, SharedWords, Storage, low_half};

const FILE: &str = "words";

/// Longer than any test should take: a wait that ends by it has not been woken.
const LONG: Duration = Duration::from_secs(30);

/// Says to the roles below where the file is.
const DIRECTORY: &str = "ANNALS_TEST_WORDS";

fn words_in(directory: &Path, write: bool) -> io::Result<Arc<dyn SharedWords>> {
    OsStorage::new(directory).open(FILE, write)?.share(4, write)
}

fn with_file() -> io::Result<tempfile::TempDir> {
    let directory = tempfile::tempdir()?;
    OsStorage::new(directory.path()).create(FILE)?.write_all_at(&[0; 32], 0)?;
    Ok(directory)
}

#[test]
fn all_mappings_show_the_same_words_and_the_file_has_them() -> io::Result<()> {
    let directory = with_file()?;
    let (writer, reader) = (words_in(directory.path(), true)?, words_in(directory.path(), false)?);
    assert_eq!((writer.len(), reader.len(), reader.is_empty()), (4, 4, false));
    let big = 0x0123_4567_89AB_CDEF;
    writer.store(3, big);
    assert_eq!((reader.load(3), reader.load(2)), (big, 0));
    assert_eq!(writer.swap(3, 5), big);
    assert_eq!(reader.load(3), 5);
    assert_eq!(low_half(big), 0x89AB_CDEF);
    let mut bytes = [0; 32];
    OsStorage::new(directory.path()).open(FILE, false)?.read_at(&mut bytes, 0)?;
    assert_eq!(bytes[24..], 5_u64.to_ne_bytes());
    drop(writer);
    assert_eq!(reader.load(3), 5, "the file outlives who wrote it");
    Ok(())
}

#[test]
fn nothing_is_stored_beyond_the_end_or_by_a_reader() -> io::Result<()> {
    let directory = with_file()?;
    let (writer, reader) = (words_in(directory.path(), true)?, words_in(directory.path(), false)?);
    writer.store(0, 9);
    reader.store(0, 1);
    assert_eq!(reader.swap(0, 1), 0);
    for index in [4, usize::MAX, usize::MAX / 8] {
        writer.store(index, 1);
        assert_eq!((writer.swap(index, 1), writer.load(index)), (0, 0));
        writer.wake(index);
        let start = Instant::now();
        writer.wait(index, 0, LONG);
        assert!(start.elapsed() < LONG / 2, "there is nothing to wait for");
    }
    let found: Vec<_> = (0..4).map(|index| writer.load(index)).collect();
    assert_eq!(found, [9, 0, 0, 0]);
    Ok(())
}

#[test]
fn what_cannot_be_shared_is_refused() -> io::Result<()> {
    let directory = with_file()?;
    let storage = OsStorage::new(directory.path());
    let refused = |write, words, share| {
        let shared = storage.open(FILE, write).and_then(|file| file.share(words, share));
        assert_eq!(shared.err().map(|error| error.kind()), Some(ErrorKind::InvalidInput));
    };
    for words in [0, 5, usize::MAX, usize::MAX / 8 + 2] {
        refused(true, words, true);
        refused(false, words, false);
    }
    refused(false, 4, true);
    assert!(storage.open(FILE, true)?.share(4, false).is_ok());
    // A file that ends within a word has that word not.
    storage.open(FILE, true)?.set_len(31)?;
    refused(true, 4, true);
    assert!(storage.open(FILE, true)?.share(3, true).is_ok());
    Ok(())
}

#[test]
fn a_wait_ends_at_its_timeout_and_at_once_for_another_value() -> io::Result<()> {
    let directory = with_file()?;
    for write in [true, false] {
        let words = words_in(directory.path(), write)?;
        let start = Instant::now();
        words.wait(1, 7, LONG);
        assert!(start.elapsed() < LONG / 2);
        // A wait may end early; all of them together do not.
        let start = Instant::now();
        for _ in 0..10 {
            words.wait(1, 0, Duration::from_millis(20));
        }
        assert!(start.elapsed() >= Duration::from_millis(100), "it did not sleep");
        assert!(start.elapsed() < LONG / 2);
    }
    Ok(())
}

#[test]
fn only_the_low_half_is_compared() -> io::Result<()> {
    let directory = with_file()?;
    let words = words_in(directory.path(), true)?;
    words.store(1, 7 << 32 | 3);
    let start = Instant::now();
    words.wait(1, 7, LONG);
    assert!(start.elapsed() < LONG / 2, "the high half was compared");
    let start = Instant::now();
    for _ in 0..10 {
        words.wait(1, 3, Duration::from_millis(20));
    }
    assert!(start.elapsed() >= Duration::from_millis(100), "the low half was not compared");
    Ok(())
}

/// Starts a role of this file in another process, with its output to be read.
fn other_process(role: &str, directory: &Path) -> io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args([role, "--exact", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
}

/// Reads what the other process says until it is ready. What is returned keeps it
/// from failing for want of a listener.
fn until_ready(child: &mut Child) -> Option<impl Sized + use<>> {
    let mut said = BufReader::new(child.stdout.take()?).lines();
    said.by_ref().map_while(Result::ok).find(|line| line.contains("ready"))?;
    Some(said)
}

/// Waits until the word is not `expected`; whether it was so before `LONG` was over,
/// and how often it had to look.
fn await_change(words: &dyn SharedWords, index: usize, expected: u64) -> (bool, u32) {
    let start = Instant::now();
    let mut looks = 0;
    while words.load(index) == expected && start.elapsed() < LONG {
        looks += 1;
        words.wait(index, low_half(expected), LONG);
    }
    (start.elapsed() < LONG / 2, looks)
}

/// The directory that the parent gave, in a process started by it.
fn given() -> Option<std::path::PathBuf> {
    std::env::var_os(DIRECTORY).map(Into::into)
}

#[test]
#[ignore = "what the tests below run as another process"]
fn role_of_a_writer() {
    let Some(directory) = given() else { return };
    let words = words_in(&directory, true).unwrap();
    println!("ready");
    assert!(await_change(&*words, 1, 0).0, "nobody waits");
    // Time for the other side to fall asleep.
    std::thread::sleep(Duration::from_millis(100));
    words.store(0, 42);
    words.wake(0);
}

#[test]
fn a_process_that_only_reads_sleeps_until_another_one_wakes_it() -> io::Result<()> {
    let directory = with_file()?;
    let ours = words_in(directory.path(), false)?;
    let says_it_waits = words_in(directory.path(), true)?;
    let mut child = other_process("role_of_a_writer", directory.path())?;
    let _listening = until_ready(&mut child).unwrap();
    says_it_waits.store(1, 1);
    says_it_waits.wake(1);
    let (woken, looks) = await_change(&*ours, 0, 0);
    assert!(woken, "the wake of another process was missed");
    assert!(looks < 20, "it looked {looks} times instead of sleeping");
    assert_eq!(ours.load(0), 42);
    assert!(child.wait()?.success());
    Ok(())
}

#[test]
#[ignore = "what the tests below run as another process"]
fn role_of_a_reader() {
    let Some(directory) = given() else { return };
    let words = words_in(&directory, false).unwrap();
    println!("ready");
    let (woken, looks) = await_change(&*words, 2, 0);
    assert!(woken && looks < 20, "woken: {woken}, looked {looks} times");
    assert_eq!(words.load(2), 1 << 32 | 9);
}

#[test]
fn a_process_wakes_a_sleeping_reader_in_another_one() -> io::Result<()> {
    let directory = with_file()?;
    let words = words_in(directory.path(), true)?;
    let mut child = other_process("role_of_a_reader", directory.path())?;
    let _listening = until_ready(&mut child).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert!(child.try_wait()?.is_none(), "it did not wait");
    words.store(2, 1 << 32 | 9);
    words.wake(2);
    assert!(child.wait()?.success());
    Ok(())
}

#[test]
fn one_of_two_that_store_and_then_look_sees_the_other() -> io::Result<()> {
    let directory = with_file()?;
    let other = words_in(directory.path(), true)?;
    let words = words_in(directory.path(), true)?;
    let arrived = AtomicU64::new(0);
    let run = |words: &dyn SharedWords, own: usize, others: usize| {
        let rounds = (1..=20_000).map(|round| {
            arrived.fetch_add(1, Ordering::SeqCst);
            // Both have to store within a few nanoseconds; a barrier that sleeps is too
            // slow for that, and one that never yields too slow for a busy machine.
            let mut spins = 0;
            while arrived.load(Ordering::SeqCst) < 2 * round {
                spins += 1;
                if spins % 1000 == 0 {
                    std::thread::yield_now();
                }
            }
            words.store(own, round);
            words.load(others) >= round
        });
        rounds.collect::<Vec<_>>()
    };
    let (first, second) = std::thread::scope(|scope| {
        let second = scope.spawn(|| run(&*other, 1, 0));
        (run(&*words, 0, 1), second.join().unwrap())
    });
    assert!(first.iter().zip(&second).all(|(first, second)| *first || *second));
    Ok(())
}

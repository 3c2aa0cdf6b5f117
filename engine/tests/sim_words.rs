//! Shared words on the simulated disk: who sees them, what crashes leave of them, and
//! sleeping and waking.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals::io::sim::{CallKind, Crashed, Failure, Fault, KeepAll, LoseAll, Nth, SimStorage};
use annals::io::{SharedWords, Storage, low_half};

/// Longer than any test should take: a wait that ends by it has not been woken.
const LONG: Duration = Duration::from_secs(30);

fn disk() -> SimStorage {
    let disk = SimStorage::new();
    disk.write_file("words", &[0; 32]);
    disk
}

fn words_of(disk: &SimStorage, write: bool) -> io::Result<Arc<dyn SharedWords>> {
    disk.open("words", write)?.share(4, write)
}

fn word_of_file(disk: &SimStorage, index: usize) -> Option<u64> {
    let bytes = disk.read_file("words")?;
    bytes.get(index * 8..)?.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes))
}

#[test]
fn all_processes_see_the_same_words_and_reads_see_them_too() -> io::Result<()> {
    let writer = disk();
    let reader = writer.another_process();
    let (ours, theirs) = (words_of(&writer, true)?, words_of(&reader, false)?);
    ours.store(3, 1 << 40 | 5);
    assert_eq!((theirs.load(3), theirs.load(2), theirs.len()), (1 << 40 | 5, 0, 4));
    assert_eq!(ours.swap(3, 6), 1 << 40 | 5);
    assert_eq!((theirs.load(3), word_of_file(&reader, 3)), (6, Some(6)));
    writer.open("words", true)?.write_all_at(&9_u64.to_ne_bytes(), 8)?;
    assert_eq!(theirs.load(1), 9, "a written byte is a byte of a word");
    let fork = writer.fork();
    ours.store(3, 7);
    assert_eq!(words_of(&fork, false)?.load(3), 6, "a fork is another disk");
    Ok(())
}

#[test]
fn nothing_is_stored_beyond_the_end_or_by_a_reader() -> io::Result<()> {
    let disk = disk();
    let (writer, reader) = (words_of(&disk, true)?, words_of(&disk, false)?);
    writer.store(0, 9);
    reader.store(0, 1);
    assert_eq!(reader.swap(0, 1), 0);
    for index in [4, usize::MAX] {
        writer.store(index, 1);
        assert_eq!((writer.swap(index, 1), writer.load(index)), (0, 0));
        writer.wake(index);
        writer.wait(index, 0, LONG);
    }
    let mut expected = vec![0; 32];
    expected[..8].copy_from_slice(&9_u64.to_ne_bytes());
    assert_eq!(disk.read_file("words"), Some(expected));
    Ok(())
}

#[test]
fn what_cannot_be_shared_is_refused_as_on_a_real_one() -> io::Result<()> {
    let disk = disk();
    let refused = |write, words, share| {
        let shared = disk.open("words", write).and_then(|file| file.share(words, share));
        assert_eq!(shared.err().map(|error| error.kind()), Some(ErrorKind::InvalidInput));
    };
    for words in [0, 5, usize::MAX, usize::MAX / 8 + 2] {
        refused(true, words, true);
        refused(false, words, false);
    }
    refused(false, 4, true);
    assert!(disk.open("words", true)?.share(4, false).is_ok());
    Ok(())
}

#[test]
fn sharing_is_a_call_and_the_words_are_none() -> io::Result<()> {
    let disk = disk();
    let words = words_of(&disk, true)?;
    disk.fail(Fault::new(Nth::Of(CallKind::Share, 2), Failure::Device));
    assert!(words_of(&disk, true).is_ok());
    assert!(words_of(&disk, true).is_err());
    assert_eq!((disk.counts_of("words").share, disk.counts().of(CallKind::Share)), (3, 3));
    disk.on_call(|call, _| panic!("{call:?}"));
    disk.crash_at(1);
    let (calls, changes, units) = (disk.counts(), disk.changes(), disk.pending_units());
    for round in 1..100 {
        words.store(0, round);
        assert_eq!(words.swap(0, round), words.load(0));
        words.wake(0);
        words.wait(0, 0, LONG);
    }
    assert_eq!((disk.counts(), disk.changes(), disk.pending_units()), (calls, changes, units));
    Ok(())
}

#[test]
fn a_killed_process_leaves_its_words_and_a_power_cut_takes_them() -> io::Result<()> {
    let writer = disk();
    let reader = writer.another_process();
    let (ours, theirs) = (words_of(&writer, true)?, words_of(&reader, false)?);
    ours.store(0, 5);
    writer.kill();
    assert_eq!(theirs.load(0), 5);
    ours.store(0, 6);
    assert_eq!((ours.swap(0, 6), theirs.load(0)), (0, 5), "a dead process stores nothing");
    let next = words_of(&writer, true)?;
    assert_eq!(next.load(0), 5);
    next.store(0, 7);
    assert_eq!(theirs.load(0), 7);
    writer.power_cut(KeepAll);
    assert_eq!(words_of(&writer, false)?.load(0), 0);
    assert!(reader.open("words", false).is_err_and(|error| Crashed::is_cause_of(&error)));
    assert_eq!(theirs.load(0), 0, "what a dead process loads is what is there");
    Ok(())
}

#[test]
fn a_later_write_of_the_sector_carries_the_words_along() -> io::Result<()> {
    let disk = disk();
    let file = disk.open("words", true)?;
    let words = file.share(4, true)?;
    words.store(0, 5);
    file.sync_data()?;
    let lost = disk.fork();
    lost.power_cut(KeepAll);
    assert_eq!(word_of_file(&lost, 0), Some(0), "no sync is known to take a store along");
    file.write_all_at(&1_u64.to_ne_bytes(), 8)?;
    file.sync_data()?;
    words.store(0, 6);
    disk.power_cut(LoseAll);
    assert_eq!((word_of_file(&disk, 0), word_of_file(&disk, 1)), (Some(5), Some(1)));
    Ok(())
}

#[test]
fn words_can_outlive_a_power_cut_that_takes_what_was_written_before() -> io::Result<()> {
    let disk = disk();
    disk.write_file("a", b"old");
    let words = words_of(&disk, true)?;
    disk.open("a", true)?.write_all_at(b"new", 0)?;
    words.store(2, 5);
    assert!(disk.write_back("words") && !disk.write_back("none"));
    words.store(2, 6);
    disk.power_cut(LoseAll);
    assert_eq!(word_of_file(&disk, 2), Some(5));
    assert_eq!(disk.read_file("a").as_deref(), Some(&b"old"[..]));
    Ok(())
}

#[test]
fn a_mapping_keeps_a_file_that_has_lost_its_name() -> io::Result<()> {
    let disk = disk();
    let reader = disk.another_process();
    let (ours, theirs) = (words_of(&disk, true)?, words_of(&reader, false)?);
    disk.remove("words")?;
    disk.sync_dir()?;
    ours.store(1, 3);
    assert_eq!(theirs.load(1), 3);
    disk.write_file("words", &[0; 32]);
    assert_eq!((words_of(&disk, false)?.load(1), theirs.load(1)), (0, 3), "another file");
    Ok(())
}

/// Sleeps on word 1 in a thread; returns how long, after `meanwhile`.
fn slept(words: &dyn SharedWords, timeout: Duration, meanwhile: impl FnOnce()) -> Duration {
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            let start = Instant::now();
            words.wait(1, low_half(words.load(1)), timeout);
            start.elapsed()
        });
        std::thread::sleep(Duration::from_millis(50));
        meanwhile();
        sleeper.join().unwrap_or(LONG)
    })
}

#[test]
fn a_wake_of_another_process_ends_a_wait() -> io::Result<()> {
    let writer = disk();
    let reader = writer.another_process();
    let (ours, theirs) = (words_of(&writer, true)?, words_of(&reader, false)?);
    let woken = slept(&*theirs, LONG, || {
        ours.store(1, 8);
        ours.wake(1);
    });
    assert!(woken < LONG / 2);
    let start = Instant::now();
    theirs.wait(1, 7, LONG);
    assert!(start.elapsed() < LONG / 2, "it is not 7");
    Ok(())
}

#[test]
fn neither_a_store_alone_nor_a_wake_of_another_word_ends_a_wait() -> io::Result<()> {
    let disk = disk();
    let words = words_of(&disk, true)?;
    let timeout = Duration::from_millis(200);
    assert!(slept(&*words, timeout, || words.store(1, 8)) >= timeout);
    let other = slept(&*words, timeout, || {
        words.store(1, 9);
        words.wake(0);
    });
    assert!(other >= timeout);
    Ok(())
}

#[test]
fn death_ends_the_waits_of_the_process_and_of_no_other() -> io::Result<()> {
    let writer = disk();
    let reader = writer.another_process();
    let theirs = words_of(&reader, false)?;
    assert!(slept(&*theirs, LONG, || reader.kill()) < LONG / 2);
    let theirs = words_of(&reader, false)?;
    let timeout = Duration::from_millis(200);
    assert!(slept(&*theirs, timeout, || writer.kill()) >= timeout);
    assert!(slept(&*theirs, LONG, || writer.power_cut(LoseAll)) < LONG / 2);
    reader.rejoin();
    let theirs = words_of(&reader, true)?;
    reader.crash_at(1);
    assert!(slept(&*theirs, LONG, || drop(reader.create("a"))) < LONG / 2);
    let start = Instant::now();
    theirs.wait(1, 0, LONG);
    assert!(start.elapsed() < LONG / 2, "the dead do not wait");
    Ok(())
}

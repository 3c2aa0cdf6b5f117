//! The simulated disk as a program sees it, and as a test looks at it: calls of the
//! seam, lock, clock, mappings, damage, counters, forks. Crashes are in
//! `sim_crash`, errors in `sim_faults`.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use annals::io::sim::{CallKind, LoseAll, SimStorage};
use annals::io::{EntryKind, LockError, Storage};

fn kind<T>(result: io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[test]
fn reads_return_what_was_written() -> io::Result<()> {
    let disk = SimStorage::new();
    let file = disk.create("a")?;
    file.write_all_at(&[7; 5000], 3000)?;
    file.write_all_at(&[8; 10], 4090)?;
    assert_eq!(file.len()?, 8000);
    let mut model = vec![0; 8000];
    model[3000..].fill(7);
    model[4090..4100].fill(8);
    let mut buffer = vec![1; 9000];
    assert_eq!(file.read_at(&mut buffer, 0)?, 8000);
    assert_eq!(buffer[..8000], model);
    assert_eq!(file.read_at(&mut buffer, 7990)?, 10);
    assert_eq!(file.read_at(&mut buffer, 8000)?, 0);
    assert_eq!(file.read_at(&mut buffer, u64::MAX)?, 0);
    Ok(())
}

#[test]
fn a_cut_file_that_grows_again_shows_zeros() -> io::Result<()> {
    let disk = SimStorage::new();
    let file = disk.create("a")?;
    file.write_all_at(&[7; 10_000], 0)?;
    file.set_len(100)?;
    file.set_len(10_000)?;
    let mut model = vec![0; 10_000];
    model[..100].fill(7);
    assert_eq!(disk.read_file("a"), Some(model.clone()));
    file.sync_data()?;
    disk.sync_dir()?;
    disk.power_cut(LoseAll);
    assert_eq!(disk.read_file("a"), Some(model));
    Ok(())
}

#[test]
fn names_are_refused_as_the_real_storage_refuses_them() -> io::Result<()> {
    let disk = SimStorage::new();
    for name in ["", ".", "..", "a/b", "a\\b", "a\0b"] {
        assert_eq!(kind(disk.create(name)), Some(ErrorKind::InvalidInput), "{name:?}");
        assert_eq!(kind(disk.open(name, false)), Some(ErrorKind::InvalidInput));
        assert_eq!(kind(disk.remove(name)), Some(ErrorKind::InvalidInput));
        assert_eq!(kind(disk.rename("a", name)), Some(ErrorKind::InvalidInput));
    }
    disk.create("a")?;
    assert_eq!(kind(disk.create("a")), Some(ErrorKind::AlreadyExists));
    assert_eq!(kind(disk.open("b", false)), Some(ErrorKind::NotFound));
    assert_eq!(kind(disk.rename("b", "c")), Some(ErrorKind::NotFound));
    assert_eq!(kind(disk.remove("b")), Some(ErrorKind::NotFound));
    Ok(())
}

#[test]
fn what_is_no_file_is_listed_and_refused() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.put_other("pipe");
    disk.create("a")?;
    let kinds: Vec<_> = disk.list()?.into_iter().map(|entry| (entry.name, entry.kind)).collect();
    assert_eq!(kinds, [("a".into(), EntryKind::File), ("pipe".into(), EntryKind::Other)]);
    assert_eq!(kind(disk.open("pipe", false)), Some(ErrorKind::InvalidInput));
    assert_eq!(kind(disk.create("pipe")), Some(ErrorKind::AlreadyExists));
    assert_eq!(kind(disk.remove("pipe")), Some(ErrorKind::IsADirectory));
    assert_eq!(kind(disk.rename("a", "pipe")), Some(ErrorKind::IsADirectory));
    Ok(())
}

#[test]
fn a_missing_directory_has_to_be_created() -> io::Result<()> {
    let disk = SimStorage::missing();
    assert!(!disk.exists()?);
    assert_eq!(kind(disk.create("a")), Some(ErrorKind::NotFound));
    assert_eq!(kind(disk.list()), Some(ErrorKind::NotFound));
    disk.create_dir()?;
    disk.create_dir()?;
    disk.power_cut(LoseAll);
    assert!(disk.exists()?);
    assert_eq!(disk.list()?, []);
    Ok(())
}

#[test]
fn a_handle_for_reading_syncs_and_does_not_write() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.create("a")?.write_all_at(b"x", 0)?;
    disk.sync_dir()?;
    let file = disk.open("a", false)?;
    assert_eq!(kind(file.write_all_at(b"y", 0)), Some(ErrorKind::PermissionDenied));
    assert_eq!(kind(file.set_len(0)), Some(ErrorKind::PermissionDenied));
    file.sync_data()?;
    disk.power_cut(LoseAll);
    assert_eq!(disk.read_file("a").as_deref(), Some(&b"x"[..]));
    Ok(())
}

#[test]
fn an_open_file_outlives_its_name() -> io::Result<()> {
    let disk = SimStorage::new();
    let file = disk.create("a")?;
    file.write_all_at(b"old", 0)?;
    disk.sync_dir()?;
    disk.remove("a")?;
    disk.sync_dir()?;
    assert_eq!(disk.pending_units(), [], "what no name can lead to cannot be lost");
    disk.create("a")?.write_all_at(b"new", 0)?;
    let mut buffer = [0; 3];
    file.read_at(&mut buffer, 0)?;
    assert_eq!(&buffer, b"old");
    Ok(())
}

#[test]
fn the_lock_is_held_by_one() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.set_process_id(77);
    let Ok(lock) = disk.lock() else { panic!("free") };
    disk.set_process_id(78);
    assert!(matches!(disk.clone().lock(), Err(LockError::Held { pid: Some(77) })));
    assert!(disk.fork().lock().is_ok(), "a fork is in nobody's hands");
    drop(lock);
    let Ok(old) = disk.lock() else { panic!("given back") };
    disk.kill();
    let Ok(_new) = disk.lock() else { panic!("freed by the crash") };
    drop(old);
    assert!(matches!(disk.lock(), Err(LockError::Held { pid: Some(78) })));
    Ok(())
}

#[test]
fn the_clock_ticks_and_jumps() {
    let disk = SimStorage::new();
    let first = disk.now();
    assert_eq!(disk.now(), first + 1_000);
    disk.set_now(5);
    assert_eq!((disk.now(), disk.now()), (5, 1_005));
    assert_eq!(SimStorage::new().now(), first, "every disk starts at the same instant");
}

#[test]
fn random_numbers_are_reproducible_and_never_repeat() {
    let run = |crash: bool| {
        let disk = SimStorage::new();
        disk.set_seed(9);
        let mut drawn: Vec<u128> = (0..100).map(|_| disk.random()).collect();
        if crash {
            disk.kill();
        }
        drawn.extend((0..100).map(|_| disk.random()));
        drawn
    };
    let (plain, crashed) = (run(false), run(true));
    assert_eq!(crashed, run(true));
    assert_eq!(plain[..100], crashed[..100]);
    assert!(plain[100..].iter().all(|number| !crashed.contains(number)));
    assert_eq!(crashed.iter().collect::<BTreeSet<_>>().len(), 200);
}

#[test]
fn a_mapping_is_a_copy_that_outlives_everything() -> io::Result<()> {
    let disk = SimStorage::new();
    let file = disk.create("a")?;
    file.write_all_at(b"hello", 0)?;
    assert_eq!(kind(file.map(0)), Some(ErrorKind::InvalidInput));
    assert_eq!(kind(file.map(6)), Some(ErrorKind::InvalidInput));
    let mapping = file.map(4)?;
    file.write_all_at(b"HELLO", 0)?;
    disk.power_cut(LoseAll);
    assert!(!mapping.is_live());
    assert_eq!(mapping.len(), 4);
    assert_eq!(mapping.slice(1..4), Some(&b"ell"[..]));
    assert_eq!(mapping.slice(1..5), None);
    Ok(())
}

#[test]
fn damage_is_durable_at_once() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.write_file("a", &[0b1000; 600]);
    let file = disk.open("a", true)?;
    assert!(disk.flip_bit("a", 8 * 599 + 1));
    assert!(!disk.flip_bit("a", 8 * 600));
    assert!(!disk.flip_bit("b", 0));
    let mut byte = [0];
    file.read_at(&mut byte, 599)?;
    assert_eq!(byte, [0b1010]);
    file.write_all_at(b"pending", 0)?;
    disk.write_file("a", b"other");
    assert_eq!(file.len()?, 5, "open files see it");
    assert_eq!(disk.pending_units(), []);
    disk.power_cut(LoseAll);
    assert_eq!(disk.read_file("a").as_deref(), Some(&b"other"[..]));
    assert!(disk.remove_file("a"));
    assert!(!disk.remove_file("a"));
    assert_eq!(disk.file_names(), Vec::<String>::new());
    Ok(())
}

#[test]
fn calls_and_bytes_are_counted_by_kind_and_by_file() -> io::Result<()> {
    let disk = SimStorage::missing();
    disk.create_dir()?;
    disk.exists()?;
    let a = disk.create("a")?;
    let b = disk.create("b")?;
    a.write_all_at(&[1; 700], 0)?;
    b.write_all_at(&[1; 30], 0)?;
    a.read_at(&mut [0; 1000], 100)?;
    a.len()?;
    b.set_len(100)?;
    a.sync_data()?;
    b.sync_all()?;
    let mapping = a.map(700)?;
    mapping.slice(10..30);
    mapping.slice(0..5);
    mapping.slice(0..701);
    disk.list()?;
    disk.rename("b", "c")?;
    disk.sync_dir()?;
    disk.open("c", false)?.len()?;
    disk.remove("c")?;
    drop(disk.lock());
    let counts = disk.counts();
    let once = [
        (counts.exists, counts.create_dir, counts.list, counts.open, counts.rename),
        (counts.remove, counts.sync_dir, counts.lock, counts.set_len, counts.read),
        (counts.sync_data, counts.sync_all, counts.map, counts.of(CallKind::Map), 1),
    ];
    assert_eq!(once, [(1, 1, 1, 1, 1); 3]);
    assert_eq!((counts.create, counts.write, counts.len), (2, 2, 2));
    assert_eq!((counts.bytes_written, counts.bytes_read), (730, 600));
    assert_eq!((counts.slice, counts.bytes_sliced), (2, 25));
    assert_eq!(counts.calls(), 13 + 6);
    let of_b = disk.counts_of("b");
    assert_eq!((of_b.create, of_b.write, of_b.bytes_written, of_b.rename), (1, 1, 30, 1));
    assert_eq!((disk.counts_of("c").len, disk.counts_of("c").remove), (1, 1));
    assert_eq!(disk.counts_of("none").calls(), 0);
    disk.reset_counts();
    assert_eq!(disk.counts().calls(), 0);
    Ok(())
}

#[test]
fn a_trace_tells_which_bytes_were_read() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.write_file("a", &[1; 5000]);
    disk.write_file("b", &[1; 5000]);
    let file = disk.open("a", false)?;
    file.read_at(&mut [0; 10], 0)?;
    disk.trace_reads(true);
    file.read_at(&mut [0; 100], 4950)?;
    let mapping = file.map(4096)?;
    mapping.slice(64..128);
    disk.trace_reads(false);
    mapping.slice(0..10);
    assert_eq!(disk.reads_of("a"), [4950..5000, 64..128]);
    assert_eq!(disk.reads_of("b"), []);
    Ok(())
}

#[test]
fn forks_are_independent() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.write_file("a", &[1; 10_000]);
    let file = disk.open("a", true)?;
    file.write_all_at(&[2; 10], 0)?;
    let fork = disk.fork();
    assert_eq!(fork.fingerprint(), disk.fingerprint());
    assert_eq!(fork.pending_units(), disk.pending_units());
    fork.open("a", true)?.write_all_at(&[3; 10], 5000)?;
    file.write_all_at(&[4; 10], 9000)?;
    fork.create("b")?;
    disk.remove("a")?;
    assert_eq!(disk.file_names(), Vec::<String>::new());
    assert_eq!(fork.file_names(), ["a", "b"]);
    let bytes = fork.read_file("a").unwrap_or_default();
    assert_eq!((bytes[0], bytes[5000], bytes[9000]), (2, 3, 1));
    fork.power_cut(LoseAll);
    assert_eq!(fork.read_file("a"), Some(vec![1; 10_000]));
    assert_eq!(file.len()?, 10_000, "the original lives on");
    Ok(())
}

#[test]
fn a_fingerprint_sees_content_and_not_history() -> io::Result<()> {
    let (one, two) = (SimStorage::new(), SimStorage::new());
    one.write_file("a", b"x");
    one.write_file("b", b"y");
    two.write_file("b", b"z");
    two.create("gone")?;
    two.sync_dir()?;
    two.remove("gone")?;
    two.sync_dir()?;
    two.write_file("a", b"x");
    assert_ne!(one.fingerprint(), two.fingerprint());
    two.write_file("b", b"y");
    assert_eq!(one.fingerprint(), two.fingerprint());
    two.open("b", true)?.write_all_at(b"y", 0)?;
    assert_ne!(one.fingerprint(), two.fingerprint(), "pending units count");
    two.open("b", true)?.sync_data()?;
    assert_eq!(one.fingerprint(), two.fingerprint());
    one.rename("a", "c")?;
    two.rename("b", "c")?;
    assert_ne!(one.fingerprint(), two.fingerprint());
    Ok(())
}

#[test]
fn a_fingerprint_follows_every_change() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.write_file("a", &[1; 3000]);
    let first = disk.fingerprint();
    disk.flip_bit("a", 9999);
    assert_ne!(disk.fingerprint(), first);
    disk.flip_bit("a", 9999);
    assert_eq!(disk.fingerprint(), first);
    let file = disk.open("a", true)?;
    file.set_len(1000)?;
    file.sync_data()?;
    let short = SimStorage::new();
    short.write_file("a", &[1; 1000]);
    assert_eq!(disk.fingerprint(), short.fingerprint());
    Ok(())
}

#[test]
fn a_hook_sees_each_change_before_it_happens() -> io::Result<()> {
    let disk = SimStorage::new();
    let calls = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let seen = calls.clone();
    disk.on_call(move |call, disk| {
        let len = disk.fork().read_file("a").map(|bytes| bytes.len());
        seen.lock().push((call.number, call.kind, call.name.to_string(), len));
    });
    let file = disk.create("a")?;
    file.write_all_at(b"abc", 0)?;
    file.len()?;
    file.sync_data()?;
    disk.sync_dir()?;
    disk.clear_hook();
    file.set_len(0)?;
    assert_eq!(disk.changes(), 5);
    let expected = [
        (1, CallKind::Create, "a".to_owned(), None),
        (2, CallKind::Write, "a".to_owned(), Some(0)),
        (3, CallKind::SyncData, "a".to_owned(), Some(3)),
        (4, CallKind::SyncDir, String::new(), Some(3)),
    ];
    assert_eq!(*calls.lock(), expected);
    Ok(())
}

#[test]
fn a_hook_may_crash_the_disk() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.write_file("a", b"x");
    let file = disk.open("a", true)?;
    disk.on_call(|call, disk| {
        if call.kind == CallKind::Write {
            disk.power_cut(LoseAll);
        }
    });
    assert!(file.write_all_at(b"y", 0).is_err());
    assert!(disk.list().is_err(), "crashed through another handle");
    disk.rejoin();
    assert_eq!(disk.list()?.len(), 1);
    assert_eq!(disk.read_file("a").as_deref(), Some(&b"x"[..]));
    Ok(())
}

#[test]
fn threads_share_a_disk() -> io::Result<()> {
    let disk = SimStorage::new();
    let file = disk.create("a")?;
    let hooked = Arc::new(AtomicU64::new(0));
    let count = hooked.clone();
    disk.on_call(move |_, disk| {
        disk.fork();
        count.fetch_add(1, Ordering::Relaxed);
    });
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let file = &file;
            scope.spawn(move || {
                for place in 0..50 {
                    let at = (u64::from(thread) * 50 + place) * 100;
                    assert!(file.write_all_at(&[thread; 100], at).is_ok());
                }
            });
        }
    });
    assert_eq!(hooked.load(Ordering::Relaxed), 400);
    let bytes = disk.read_file("a").unwrap_or_default();
    let right = bytes.iter().zip(0_usize..).all(|(byte, at)| usize::from(*byte) == at / 5000);
    assert_eq!((bytes.len(), right), (40_000, true));
    Ok(())
}

//! Several processes on one simulated disk: locks between them, deaths of one and of
//! all, what is common and what is not.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use annals::io::sim::{
    CallKind, Crash, Crashed, Failure, Fault, KeepAll, LoseAll, Nth, SimStorage,
};
use annals::io::{LockError, Storage, StorageLock};
use parking_lot::Mutex;

type Locked = Result<Box<dyn StorageLock>, LockError>;

/// The process that holds the lock, as one who is refused is told.
fn refused_by(locked: Locked) -> Option<u32> {
    match locked {
        Err(LockError::Held { pid }) => pid,
        _ => None,
    }
}

fn crashed<T>(result: io::Result<T>) -> bool {
    result.is_err_and(|error| Crashed::is_cause_of(&error))
}

#[test]
fn each_process_has_an_id_and_its_clones_belong_to_it() {
    let first = SimStorage::new();
    let (second, third) = (first.another_process(), first.another_process());
    let of = |disk: &SimStorage| disk.process_id();
    assert_eq!(BTreeSet::from([of(&first), of(&second), of(&third)]).len(), 3);
    assert_eq!((of(&first), of(&second.clone())), (1, of(&second)));
    second.set_process_id(70);
    assert_eq!((of(&first), of(&second), of(&second.fork())), (1, 70, 70));
    assert_eq!(of(&third.another_process()), 71, "an id that no other has");
}

#[test]
fn one_writer_or_any_number_of_readers_hold_the_lock() -> io::Result<()> {
    let writer = SimStorage::new();
    let (reader, other) = (writer.another_process(), writer.another_process());
    let ids = [writer.process_id(), reader.process_id()];
    let lock = writer.lock();
    assert!(lock.is_ok());
    assert!(writer.writer_alive()? && reader.writer_alive()?);
    assert_eq!(refused_by(reader.lock()), Some(ids[0]));
    assert_eq!(refused_by(reader.lock_shared()), Some(ids[0]));
    assert_eq!(refused_by(writer.lock_shared()), Some(ids[0]), "also within one process");
    drop(lock);
    assert!(!reader.writer_alive()?);
    let first = reader.lock_shared();
    let (second, third) = (other.lock_shared(), other.lock_shared());
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    assert!(!other.writer_alive()?, "readers are no writers");
    drop((second, third));
    assert_eq!(refused_by(writer.lock()), Some(ids[1]), "one reader is left");
    drop(first);
    assert!(writer.lock().is_ok());
    Ok(())
}

#[test]
fn a_killed_writer_leaves_the_reader_alive_and_the_lock_free() -> io::Result<()> {
    let writer = SimStorage::new();
    let reader = writer.another_process();
    let program = writer.clone();
    let file = program.create("a")?;
    file.write_all_at(b"written", 0)?;
    let lock = program.lock();
    let read = reader.open("a", false)?;
    writer.kill();
    assert!(crashed(file.len()) && crashed(program.list()) && crashed(program.writer_alive()));
    assert!(!reader.writer_alive()?);
    assert_eq!(read.len()?, 7);
    let next = writer.lock();
    assert!(next.is_ok(), "the handle that killed is in the next life");
    drop(lock);
    assert!(reader.writer_alive()?, "a lock of a past life gives back nobody else's");
    Ok(())
}

#[test]
fn a_killed_reader_leaves_the_writer_as_it_is() -> io::Result<()> {
    let writer = SimStorage::new();
    let reader = writer.another_process();
    writer.write_file("a", b"a");
    let file = writer.open("a", true)?;
    let (read, lock) = (reader.open("a", false)?, writer.lock());
    assert!(lock.is_ok());
    reader.kill();
    assert!(crashed(read.len()));
    assert!(reader.writer_alive()?, "the reader's next life sees the writer");
    file.write_all_at(b"b", 0)?;
    assert_eq!(reader.read_file("a").as_deref(), Some(&b"b"[..]));
    let shared = reader.another_process();
    drop(lock);
    let held = shared.lock_shared();
    assert!(held.is_ok() && writer.lock().is_err());
    shared.kill();
    assert!(writer.lock().is_ok(), "the lock of a killed reader is free");
    Ok(())
}

#[test]
fn a_power_cut_ends_all_processes() -> io::Result<()> {
    let writer = SimStorage::new();
    let reader = writer.another_process();
    writer.create("a")?.write_all_at(b"a", 0)?;
    let (read, lock, shared) = (reader.open("a", false)?, writer.lock(), reader.clone());
    assert!(lock.is_ok());
    writer.power_cut(LoseAll);
    assert!(crashed(read.len()) && crashed(reader.list()) && crashed(shared.list()));
    assert_eq!(writer.list()?, []);
    reader.rejoin();
    assert!(!reader.writer_alive()?);
    assert!(crashed(shared.list()), "only the handle that rejoins");
    let other = writer.another_process();
    other.crash(Crash::PowerCut(&mut KeepAll));
    assert!(crashed(writer.list()) && crashed(reader.list()) && other.list().is_ok());
    Ok(())
}

#[test]
fn a_file_lives_as_long_as_a_process_has_it_open() -> io::Result<()> {
    let writer = SimStorage::new();
    let reader = writer.another_process();
    writer.write_file("a", b"kept");
    let (ours, theirs) = (writer.open("a", false)?, reader.open("a", false)?);
    writer.remove("a")?;
    writer.sync_dir()?;
    drop(ours);
    assert_eq!(theirs.len()?, 4);
    writer.kill();
    assert_eq!(theirs.len()?, 4);
    Ok(())
}

#[test]
fn a_process_that_dies_at_a_call_is_no_writer_from_then_on() -> io::Result<()> {
    let writer = SimStorage::new();
    let reader = writer.another_process();
    let lock = writer.lock();
    assert!(lock.is_ok());
    writer.crash_at(2);
    reader.create("of the reader")?;
    reader.sync_dir()?;
    assert!(reader.writer_alive()?, "calls of others do not count");
    writer.create("a")?;
    assert!(crashed(writer.create("b")));
    assert!(!reader.writer_alive()?);
    assert!(reader.lock().is_ok());
    assert!(crashed(writer.list()));
    reader.kill();
    assert!(crashed(writer.list()), "the death of another raises nobody");
    writer.kill();
    assert_eq!(writer.list()?.len(), 2);
    Ok(())
}

#[test]
fn calls_faults_and_the_hook_are_one_sequence_for_all() -> io::Result<()> {
    let writer = SimStorage::new();
    let reader = writer.another_process();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let calls = seen.clone();
    writer.on_call(move |call, disk| calls.lock().push((call.number, disk.process_id())));
    writer.fail(Fault::new(Nth::Of(CallKind::Create, 3), Failure::Device));
    writer.fail(Fault::new(Nth::Of(CallKind::WriterAlive, 2), Failure::Device));
    writer.create("a")?;
    reader.create("b")?;
    assert!(writer.create("c").is_err());
    assert!(!writer.writer_alive()?);
    assert!(reader.writer_alive().is_err());
    drop((reader.lock_shared(), writer.lock()));
    assert_eq!(*seen.lock(), [(1, 1), (2, 2), (3, 1)]);
    assert_eq!((reader.changes(), reader.faults_struck()), (3, 2));
    let counts = reader.counts();
    assert_eq!((counts.create, counts.writer_alive, counts.lock), (3, 2, 2));
    assert_eq!((counts.of(CallKind::WriterAlive), counts.calls()), (2, 7));
    Ok(())
}

#[test]
fn a_hook_that_kills_takes_the_process_that_calls() -> io::Result<()> {
    let writer = SimStorage::new();
    let reader = writer.another_process();
    writer.on_call(|call, disk| {
        if &*call.name == "deadly" {
            disk.kill();
        }
    });
    let file = reader.create("a")?;
    assert!(crashed(writer.create("deadly")));
    assert!(crashed(writer.list()));
    assert_eq!(file.len()?, 0);
    Ok(())
}

#[test]
fn syncs_through_files_opened_for_reading_make_durable_what_others_wrote() -> io::Result<()> {
    let writer = SimStorage::new();
    writer.create("a")?.write_all_at(b"by the writer", 0)?;
    writer.sync_dir()?;
    writer.kill();
    writer.set_read_only(true);
    let reader = writer.another_process();
    assert!(!reader.writer_alive()?, "also on a read-only file system");
    let before = reader.counts();
    let file = reader.open("a", false)?;
    file.sync_data()?;
    file.sync_all()?;
    reader.sync_dir()?;
    let counts = reader.counts();
    assert_eq!(
        (counts.sync_data, counts.sync_all, counts.sync_dir - before.sync_dir),
        (1, 1, 1),
        "a sync of a reader is a sync"
    );
    reader.power_cut(LoseAll);
    assert_eq!(reader.read_file("a").as_deref(), Some(&b"by the writer"[..]));
    Ok(())
}

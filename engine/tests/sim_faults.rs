//! Errors of the simulated disk: ordered ones, failed syncs, full and read-only
//! disks.

use std::io::{self, ErrorKind};

use annals::io::Storage;
use annals::io::sim::{
    CallKind, Failure, Fault, LoseAll, Mask, Nth, SECTOR_BYTES, SimStorage, Times,
};

fn kind<T>(result: io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

fn disk_with(bytes: &[u8]) -> SimStorage {
    let disk = SimStorage::new();
    disk.write_file("a", bytes);
    disk
}

fn after_cut(disk: &SimStorage, mask: u64) -> Option<Vec<u8>> {
    let fork = disk.fork();
    fork.power_cut(Mask(mask));
    fork.read_file("a")
}

#[test]
fn each_failure_has_its_kind() {
    let kinds = [
        (Failure::Device, ErrorKind::Other),
        (Failure::NoSpace, ErrorKind::StorageFull),
        (Failure::Quota, ErrorKind::QuotaExceeded),
        (Failure::ReadOnly, ErrorKind::ReadOnlyFilesystem),
        (Failure::TooManyFiles, ErrorKind::Other),
        (Failure::Interrupted, ErrorKind::Interrupted),
        (Failure::Kind(ErrorKind::TimedOut), ErrorKind::TimedOut),
    ];
    for (failure, expected) in kinds {
        let disk = SimStorage::new();
        disk.fail(Fault::new(Nth::Call(1), failure));
        assert_eq!(kind(disk.list()), Some(expected));
    }
    let disk = SimStorage::new();
    disk.fail(Fault::new(Nth::Call(1), Failure::Os(5)));
    assert_eq!(disk.list().err().and_then(|error| error.raw_os_error()), Some(5));
}

#[test]
fn a_fault_strikes_the_call_it_was_ordered_for() -> io::Result<()> {
    let run = |fault: Fault| -> io::Result<Vec<bool>> {
        let disk = disk_with(b"1");
        disk.write_file("b", b"2");
        let (a, b) = (disk.open("a", true)?, disk.open("b", true)?);
        disk.fail(fault);
        let struck = vec![
            a.len().is_err(),
            b.write_all_at(b"x", 0).is_err(),
            a.write_all_at(b"x", 0).is_err(),
            a.sync_data().is_err(),
            b.write_all_at(b"x", 0).is_err(),
            disk.rename("a", "c").is_err(),
        ];
        let count = struck.iter().filter(|struck| **struck).count();
        assert_eq!(usize::try_from(disk.faults_struck()).ok(), Some(count));
        Ok(struck)
    };
    let at = |places: &[usize]| (0..6).map(|place| places.contains(&place)).collect::<Vec<_>>();
    let device = |nth| Fault::new(nth, Failure::Device);
    let write = CallKind::Write;
    assert_eq!(run(device(Nth::Call(1)))?, at(&[0]));
    assert_eq!(run(device(Nth::Call(3)))?, at(&[2]));
    assert_eq!(run(device(Nth::Change(3)))?, at(&[3]));
    assert_eq!(run(device(Nth::Of(write, 2)))?, at(&[2]));
    assert_eq!(run(device(Nth::Of(write, 2)).times(Times::ForGood))?, at(&[2, 4]));
    assert_eq!(run(device(Nth::Change(2)).times(Times::ForGood))?, at(&[2, 3, 4, 5]));
    assert_eq!(run(device(Nth::Of(write, 2)).named("b"))?, at(&[4]));
    assert_eq!(run(device(Nth::Call(1)).named("c"))?, at(&[5]));
    assert_eq!(run(device(Nth::Call(7)))?, at(&[]));
    Ok(())
}

#[test]
fn every_kind_of_call_can_fail_and_then_changes_nothing() -> io::Result<()> {
    let disk = disk_with(b"1");
    let file = disk.open("a", true)?;
    let before = disk.fingerprint();
    disk.fail(Fault::new(Nth::Call(1), Failure::Device).times(Times::ForGood));
    assert!(disk.exists().is_err() && disk.create_dir().is_err() && disk.list().is_err());
    assert!(disk.open("a", false).is_err() && disk.create("b").is_err());
    assert!(disk.rename("a", "b").is_err() && disk.remove("a").is_err());
    assert!(disk.sync_dir().is_err() && disk.lock().is_err());
    assert!(file.len().is_err() && file.set_len(9).is_err() && file.map(1).is_err());
    assert!(file.write_all_at(b"2", 0).is_err() && file.read_at(&mut [0], 0).is_err());
    assert!(file.sync_data().is_err() && file.sync_all().is_err());
    assert_eq!(disk.fingerprint(), before);
    assert_eq!(disk.faults_struck(), 16);
    disk.clear_faults();
    assert!(file.write_all_at(b"2", 0).is_ok());
    Ok(())
}

#[test]
fn a_short_write_leaves_its_first_bytes() -> io::Result<()> {
    let disk = disk_with(b"....");
    let file = disk.open("a", true)?;
    disk.fail(Fault::new(Nth::Of(CallKind::Write, 1), Failure::Quota).partial(2));
    assert_eq!(kind(file.write_all_at(b"abcd", 3)), Some(ErrorKind::QuotaExceeded));
    assert_eq!(disk.read_file("a").as_deref(), Some(&b"...ab"[..]));
    assert_eq!(disk.counts().bytes_written, 2);
    Ok(())
}

#[test]
fn a_call_can_happen_and_be_reported_as_failed() -> io::Result<()> {
    let disk = disk_with(b"x");
    disk.fail(Fault::new(Nth::Change(1), Failure::Device).partial(0));
    assert!(disk.rename("a", "b").is_err());
    assert_eq!(disk.file_names(), ["b"]);
    Ok(())
}

#[test]
fn a_sync_after_a_failed_one_does_not_save_what_was_pending() -> io::Result<()> {
    let disk = disk_with(&[0; 2 * SECTOR_BYTES]);
    let file = disk.open("a", true)?;
    file.write_all_at(&[1; SECTOR_BYTES], 0)?;
    disk.fail(Fault::new(Nth::Of(CallKind::SyncData, 1), Failure::Device));
    assert!(file.sync_data().is_err());
    file.sync_data()?;
    file.sync_all()?;
    let new = [[1; SECTOR_BYTES], [0; SECTOR_BYTES]].concat();
    assert_eq!(disk.read_file("a"), Some(new.clone()), "still what reads return");
    assert!(disk.pending_units().iter().all(|unit| unit.suspect));
    assert_eq!(after_cut(&disk, 0), Some(vec![0; 2 * SECTOR_BYTES]), "lost");
    assert_eq!(after_cut(&disk, 1), Some(new), "or by luck not");
    // A new write to another sector is durable by a sync, this one still is not.
    file.write_all_at(&[2; SECTOR_BYTES], 512)?;
    file.sync_data()?;
    assert_eq!(after_cut(&disk, 0), Some([[0; SECTOR_BYTES], [2; SECTOR_BYTES]].concat()));
    // Writing it again heals it, all of its bytes.
    file.write_all_at(&[3], 7)?;
    file.sync_data()?;
    assert_eq!(disk.pending_units(), []);
    assert_eq!(after_cut(&disk, 0), disk.read_file("a"));
    Ok(())
}

#[test]
fn a_length_lost_by_a_failed_sync_is_saved_by_the_next_length() -> io::Result<()> {
    let disk = disk_with(b"");
    let file = disk.open("a", true)?;
    file.write_all_at(&[1; SECTOR_BYTES], 0)?;
    disk.fail(Fault::new(Nth::Of(CallKind::SyncAll, 1), Failure::Device));
    assert!(file.sync_all().is_err());
    file.write_all_at(&[2; SECTOR_BYTES], 0)?;
    file.sync_all()?;
    assert_eq!(after_cut(&disk, 0), Some(vec![]));
    assert_eq!(after_cut(&disk, 1), Some(vec![2; SECTOR_BYTES]));
    file.write_all_at(&[3], 512)?;
    file.sync_all()?;
    assert_eq!(after_cut(&disk, 0), disk.read_file("a"));
    Ok(())
}

#[test]
fn a_cut_lost_by_a_failed_sync_takes_nothing_that_was_synced_later() -> io::Result<()> {
    let disk = disk_with(&[1; 2000]);
    let file = disk.open("a", true)?;
    file.set_len(100)?;
    file.set_len(2000)?;
    disk.fail(Fault::new(Nth::Of(CallKind::SyncAll, 1), Failure::Device));
    assert!(file.sync_all().is_err());
    file.write_all_at(&[2; SECTOR_BYTES], 512)?;
    file.sync_all()?;
    let written = disk.read_file("a").unwrap_or_default();
    for mask in 0..1 << disk.pending_units().len() {
        let found = after_cut(&disk, mask).unwrap_or_default();
        assert_eq!(found.get(512..1024), written.get(512..1024), "mask {mask}");
    }
    Ok(())
}

#[test]
fn a_name_lost_by_a_failed_sync_is_not_saved_by_the_next_sync() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.create("a")?;
    disk.fail(Fault::new(Nth::Of(CallKind::SyncDir, 1), Failure::Device));
    assert!(disk.sync_dir().is_err());
    disk.create("b")?;
    disk.sync_dir()?;
    assert_eq!(disk.file_names(), ["a", "b"]);
    let names = |lucky: bool| {
        let fork = disk.fork();
        fork.power_cut(Mask(u64::from(lucky)));
        fork.file_names()
    };
    assert_eq!(names(false), ["b"]);
    assert_eq!(names(true), ["a", "b"]);
    disk.rename("a", "c")?;
    disk.sync_dir()?;
    assert_eq!(disk.pending_units(), []);
    disk.power_cut(LoseAll);
    assert_eq!(disk.file_names(), ["b", "c"]);
    Ok(())
}

#[test]
fn a_failed_sync_of_one_file_leaves_others_alone() -> io::Result<()> {
    let disk = disk_with(b"1");
    disk.write_file("b", b"1");
    let (a, b) = (disk.open("a", true)?, disk.open("b", true)?);
    a.write_all_at(b"2", 0)?;
    b.write_all_at(b"2", 0)?;
    disk.fail(Fault::new(Nth::Of(CallKind::SyncData, 1), Failure::Device).named("a"));
    b.sync_data()?;
    assert!(a.sync_data().is_err());
    disk.power_cut(LoseAll);
    assert_eq!(disk.read_file("a").as_deref(), Some(&b"1"[..]));
    assert_eq!(disk.read_file("b").as_deref(), Some(&b"2"[..]));
    Ok(())
}

#[test]
fn a_full_disk_takes_what_fits_and_heals() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.set_capacity(Some(3 * 512 + 100));
    let file = disk.create("a")?;
    file.write_all_at(&[1; 600], 0)?;
    assert_eq!(disk.allocated(), 1024);
    let result = file.write_all_at(&[2; 2000], 600);
    assert_eq!(kind(result), Some(ErrorKind::StorageFull));
    assert_eq!(file.len()?, 1536, "two sectors were there, one more fitted");
    assert_eq!(kind(file.write_all_at(b"x", 5000)), Some(ErrorKind::StorageFull));
    assert_eq!(file.len()?, 1536);
    file.write_all_at(&[3; 1536], 0)?;
    file.set_len(100_000)?;
    assert_eq!(disk.allocated(), 1536, "holes take no space");
    assert_eq!(kind(file.write_all_at(b"x", 50_000)), Some(ErrorKind::StorageFull));
    disk.set_capacity(Some(4 * 512));
    file.write_all_at(b"x", 50_000)?;
    file.set_len(512)?;
    assert_eq!(disk.allocated(), 512, "a cut gives space back");
    disk.set_capacity(Some(0));
    disk.remove("a")?;
    assert_eq!(disk.allocated(), 0);
    disk.set_capacity(None);
    disk.create("b")?.write_all_at(&[0; 100_000], 0)?;
    Ok(())
}

#[test]
fn a_read_only_disk_reads_and_refuses_changes() -> io::Result<()> {
    let disk = disk_with(b"x");
    let file = disk.open("a", true)?;
    disk.set_read_only(true);
    let refused = Some(ErrorKind::ReadOnlyFilesystem);
    assert_eq!(kind(disk.open("a", true)), refused);
    assert_eq!(kind(disk.create("b")), refused);
    assert_eq!(kind(disk.rename("a", "b")), refused);
    assert_eq!(kind(disk.remove("a")), refused);
    assert_eq!(kind(file.write_all_at(b"y", 0)), refused);
    assert_eq!(kind(file.set_len(0)), refused);
    disk.create_dir()?;
    disk.sync_dir()?;
    disk.open("a", false)?.sync_data()?;
    disk.set_read_only(false);
    file.write_all_at(b"y", 0)?;
    Ok(())
}

#[test]
fn faults_outlive_a_crash_and_stay_out_of_forks() -> io::Result<()> {
    let disk = disk_with(b"x");
    disk.fail(Fault::new(Nth::Of(CallKind::Open, 2), Failure::TooManyFiles));
    disk.open("a", false)?;
    disk.kill();
    let fork = disk.fork();
    assert!(disk.open("a", false).is_err());
    fork.open("a", false)?;
    fork.open("a", false)?;
    Ok(())
}

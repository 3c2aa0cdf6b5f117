//! What crashes of the simulated disk leave behind.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use annals::io::Storage;
use annals::io::sim::{
    CallKind, Crash, Crashed, KeepAll, LoseAll, Mask, SECTOR_BYTES, Seeded, SimStorage, Unit,
    UnitKind, Verdict,
};

/// All files with their content.
type Content = BTreeMap<String, Vec<u8>>;

fn content(disk: &SimStorage) -> Content {
    let read = |name: String| disk.read_file(&name).map(|bytes| (name, bytes));
    disk.file_names().into_iter().filter_map(read).collect()
}

/// What each subset of the pending units leaves, by mask.
fn outcomes(disk: &SimStorage) -> Vec<Content> {
    let masks = 0..1_u64 << disk.pending_units().len();
    let outcome = |mask| {
        let fork = disk.fork();
        fork.power_cut(Mask(mask));
        assert_eq!(fork.pending_units(), []);
        content(&fork)
    };
    masks.map(outcome).collect()
}

fn files<const N: usize>(files: [(&str, &[u8]); N]) -> Content {
    files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect()
}

#[test]
fn every_subset_of_sectors_is_one_mask() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.write_file("a", &[0; 6 * SECTOR_BYTES]);
    let file = disk.open("a", true)?;
    file.write_all_at(&[1; 3 * SECTOR_BYTES], 0)?;
    file.write_all_at(&[1; 3 * SECTOR_BYTES], 3 * 512)?;
    assert_eq!(disk.pending_units().len(), 6);
    let outcomes = outcomes(&disk);
    assert_eq!(outcomes.iter().collect::<BTreeSet<_>>().len(), 64);
    for (mask, outcome) in outcomes.iter().enumerate() {
        let model: Vec<u8> =
            (0..6 * SECTOR_BYTES).map(|at| u8::from(mask >> (at / 512) & 1 == 1)).collect();
        assert_eq!(outcome.get("a"), Some(&model), "mask {mask:b}");
    }
    Ok(())
}

#[test]
fn units_are_listed_in_the_order_of_writing() -> io::Result<()> {
    let disk = SimStorage::new();
    let a = disk.create("a")?;
    let b = disk.create("b")?;
    b.write_all_at(&[1; 10], 510)?;
    a.set_len(5)?;
    disk.rename("b", "c")?;
    disk.remove("a")?;
    let units = disk.pending_units();
    let listed: Vec<_> = units.iter().map(|unit| (&*unit.name, unit.kind.clone())).collect();
    let expected = [
        ("a", UnitKind::Create),
        ("b", UnitKind::Create),
        ("c", UnitKind::Length { len: 520 }),
        ("c", UnitKind::Sector { index: 0 }),
        ("c", UnitKind::Sector { index: 1 }),
        ("a", UnitKind::Length { len: 5 }),
        ("b", UnitKind::Rename { to: "c".into() }),
        ("a", UnitKind::Remove),
    ];
    assert_eq!(listed, expected);
    assert!(units.iter().all(|unit| !unit.suspect));
    assert_eq!(disk.fork().pending_units(), units);
    Ok(())
}

#[test]
fn any_version_of_a_sector_may_survive() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.write_file("a", b"0");
    let file = disk.open("a", true)?;
    for version in [b"1", b"2", b"3"] {
        file.write_all_at(version, 0)?;
    }
    let found: Vec<_> = outcomes(&disk).into_iter().filter_map(|it| it.get("a").cloned()).collect();
    assert_eq!(found.concat(), b"01223333");
    Ok(())
}

#[test]
fn a_later_version_holds_the_whole_sector() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.write_file("a", b"....");
    let file = disk.open("a", true)?;
    file.write_all_at(b"1", 0)?;
    file.write_all_at(b"2", 3)?;
    let expected = [&b"...."[..], b"1...", b"1..2", b"1..2"].map(|bytes| files([("a", bytes)]));
    assert_eq!(outcomes(&disk), expected);
    Ok(())
}

#[test]
fn data_without_its_length_is_not_seen_and_length_without_data_is_zeros() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.write_file("a", b"ab");
    disk.open("a", true)?.write_all_at(b"cd", 2)?;
    let expected = [&b"ab"[..], b"ab\0\0", b"ab", b"abcd"].map(|bytes| files([("a", bytes)]));
    assert_eq!(outcomes(&disk), expected);
    let fork = disk.fork();
    fork.power_cut(Mask(0b10));
    fork.open("a", true)?.set_len(4)?;
    assert_eq!(fork.read_file("a").as_deref(), Some(&b"ab\0\0"[..]), "nothing comes back");
    Ok(())
}

#[test]
fn an_extension_that_survives_brings_the_cut_before_it() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.write_file("a", b"abcd");
    let file = disk.open("a", true)?;
    file.set_len(1)?;
    file.set_len(3)?;
    let expected = [&b"abcd"[..], b"a", b"a\0\0", b"a\0\0"].map(|bytes| files([("a", bytes)]));
    assert_eq!(outcomes(&disk), expected);
    file.write_all_at(b"z", 2)?;
    let last = outcomes(&disk).pop();
    assert_eq!(last, Some(files([("a", b"a\0z")])), "what was written after the cut stays");
    Ok(())
}

#[test]
fn a_torn_sector_is_new_up_to_a_byte() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.write_file("a", &[0; SECTOR_BYTES]);
    disk.open("a", true)?.write_all_at(&[1; SECTOR_BYTES], 0)?;
    for torn in [0, 1, 100, 511, 512, 9999] {
        let fork = disk.fork();
        fork.power_cut(|_: usize, _: &Unit| Verdict::Tear(torn));
        let bytes = fork.read_file("a").unwrap_or_default();
        let new = torn.min(SECTOR_BYTES);
        assert!(bytes[..new].iter().all(|byte| *byte == 1), "{torn}");
        assert!(bytes[new..].iter().all(|byte| *byte == 0), "{torn}");
    }
    Ok(())
}

#[test]
fn a_garbled_sector_is_old_new_and_neither() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.write_file("a", &[0; 2 * SECTOR_BYTES]);
    disk.open("a", true)?.write_all_at(&[1; SECTOR_BYTES], 0)?;
    let garble = |seed| {
        let fork = disk.fork();
        fork.power_cut(|_: usize, _: &Unit| Verdict::Garble(seed));
        fork.read_file("a").unwrap_or_default()
    };
    let bytes = garble(1);
    for value in [0..=0, 1..=1, 2..=255] {
        assert!(bytes[..SECTOR_BYTES].iter().any(|byte| value.contains(byte)));
    }
    assert!(bytes[SECTOR_BYTES..].iter().all(|byte| *byte == 0), "only that sector");
    assert_eq!(bytes, garble(1));
    assert_ne!(bytes, garble(2));
    Ok(())
}

#[test]
fn a_synced_file_vanishes_with_its_name() -> io::Result<()> {
    let disk = SimStorage::new();
    let file = disk.create("a")?;
    file.write_all_at(b"x", 0)?;
    file.sync_all()?;
    assert_eq!(outcomes(&disk), [files([]), files([("a", b"x")])]);
    assert_eq!(disk.read_durable("a"), None);
    disk.sync_dir()?;
    disk.power_cut(LoseAll);
    assert_eq!(content(&disk), files([("a", b"x")]));
    Ok(())
}

#[test]
fn a_name_can_be_durable_before_its_data() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.create("a")?.write_all_at(b"x", 0)?;
    disk.sync_dir()?;
    assert_eq!(disk.read_durable("a").as_deref(), Some(&b""[..]));
    disk.power_cut(LoseAll);
    assert_eq!(content(&disk), files([("a", b"")]));
    Ok(())
}

#[test]
fn a_rename_has_happened_or_not() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.write_file("a", b"old");
    disk.write_file("b", b"new");
    disk.rename("b", "a")?;
    assert_eq!(outcomes(&disk), [files([("a", b"old"), ("b", b"new")]), files([("a", b"new")])]);
    Ok(())
}

#[test]
fn changes_of_names_survive_in_any_combination() -> io::Result<()> {
    let disk = SimStorage::new();
    let file = disk.create("a")?;
    file.write_all_at(b"x", 0)?;
    file.sync_data()?;
    disk.rename("a", "b")?;
    disk.rename("b", "c")?;
    disk.remove("c")?;
    let [none, a, b, c] =
        [files([]), files([("a", b"x")]), files([("b", b"x")]), files([("c", b"x")])];
    let expected =
        [&none, &a, &b, &b, &c, &c, &c, &c, &none, &a, &b, &b, &none, &none, &none, &none];
    assert_eq!(outcomes(&disk).iter().collect::<Vec<_>>(), expected);
    Ok(())
}

#[test]
fn a_removed_file_may_come_back() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.write_file("a", b"x");
    disk.remove("a")?;
    disk.create("a")?;
    let expected = [files([("a", b"x")]), files([]), files([("a", b"")]), files([("a", b"")])];
    assert_eq!(outcomes(&disk), expected);
    disk.sync_dir()?;
    assert_eq!(outcomes(&disk), [files([("a", b"")])]);
    Ok(())
}

#[test]
fn a_removal_takes_only_the_file_that_it_was_meant_for() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.write_file("a", b"x");
    disk.remove("a")?;
    disk.create("a")?;
    disk.remove("a")?;
    assert_eq!(outcomes(&disk).get(0b100), Some(&files([("a", b"x")])));
    Ok(())
}

#[test]
fn a_handle_of_an_old_life_closes_nothing_of_the_new() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.write_file("a", b"x");
    let old = disk.open("a", true)?;
    disk.kill();
    let new = disk.open("a", true)?;
    disk.remove("a")?;
    disk.sync_dir()?;
    drop(old);
    assert_eq!(new.len()?, 1);
    Ok(())
}

#[test]
fn a_crash_on_order_leaves_pending_units_as_they_were_and_ends_with_a_crash() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.create("a")?.write_all_at(b"x", 0)?;
    let units = disk.pending_units();
    let file = disk.open("a", true)?;
    disk.crash_at(1);
    assert!(file.sync_data().is_err());
    assert_eq!(disk.pending_units(), units);
    disk.crash_at(1);
    disk.kill();
    disk.sync_dir()
}

#[test]
fn a_kill_keeps_what_is_written_for_a_power_cut_to_lose() -> io::Result<()> {
    let disk = SimStorage::new();
    let file = disk.create("a")?;
    file.write_all_at(b"x", 0)?;
    let units = disk.pending_units();
    disk.crash(Crash::Kill);
    assert_eq!(disk.pending_units(), units);
    assert_eq!(content(&disk), files([("a", b"x")]));
    // The next life can make durable what the last one wrote.
    let fork = disk.fork();
    fork.open("a", false)?.sync_data()?;
    fork.sync_dir()?;
    fork.crash(Crash::PowerCut(&mut LoseAll));
    assert_eq!(content(&fork), files([("a", b"x")]));
    disk.power_cut(LoseAll);
    assert_eq!(content(&disk), files([]));
    Ok(())
}

#[test]
fn all_of_an_old_life_is_dead() -> io::Result<()> {
    fn dead<T>(result: io::Result<T>) -> bool {
        result.is_err_and(|error| Crashed::is_cause_of(&error))
    }
    let disk = SimStorage::new();
    let program = disk.clone();
    let file = program.create("a")?;
    file.write_all_at(b"x", 0)?;
    for crash in [Crash::Kill, Crash::PowerCut(&mut KeepAll)] {
        disk.crash(crash);
        let before = (disk.fingerprint(), disk.counts());
        assert!(dead(file.write_all_at(b"y", 0)) && dead(file.read_at(&mut [0], 0)));
        assert!(dead(file.len()) && dead(file.set_len(0)) && dead(file.map(1)));
        assert!(dead(file.sync_data()) && dead(file.sync_all()));
        assert!(dead(program.open("a", false)) && dead(program.create("b")));
        assert!(dead(program.rename("a", "b")) && dead(program.remove("a")));
        assert!(dead(program.sync_dir()) && dead(program.list()) && dead(program.exists()));
        assert!(program.lock().is_err());
        assert_eq!((disk.fingerprint(), disk.counts()), before);
    }
    assert_eq!(disk.list()?.len(), 1, "the handle that crashed the disk lives on");
    assert_eq!(disk.clone().list()?.len(), 1);
    Ok(())
}

/// Five state-changing calls: a file of 40 bytes, then 40 more, synced.
fn append(disk: &SimStorage) -> io::Result<()> {
    let file = disk.create("a")?;
    file.write_all_at(&[1; 40], 0)?;
    disk.sync_dir()?;
    file.write_all_at(&[2; 40], 40)?;
    file.sync_data()
}

#[test]
fn a_crash_on_order_stops_the_process_at_that_call() {
    for nth in 1..=5 {
        let disk = SimStorage::new();
        disk.crash_at(nth);
        let result = append(&disk.clone());
        assert!(result.is_err_and(|error| Crashed::is_cause_of(&error)));
        assert!(disk.list().is_err(), "reading calls fail too");
        let lens = [None, Some(0), Some(40), Some(40), Some(80)];
        let len = disk.read_file("a").map(|bytes| bytes.len());
        assert_eq!(Some(&len), lens.iter().zip(1..).find(|(_, at)| *at == nth).map(|it| it.0));
        disk.kill();
        assert!(disk.list().is_ok());
    }
    let disk = SimStorage::new();
    disk.crash_at(6);
    assert!(append(&disk).is_ok());
}

#[test]
fn a_crash_within_a_call_leaves_part_of_it() {
    let disk = SimStorage::new();
    disk.crash_within(4, 7);
    assert!(append(&disk).is_err());
    assert_eq!(disk.read_file("a").map(|bytes| bytes.len()), Some(47));
    let disk = SimStorage::new();
    disk.crash_within(5, 0);
    assert!(append(&disk).is_err_and(|error| Crashed::is_cause_of(&error)));
    assert_eq!(disk.read_durable("a").map(|bytes| bytes.len()), Some(80));
}

#[test]
fn a_seed_gives_the_same_fate_again_and_seeds_differ() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.write_file("a", &[0; 20 * SECTOR_BYTES]);
    disk.open("a", true)?.write_all_at(&[1; 20 * SECTOR_BYTES], 0)?;
    let after = |seed| {
        let fork = disk.fork();
        fork.power_cut(Seeded::new(seed));
        fork.read_file("a")
    };
    let found: BTreeSet<_> = (0..200).map(after).collect();
    assert!(found.len() > 100, "{}", found.len());
    assert!(found.contains(&Some(vec![0; 20 * SECTOR_BYTES])), "all lost");
    assert!(found.contains(&Some(vec![1; 20 * SECTOR_BYTES])), "all kept");
    assert!((0..20).all(|seed| after(seed) == after(seed)));
    Ok(())
}

#[test]
fn an_explorer_sees_that_a_forgotten_sync_loses_data() -> io::Result<()> {
    // Replaces a file by way of another; `careful` syncs the data first.
    let states_of = |careful: bool| -> io::Result<BTreeSet<Option<Vec<u8>>>> {
        let disk = SimStorage::new();
        disk.write_file("a", b"old");
        let found = std::sync::Arc::new(parking_lot::Mutex::new(BTreeSet::new()));
        let seen = found.clone();
        disk.on_call(move |_, disk| {
            seen.lock().extend(outcomes(disk).iter().map(|found| found.get("a").cloned()));
        });
        let file = disk.create("b")?;
        file.write_all_at(b"new", 0)?;
        if careful {
            file.sync_data()?;
        }
        disk.rename("b", "a")?;
        disk.sync_dir()?;
        disk.remove("a")?;
        let found = found.lock().clone();
        Ok(found)
    };
    let right = BTreeSet::from([Some(b"old".to_vec()), Some(b"new".to_vec())]);
    assert_eq!(states_of(true)?, right);
    let zeros = BTreeSet::from([Some(b"".to_vec()), Some(b"\0\0\0".to_vec())]);
    assert_eq!(states_of(false)?, &right | &zeros);
    Ok(())
}

#[test]
fn every_unit_is_asked_about_once_in_order() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.create("a")?.write_all_at(&[1; 2000], 0)?;
    let units = disk.pending_units();
    let mut asked = Vec::new();
    disk.power_cut(|place: usize, unit: &Unit| {
        asked.push((place, unit.clone()));
        Verdict::Keep
    });
    assert_eq!(asked, units.into_iter().enumerate().collect::<Vec<_>>());
    assert_eq!(disk.counts().of(CallKind::Write), 1);
    Ok(())
}

#[test]
fn what_a_power_cut_left_is_durable() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.create("a")?.write_all_at(&[1; 3000], 0)?;
    disk.create("b")?.write_all_at(&[2; 3000], 0)?;
    for seed in 0..100 {
        let fork = disk.fork();
        fork.power_cut(Seeded::new(seed));
        let (left, fingerprint) = (content(&fork), fork.fingerprint());
        fork.power_cut(LoseAll);
        assert_eq!((content(&fork), fork.fingerprint()), (left, fingerprint));
    }
    Ok(())
}

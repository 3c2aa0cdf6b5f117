//! Each kind of damage: what is planned, what is done, and what is kept.

use annals::io::sim::{KeepAll, SimStorage};
use annals::{Damage, Error, RepairPlan, RepairStep, TailReason};

use crate::support::{
    CONTROL, append, apply, change, closed_log, first_of, flip, is_whole_up_to, mends, mends_this,
    newest, open, plan, quarantine, read, run, segment,
};

#[test]
fn a_whole_log_needs_nothing() {
    let (disk, seen) = closed_log();
    let plan = plan(&disk);
    assert_eq!((plan.steps.len(), plan.copy_bytes), (0, 0));
    assert_eq!(plan.kept, Some(seen.len() as u64));
    let before = disk.fingerprint();
    let repaired = apply(&disk, &plan).unwrap();
    assert_eq!((repaired.steps.len(), repaired.copies.len()), (0, 0));
    assert_eq!(disk.fingerprint(), before);
}

#[test]
fn a_flipped_bit_in_a_sealed_segment_ends_the_log_before_it() {
    let (disk, seen) = closed_log();
    for at in [4096 + 10, 9000, 15000] {
        let disk = disk.fork();
        flip(&disk, &segment(2), at);
        let check = |plan: &RepairPlan| {
            let RepairStep::Quarantine { damage, segment: kept_in, lost, kept, files, .. } =
                quarantine(plan)
            else {
                unreachable!()
            };
            assert_eq!((damage.segment, *kept_in), (2, 2));
            assert_eq!(lost.from, kept + 1);
            assert_eq!(lost.to, seen.len() as u64, "later segments tell all");
            assert_eq!(lost.streams, ["s-0", "s-1", "s-2", "s-3", "s-4"]);
            assert!(lost.bytes > 10_000 && lost.segments >= 2, "{lost:?}");
            for file in [segment(2), segment(3), segment(4), run(2), CONTROL.to_owned()] {
                assert!(files.contains(&file), "{file}: {files:?}");
            }
            assert!(!files.contains(&segment(1)));
            let text = quarantine(plan).to_string();
            for part in
                [format!("positions {} to {}", lost.from, lost.to), format!("{} bytes", lost.bytes)]
            {
                assert!(text.contains(&part), "{text}");
            }
        };
        let repaired = mends_this(&disk, &seen, check, None);
        assert_eq!(repaired.steps.len(), 1);
    }
}

#[test]
fn a_zeroed_header_in_the_middle_ends_the_log_before_its_segment() {
    let (disk, seen) = closed_log();
    let kept = first_of(&disk, 3) - 1;
    change(&disk, &segment(3), |bytes| bytes[..512].fill(0));
    let check = |plan: &RepairPlan| {
        let RepairStep::Quarantine { damage, .. } = quarantine(plan) else { unreachable!() };
        assert_eq!((damage.segment, damage.cause), (3, Damage::Header));
    };
    mends_this(&disk, &seen, check, Some(kept));
}

#[test]
fn a_missing_segment_in_the_middle_ends_the_log_before_it() {
    let (disk, seen) = closed_log();
    let kept = first_of(&disk, 2) - 1;
    disk.remove_file(&segment(2));
    let check = |plan: &RepairPlan| {
        let RepairStep::Quarantine { damage, lost, .. } = quarantine(plan) else { unreachable!() };
        assert_eq!((damage.segment, damage.cause), (2, Damage::Missing));
        assert_eq!((lost.from, lost.to), (kept + 1, seen.len() as u64));
    };
    mends_this(&disk, &seen, check, Some(kept));
}

#[test]
fn a_missing_last_segment_is_told_by_its_witness() {
    let (disk, seen) = closed_log();
    let last = newest(&disk);
    let kept = first_of(&disk, last) - 1;
    disk.remove_file(&segment(last));
    let check = |plan: &RepairPlan| {
        let RepairStep::Quarantine { lost, .. } = quarantine(plan) else { unreachable!() };
        assert_eq!((lost.from, lost.to), (kept + 1, seen.len() as u64));
    };
    mends_this(&disk, &seen, check, Some(kept));
}

#[test]
fn a_cut_file_ends_the_log_with_its_last_whole_group() {
    for number in [2, 4] {
        mends(
            |disk| change(disk, &segment(number), |bytes| bytes.truncate(9001)),
            |plan| {
                let RepairStep::Quarantine { segment, offset, .. } = quarantine(plan) else {
                    unreachable!()
                };
                assert_eq!(*segment, number);
                assert!((4096..=9001).contains(offset));
            },
            None,
        );
    }
}

#[test]
fn damage_in_the_newest_segment_is_told_by_its_witnesses() {
    let (disk, seen) = closed_log();
    let name = segment(newest(&disk));
    flip(&disk, &name, 6000);
    let check = |plan: &RepairPlan| {
        let RepairStep::Quarantine { lost, files, .. } = quarantine(plan) else { unreachable!() };
        assert_eq!(lost.to, seen.len() as u64);
        assert_eq!((lost.segments, files.first()), (0, Some(&name)));
    };
    mends_this(&disk, &seen, check, None);
}

#[test]
fn damage_in_the_first_group_keeps_an_empty_log() {
    mends(|disk| flip(disk, &segment(1), 4100), |plan| drop(quarantine(plan).files()), Some(0));
}

#[test]
fn missing_damaged_and_stale_indexes_are_made_again() {
    let (disk, seen) = closed_log();
    let whole = disk.fork();
    disk.remove_file(&run(1));
    flip(&disk, &run(2), 200);
    disk.write_file(&run(3), &whole.read_file(&run(1)).unwrap());
    let check = |plan: &RepairPlan| {
        let rebuilt = plan.steps.iter().map(|step| match step {
            RepairStep::RebuildIndex { segment, missing, .. } => (*segment, *missing),
            other => panic!("{other}"),
        });
        let mut rebuilt: Vec<_> = rebuilt.collect();
        rebuilt.sort_unstable();
        assert_eq!(rebuilt, [(1, true), (2, false), (3, false)]);
    };
    let all = seen.len() as u64;
    let fork = disk.fork();
    let plan = plan(&disk);
    apply(&disk, &plan).unwrap();
    for number in 1..=3 {
        assert!(disk.read_file(&run(number)) == whole.read_file(&run(number)));
    }
    mends_this(&fork, &seen, check, Some(all));
}

#[test]
fn bytes_that_stand_for_nothing_are_cleared() {
    let (disk, seen) = closed_log();
    let whole = disk.fork();
    // Between header and slots, and a slot of a sealed segment.
    flip(&disk, &segment(1), 300);
    change(&disk, &segment(2), |bytes| bytes[1024 + 40] ^= 1);
    let bad = plan(&disk);
    assert!(bad.steps.iter().all(|step| matches!(step, RepairStep::Clear { .. })), "{bad:?}");
    assert!(!bad.steps.is_empty());
    mends_this(&disk, &seen, |_| {}, Some(seen.len() as u64));
    let (first, was) = (disk.read_file(&segment(1)), whole.read_file(&segment(1)));
    assert!(first == was);
}

#[test]
fn a_damaged_control_file_is_made_again() {
    let (disk, seen) = closed_log();
    change(&disk, CONTROL, |bytes| bytes[3000] = 7);
    let check = |plan: &RepairPlan| {
        assert!(matches!(plan.steps.as_slice(), [RepairStep::RebuildControl { .. }]), "{plan:?}");
    };
    let repaired = mends_this(&disk, &seen, check, Some(seen.len() as u64));
    assert!(repaired.report.recovery.unwrap().clean, "its witness is that of the segments");
}

#[test]
fn a_half_written_file_is_removed() {
    let (disk, seen) = closed_log();
    disk.write_file(&format!("{}.tmp", run(2)), b"half");
    let check = |plan: &RepairPlan| {
        let [RepairStep::RemoveUnfinished { file }] = plan.steps.as_slice() else {
            panic!("{plan:?}")
        };
        assert_eq!(*file, format!("{}.tmp", run(2)));
    };
    mends_this(&disk, &seen, check, Some(seen.len() as u64));
    assert!(disk.read_file(&format!("{}.tmp", run(2))).is_none());
}

#[test]
fn a_torn_tail_is_cut_as_opening_would() {
    let disk = SimStorage::new();
    let log = open(&disk).unwrap();
    (0..5).for_each(|number| append(&log, number));
    let seen = read(&log).unwrap();
    disk.kill();
    drop(log);
    disk.power_cut(KeepAll);
    // The last group lost some bytes, and nothing proves that it was durable.
    let bytes = disk.read_file(&segment(1)).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    change(&disk, &segment(1), |bytes| bytes[last - 20..=last].fill(0));
    let opened = disk.fork();
    let check = |plan: &RepairPlan| {
        let [RepairStep::CutTail { reason, kept, .. }] = plan.steps.as_slice() else {
            panic!("{plan:?}")
        };
        assert_eq!((*reason, *kept), (TailReason::Torn, 8));
        assert_eq!(plan.findings, []);
    };
    mends_this(&disk, &seen, check, Some(8));
    assert_eq!(open(&opened).unwrap().head(), 8, "opening does the same");
}

#[test]
fn what_cannot_be_mended_is_said_and_nothing_is_changed() {
    type Hurt = (&'static str, Box<dyn Fn(&SimStorage)>);
    let cases: Vec<Hurt> = vec![
        (
            "no first header",
            Box::new(|disk| {
                change(disk, &segment(1), |bytes| bytes[..512].fill(0));
            }),
        ),
        ("no first segment", Box::new(|disk| assert!(disk.remove_file(&segment(1))))),
        (
            "a segment of another log",
            Box::new(|disk| {
                let other = SimStorage::new();
                other.set_seed(99);
                let log = open(&other).unwrap();
                (0..40).for_each(|number| append(&log, number));
                log.close().unwrap();
                disk.write_file(&segment(3), &other.read_file(&segment(3)).unwrap());
            }),
        ),
        (
            "an older place",
            Box::new(|disk| {
                disk.write_file(&segment(3), &disk.read_file(&segment(2)).unwrap());
            }),
        ),
        (
            "a directory in place of one",
            Box::new(|disk| {
                disk.remove_file(&segment(2));
                disk.put_other(&segment(2));
            }),
        ),
    ];
    let (disk, _) = closed_log();
    for (what, hurt) in cases {
        let disk = disk.fork();
        hurt(&disk);
        let plan = plan(&disk);
        assert!(!plan.can_be_applied() && plan.kept.is_none(), "{what}: {plan:?}");
        let before = disk.fingerprint();
        assert!(matches!(apply(&disk, &plan), Err(Error::Corrupt(_))), "{what}");
        assert_eq!(disk.fingerprint(), before, "{what}");
    }
}

#[test]
fn damage_that_was_hidden_is_mended_too() {
    let (disk, seen) = closed_log();
    // With a segment missing, verifying looks no further.
    let kept = first_of(&disk, 3) - 1;
    disk.remove_file(&segment(3));
    flip(&disk, &run(1), 100);
    let plan = plan(&disk);
    assert_eq!(plan.steps.len(), 1);
    let repaired = apply(&disk, &plan).unwrap();
    assert_eq!(repaired.steps.len(), 2, "{:?}", repaired.steps);
    assert_eq!(repaired.report.findings, []);
    is_whole_up_to(&disk, &seen, kept);
}

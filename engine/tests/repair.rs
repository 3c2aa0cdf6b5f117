//! Repair: for each kind of damage, what is planned, what is kept, and what can be lost
//! on the way.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;

use annals::io::Storage;
use annals::io::sim::{KeepAll, LoseAll, SimStorage};
use annals::{
    Background, Batch, CursorOptions, Damage, Error, Expected, Log, NewEvent, Options, RepairPlan,
    RepairStep, Repaired, Start, TailReason, Uuid, apply_repair, plan_repair, verify,
};

const CONTROL: &str = "control";

fn segment(number: u64) -> String {
    format!("{number:020}.seg")
}

fn run(number: u64) -> String {
    format!("{number:020}.idx")
}

fn options() -> Options {
    Options::new().background(Background::Inline).segment_bytes(16 << 10)
}

fn open(disk: &SimStorage) -> annals::Result<Log> {
    options().open_on(Arc::new(disk.clone()))
}

/// Position, stream, version and data of every event.
type Seen = Vec<(u64, String, u64, Vec<u8>)>;

fn read(log: &Log) -> annals::Result<Seen> {
    let seen = |event: annals::Event<'_>| {
        (event.position(), event.stream().to_owned(), event.version(), event.data().to_vec())
    };
    Ok(log.read_all().collect()?.iter().map(|event| seen(event.as_event())).collect())
}

fn append(log: &Log, number: u64) {
    let data = vec![u8::try_from(number % 251).unwrap(); 700];
    let mut batch = Batch::new();
    for part in 0..2 {
        let id = Uuid::from_u128(u128::from(number) << 8 | part);
        let event = NewEvent::new("Happened").id(id).data(&data);
        batch.write(&format!("s-{}", (u128::from(number) + part) % 5), Expected::Any, [event]);
    }
    log.append(&batch).unwrap();
}

/// A closed log of at least four segments, and what is in it.
fn closed_log() -> (SimStorage, Seen) {
    let disk = SimStorage::new();
    let log = open(&disk).unwrap();
    (0..40).for_each(|number| append(&log, number));
    let seen = read(&log).unwrap();
    log.close().unwrap();
    assert!(disk.file_names().iter().filter(|name| name.ends_with(".seg")).count() >= 4);
    (disk, seen)
}

fn storage(disk: &SimStorage) -> Arc<dyn Storage> {
    Arc::new(disk.clone())
}

/// The plan, which changes nothing.
fn plan(disk: &SimStorage) -> RepairPlan {
    let before = disk.fingerprint();
    let plan = plan_repair(&storage(disk)).unwrap();
    assert_eq!(disk.fingerprint(), before, "planning wrote");
    plan
}

fn apply(disk: &SimStorage, plan: &RepairPlan) -> annals::Result<Repaired> {
    apply_repair(&storage(disk), plan, &mut |_| {})
}

/// Damages the log, plans, applies, and checks that the log opens and has exactly the
/// first `kept` events, that copies are what was there, and that nothing is left to do.
fn mends(hurt: impl Fn(&SimStorage), check: impl Fn(&RepairPlan), kept: Option<u64>) {
    let (disk, seen) = closed_log();
    hurt(&disk);
    mends_this(&disk, &seen, check, kept);
}

fn mends_this(
    disk: &SimStorage,
    seen: &Seen,
    check: impl Fn(&RepairPlan),
    kept: Option<u64>,
) -> Repaired {
    let before = disk.fork();
    let plan = plan(disk);
    check(&plan);
    for step in &plan.steps {
        eprintln!("{step}");
    }
    let kept = kept.unwrap_or_else(|| plan.kept.unwrap());
    assert_eq!(plan.kept, Some(kept));
    let repaired = apply(disk, &plan).unwrap();
    assert_eq!(repaired.report.findings, []);
    for file in plan.steps.iter().flat_map(RepairStep::files) {
        let there = before.read_file(file).is_some();
        let copied = repaired.copies.iter().any(|(_, original)| original == file);
        assert_eq!(copied, there, "{file}");
    }
    for (copy, original) in &repaired.copies {
        assert_eq!(disk.read_file(copy), before.read_file(original), "{original}");
        assert_eq!(disk.read_durable(copy), before.read_file(original), "{original} is durable");
    }
    // What was not copied is as it was, but for what is derived.
    for name in before.file_names().iter().filter(|name| name.ends_with(".seg")) {
        if !repaired.copies.iter().any(|(_, original)| original == name) {
            assert_eq!(disk.read_file(name), before.read_file(name), "{name}");
        }
    }
    is_whole_up_to(disk, seen, kept);
    repaired
}

/// Nothing is left to do, and the log holds exactly the first `kept` events and goes on.
fn is_whole_up_to(disk: &SimStorage, seen: &Seen, kept: u64) {
    let report = verify(storage(disk), &mut |_, _| {}).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(plan(disk).steps, []);
    disk.power_cut(LoseAll);
    let log = open(disk).unwrap();
    let first = usize::try_from(kept).unwrap();
    assert!(read(&log).unwrap() == seen[..first], "up to position {kept}");
    append(&log, 1000);
    assert_eq!(log.head(), kept + 2);
    log.close().unwrap();
    let report = verify(storage(disk), &mut |_, _| {}).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.events, kept + 2);
}

/// Flips a bit of the byte at `at`.
fn flip(disk: &SimStorage, name: &str, at: usize) {
    let bit = u64::try_from(at).unwrap() * 8 + 3;
    assert!(disk.flip_bit(name, bit));
}

fn change(disk: &SimStorage, name: &str, change: impl Fn(&mut Vec<u8>)) {
    let mut bytes = disk.read_file(name).unwrap();
    change(&mut bytes);
    disk.write_file(name, &bytes);
}

/// The only step, which must be a quarantine.
fn quarantine(plan: &RepairPlan) -> &RepairStep {
    let [step @ RepairStep::Quarantine { .. }] = plan.steps.as_slice() else {
        panic!("{:?}", plan.steps)
    };
    step
}

fn first_of(seen_up_to: &SimStorage, number: u64) -> u64 {
    let bytes = seen_up_to.read_file(&segment(number)).unwrap();
    // The first position in the header: a segment's first event.
    let log = seen_up_to.fork();
    drop(bytes);
    // Found by taking the segment and all later ones away.
    for later in number..100 {
        log.remove_file(&segment(later));
    }
    plan_repair(&storage(&log)).unwrap().kept.unwrap() + 1
}

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
    let last = disk.file_names().iter().filter(|name| name.ends_with(".seg")).count() as u64;
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
fn damage_in_the_newest_segment_of_a_closed_log() {
    mends(|disk| flip(disk, &segment(4), 6000), |plan| drop(quarantine(plan).to_string()), None);
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
        assert_eq!(disk.read_file(&run(number)), whole.read_file(&run(number)));
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
    assert_eq!(disk.read_file(&segment(1)), whole.read_file(&segment(1)));
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

#[test]
fn a_plan_is_not_applied_to_a_log_that_has_changed() {
    let (disk, _) = closed_log();
    disk.remove_file(&run(1));
    let old = plan(&disk);
    flip(&disk, &segment(2), 9000);
    let before = disk.fingerprint();
    assert!(matches!(apply(&disk, &old), Err(Error::Invalid { .. })));
    assert_eq!(disk.fingerprint(), before);
}

#[test]
fn an_open_log_is_left_alone() {
    let (disk, _) = closed_log();
    let log = open(&disk).unwrap();
    let other = disk.another_process();
    assert!(matches!(plan_repair(&storage(&other)), Err(Error::Locked { .. })));
    let nothing = RepairPlan::default();
    assert!(matches!(apply(&other, &nothing), Err(Error::Locked { .. })));
    log.close().unwrap();
    let none = SimStorage::missing();
    assert!(matches!(plan_repair(&storage(&none)), Err(Error::NotFound { .. })));
}

#[test]
fn a_checkpoint_in_the_lost_part_is_refused_afterwards() {
    let (disk, seen) = closed_log();
    let log = open(&disk).unwrap();
    let checkpoint = |position| {
        let mut cursor = log.cursor(Start::After(position - 1)).unwrap();
        assert_eq!(cursor.poll(1).unwrap().len(), 1);
        cursor.checkpoint().unwrap()
    };
    let (early, late) = (checkpoint(2), checkpoint(seen.len() as u64));
    log.close().unwrap();
    flip(&disk, &segment(2), 9000);
    apply(&disk, &plan(&disk)).unwrap();
    let log = open(&disk).unwrap();
    (100..160).for_each(|number| append(&log, number));
    assert!(log.head() > seen.len() as u64, "its position was given again");
    let at = |checkpoint| log.cursor_with(Start::Checkpoint(checkpoint), &CursorOptions::new());
    assert!(matches!(at(late), Err(Error::Diverged { .. })));
    assert!(at(early).is_ok());
}

/// Applies with the power cut at every call in turn, and again; always the same end.
#[test]
fn a_power_cut_at_any_call_and_another_try_end_the_same() {
    let (disk, seen) = closed_log();
    type Hurt = Box<dyn Fn(&SimStorage)>;
    let cases: Vec<Hurt> = vec![
        Box::new(|disk| flip(disk, &segment(2), 9000)),
        Box::new(|disk| assert!(disk.remove_file(&segment(2)))),
        Box::new(|disk| flip(disk, &segment(4), 6000)),
        Box::new(|disk| {
            flip(disk, &run(2), 200);
            flip(disk, &segment(1), 300);
            change(disk, CONTROL, |bytes| bytes[3000] = 7);
        }),
    ];
    for hurt in cases {
        let hurt_disk = disk.fork();
        hurt(&hurt_disk);
        let first = plan(&hurt_disk);
        let kept = first.kept.unwrap();
        let mut tries = 0;
        for nth in 1.. {
            let disk = hurt_disk.fork();
            let before = disk.changes();
            disk.crash_at(nth);
            if apply(&disk, &first).is_ok() && disk.changes() < before + nth {
                break;
            }
            tries += 1;
            if nth % 2 == 0 {
                disk.power_cut(LoseAll)
            } else {
                disk.power_cut(KeepAll)
            }
            let again = plan(&disk);
            assert_eq!(again.kept, Some(kept), "call {nth}: {again:?}");
            apply(&disk, &again).unwrap();
            is_whole_up_to(&disk, &seen, kept);
        }
        assert!(tries > 8, "{tries}");
        eprintln!("{tries} calls");
    }
}

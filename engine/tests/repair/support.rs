//! Logs to damage, and what must hold of a repair.

use std::sync::Arc;

use annals::io::sim::{LoseAll, SimStorage};
use annals::{
    Background, Batch, Expected, Log, NewEvent, Options, RepairPlan, RepairStep, Repaired, Uuid,
    apply_repair, plan_repair, verify,
};

pub(crate) const CONTROL: &str = "control";

pub(crate) fn segment(number: u64) -> String {
    format!("{number:020}.seg")
}

pub(crate) fn run(number: u64) -> String {
    format!("{number:020}.idx")
}

pub(crate) fn options() -> Options {
    Options::new().background(Background::Inline).segment_bytes(16 << 10)
}

pub(crate) fn open(disk: &SimStorage) -> annals::Result<Log> {
    options().open_on(Arc::new(disk.clone()))
}

/// Position, stream, version and data of every event.
pub(crate) type Seen = Vec<(u64, String, u64, Vec<u8>)>;

pub(crate) fn read(log: &Log) -> annals::Result<Seen> {
    let seen = |event: annals::Event<'_>| {
        (event.position(), event.stream().to_owned(), event.version(), event.data().to_vec())
    };
    Ok(log.read_all().collect()?.iter().map(|event| seen(event.as_event())).collect())
}

pub(crate) fn append(log: &Log, number: u64) {
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
pub(crate) fn closed_log() -> (SimStorage, Seen) {
    let disk = SimStorage::new();
    let log = open(&disk).unwrap();
    (0..40).for_each(|number| append(&log, number));
    let seen = read(&log).unwrap();
    log.close().unwrap();
    assert!(disk.file_names().iter().filter(|name| name.ends_with(".seg")).count() >= 4);
    (disk, seen)
}

/// The number of the newest segment.
pub(crate) fn newest(disk: &SimStorage) -> u64 {
    disk.file_names().iter().filter(|name| name.ends_with(".seg")).count() as u64
}

/// The plan, which changes nothing.
pub(crate) fn plan(disk: &SimStorage) -> RepairPlan {
    let before = disk.fingerprint();
    let plan = plan_repair(disk).unwrap();
    assert_eq!(disk.fingerprint(), before, "planning wrote");
    plan
}

pub(crate) fn apply(disk: &SimStorage, plan: &RepairPlan) -> annals::Result<Repaired> {
    apply_repair(disk, plan, &mut |_| {})
}

/// Damages the log, plans, applies, and checks that the log opens and has exactly the
/// first `kept` events, that copies are what was there, and that nothing is left to do.
pub(crate) fn mends(hurt: impl Fn(&SimStorage), check: impl Fn(&RepairPlan), kept: Option<u64>) {
    let (disk, seen) = closed_log();
    hurt(&disk);
    mends_this(&disk, &seen, check, kept);
}

pub(crate) fn mends_this(
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
        assert!(disk.read_file(copy) == before.read_file(original), "{original}");
        assert!(disk.read_durable(copy) == before.read_file(original), "{original} is durable");
    }
    // What was not copied is as it was, but for what is derived.
    for name in before.file_names().iter().filter(|name| name.ends_with(".seg")) {
        if !repaired.copies.iter().any(|(_, original)| original == name) {
            assert!(disk.read_file(name) == before.read_file(name), "{name}");
        }
    }
    is_whole_up_to(disk, seen, kept);
    repaired
}

/// Nothing is left to do, and the log holds exactly the first `kept` events and goes on.
pub(crate) fn is_whole_up_to(disk: &SimStorage, seen: &Seen, kept: u64) {
    let report = verify(disk, &mut |_, _| {}).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(plan(disk).steps, []);
    disk.power_cut(LoseAll);
    let log = open(disk).unwrap();
    let first = usize::try_from(kept).unwrap();
    assert!(read(&log).unwrap() == seen[..first], "up to position {kept}");
    append(&log, 1000);
    assert_eq!(log.head(), kept + 2);
    log.close().unwrap();
    let report = verify(disk, &mut |_, _| {}).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.events, kept + 2);
}

/// Flips a bit of the byte at `at`.
pub(crate) fn flip(disk: &SimStorage, name: &str, at: usize) {
    let bit = u64::try_from(at).unwrap() * 8 + 3;
    assert!(disk.flip_bit(name, bit));
}

pub(crate) fn change(disk: &SimStorage, name: &str, change: impl Fn(&mut Vec<u8>)) {
    let mut bytes = disk.read_file(name).unwrap();
    change(&mut bytes);
    disk.write_file(name, &bytes);
}

/// The only step, which must be a quarantine.
pub(crate) fn quarantine(plan: &RepairPlan) -> &RepairStep {
    let [step @ RepairStep::Quarantine { .. }] = plan.steps.as_slice() else {
        panic!("{:?}", plan.steps)
    };
    step
}

/// Position of a segment's first event: one more than what is kept without it.
pub(crate) fn first_of(disk: &SimStorage, number: u64) -> u64 {
    let disk = disk.fork();
    for later in number..100 {
        disk.remove_file(&segment(later));
    }
    plan_repair(&disk).unwrap().kept.unwrap() + 1
}

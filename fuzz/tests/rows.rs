//! Every row of the table that tells a torn tail from damage, by a crash or a damage that
//! leads to it. What must come of it is taken from the table in DESIGN.md: a row that is
//! added there, or in the engine, without a way to it here fails.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use annals::io::sim::{KeepAll, SECTOR_BYTES, SimStorage, Unit, UnitKind, Verdict};
use annals::{
    Background, Batch, Damage, Durability, Error, Expected, Log, NewEvent, Options, TailReason,
};

const SEGMENT: &str = "00000000000000000001.seg";

/// How many events are durable before the place, and so must be there.
const DURABLE: u64 = 2;

fn options() -> Options {
    Options::new().background(Background::Inline).segment_bytes(64 << 10)
}

fn open(disk: &SimStorage) -> Log {
    options().open_on(Arc::new(disk.clone())).unwrap()
}

fn append(log: &Log, data: usize, level: Durability) {
    let data = vec![0xAA; data];
    let mut batch = Batch::new();
    batch.write("s", Expected::Any, [NewEvent::new("Happened").data(&data)]);
    log.append_with(&batch, level).unwrap();
}

fn end_of(disk: &SimStorage) -> usize {
    let bytes = disk.read_file(SEGMENT).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    (last + 1).max(4096).next_multiple_of(8)
}

/// A log with two durable groups; behind them, each from a sector of its own on, one of four
/// sectors and one of two.
struct Tail {
    disk: SimStorage,
    log: Log,
    first: Range<usize>,
    second: Range<usize>,
}

fn tail(level: Durability) -> Tail {
    let sector = SECTOR_BYTES;
    let disk = SimStorage::new();
    let log = open(&disk);
    append(&log, 0, Durability::Durable);
    // What a group takes without data; data adds whole eights to it.
    let bare = end_of(&disk) - 4096;
    append(&log, sector - (2 * bare) % sector, Durability::Durable);
    let first = end_of(&disk);
    append(&log, 4 * sector - bare, level);
    append(&log, 2 * sector - bare, level);
    let second = first + 4 * sector;
    assert_eq!((first % sector, end_of(&disk)), (0, second + 2 * sector));
    Tail { disk, log, first: first..second, second: second..second + 2 * sector }
}

/// The power goes while the two groups are written and not synced: of their six sectors these
/// survive, or as many bytes of one.
fn cut(survives: impl Fn(u64) -> Verdict) -> SimStorage {
    let Tail { disk, log, first, .. } = tail(Durability::Written);
    disk.kill();
    drop(log);
    let begin = u64::try_from(first.start / SECTOR_BYTES).unwrap();
    disk.power_cut(|_: usize, unit: &Unit| match unit.kind {
        UnitKind::Sector { index } if &*unit.name == SEGMENT && index >= begin => {
            survives(index - begin)
        }
        _ => Verdict::Keep,
    });
    disk
}

fn keep(sectors: &'static [u64]) -> impl Fn(u64) -> Verdict {
    |sector| if sectors.contains(&sector) { Verdict::Keep } else { Verdict::Lose }
}

/// The same, and of the first sector only its first bytes.
fn torn_frame(sectors: &'static [u64]) -> impl Fn(u64) -> Verdict {
    move |sector| if sector == 0 { Verdict::Tear(20) } else { keep(sectors)(sector) }
}

/// The first of two groups is hurt, in each way that can be.
fn hurt(disk: &SimStorage, at: &Range<usize>) -> Vec<SimStorage> {
    let with = |change: &dyn Fn(&mut [u8])| {
        let disk = disk.fork();
        let mut bytes = disk.read_file(SEGMENT).unwrap();
        change(&mut bytes[at.clone()]);
        disk.write_file(SEGMENT, &bytes);
        disk
    };
    vec![
        with(&|group| group.fill(0)),
        with(&|group| *group.last_mut().unwrap() ^= 1),
        with(&|group| group[0] ^= 1),
    ]
}

/// Both groups are durable, and a later one says so: a part of the log is hurt.
fn proven_by_a_group() -> Vec<SimStorage> {
    let Tail { disk, log, first, .. } = tail(Durability::Durable);
    disk.kill();
    drop(log);
    disk.power_cut(KeepAll);
    hurt(&disk, &first)
}

/// Both groups are durable, and a witness says so: the last one is hurt, or both are.
fn proven_by_a_witness() -> Vec<SimStorage> {
    let Tail { disk, log, second, .. } = tail(Durability::Durable);
    log.close().unwrap();
    // The index would let opening skip what is hurt.
    for name in disk.file_names().iter().filter(|name| name.ends_with(".idx")) {
        disk.remove_file(name);
    }
    hurt(&disk, &(second.start..end_of(&disk)))
}

/// A way to a row.
type Way = fn() -> Vec<SimStorage>;

/// The rows as the table names them: what stands at the place, what beyond it, and how to
/// get there.
const WAYS: [(&str, &str, Way); 11] = [
    ("unwritten", "nothing", || vec![cut(keep(&[]))]),
    ("unwritten", "bytes", || vec![cut(keep(&[2])), cut(keep(&[1, 2, 3, 5]))]),
    ("unwritten", "a group that proves nothing", || {
        vec![cut(keep(&[4, 5])), cut(keep(&[1, 4, 5]))]
    }),
    ("torn group", "nothing", || vec![cut(keep(&[0])), cut(keep(&[0, 1, 2]))]),
    ("torn group", "bytes", || vec![cut(keep(&[0, 5])), cut(keep(&[0, 1, 2, 5]))]),
    ("torn group", "a group that proves nothing", || vec![cut(keep(&[0, 4, 5]))]),
    ("garbage", "nothing", || vec![cut(torn_frame(&[]))]),
    ("garbage", "bytes", || vec![cut(torn_frame(&[1, 2, 3])), cut(torn_frame(&[5]))]),
    ("garbage", "a group that proves nothing", || vec![cut(torn_frame(&[4, 5]))]),
    ("any", "proof by a group or a segment header", proven_by_a_group),
    ("any", "proof by a witness", proven_by_a_witness),
];

fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of the table in DESIGN.md, cell by cell.
fn table() -> Vec<[String; 4]> {
    let design = text("DESIGN.md");
    let rest = design.split("\n### Torn tail or damage\n").nth(1).unwrap();
    let lines = rest.lines().skip_while(|line| !line.starts_with('|'));
    let rows = lines.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |line: &str| {
        let cells = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
        cells.collect::<Vec<_>>().try_into().unwrap()
    };
    rows.map(cells).collect()
}

/// What opening does with a disk, in the words of the table.
fn done(disk: &SimStorage, strict: bool) -> String {
    let disk = disk.fork();
    let opened = options().strict(strict).open_on(Arc::new(disk.clone()));
    let reason = |recovery: &annals::Recovery| match recovery.discarded.as_ref() {
        None => "the end",
        Some(discarded) => match discarded.reason {
            TailReason::Hole => "cut: a hole",
            TailReason::Torn => "cut: torn",
            TailReason::Garbage => "cut: garbage",
            other => panic!("{other:?} is in no row"),
        },
    };
    match opened {
        Ok(log) => {
            let head = log.head();
            assert!(head >= DURABLE, "{head} events");
            assert_eq!(u64::try_from(log.read_all().collect().unwrap().len()).unwrap(), head);
            reason(log.recovery()).to_owned()
        }
        Err(Error::WouldDiscard(recovery)) if strict => {
            assert!(reason(&recovery).starts_with("cut"));
            "refuse to cut".to_owned()
        }
        Err(Error::Corrupt(corrupt)) => {
            assert!(matches!(corrupt.cause, Damage::Lost { .. }), "{corrupt}");
            assert_eq!((corrupt.file.as_str(), corrupt.segment), (SEGMENT, 1));
            "damage".to_owned()
        }
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn every_row_of_the_table_is_reached_and_does_what_it_says() {
    let table = table();
    for [at, beyond, lenient, strict] in &table {
        let way = WAYS.iter().find(|(a, b, _)| a == at && b == beyond);
        let (_, _, way) = way.unwrap_or_else(|| panic!("no way leads to {at} | {beyond}"));
        for (number, disk) in way().iter().enumerate() {
            let row = format!("{at} | {beyond}, way {number}");
            assert_eq!(&done(disk, true), strict, "{row}, strict");
            assert_eq!(&done(disk, false), lenient, "{row}, lenient");
        }
    }
    assert_eq!(table.len(), WAYS.len(), "a way that leads to no row");
}

#[test]
fn the_table_that_decides_has_the_rows_of_the_one_that_is_written() {
    let code = text("engine/src/recovery/decision.rs");
    let rows = code.split("const TABLE: [Row; ").nth(1).unwrap();
    let rows = rows.split("];").next().unwrap();
    let count = rows.lines().filter(|line| line.contains("row(At::") || line.contains("Row {"));
    assert_eq!(count.count(), table().len());
}

#[test]
fn what_is_cut_stays_cut_and_what_is_damaged_stays_as_it_is() {
    for (at, beyond, way) in WAYS {
        for disk in way() {
            let before = disk.read_file(SEGMENT);
            match options().open_on(Arc::new(disk.clone())) {
                Ok(log) => {
                    let head = log.head();
                    log.close().unwrap();
                    let log = open(&disk);
                    assert_eq!(log.recovery().discarded, None, "{at} | {beyond}");
                    assert_eq!(log.head(), head, "{at} | {beyond}");
                }
                Err(_) => assert_eq!(disk.read_file(SEGMENT), before, "{at} | {beyond}"),
            }
        }
    }
}

//! The program that made the golden logs: every call that writes, on a simulated disk whose
//! clock and random numbers are its own, with ids that are given. What it appends must stay
//! as it is, for as long as format version 1 is written.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use annals::io::sim::{CallKind, SECTOR_BYTES, SimStorage, Unit, UnitKind, Verdict};
use annals::{
    Background, Batch, Durability, Expected, Log, NewEvent, NewSnapshot, Occurred, Options,
    Timestamp, Uuid,
};

/// 2026-01-01T00:00:00Z, when the first of them opens its log.
const BEGIN: i64 = 1_767_225_600_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// Keys that the program gives to batches.
pub(crate) const KEYS: [&str; 3] = ["billing/message-77", "billing/message-78", "import/рядок-1"];

/// The files of a log, by their names.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

pub(crate) fn options() -> Options {
    Options::new().background(Background::Inline).segment_bytes(16 << 10)
}

pub(crate) fn files(disk: &SimStorage) -> Files {
    let names = disk.file_names();
    names.into_iter().filter_map(|name| Some((name.clone(), disk.read_file(&name)?))).collect()
}

/// A log of three lives, the second of which ends in a kill; closed.
pub(crate) fn closed() -> SimStorage {
    let disk = SimStorage::new();
    disk.set_seed(20_260_101);
    first_life(&disk);
    second_life(&disk);
    third_life(&disk);
    disk
}

/// The same, opened once more: the power goes while a group and the next segment's first
/// one are on their way. Of the group one sector came to the disk.
pub(crate) fn torn() -> SimStorage {
    let disk = closed();
    let log = open(&disk, 400);
    append(&log, Batch::new().write("order-2", Expected::Any, [plain(60, "Shipped")]));
    let written = Arc::new(Mutex::new(0));
    let left = Arc::new(Mutex::new(None));
    let (noted, forked) = (Arc::clone(&written), Arc::clone(&left));
    disk.on_call(move |call, disk| match call.kind {
        CallKind::Write if call.name.ends_with(".seg") && call.offset > 0 => {
            *noted.lock().unwrap() = call.offset;
        }
        // What stands before the roll is made durable first: the power goes before that.
        CallKind::SyncData if *noted.lock().unwrap() > 0 && forked.lock().unwrap().is_none() => {
            let group = *noted.lock().unwrap();
            let fork = disk.fork();
            fork.power_cut(|_: usize, unit: &Unit| first_sector(unit, &call.name, group));
            *forked.lock().unwrap() = Some(fork);
        }
        _ => {}
    });
    let lines = filler(700, 5);
    let batch = |id, data| NewEvent::new("Measured").id(Uuid::from_u128(id)).data(data);
    let buffered = &Durability::Buffered;
    let lost = [batch(61, &lines), batch(62, &lines), batch(63, &lines)];
    log.append_with(Batch::new().write("gauge-1", Expected::Any, lost), *buffered).unwrap();
    let large = filler(12_000, 6);
    append(&log, Batch::new().write("gauge-1", Expected::Any, [batch(64, &large)]));
    disk.clear_hook();
    disk.kill();
    drop(log);
    let torn = left.lock().unwrap().take();
    torn.unwrap()
}

/// Of what is pending: names and lengths, and of this file what lies before the group's
/// second sector.
fn first_sector(unit: &Unit, name: &str, group: u64) -> Verdict {
    match unit.kind {
        UnitKind::Sector { index } => {
            let kept = *unit.name == *name && index * SECTOR_BYTES as u64 <= group + 64;
            if kept { Verdict::Keep } else { Verdict::Lose }
        }
        _ => Verdict::Keep,
    }
}

/// The closed log with one bit over in the data of an event of its first segment, which is
/// sealed.
pub(crate) fn damaged() -> SimStorage {
    let disk = closed();
    let segment = "00000000000000000001.seg";
    let bytes = disk.read_file(segment).unwrap();
    let at = bytes.windows(8).position(|eight| eight == b"\"cents\":").unwrap();
    assert!(disk.flip_bit(segment, at as u64 * 8));
    disk
}

fn open(disk: &SimStorage, second: i64) -> Log {
    disk.set_now(BEGIN + second * SECOND);
    options().open_on(Arc::new(disk.clone())).unwrap()
}

fn append(log: &Log, batch: &Batch) {
    log.append(batch).unwrap();
}

fn plain(id: u128, event_type: &str) -> NewEvent<'_> {
    NewEvent::new(event_type).id(Uuid::from_u128(id))
}

/// Text that differs from place to place and from one `salt` to another.
fn filler(bytes: usize, salt: usize) -> Vec<u8> {
    (0..bytes).map(|n| b'a' + u8::try_from((n / 7 + n * salt) % 26).unwrap()).collect()
}

fn occurred(nanos: i64, offset_minutes: Option<i16>, fraction_digits: u8) -> Occurred {
    Occurred { at: Timestamp::from_nanos(nanos), offset_minutes, fraction_digits }
}

/// Events with and without each field; batches over several streams; a group of several
/// batches; snapshots, states and keys. Closed.
fn first_life(disk: &SimStorage) {
    let log = open(disk, 0);
    append(&log, Batch::new().write("order-1", Expected::NoStream, [plain(1, "Opened")]));
    every_field(&log);
    disk.set_now(BEGIN + 10 * SECOND);
    let mut batch = Batch::new();
    batch
        .write("order-1", Expected::Exact(1), [plain(4, "Placed").json(r#"{"cents":1250}"#)])
        .write("stock-4", Expected::NoStream, [plain(5, "Reserved").schema(2)])
        .write("order-1", Expected::Any, [plain(6, "Confirmed").tag("paid")])
        .expect("customer-9", Expected::Exists);
    append(&log, &batch);
    group_of_three(&log);
    disk.set_now(BEGIN + 20 * SECOND);
    let state = NewSnapshot::new(1).json(r#"{"paid":true}"#);
    let mut batch = Batch::new();
    batch
        .write("order-1", Expected::Exact(3), [plain(20, "Paid")])
        .snapshot("order-1", 4, state)
        .state("order-1", 8, NewSnapshot::new(4).data(b"a state of the same name"));
    append(&log, &batch);
    let other = NewSnapshot::new(2).data(&[0, 159, 146, 150]).content_type("application/cbor");
    append(&log, Batch::new().snapshot("order-1", 3, other));
    append(&log, Batch::new().state("projection/стан", 12, NewSnapshot::new(1)));
    let mut batch = Batch::new();
    batch.once(KEYS[0]).write(
        "invoice-3",
        Expected::NoStream,
        [plain(21, "Billed").caused_by("message-77"), plain(22, "Sent")],
    );
    append(&log, &batch);
    // Once more, under a key that is new: the key alone is written.
    let mut batch = Batch::new();
    batch.once(KEYS[1]).write(
        "invoice-3",
        Expected::Any,
        [plain(21, "Billed").caused_by("message-77"), plain(22, "Sent")],
    );
    append(&log, &batch);
    log.close().unwrap();
}

/// All that an event can have, and the same in other shapes.
fn every_field(log: &Log) {
    let full = plain(2, "Registered")
        .schema(7)
        .occurred_at(occurred(1_767_220_000_123_000_000, Some(-210), 3))
        .tag("vip")
        .tag("país:ñ")
        .tag("vip")
        .content_type("text/plain")
        .correlation("conversation-α")
        .caused_by("0190b2a1-0000-7000-8000-000000000001")
        .metadata(&[0, 1, 2, 255])
        .data("Grüße, 世界 🌍".as_bytes());
    let zulu = plain(3, "Измѣнено")
        .occurred_at(occurred(-1, None, 9))
        .metadata(br#"{"by":"clerk 3"}"#)
        .json("{}");
    append(log, Batch::new().write("customer-9", Expected::NoStream, [full, zulu]));
}

/// One write, one sync, three batches.
fn group_of_three(log: &Log) {
    for (n, stream) in [(0, "gauge-1"), (1, "gauge-2")] {
        let events = (0..3).map(|k| plain(10 + n * 3 + k, "Measured").data(b"21.5"));
        let mut batch = Batch::new();
        batch.write(stream, Expected::NoStream, events);
        log.append_with(&batch, Durability::Buffered).unwrap();
    }
    append(log, Batch::new().write("gauge-1", Expected::Exact(3), [plain(16, "Calibrated")]));
}

/// Opened after a close; the first segment is filled up, and the writer is killed.
fn second_life(disk: &SimStorage) {
    let log = open(disk, 100);
    let lines = filler(1_000, 3);
    for n in 0..9 {
        let event = plain(30 + n, "Imported").data(&lines[..900 + usize::try_from(n).unwrap()]);
        append(&log, Batch::new().write("archive", Expected::Any, [event.tag("old")]));
    }
    let mut batch = Batch::new();
    batch.once(KEYS[2]).state("projection/стан", 31, NewSnapshot::new(1).json("[31]"));
    append(&log, &batch);
    disk.kill();
    drop(log);
}

/// Recovered. The clock was set back, and the log's time does not follow. Closed.
fn third_life(disk: &SimStorage) {
    let log = open(disk, 50);
    append(&log, Batch::new().write("order-2", Expected::NoStream, [plain(50, "Opened")]));
    let large = filler(9_000, 11);
    let mut batch = Batch::new();
    batch.write("archive", Expected::Exists, [plain(51, "Imported").data(&large)]).snapshot(
        "archive",
        10,
        NewSnapshot::new(1).content_type("text/plain").data(b"ten"),
    );
    append(&log, &batch);
    disk.set_now(BEGIN + 300 * SECOND);
    append(
        &log,
        Batch::new().write(
            "archive",
            Expected::Exact(10),
            [plain(53, "Imported").data(&large[..2_500])],
        ),
    );
    append(&log, Batch::new().write("order-2", Expected::Exact(1), [plain(52, "Placed")]));
    log.close().unwrap();
}

//! Verifying: any flipped bit is named, and no read returns wrong data.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]
use std::sync::Arc;

use annals::io::sim::SimStorage;
use annals::{Background, Batch, Expected, Log, NewEvent, Options, Reading, Uuid, verify};

fn options() -> Options {
    Options::new().background(Background::Inline).segment_bytes(16 << 10)
}

fn open(disk: &SimStorage) -> annals::Result<Log> {
    options().open_on(Arc::new(disk.clone()))
}

/// What a reader sees of an event.
type Seen = (u64, String, u64, Uuid, Vec<u8>, Vec<u8>);

/// A closed log of several segments, reopened once on the way.
fn closed_log() -> (SimStorage, Vec<Seen>) {
    let disk = SimStorage::new();
    let log = fill(&disk, 0);
    log.close().unwrap();
    let log = fill(&disk, 1);
    let seen = read(&log).unwrap();
    log.close().unwrap();
    (disk, seen)
}

fn fill(disk: &SimStorage, life: u128) -> Log {
    let log = open(disk).unwrap();
    for n in 0..24u128 {
        let data = vec![n.to_le_bytes()[0]; usize::try_from(n * 37 % 1500).unwrap()];
        let stream = format!("s-{}", n % 5);
        let first = NewEvent::new("Happened").id(Uuid::from_u128(life << 64 | n << 1)).data(&data);
        let second = NewEvent::new("Noted").id(Uuid::from_u128(life << 64 | n << 1 | 1));
        let second = second.metadata(b"meta").tag("a tag").correlation("c");
        let mut batch = Batch::new();
        batch.write(&stream, Expected::Any, [first]).write("other", Expected::Any, [second]);
        log.append(&batch).unwrap();
    }
    log
}

fn seen(event: annals::Event<'_>) -> Seen {
    (
        event.position(),
        event.stream().to_owned(),
        event.version(),
        event.id(),
        event.data().to_vec(),
        event.metadata().to_vec(),
    )
}

fn read(log: &Log) -> annals::Result<Vec<Seen>> {
    Ok(log.read_all().collect()?.iter().map(|event| seen(event.as_event())).collect())
}

fn findings(disk: &SimStorage) -> Vec<annals::Finding> {
    verify(disk, &mut |_, _| {}).unwrap().findings
}

#[test]
fn a_sound_log_has_no_findings_and_is_not_changed() {
    let (disk, seen) = closed_log();
    let before = disk.fingerprint();
    let report = verify(&disk, &mut |_, _| {}).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.events, seen.len() as u64);
    assert_eq!(report.streams, 6);
    assert!(report.segments >= 3 && report.index_runs == report.segments, "{report:?}");
    assert!(report.recovery.unwrap().clean);
    assert_eq!(disk.fingerprint(), before);
}

/// Bytes in front of the control file's slots that the writer shares with readers.
const CONTROL_WORDS: u64 = 1024;

/// Flips bits of a file one after the other; `every` thins them out.
fn flip_all(name: &str, every: u64) {
    let (disk, expected) = closed_log();
    // What lies above the watermark is zeros, and no part of the log.
    let bytes = disk.read_file(name).unwrap();
    let len = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64 + 1;
    let mut flipped = 0;
    let first = if name == "control" { CONTROL_WORDS * 8 } else { 0 };
    for bit in (first..len * 8).filter(|bit| bit % every == (bit / 8) % every) {
        let hurt = disk.fork();
        assert!(hurt.flip_bit(name, bit));
        flipped += 1;
        let before = hurt.fingerprint();
        let found = findings(&hurt);
        assert!(!found.is_empty(), "{name} bit {bit}: verify found nothing");
        assert!(
            found.iter().any(|finding| finding.corrupt.file == name),
            "{name} bit {bit}: {found:?}"
        );
        assert_eq!(hurt.fingerprint(), before, "verify wrote");
        if bit % 7 == 0 {
            reads_nothing_wrong(&hurt, &expected, bit);
        }
    }
    assert!(flipped > 1000 || every > 1);
}

fn reads_nothing_wrong(disk: &SimStorage, expected: &[Seen], bit: u64) {
    let reading = if bit.is_multiple_of(2) { Reading::Mapped } else { Reading::Pread };
    let Ok(log) = options().reading(reading).open_on(Arc::new(disk.clone())) else { return };
    if let Ok(all) = read(&log) {
        assert!(all == expected, "bit {bit}: a read ended early or returned wrong data");
    }
    for event in expected {
        if let Ok(found) = log.event(event.3) {
            let found = found.map(|event| seen(event.as_event()));
            assert_eq!(found.as_ref(), Some(event), "bit {bit}");
        }
        if let Ok(version) = log.version(&event.1) {
            assert!(version >= event.2, "bit {bit}: a stream became shorter");
        }
    }
    for stream in ["s-0", "other"] {
        let own: Vec<_> = expected.iter().filter(|event| event.1 == stream).collect();
        if let Ok(found) = log.read(stream).collect() {
            let found: Vec<_> = found.iter().map(|event| seen(event.as_event())).collect();
            assert!(found.iter().eq(own), "bit {bit}: stream {stream}");
        }
    }
}

fn segments() -> Vec<String> {
    let mut names = closed_log().0.file_names();
    names.retain(|name| name.ends_with(".seg"));
    names.sort();
    names
}

#[test]
fn every_flipped_bit_of_a_sealed_segment_is_named_and_nothing_wrong_is_read() {
    let segments = segments();
    assert!(segments.len() >= 3);
    flip_all(&segments[1], 1);
}

#[test]
fn every_flipped_bit_of_the_active_segment_is_named_and_nothing_wrong_is_read() {
    flip_all(segments().last().unwrap(), 1);
}

#[test]
fn flipped_bits_of_the_other_segments_are_named_and_nothing_wrong_is_read() {
    flip_all(&segments()[0], 8);
}

#[test]
fn flipped_bits_of_an_index_are_named_and_nothing_wrong_is_read() {
    for segment in segments() {
        flip_all(&segment.replace(".seg", ".idx"), 5);
    }
}

#[test]
fn flipped_bits_of_the_control_file_are_named_and_nothing_wrong_is_read() {
    flip_all("control", 3);
}

#[test]
fn what_a_dead_writer_left_in_the_control_file_is_believed_by_nobody() {
    // Its words say something only while a writer lives, who sets them anew.
    let (disk, expected) = closed_log();
    for bit in (0..CONTROL_WORDS * 8).step_by(5) {
        let hurt = disk.fork();
        assert!(hurt.flip_bit("control", bit));
        let report = verify(&hurt, &mut |_, _| {}).unwrap();
        assert_eq!(report.findings, []);
        let reader = options().open_reader_on(Arc::new(hurt.clone())).unwrap();
        assert_eq!(reader.head().unwrap() as usize, expected.len());
        reads_nothing_wrong(&hurt, &expected, bit);
    }
}

#[test]
fn missing_swapped_foreign_and_shortened_segments_are_named() {
    let (disk, expected) = closed_log();
    let names = segments();
    let other = closed_log().0;
    other.set_seed(77);
    type Hurt<'a> = (&'a str, Box<dyn Fn(&SimStorage) + 'a>);
    let cases: Vec<Hurt<'_>> = vec![
        ("a missing one", Box::new(|disk| assert!(disk.remove_file(&names[1])))),
        ("a missing first one", Box::new(|disk| assert!(disk.remove_file(&names[0])))),
        ("a missing last one", Box::new(|disk| assert!(disk.remove_file(names.last().unwrap())))),
        (
            "two swapped ones",
            Box::new(|disk| {
                let (a, b) = (disk.read_file(&names[0]), disk.read_file(&names[1]));
                disk.write_file(&names[0], &b.unwrap());
                disk.write_file(&names[1], &a.unwrap());
            }),
        ),
        (
            "one cut in the middle",
            Box::new(|disk| {
                let bytes = disk.read_file(&names[1]).unwrap();
                disk.write_file(&names[1], &bytes[..bytes.len() / 2]);
            }),
        ),
        (
            "the last one cut in the middle",
            Box::new(|disk| {
                let name = names.last().unwrap();
                let bytes = disk.read_file(name).unwrap();
                disk.write_file(name, &bytes[..bytes.len() / 2]);
            }),
        ),
        ("an empty one", Box::new(|disk| disk.write_file(&names[0], &[]))),
        (
            "a directory in place of one",
            Box::new(|disk| {
                disk.remove_file(&names[1]);
                disk.put_other(&names[1]);
            }),
        ),
    ];
    for (what, hurt) in cases {
        let disk = disk.fork();
        hurt(&disk);
        assert!(!findings(&disk).is_empty(), "{what}");
        if let Ok(log) = open(&disk) {
            assert!(read(&log).is_err(), "{what}: the log seems whole");
        }
    }
    assert!(findings(&disk).is_empty() && read(&open(&disk).unwrap()).unwrap() == expected);
}

/// `verify` called it damage when a power cut had torn a mirror of the witness that was just
/// being written into the control file. And when two cuts had torn both, the next close mended
/// one of them alone.
#[test]
fn mirrors_of_the_witness_that_power_cuts_tore_are_no_damage_and_are_mended() {
    let event = || {
        let mut batch = Batch::new();
        batch.write("a", Expected::Any, [NewEvent::new("Happened")]);
        batch
    };
    let findings = |disk: &SimStorage| verify(disk, &mut |_, _| {}).unwrap().findings;
    for torn in [&[1024][..], &[2048], &[1024, 2048]] {
        for closed in [false, true] {
            let disk = SimStorage::new();
            let log = open(&disk).unwrap();
            log.append(&event()).unwrap();
            if closed {
                log.close().unwrap();
            } else {
                disk.kill();
                drop(log);
            }
            let flipped = torn.iter().flat_map(|slot| (0..64).map(move |bit| slot * 8 + bit * 3));
            flipped.for_each(|bit| assert!(disk.flip_bit("control", bit)));
            assert_eq!(findings(&disk).is_empty(), !closed, "{torn:?}, {closed}");
            let log = open(&disk).unwrap();
            log.append(&event()).unwrap();
            log.close().unwrap();
            let found = findings(&disk);
            assert!(found.is_empty(), "{torn:?}, {closed}, closed again: {found:?}");
        }
    }
}

//! A batch's records come back out of the group as they went in, and stand where it was
//! said.

use proptest::prelude::*;

use super::*;
use crate::batch::{NewEvent, NewSnapshot};
use crate::expected::Expected;
use crate::io::Storage;
use crate::io::sim::SimStorage;
use crate::record::walk::{Step, Walk, Window};
use crate::segment::{Extent, ReadMode, name};
use crate::snapshot::Snapshot;

const START: u64 = 4096;

/// A group on a disk in memory, with what was said of its batches.
struct Written {
    segment: Arc<Segment>,
    end: u64,
    bytes: Vec<u8>,
    offsets: Vec<Offsets>,
    events: Vec<(u64, u64)>,
}

fn numbers(first_position: u64) -> Numbers {
    Numbers { first_position, committed_at: 70, raw_clock: 60 }
}

fn write(batches: &[Batch], first_position: u64, mode: ReadMode) -> Written {
    let disk = SimStorage::new();
    let name = name::segment(1);
    let file = disk.create(&name).unwrap();
    let segment = Arc::new(Segment::over(file, name, 5, 1, mode, 0));
    let mut pending = Pending::new(Arc::clone(&segment), START, None, Vec::new());
    let (mut offsets, mut events, mut next) = (Vec::new(), Vec::new(), first_position);
    for batch in batches {
        offsets.push(pending.add(batch, numbers(next), |_, offset, position| {
            events.push((offset, position));
            position + 100
        }));
        next += wide(batch.len());
        assert_eq!(pending.position, next - 1);
    }
    pending.stamp(1, 0, Place::new(1, START));
    let (bytes, at) = pending.write();
    assert_eq!(at, START);
    segment.file().write_all_at(bytes, at).unwrap();
    let bytes = bytes.to_vec();
    Written { segment, end: pending.end(), bytes, offsets, events }
}

/// Everything in a group, in order, in words, with its offset.
fn walked(written: &Written, first_position: u64) -> Vec<(u64, String)> {
    let window = Window { base: START, bytes: &written.bytes, limit: written.end };
    let mut walk = Walk::new(written.segment.seed, START, first_position, Some(0));
    let mut seen = Vec::new();
    loop {
        let at = walk.offset();
        match walk.step(&window).unwrap() {
            Step::Event(event) => {
                assert_eq!(event.head.version, event.head.position + 100);
                seen.push((at, format!("event {}", event.head.position)));
            }
            Step::Key(key) => {
                let Outcome { first_position, events } = key.head.outcome;
                let text = key.fields.text(key.payload);
                seen.push((at, format!("key {text} {first_position}+{events}")));
            }
            Step::Snapshot(step) => {
                let read = Snapshot::new(step.head, step.fields, step.payload);
                seen.push((at, described(&read)));
            }
            Step::GroupEnd { end } => {
                assert_eq!(end, written.end);
                return seen;
            }
            Step::Group { .. } | Step::Batch(_) => {}
            step @ (Step::CloseMark | Step::Other) => panic!("{step:?}"),
        }
    }
}

fn described(read: &Snapshot) -> String {
    assert_eq!(read.recorded_at().as_nanos(), 70);
    let kind = if read.is_state() { "state" } else { "snapshot" };
    format!(
        "{kind} {} {} behind {}: {} {:?} {:?}",
        read.name(),
        read.version(),
        read.position(),
        read.schema(),
        read.content_type(),
        read.data()
    )
}

#[test]
fn the_key_comes_first_then_the_events_then_snapshots_and_states_as_they_were_given() {
    let mut batch = Batch::new();
    batch
        .state("sums", 0, NewSnapshot::new(7).json("1"))
        .snapshot("a", 2, NewSnapshot::new(8).content_type("t").data(b"2"))
        .write("a", Expected::Any, ["A", "B"].map(NewEvent::new))
        .once("k");
    let written = write(&[batch], 5, ReadMode::Mapped);
    let seen: Vec<_> = walked(&written, 5).into_iter().map(|(_, what)| what).collect();
    let expected = [
        "key k 5+2",
        "event 5",
        "event 6",
        "state sums 0 behind 6: 7 Some(\"application/json\") [49]",
        "snapshot a 2 behind 6: 8 Some(\"t\") [50]",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_batch_without_events_stands_behind_the_last_one_and_may_name_an_earlier_outcome() {
    for (first_position, before) in [(1, 0), (9, 8)] {
        let mut state = Batch::new();
        state.state("s", 3, NewSnapshot::new(1)).once("k");
        let earlier = Batch::key_only("later", Outcome { first_position: 2, events: 3 });
        let written = write(&[state, earlier], first_position, ReadMode::Mapped);
        let seen = walked(&written, first_position).into_iter().map(|(_, what)| what);
        let key = format!("key k {first_position}+0");
        let state = format!("state s 3 behind {before}: 1 None []");
        assert_eq!(seen.collect::<Vec<_>>(), [key, state, "key later 2+3".to_owned()]);
    }
}

/// One thing that a batch is given.
type Put = (u8, String, u64, Vec<u8>);

fn batch(puts: &[Put]) -> Batch {
    let mut batch = Batch::new();
    for (what, name, version, data) in puts {
        let new = NewSnapshot::new(1).data(data);
        match what {
            0 => batch.write(name, Expected::Any, [NewEvent::new("T").data(data)]),
            1 => batch.snapshot(name, *version, new),
            2 => batch.state(name, *version, new),
            _ => batch.once("k"),
        };
    }
    batch
}

proptest! {
    #[test]
    fn every_record_stands_where_it_was_said_and_takes_the_bytes_that_were_counted(
        puts in proptest::collection::vec(
            proptest::collection::vec(
                (0_u8..4, "[a-cé]{1,3}", 1_u64.., proptest::collection::vec(any::<u8>(), 0..40)),
                1..12,
            ),
            1..4,
        ),
        mapped: bool,
    ) {
        let batches: Vec<_> = puts.iter().map(|puts| batch(puts)).collect();
        let mode = if mapped { ReadMode::Mapped } else { ReadMode::Pread };
        let written = write(&batches, 3, mode);
        let counted: u64 =
            batches.iter().map(|batch| wide(batch_layout::LEN) + batch.bytes()).sum();
        prop_assert_eq!(written.end, START + wide(layout::LEN) + counted);
        let seen = walked(&written, 3);
        let mut said: Vec<u64> = written.events.iter().map(|(offset, _)| *offset).collect();
        let segment = &written.segment;
        let extent = Extent { limit: written.end, lasting: written.end };
        for (batch, offsets) in batches.iter().zip(&written.offsets) {
            prop_assert_eq!(offsets.key.is_some(), batch.key().is_some());
            if let Some(offset) = offsets.key {
                let (chunk, span) = segment.key(offset, extent).unwrap();
                let payload = chunk.bytes_at(span.payload_at, span.payload_len);
                prop_assert_eq!(Some(span.fields.text(payload)), batch.key());
                prop_assert!(segment.snapshot(offset, extent).is_err());
                said.push(offset);
            }
            prop_assert_eq!(offsets.controls.len(), batch.controls().len());
            for (offset, control) in offsets.controls.iter().zip(batch.controls()) {
                let (chunk, span) = segment.snapshot(*offset, extent).unwrap();
                let payload = chunk.bytes_at(span.payload_at, span.payload_len);
                let read = Snapshot::new(span.head, span.fields, payload);
                prop_assert_eq!(read.name(), batch.control_name(control));
                prop_assert_eq!(read.version(), control.version);
                prop_assert!(seen.contains(&(*offset, described(&read))));
                prop_assert!(segment.event(*offset, extent).is_err());
                said.push(*offset);
            }
        }
        said.sort_unstable();
        prop_assert_eq!(said, seen.into_iter().map(|(offset, _)| offset).collect::<Vec<_>>());
    }
}

//! Snapshots, named states and keys: they come back as they were made, and what they
//! cannot be is refused.

use proptest::prelude::*;

use super::made::{Made, TIME, group, window};
use super::{SEED_LOG, payload, seed};
use crate::limits;
use crate::record::checksum::Seed;
use crate::record::event::EventHead;
use crate::record::field::{put_u32, put_u64, wide};
use crate::record::frame::close_mark;
use crate::record::head::RecordHead;
use crate::record::key::{KeyFields, KeyHead, Outcome};
use crate::record::layout::{self, kind, segment};
use crate::record::snapshot::{SnapshotFields, SnapshotHead, SnapshotParts};
use crate::record::walk::{EventStep, Fault, KeyStep, SnapshotStep, Step, Walk, Window, record_at};

fn event(position: u64, last_of_batch: bool) -> Made {
    let head = EventHead { position, version: position, recorded_at: TIME, last_of_batch };
    Made::Event(head, payload(u8::try_from(position).unwrap()))
}

fn body(schema: u32, name: &str, content_type: Option<&str>, data: &[u8]) -> Vec<u8> {
    let json = content_type == Some("json");
    let content_type = content_type.filter(|_| !json);
    let mut out = Vec::new();
    SnapshotParts { schema, name, json, content_type, data }.encode(&mut out);
    out
}

fn snapshot(state: bool, position: u64) -> Made {
    let head = SnapshotHead { state, version: 9, recorded_at: TIME, position };
    Made::Snapshot(head, body(3, "name", Some("json"), b"{\"sum\":12}"))
}

fn key(first_position: u64, events: u32) -> Made {
    let outcome = Outcome { first_position, events };
    Made::Key(KeyHead { outcome, recorded_at: TIME }, b"orders/message-77".to_vec())
}

/// What stands in a group, in letters, if it holds to its end.
fn letters(bytes: &[u8], first_position: u64) -> Result<String, Fault> {
    let window = window(bytes);
    let mut walk = Walk::new(seed(), window.base, first_position, None);
    let mut letters = String::new();
    loop {
        match walk.step(&window).map_err(|error| error.fault)? {
            Step::Event(_) => letters.push('e'),
            Step::Snapshot(step) => letters.push(if step.head.state { 'n' } else { 's' }),
            Step::Key(_) => letters.push('k'),
            Step::CloseMark => letters.push('c'),
            Step::Other => letters.push('o'),
            Step::GroupEnd { .. } => return Ok(letters),
            Step::Group { .. } | Step::Batch(_) => {}
        }
    }
}

/// What a walk says to a batch of these records behind position 4.
fn said(records: &[Made], events: u32) -> Result<String, Fault> {
    letters(&group(records, events, 5), 5)
}

fn whole_batch() -> Vec<Made> {
    vec![key(5, 2), event(5, false), event(6, true), snapshot(false, 6), snapshot(true, 6)]
}

#[test]
fn a_batch_of_every_kind_is_walked_and_each_record_is_read_alone() {
    let bytes = group(&whole_batch(), 2, 5);
    assert_eq!(letters(&bytes, 5).as_deref(), Ok("keesn"));
    let window = window(&bytes);
    let mut walk = Walk::new(seed(), window.base, 5, None);
    let (mut snapshots, mut keys) = (Vec::new(), Vec::new());
    loop {
        match walk.step(&window).unwrap() {
            Step::Snapshot(step) => snapshots.push(step),
            Step::Key(step) => keys.push(step),
            Step::GroupEnd { .. } => break,
            _ => {}
        }
    }
    for step in snapshots {
        let alone: SnapshotStep<'_> = record_at(&window, seed(), step.offset).unwrap();
        assert_eq!((alone.head, alone.fields), (step.head, step.fields));
        assert_eq!(alone.fields.name(alone.payload), "name");
        assert_eq!(alone.fields.data(alone.payload), b"{\"sum\":12}");
        assert_eq!(alone.payload_at, step.offset + wide(layout::snapshot::LEN));
        let other: Result<KeyStep<'_>, _> = record_at(&window, seed(), step.offset);
        assert_eq!(other.unwrap_err(), Fault::Malformed);
        let other: Result<EventStep<'_>, _> = record_at(&window, seed(), step.offset);
        assert_eq!(other.unwrap_err(), Fault::Malformed);
    }
    let step = keys.pop().unwrap();
    let alone: KeyStep<'_> = record_at(&window, seed(), step.offset).unwrap();
    assert_eq!(alone.head.outcome, Outcome { first_position: 5, events: 2 });
    assert_eq!(alone.fields.text(alone.payload), "orders/message-77");
    let foreign = Seed::new(SEED_LOG, 4);
    let moved: Result<KeyStep<'_>, _> = record_at(&window, foreign, step.offset);
    assert_eq!(moved.unwrap_err(), Fault::Garbage);
}

#[test]
fn any_flipped_bit_is_noticed_by_the_walk_and_by_who_reads_one_record() {
    let bytes = group(&whole_batch(), 2, 5);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(letters(&flipped, 5).is_err(), "bit {bit}");
    }
    for made in [key(5, 2), snapshot(false, 6), snapshot(true, 6)] {
        let (bytes, _) = made.encode(wide(segment::DATA));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let window = window(&flipped);
            let key = record_at::<KeyHead>(&window, seed(), window.base);
            let snapshot = record_at::<SnapshotHead>(&window, seed(), window.base);
            assert!(key.is_err() && snapshot.is_err(), "{made:?}, bit {bit}");
        }
    }
}

#[test]
fn every_cut_is_noticed_and_a_window_too_small_says_what_it_must_reach() {
    let bytes = group(&whole_batch(), 2, 5);
    for cut in 0..bytes.len() {
        assert!(letters(&bytes[..cut], 5).is_err(), "cut at {cut}");
        // The segment goes on: it is the window that is too small.
        let whole = window(&bytes);
        let small = Window { bytes: &bytes[..cut], ..whole };
        let mut walk = Walk::new(seed(), whole.base, 5, None);
        let fault = loop {
            match walk.step(&small) {
                Ok(Step::GroupEnd { .. }) => panic!("cut at {cut}"),
                Ok(_) => {}
                Err(error) => break error.fault,
            }
        };
        assert!(matches!(fault, Fault::Short { needed } if needed > small.end()), "{fault:?}");
        // With a large one it goes on from there.
        while !matches!(walk.step(&whole).unwrap(), Step::GroupEnd { .. }) {}
    }
}

#[test]
fn their_order_in_the_batch_does_not_matter() {
    let orders: [(&[Made], &str); 4] = [
        (&[event(5, true), key(5, 1), snapshot(true, 5)], "ekn"),
        (&[snapshot(false, 4), event(5, true), key(5, 1)], "sek"),
        (&[snapshot(true, 4), event(5, true), snapshot(true, 5)], "nen"),
        (&[event(5, false), snapshot(false, 5), event(6, true)], "ese"),
    ];
    for (records, expected) in orders {
        let events = u32::try_from(expected.matches('e').count()).unwrap();
        assert_eq!(said(records, events).as_deref(), Ok(expected));
    }
}

#[test]
fn a_batch_needs_no_events_and_its_key_may_name_an_earlier_outcome() {
    assert_eq!(said(&[key(5, 0)], 0).as_deref(), Ok("k"));
    assert_eq!(said(&[key(2, 3)], 0).as_deref(), Ok("k"));
    assert_eq!(said(&[snapshot(true, 4), snapshot(true, 4)], 0).as_deref(), Ok("nn"));
    let first = group(&[snapshot(true, 0)], 0, 1);
    assert_eq!(letters(&first, 1).as_deref(), Ok("n"));
}

#[test]
fn a_second_key_a_foreign_time_and_a_wrong_position_are_refused() {
    assert_eq!(said(&[key(5, 0), key(5, 0)], 0), Err(Fault::Malformed));
    for position in [0, 3, 5, u64::MAX] {
        assert_eq!(said(&[snapshot(true, position)], 0), Err(Fault::Order), "{position}");
    }
    assert_eq!(said(&[event(5, true), snapshot(false, 4)], 1), Err(Fault::Order));
    for time in [TIME - 1, TIME + 1] {
        let (mut late_key, mut late) = (key(5, 0), snapshot(false, 4));
        if let Made::Key(head, _) = &mut late_key {
            head.recorded_at = time;
        }
        if let Made::Snapshot(head, _) = &mut late {
            head.recorded_at = time;
        }
        assert_eq!(said(&[late_key], 0), Err(Fault::Order));
        assert_eq!(said(&[late], 0), Err(Fault::Order));
    }
}

/// The head of a snapshot behind the common fields.
fn snapshot_rest(version: u64) -> Vec<u8> {
    let mut rest = vec![0; layout::snapshot::LEN - layout::head::END];
    let at = |field: usize| field - layout::head::END;
    put_u64(&mut rest, at(layout::snapshot::VERSION), version);
    put_u64(&mut rest, at(layout::snapshot::RECORDED_AT), TIME.unsigned_abs());
    put_u64(&mut rest, at(layout::snapshot::POSITION), 4);
    rest
}

fn key_rest(first_position: u64, events: u32, zero: u32) -> Vec<u8> {
    let mut rest = vec![0; layout::key::LEN - layout::head::END];
    let at = |field: usize| field - layout::head::END;
    put_u64(&mut rest, at(layout::key::FIRST_POSITION), first_position);
    put_u32(&mut rest, at(layout::key::EVENTS), events);
    put_u32(&mut rest, at(layout::key::ZERO), zero);
    put_u64(&mut rest, at(layout::key::RECORDED_AT), TIME.unsigned_abs());
    rest
}

#[test]
fn heads_that_cannot_be_are_refused() {
    let name = body(1, "n", None, b"");
    let of_snapshot = |flags, version| {
        said(&[Made::Raw(kind::SNAPSHOT, flags, snapshot_rest(version), name.clone())], 0)
    };
    assert_eq!(of_snapshot(0, 1).as_deref(), Ok("s"));
    assert_eq!(of_snapshot(1, 0).as_deref(), Ok("n"));
    assert_eq!(of_snapshot(1, u64::MAX).as_deref(), Ok("n"));
    assert_eq!(of_snapshot(0, 0), Err(Fault::Malformed));
    for flags in (1..8).map(|bit| 1 << bit) {
        assert_eq!(of_snapshot(flags, 1), Err(Fault::Malformed));
    }
    let of_key = |flags, first, events, zero| {
        said(&[Made::Raw(kind::KEY, flags, key_rest(first, events, zero), b"k".to_vec())], 0)
    };
    assert_eq!(of_key(0, 1, 0, 0).as_deref(), Ok("k"));
    assert_eq!(of_key(0, u64::MAX - 1, 1, 0).as_deref(), Ok("k"));
    assert_eq!(of_key(0, u64::MAX, 1, 0), Err(Fault::Malformed));
    assert_eq!(of_key(0, 1, 0, 1), Err(Fault::Malformed));
    assert_eq!(of_key(0, 0, 1, 0), Err(Fault::Malformed));
    for flags in (0..8).map(|bit| 1 << bit) {
        assert_eq!(of_key(flags, 1, 0, 0), Err(Fault::Malformed));
    }
    let mut short = snapshot_rest(1);
    short.truncate(16);
    assert_eq!(said(&[Made::Raw(kind::SNAPSHOT, 0, short, name.clone())], 0), {
        Err(Fault::Malformed)
    });
    // A later version's head may be longer.
    let mut long = snapshot_rest(1);
    long.extend_from_slice(&[1; 8]);
    assert_eq!(said(&[Made::Raw(kind::SNAPSHOT, 0, long, name)], 0).as_deref(), Ok("s"));
}

#[test]
fn a_record_of_another_kind_is_never_read_as_this_one() {
    for other in [kind::EVENT, kind::MARK, kind::BATCH, 5] {
        let bytes = Made::Raw(other, 0, snapshot_rest(1), body(1, "n", None, b""));
        let (bytes, _) = bytes.encode(wide(segment::DATA));
        let read = record_at::<SnapshotHead>(&window(&bytes), seed(), wide(segment::DATA));
        assert_eq!(read.unwrap_err(), Fault::Malformed);
        let (bytes, _) =
            Made::Raw(other, 0, key_rest(1, 0, 0), b"k".to_vec()).encode(wide(segment::DATA));
        let read = record_at::<KeyHead>(&window(&bytes), seed(), wide(segment::DATA));
        assert_eq!(read.unwrap_err(), Fault::Malformed);
    }
}

#[test]
fn payloads_that_cannot_be_are_refused() {
    let of_key = |text: &[u8]| said(&[Made::Raw(kind::KEY, 0, key_rest(1, 0, 0), text.into())], 0);
    assert_eq!(of_key(&[b'k'; limits::IDEMPOTENCY_KEY_BYTES]).as_deref(), Ok("k"));
    assert_eq!(of_key(&[b'k'; limits::IDEMPOTENCY_KEY_BYTES + 1]), Err(Fault::Malformed));
    assert_eq!(of_key(b""), Err(Fault::Malformed));
    assert_eq!(of_key(b"\xC3"), Err(Fault::Malformed));
    let of =
        |bytes: &[u8]| said(&[Made::Raw(kind::SNAPSHOT, 0, snapshot_rest(1), bytes.to_vec())], 0);
    // Schema 2, name of 2 bytes, content type of 2, no flags.
    let sound = *b"\x02\0\0\0\x02\0\x02\0abcd!";
    assert_eq!(of(&sound).as_deref(), Ok("s"));
    assert_eq!(of(&sound[..12]).as_deref(), Ok("s"), "no data");
    for len in 0..12 {
        assert_eq!(of(&sound[..len]), Err(Fault::Malformed), "{len} bytes");
    }
    let hurt = |at: usize, byte: u8| {
        let mut bytes = sound;
        bytes[at] = byte;
        of(&bytes)
    };
    assert_eq!(hurt(4, 0), Err(Fault::Malformed), "no name");
    assert_eq!(hurt(5, 1), Err(Fault::Malformed), "a name behind the end");
    assert_eq!(hurt(6, 9), Err(Fault::Malformed), "a content type behind the end");
    assert_eq!(hurt(7, 1), Err(Fault::Malformed), "JSON and another content type");
    for bit in 1..8 {
        assert_eq!(hurt(7, 1 << bit), Err(Fault::Malformed), "flag {bit}");
    }
    assert_eq!(hurt(8, 0xFF), Err(Fault::Malformed), "a name that is no text");
    assert_eq!(hurt(11, 0xFF), Err(Fault::Malformed), "a content type that is no text");
    assert_eq!(of(b"\0\0\0\0\x01\0\x01\0\xC3\xA9"), Err(Fault::Malformed), "half a character each");
}

#[test]
fn unknown_kinds_are_passed_over_or_refused_and_none_stands_outside_a_batch() {
    let unknown = |kind| Made::Raw(kind, 0, vec![9; 16], b"later".to_vec());
    for later in [1, 2, 3, 5, 0x7F] {
        assert_eq!(said(&[unknown(later), event(5, true)], 1).as_deref(), Ok("oe"));
    }
    for later in [0x80, 0x84, 0x86, 0xFF] {
        assert_eq!(said(&[unknown(later)], 0), Err(Fault::UnknownKind(later)));
    }
    let at = wide(segment::DATA);
    for made in [key(5, 0), snapshot(false, 4), snapshot(true, 4)] {
        let (mut bytes, _) = made.encode(at);
        bytes.resize(4096, 0);
        assert_eq!(letters(&bytes, 5), Err(Fault::Malformed));
    }
    let (mark, _) = close_mark(seed(), at);
    let key: Result<KeyStep<'_>, _> = record_at(&window(&mark), seed(), at);
    assert_eq!(key.unwrap_err(), Fault::Malformed);
}

#[test]
fn a_batch_can_be_passed_over_whatever_is_in_it() {
    let bytes = group(&whole_batch(), 2, 5);
    let window = window(&bytes);
    for walked in 0..5 {
        let mut walk = Walk::new(seed(), window.base, 5, None);
        let mut head = None;
        for _ in 0..walked + 2 {
            if let Step::Batch(batch) = walk.step(&window).unwrap() {
                head = Some(batch);
            }
        }
        walk.skip_batch(&head.unwrap());
        assert!(matches!(walk.step(&window), Ok(Step::GroupEnd { end }) if end == window.limit));
        assert_eq!(walk.next_position(), 7);
    }
}

#[test]
fn every_field_comes_back_at_its_extremes() {
    for (state, version, recorded_at, position) in [
        (false, 1, i64::MIN, 0),
        (false, u64::MAX, i64::MAX, u64::MAX),
        (true, 0, -1, 1),
        (true, u64::MAX, 0, u64::MAX - 1),
    ] {
        let head = SnapshotHead { state, version, recorded_at, position };
        let bytes = body(u32::MAX, &"é".repeat(256), Some(&"t".repeat(255)), &[0xFF; 1000]);
        let (record, _) = Made::Snapshot(head, bytes).encode(wide(segment::DATA));
        let window = window(&record);
        let step: SnapshotStep<'_> = record_at(&window, seed(), window.base).unwrap();
        assert_eq!(step.head, head);
        assert_eq!(SnapshotFields::schema(step.payload), u32::MAX);
        assert_eq!(step.fields.name(step.payload), "é".repeat(256));
        assert_eq!(step.fields.content_type(step.payload), Some("t".repeat(255).as_str()));
        assert_eq!(step.fields.data(step.payload), [0xFF; 1000]);
    }
    for (first_position, events, recorded_at) in [
        (1, 0, i64::MIN),
        (1, u32::MAX, i64::MAX),
        (u64::MAX, 0, 0),
        (u64::MAX - u64::from(u32::MAX), u32::MAX, -1),
    ] {
        let head = KeyHead { outcome: Outcome { first_position, events }, recorded_at };
        let text = "k".repeat(255);
        let (record, _) = Made::Key(head, text.clone().into_bytes()).encode(wide(segment::DATA));
        let window = window(&record);
        let step: KeyStep<'_> = record_at(&window, seed(), window.base).unwrap();
        assert_eq!((step.head, step.fields.text(step.payload)), (head, text.as_str()));
    }
}

proptest! {
    #[test]
    fn snapshots_come_back_as_they_were_made(
        state: bool,
        version in 1_u64..,
        recorded_at: i64,
        position: u64,
        schema: u32,
        name in "[a-zà-ÿ一-三]{1,40}",
        content_type in proptest::option::of("[a-zà-ÿ一-三]{1,40}"),
        json: bool,
        data in proptest::collection::vec(any::<u8>(), 0..50),
    ) {
        let head = SnapshotHead { state, version, recorded_at, position };
        let written = content_type.as_deref().filter(|_| !json);
        let bytes = body(schema, &name, if json { Some("json") } else { written }, &data);
        let (record, _) = Made::Snapshot(head, bytes).encode(wide(segment::DATA));
        let window = window(&record);
        let step: SnapshotStep<'_> = record_at(&window, seed(), window.base).unwrap();
        let SnapshotStep { payload, fields, .. } = step;
        prop_assert_eq!(step.head, head);
        prop_assert_eq!(SnapshotFields::schema(payload), schema);
        prop_assert_eq!(fields.name(payload), name.as_str());
        prop_assert_eq!(fields.is_json(), json);
        prop_assert_eq!(fields.content_type(payload), written);
        prop_assert_eq!(fields.data(payload), data.as_slice());
    }

    #[test]
    fn any_bytes_are_read_as_a_snapshot_or_a_key_or_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        lens in proptest::option::of((0_u8..20, 0_u8..20)),
    ) {
        let mut bytes = bytes;
        if let (Some((name, content_type)), Some(fields)) = (lens, bytes.get_mut(4..8)) {
            fields.copy_from_slice(&[name, 0, content_type, 0]);
        }
        if let Some(fields) = SnapshotHead::fields(&bytes) {
            let parts = (fields.name(&bytes), fields.content_type(&bytes), fields.data(&bytes));
            let len = parts.0.len() + parts.1.map_or(0, str::len) + parts.2.len();
            prop_assert_eq!(len + layout::snapshot::NAMES, bytes.len());
        }
        if let Some(fields) = KeyHead::fields(&bytes) {
            let fields: KeyFields = fields;
            prop_assert_eq!(fields.text(&bytes).as_bytes(), bytes.as_slice());
        }
    }
}

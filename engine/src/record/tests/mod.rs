//! Records come back as they were made; anything else is told, whatever the bytes.

mod control;
mod made;

use proptest::prelude::*;

use super::checksum::{self, BatchSums, Chain, EventSums, Seed};
use super::event::{EventHead, Fields, PayloadParts, TagTexts};
use super::field::{size, u32_at, wide};
use super::frame::{BatchHead, GroupFrame, close_mark};
use super::layout::{padded, segment as layout};
use super::walk::{Fault, Step, Walk, Window, frames_beyond};
use crate::time::{Occurred, Timestamp};

const SEED_LOG: u128 = 0xDEAD_BEEF;

fn seed() -> Seed {
    Seed::new(SEED_LOG, 3)
}

/// A group of one batch with these payloads at `offset`, and a close mark.
fn group(payloads: &[Vec<u8>], offset: u64, first_position: u64, previous_crc: u32) -> Vec<u8> {
    group_of(payloads, offset, first_position, previous_crc, 0)
}

/// The same; `hurt` is not 0 where the batch is not to match its records.
fn group_of(
    payloads: &[Vec<u8>],
    offset: u64,
    first_position: u64,
    previous_crc: u32,
    hurt: u32,
) -> Vec<u8> {
    let head_len = wide(super::layout::group::LEN + super::layout::batch::LEN);
    let mut records = Vec::new();
    let mut chain = Chain::new();
    for (n, payload) in payloads.iter().enumerate() {
        let mut filled = payload.clone();
        filled.resize(padded(payload.len()).unwrap(), 0);
        let head = EventHead {
            position: first_position + wide(n),
            version: 1 + wide(n),
            recorded_at: 7,
            last_of_batch: n + 1 == payloads.len(),
        };
        let at = offset + head_len + wide(records.len());
        let len = u32::try_from(payload.len()).unwrap();
        let crc = checksum::of(&filled);
        let (header, crc) = head.encode(len, crc, &mut EventSums::new(), (seed(), at));
        chain.push(crc);
        records.extend_from_slice(&header);
        records.extend_from_slice(&filled);
    }
    let (mark, crc) = close_mark(seed(), offset + head_len + wide(records.len()));
    chain.push(crc);
    records.extend_from_slice(&mark);
    let events = u32::try_from(payloads.len()).unwrap();
    let batch =
        BatchHead { first_position, events, records: events + 1, committed_at: 7, raw_clock: 5 };
    let batch_at = offset + wide(super::layout::group::LEN);
    let len = u32::try_from(records.len()).unwrap();
    let crc = chain.finish() ^ hurt;
    let batch = batch.encode(len, crc, &mut BatchSums::new(), (seed(), batch_at));
    let mut outer = Chain::new();
    outer.push(u32_at(&batch, 0).unwrap());
    let frame = GroupFrame {
        epoch: 1,
        previous_crc,
        durable_segment: 3,
        durable_offset: offset,
        batches: 1,
    };
    let len = u32::try_from(batch.len() + records.len()).unwrap();
    let mut bytes = frame.encode(len, outer.finish(), seed(), offset).to_vec();
    bytes.extend_from_slice(&batch);
    bytes.extend_from_slice(&records);
    bytes
}

fn payload(n: u8) -> Vec<u8> {
    let mut out = Vec::new();
    let data = vec![n; usize::from(n) * 3];
    let parts = PayloadParts {
        id: u128::from(n),
        stream: "stream",
        event_type: "Type",
        schema: 1 + u32::from(n % 3),
        occurred: None,
        tags: &["a", "b"],
        json: n.is_multiple_of(2),
        content_type: None,
        correlation: Some("c"),
        cause: None,
        metadata: &data,
        data: &data,
    };
    parts.encode(&mut out);
    out
}

/// Walks `bytes` as a segment's data; the payloads of whole groups, and the fault.
fn walk(bytes: &[u8], previous: Option<u32>) -> (Vec<Vec<u8>>, Option<Fault>) {
    let base = wide(layout::DATA);
    let window = Window { base, bytes, limit: base + wide(bytes.len()) };
    let mut walk = Walk::new(seed(), base, 1, previous);
    let (mut whole, mut open) = (Vec::new(), Vec::new());
    while !(walk.between_groups() && walk.offset() >= window.limit) {
        match walk.step(&window) {
            Ok(Step::Event(event)) => open.push(event.payload.to_vec()),
            Ok(Step::GroupEnd { .. }) => whole.append(&mut open),
            Ok(_) => {}
            Err(error) => {
                // Whoever asks again is told again, and never gets past it.
                assert_eq!(walk.step(&window).unwrap_err(), error);
                return (whole, Some(error.fault));
            }
        }
    }
    (whole, None)
}

fn two_groups() -> (Vec<u8>, Vec<Vec<u8>>) {
    let payloads: Vec<_> = (0..6).map(payload).collect();
    let base = wide(layout::DATA);
    let mut bytes = group(&payloads[..4], base, 1, 9);
    let crc = u32_at(&bytes, 0).unwrap();
    bytes.extend(group(&payloads[4..], base + wide(bytes.len()), 5, crc));
    (bytes, payloads)
}

#[test]
fn groups_come_back_as_they_were_made() {
    let (bytes, payloads) = two_groups();
    assert_eq!(walk(&bytes, Some(9)), (payloads, None));
    assert_eq!(walk(&bytes, Some(8)).1, Some(Fault::Chain));
}

#[test]
fn any_flipped_bit_is_noticed_and_what_stands_before_its_group_is_kept() {
    let (bytes, payloads) = two_groups();
    let first = size(u32_at(&bytes, 8).unwrap()) + super::layout::group::LEN;
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let (whole, fault) = walk(&flipped, Some(9));
        assert!(fault.is_some(), "bit {bit}");
        let kept = if bit / 8 < first { 0 } else { 4 };
        assert_eq!(whole, payloads[..kept], "bit {bit}");
    }
}

#[test]
fn a_batch_that_does_not_match_its_records_is_never_got_past() {
    let payloads: Vec<_> = (0..3).map(payload).collect();
    let base = wide(layout::DATA);
    let mut bytes = group_of(&payloads, base, 1, 9, 1);
    let crc = u32_at(&bytes, 0).unwrap();
    bytes.extend(group(&payloads, base + wide(bytes.len()), 4, crc));
    assert_eq!(walk(&bytes, Some(9)), (Vec::new(), Some(Fault::Chain)));
}

#[test]
fn every_cut_is_noticed() {
    let (bytes, payloads) = two_groups();
    let first = size(u32_at(&bytes, 8).unwrap()) + super::layout::group::LEN;
    for cut in (0..bytes.len()).filter(|cut| *cut != first && *cut > 0) {
        let (whole, fault) = walk(&bytes[..cut], Some(9));
        assert!(fault.is_some(), "cut at {cut}");
        assert_eq!(whole, payloads[..if cut < first { 0 } else { 4 }]);
    }
}

#[test]
fn a_group_at_another_offset_or_of_another_log_is_garbage() {
    let (bytes, _) = two_groups();
    let mut moved = vec![0; 16];
    moved.extend_from_slice(&bytes);
    assert_eq!(walk(&moved, None).1, Some(Fault::Unwritten));
    let base = wide(layout::DATA);
    let window = Window { base: base + 8, bytes: &bytes, limit: base + 8 + wide(bytes.len()) };
    assert_eq!(frames_beyond(window, seed(), base + 8).count(), 0);
    let window = Window { base, bytes: &bytes, limit: base + wide(bytes.len()) };
    assert_eq!(frames_beyond(window, seed(), base).count(), 2);
    assert_eq!(frames_beyond(window, Seed::new(SEED_LOG, 4), base).count(), 0);
}

fn short_text() -> impl Strategy<Value = String> {
    "[a-zà-ÿ一-三]{1,40}"
}

proptest! {
    #[test]
    fn payloads_come_back_as_they_were_made(
        id: u128,
        stream in short_text(),
        event_type in short_text(),
        schema: u32,
        occurred in proptest::option::of((any::<i64>(), proptest::option::of(-1439i16..1440), 0u8..10)),
        tags in proptest::collection::vec(short_text(), 0..5),
        content_type in proptest::option::of(short_text()),
        correlation in proptest::option::of(short_text()),
        cause in proptest::option::of(short_text()),
        metadata in proptest::collection::vec(any::<u8>(), 0..50),
        data in proptest::collection::vec(any::<u8>(), 0..50),
    ) {
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let occurred = occurred.map(|(at, offset_minutes, fraction_digits)| Occurred {
            at: Timestamp::from_nanos(at), offset_minutes, fraction_digits,
        });
        let parts = PayloadParts {
            id, stream: &stream, event_type: &event_type, schema, occurred, tags: &tags,
            json: content_type.is_none(), content_type: content_type.as_deref(),
            correlation: correlation.as_deref(), cause: cause.as_deref(),
            metadata: &metadata, data: &data,
        };
        let mut bytes = Vec::new();
        parts.encode(&mut bytes);
        let fields = Fields::read(&bytes).unwrap();
        let optional = fields.optional(&bytes);
        prop_assert_eq!(Fields::id(&bytes), id);
        prop_assert_eq!(fields.stream(&bytes), stream.as_str());
        prop_assert_eq!(fields.event_type(&bytes), event_type.as_str());
        prop_assert_eq!(optional.schema.unwrap_or(1), schema);
        prop_assert_eq!(optional.occurred, occurred);
        prop_assert!(TagTexts::new(optional.tags).eq(tags.iter().copied()));
        prop_assert_eq!(fields.is_json(), content_type.is_none());
        prop_assert_eq!(optional.content_type, content_type.as_deref());
        prop_assert_eq!(optional.correlation, correlation.as_deref());
        prop_assert_eq!(optional.cause, cause.as_deref());
        prop_assert_eq!(fields.metadata(&bytes), metadata.as_slice());
        prop_assert_eq!(fields.data(&bytes), data.as_slice());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Some(fields) = Fields::read(&bytes) {
            let _names = (fields.stream(&bytes), fields.event_type(&bytes));
            let _rest = (fields.optional(&bytes), fields.data(&bytes), fields.metadata(&bytes));
        }
        let _walked = walk(&bytes, None);
    }
}

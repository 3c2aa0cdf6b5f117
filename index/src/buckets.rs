//! The hash directory of a run, the same for ids and entries: a key's hash gives a bucket, its
//! slots with the same fingerprint give candidates. Whether a candidate is the key is for the
//! caller to compare. Expected cost: one read of the bucket ends and one of 128 bytes; a foreign
//! key passes as a candidate once in about 2^28 look-ups.

use std::ops::Range;

use crate::body::Body;
use crate::bytes::{RunBytes, align, narrow, pair, u32_at};
use crate::error::{Part, RunError, damaged};
use crate::hash;
use crate::layout::{BUCKET_END_LEN, BucketPlaces, SLOT_LEN, buckets_for};

/// Appends bucket ends and slots for these hashes and values.
pub(crate) fn write(out: &mut Vec<u8>, mut slots: Vec<(u64, u32)>) {
    slots.sort_unstable();
    let mut rest = slots.as_slice();
    let buckets = buckets_for(narrow(slots.len()));
    for bucket in 0..buckets {
        let here = rest.partition_point(|slot| hash::bucket(slot.0, buckets) <= bucket);
        rest = rest.get(here..).unwrap_or_default();
        out.extend_from_slice(&narrow(slots.len() - rest.len()).to_le_bytes());
    }
    align(out);
    for (hash, value) in &slots {
        out.extend_from_slice(&hash::fingerprint(*hash).to_le_bytes());
        out.extend_from_slice(&value.to_le_bytes());
    }
    align(out);
}

/// The values of the slots that may belong to a key with this hash.
pub(crate) fn candidates<'a, B: RunBytes>(
    body: &'a Body<B>,
    places: &BucketPlaces,
    part: Part,
    hash: u64,
) -> Result<impl Iterator<Item = u32> + use<'a, B>, RunError> {
    let bucket = hash::bucket(hash, places.buckets);
    let (start, end) = bucket_bounds(body, places, part, bucket as usize)?;
    let first = places.slots.start;
    let slots = body.read(first + start * SLOT_LEN..first + end * SLOT_LEN)?;
    let wanted = hash::fingerprint(hash);
    let (slots, _) = slots.as_chunks::<SLOT_LEN>();
    Ok(slots.iter().map(pair).filter_map(move |(found, value)| (found == wanted).then_some(value)))
}

/// Touches the ends of the bucket of a hash.
pub(crate) fn touch_ends<B: RunBytes>(body: &Body<B>, places: &BucketPlaces, hash: u64) {
    let bucket = hash::bucket(hash, places.buckets) as usize;
    body.touch_byte(places.ends.start + bucket * BUCKET_END_LEN);
}

/// Touches the slots of the bucket of a hash.
pub(crate) fn touch_slots<B: RunBytes>(body: &Body<B>, places: &BucketPlaces, hash: u64) {
    if let Some(slots) = slots_unchecked(body, places, hash) {
        body.touch_byte(slots.start);
        body.touch_byte(slots.end.saturating_sub(1));
    }
}

/// As `candidates`, where nothing is checked and nothing rests on the answer.
pub(crate) fn unchecked<'a, B: RunBytes>(
    body: &'a Body<B>,
    places: &BucketPlaces,
    hash: u64,
) -> Option<impl Iterator<Item = u32> + use<'a, B>> {
    let (slots, _) = body.bytes().slice(slots_unchecked(body, places, hash)?)?.as_chunks();
    let wanted = hash::fingerprint(hash);
    Some(
        slots.iter().map(pair).filter_map(move |(found, value)| (found == wanted).then_some(value)),
    )
}

fn slots_unchecked<B: RunBytes>(
    body: &Body<B>,
    places: &BucketPlaces,
    hash: u64,
) -> Option<Range<usize>> {
    let bucket = hash::bucket(hash, places.buckets) as usize;
    let at = places.ends.start + bucket * BUCKET_END_LEN;
    let before = if bucket == 0 { 0 } else { BUCKET_END_LEN };
    let ends = body.bytes().slice(at - before..at + BUCKET_END_LEN)?;
    let start = if bucket == 0 { 0 } else { u32_at(ends, 0)? };
    let end = u32_at(ends, before)?;
    let slots = &places.slots;
    let (start, end) = (start as usize * SLOT_LEN, end as usize * SLOT_LEN);
    (start <= end && end <= slots.len()).then_some(slots.start + start..slots.start + end)
}

/// Which slots a bucket has.
fn bucket_bounds<B: RunBytes>(
    body: &Body<B>,
    places: &BucketPlaces,
    part: Part,
    bucket: usize,
) -> Result<(usize, usize), RunError> {
    let at = places.ends.start + bucket * BUCKET_END_LEN;
    // The end of the bucket before is the start of this one; the first starts at 0.
    let before = if bucket == 0 { 0 } else { BUCKET_END_LEN };
    let ends = body.read(at - before..at + BUCKET_END_LEN)?;
    let start = if bucket == 0 { Some(0) } else { u32_at(ends, 0) };
    match (start, u32_at(ends, before)) {
        (Some(start), Some(end)) if start <= end && end <= places.slot_count => {
            Ok((start as usize, end as usize))
        }
        _ => Err(damaged(part, at)),
    }
}

/// Whether the buckets are whole: their ends ascend, and the last one ends with the slots.
pub(crate) fn check<B: RunBytes>(
    body: &Body<B>,
    places: &BucketPlaces,
    part: Part,
) -> Result<(), RunError> {
    let mut reached = 0;
    for bucket in 0..places.buckets as usize {
        reached = bucket_bounds(body, places, part, bucket)?.1;
    }
    if reached == places.slot_count as usize { Ok(()) } else { Err(damaged(part, places.ends.end)) }
}

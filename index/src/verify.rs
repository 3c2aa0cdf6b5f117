//! The thorough look at a run that `Run::verify` promises. Look-ups do not come here.

use std::ops::Range;

use crate::body::Body;
use crate::buckets;
use crate::bytes::RunBytes;
use crate::entries::{self, Walk};
use crate::error::{Part, RunError, damaged};
use crate::footer::{self, Footer};
use crate::kind::STREAM;
use crate::layout::{ENTRIES_PER_STOP, HEADER_LEN, block_count};
use crate::places;

/// Both ends again, every block, every gap, every entry.
pub(crate) fn whole<B: RunBytes>(body: &Body<B>, footer: &Footer) -> Result<(), RunError> {
    if footer::read(body.bytes())?.0 != *footer {
        return Err(damaged(Part::Footer, body.places.body_end));
    }
    for block in 0..block_count(body.places.body_end) {
        body.check_block(block)?;
    }
    padding(body)?;
    buckets::check(body, &body.places.entries, Part::EntryBuckets)?;
    buckets::check(body, &body.places.ids, Part::IdBuckets)?;
    places::check(body)?;
    all_entries(body, footer)
}

fn padding<B: RunBytes>(body: &Body<B>) -> Result<(), RunError> {
    let mut end = HEADER_LEN;
    let body_end = body.places.body_end;
    for section in body.places.sections().into_iter().chain([&(body_end..body_end)]) {
        zeros(body, end..section.start)?;
        end = section.end;
    }
    Ok(())
}

fn zeros<B: RunBytes>(body: &Body<B>, gap: Range<usize>) -> Result<(), RunError> {
    let start = gap.start;
    if body.read(gap)?.iter().all(|&byte| byte == 0) {
        Ok(())
    } else {
        Err(damaged(Part::Padding, start))
    }
}

/// Kinds and names ascend, stops point to them, each is found by its hash, and they and the
/// events of the streams are as many as the footer says. With as many slots as entries, no slot
/// points elsewhere.
fn all_entries<B: RunBytes>(body: &Body<B>, footer: &Footer) -> Result<(), RunError> {
    let mut before: Option<(u8, &str)> = None;
    let (mut streams, mut count, mut events) = (0u32, 0u32, 0u64);
    for walked in Walk::all(body) {
        let walked = walked?;
        let (key, entry) = ((walked.kind, walked.name), walked.entry);
        let hurt = || damaged(Part::Entries, walked.at);
        entry.check(body)?;
        let stopped = !count.is_multiple_of(ENTRIES_PER_STOP)
            || entries::stop(body, (count / ENTRIES_PER_STOP) as usize)? == walked.at;
        if !stopped || before.is_some_and(|before| before >= key) {
            return Err(hurt());
        }
        if entries::find(body, key.0, key.1)?.map(|found| found.end()) != Some(entry.end()) {
            return Err(damaged(Part::EntryBuckets, body.places.entries.slots.start));
        }
        before = Some(key);
        count = count.checked_add(1).ok_or_else(hurt)?;
        if walked.kind == STREAM {
            streams = count;
            events = events.checked_add(entry.span.count).ok_or_else(hurt)?;
        }
    }
    let all = footer.counts.streams.checked_add(footer.counts.keys);
    if all == Some(count) && streams == footer.counts.streams && events == footer.meta.events {
        Ok(())
    } else {
        Err(damaged(Part::Entries, body.places.blob.end))
    }
}

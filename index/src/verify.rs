//! The thorough look at a run that `Run::verify` promises. Look-ups do not come here.

use std::ops::Range;

use crate::body::Body;
use crate::buckets;
use crate::bytes::RunBytes;
use crate::error::{Part, RunError, damaged};
use crate::footer::{self, Footer};
use crate::layout::{HEADER_LEN, STREAMS_PER_STOP, block_count};
use crate::places;
use crate::streams::{self, Streams};

/// Both ends again, every block, every gap, every entry.
pub(crate) fn whole<B: RunBytes>(body: &Body<B>, footer: &Footer) -> Result<(), RunError> {
    if footer::read(body.bytes())?.0 != *footer {
        return Err(damaged(Part::Footer, body.places.body_end));
    }
    for block in 0..block_count(body.places.body_end) {
        body.check_block(block)?;
    }
    padding(body)?;
    buckets::check(body, &body.places.streams, Part::StreamBuckets)?;
    buckets::check(body, &body.places.ids, Part::IdBuckets)?;
    places::check(body)?;
    all_streams(body, footer)
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

/// Names ascend, stops point to them, each is found by its hash, and they and their events are
/// as many as the footer says. With as many slots as streams, no slot points elsewhere.
fn all_streams<B: RunBytes>(body: &Body<B>, footer: &Footer) -> Result<(), RunError> {
    let mut before: Option<&str> = None;
    let (mut count, mut events) = (0u32, 0u64);
    let mut entries = Streams::new(body, "", "");
    while let Some(entry) = entries.entry().transpose()? {
        let (name, entry, at) = entry;
        let hurt = || damaged(Part::Streams, at);
        entry.check(body)?;
        let stopped = !count.is_multiple_of(STREAMS_PER_STOP)
            || streams::stop(body, (count / STREAMS_PER_STOP) as usize)? == at;
        if !stopped || before.is_some_and(|before| before >= name) {
            return Err(hurt());
        }
        if streams::find(body, name)?.map(|found| found.end()) != Some(entry.end()) {
            return Err(damaged(Part::StreamBuckets, body.places.streams.slots.start));
        }
        before = Some(name);
        count = count.checked_add(1).ok_or_else(hurt)?;
        events = events.checked_add(entry.span.count).ok_or_else(hurt)?;
    }
    if count == footer.counts.streams && events == footer.meta.events {
        Ok(())
    } else {
        Err(damaged(Part::Streams, body.places.blob.end))
    }
}

//! All streams of a run: writing them, finding one by name, and walking them in order.

use std::fmt;

use crate::body::Body;
use crate::buckets;
use crate::bytes::{RunBytes, align, narrow, u32_at};
use crate::entry::{self, Entry, EntryWriter};
use crate::error::{Part, RunError, damaged};
use crate::hash;
use crate::layout::{HEADER_LEN, STOP_LEN, STREAMS_PER_STOP};
use crate::span::Span;

/// Appends blob, stops and buckets. Returns the length of the blob.
pub(crate) fn write(out: &mut Vec<u8>, streams: &[(&str, u64, &[u32])]) -> u32 {
    let mut writer = EntryWriter::default();
    let mut slots = Vec::with_capacity(streams.len());
    for (name, first_version, postings) in streams {
        slots.push((hash::of_name(name), narrow(out.len() - HEADER_LEN)));
        writer.put(out, name, *first_version, postings);
    }
    let blob_len = narrow(out.len() - HEADER_LEN);
    align(out);
    for (_, start) in slots.iter().step_by(STREAMS_PER_STOP as usize) {
        out.extend_from_slice(&start.to_le_bytes());
    }
    align(out);
    buckets::write(out, slots);
    blob_len
}

/// The entry of a stream. Names are compared whole: one hash never mixes two of them.
pub(crate) fn find<B: RunBytes>(body: &Body<B>, name: &str) -> Result<Option<Entry>, RunError> {
    let places = &body.places;
    let hash = hash::of_name(name);
    for start in buckets::candidates(body, &places.streams, Part::StreamBuckets, hash)? {
        let at = blob_place(body, start)?;
        let (found, after) = entry::name(body, at)?;
        if found == name.as_bytes() {
            return Entry::read(body, after).map(Some);
        }
    }
    Ok(None)
}

fn blob_place<B: RunBytes>(body: &Body<B>, start: u32) -> Result<usize, RunError> {
    let blob = &body.places.blob;
    match blob.start.checked_add(start as usize) {
        Some(at) if at < blob.end => Ok(at),
        _ => Err(damaged(Part::StreamBuckets, body.places.streams.slots.start)),
    }
}

/// Where the stop with this number points to.
pub(crate) fn stop<B: RunBytes>(body: &Body<B>, number: usize) -> Result<usize, RunError> {
    let at = body.places.stops.start + number * STOP_LEN;
    match u32_at(body.read(at..at + STOP_LEN)?, 0) {
        Some(start) => blob_place(body, start),
        None => Err(damaged(Part::Streams, at)),
    }
}

/// Where the first entry is whose name is not less than `bound`: a binary search over the stops,
/// then at most 16 entries.
fn lower_bound<B: RunBytes>(body: &Body<B>, bound: &[u8]) -> Result<usize, RunError> {
    let blob = &body.places.blob;
    if bound.is_empty() {
        return Ok(blob.start);
    }
    let (mut low, mut high) = (0, body.places.stops.len() / STOP_LEN);
    let mut at = blob.start;
    while low < high {
        let middle = low + (high - low) / 2;
        let start = stop(body, middle)?;
        if entry::name(body, start)?.0 < bound {
            at = start;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    while at < blob.end {
        let (name, after) = entry::name(body, at)?;
        if name >= bound {
            break;
        }
        at = Entry::read(body, after)?.end();
    }
    Ok(at)
}

/// The streams of a run in the order of the bytes of their names, each with what the run holds
/// of it. An error is the last item. Made by [`Run::streams`](crate::Run::streams) and its like.
pub struct Streams<'a, B> {
    body: &'a Body<B>,
    /// The next entry, or why it cannot be found. `None` at the end.
    next: Option<Result<usize, RunError>>,
    prefix: Box<[u8]>,
}

impl<'a, B: RunBytes> Streams<'a, B> {
    pub(crate) fn new(body: &'a Body<B>, bound: &str, prefix: &str) -> Streams<'a, B> {
        let next = Some(lower_bound(body, bound.as_bytes()));
        Streams { body, next, prefix: prefix.as_bytes().into() }
    }

    /// The next entry with its name and place, if its name has the prefix.
    pub(crate) fn entry(&mut self) -> Option<Result<(&'a str, Entry, usize), RunError>> {
        let at = match self.next.take()? {
            Ok(at) if at >= self.body.places.blob.end => return None,
            Ok(at) => at,
            Err(error) => return Some(Err(error)),
        };
        match self.read(at) {
            Ok((name, _)) if !name.as_bytes().starts_with(&self.prefix) => None,
            Ok((name, entry)) => {
                self.next = Some(Ok(entry.end()));
                Some(Ok((name, entry, at)))
            }
            Err(error) => Some(Err(error)),
        }
    }

    fn read(&self, at: usize) -> Result<(&'a str, Entry), RunError> {
        let (name, after) = entry::name(self.body, at)?;
        let name = std::str::from_utf8(name).map_err(|_| damaged(Part::Streams, at))?;
        Ok((name, Entry::read(self.body, after)?))
    }
}

impl<'a, B: RunBytes> Iterator for Streams<'a, B> {
    type Item = Result<(&'a str, Span), RunError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.entry()?.map(|(name, entry, _)| (name, entry.span)))
    }
}

impl<B: RunBytes> std::iter::FusedIterator for Streams<'_, B> {}

impl<B> fmt::Debug for Streams<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("next", &self.next).finish_non_exhaustive()
    }
}

//! All entries of a run: writing them, finding one by kind and name, and walking them in order.

use std::fmt;

use crate::body::Body;
use crate::buckets;
use crate::bytes::{RunBytes, align, narrow, u32_at};
use crate::entry::{self, Entry, EntryWriter, Key, KindName};
use crate::error::{Part, RunError, damaged};
use crate::hash;
use crate::layout::{ENTRIES_PER_STOP, HEADER_LEN, STOP_LEN};
use crate::span::Span;

/// Appends blob, stops and buckets of these keys, which are sorted. Returns the length of the
/// blob.
pub(crate) fn write(out: &mut Vec<u8>, keys: &[Key<'_>]) -> u32 {
    let mut writer = EntryWriter::default();
    let mut slots = Vec::with_capacity(keys.len());
    for key in keys {
        slots.push((hash::of_name(key.kind, key.name), narrow(out.len() - HEADER_LEN)));
        writer.put(out, key);
    }
    let blob_len = narrow(out.len() - HEADER_LEN);
    align(out);
    for (_, start) in slots.iter().step_by(ENTRIES_PER_STOP as usize) {
        out.extend_from_slice(&start.to_le_bytes());
    }
    align(out);
    buckets::write(out, slots);
    blob_len
}

/// The entry of a key. Names are compared whole: one hash never mixes two of them.
pub(crate) fn find<B: RunBytes>(
    body: &Body<B>,
    kind: u8,
    name: &str,
) -> Result<Option<Entry>, RunError> {
    let places = &body.places;
    let hash = hash::of_name(kind, name);
    for start in buckets::candidates(body, &places.entries, Part::EntryBuckets, hash)? {
        let at = blob_place(body, start)?;
        let (found, after) = entry::name(body, at)?;
        if found == (kind, name.as_bytes()) {
            return Entry::read(body, kind, after).map(Some);
        }
    }
    Ok(None)
}

/// Touches what a look-up by this hash reads: first the ends of its bucket, then the slots, then
/// the entry, each found by what was touched before.
pub(crate) fn approach<B: RunBytes>(body: &Body<B>, hash: u64, step: usize) {
    let places = &body.places;
    match step {
        0 => buckets::touch_ends(body, &places.entries, hash),
        1 => buckets::touch_slots(body, &places.entries, hash),
        _ => {
            let found = buckets::unchecked(body, &places.entries, hash).into_iter().flatten();
            for start in found {
                body.touch_byte(places.blob.start.saturating_add(start as usize));
            }
        }
    }
}

fn blob_place<B: RunBytes>(body: &Body<B>, start: u32) -> Result<usize, RunError> {
    let blob = &body.places.blob;
    match blob.start.checked_add(start as usize) {
        Some(at) if at < blob.end => Ok(at),
        _ => Err(damaged(Part::EntryBuckets, body.places.entries.slots.start)),
    }
}

/// Where the stop with this number points to.
pub(crate) fn stop<B: RunBytes>(body: &Body<B>, number: usize) -> Result<usize, RunError> {
    let at = body.places.stops.start + number * STOP_LEN;
    match u32_at(body.read(at..at + STOP_LEN)?, 0) {
        Some(start) => blob_place(body, start),
        None => Err(damaged(Part::Entries, at)),
    }
}

/// Where the first entry is that is not less than `bound`: a binary search over the stops, then
/// at most 16 entries.
fn lower_bound<B: RunBytes>(body: &Body<B>, bound: KindName<'_>) -> Result<usize, RunError> {
    let blob = &body.places.blob;
    if bound == FIRST {
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
        let (found, after) = entry::name(body, at)?;
        if found >= bound {
            break;
        }
        at = Entry::read(body, found.0, after)?.end();
    }
    Ok(at)
}

/// Nothing is less.
const FIRST: KindName<'_> = (0, &[]);

/// Entries in their order. An error is the last item.
pub(crate) struct Walk<'a, B> {
    body: &'a Body<B>,
    /// The next entry, or why it cannot be found. `None` at the end.
    next: Option<Result<usize, RunError>>,
    /// Where it ends: at an entry that is of another kind, or lacks the prefix.
    within: Option<(u8, Box<[u8]>)>,
}

/// An entry that was walked to.
pub(crate) struct Walked<'a> {
    pub(crate) kind: u8,
    pub(crate) name: &'a str,
    pub(crate) entry: Entry,
    pub(crate) at: usize,
}

impl<'a, B: RunBytes> Walk<'a, B> {
    /// All of them.
    pub(crate) fn all(body: &'a Body<B>) -> Walk<'a, B> {
        Walk { body, next: Some(lower_bound(body, FIRST)), within: None }
    }

    /// Those of a kind from the name `first` on, as long as names start with `prefix`.
    pub(crate) fn of(body: &'a Body<B>, kind: u8, first: &str, prefix: &str) -> Walk<'a, B> {
        let next = Some(lower_bound(body, (kind, first.as_bytes())));
        Walk { body, next, within: Some((kind, prefix.as_bytes().into())) }
    }

    fn read(&self, at: usize) -> Result<Option<Walked<'a>>, RunError> {
        let ((kind, name), after) = entry::name(self.body, at)?;
        if let Some((wanted, prefix)) = &self.within
            && (kind != *wanted || !name.starts_with(prefix))
        {
            return Ok(None);
        }
        let name = std::str::from_utf8(name).map_err(|_| damaged(Part::Entries, at))?;
        Ok(Some(Walked { kind, name, entry: Entry::read(self.body, kind, after)?, at }))
    }
}

impl<'a, B: RunBytes> Iterator for Walk<'a, B> {
    type Item = Result<Walked<'a>, RunError>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = match self.next.take()? {
            Ok(at) if at >= self.body.places.blob.end => return None,
            Ok(at) => at,
            Err(error) => return Some(Err(error)),
        };
        let found = self.read(at).transpose()?;
        if let Ok(walked) = &found {
            self.next = Some(Ok(walked.entry.end()));
        }
        Some(found)
    }
}

/// The streams of a run in the order of the bytes of their names, each with what the run holds
/// of it. An error is the last item. Made by [`Run::streams`](crate::Run::streams) and its like.
pub struct Streams<'a, B>(pub(crate) Walk<'a, B>);

impl<'a, B: RunBytes> Iterator for Streams<'a, B> {
    type Item = Result<(&'a str, Span), RunError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.map(|walked| (walked.name, walked.entry.span)))
    }
}

/// The keys of one kind in a run in the order of the bytes of their names, each with the number
/// of its postings. An error is the last item. Made by [`Run::keys`](crate::Run::keys).
pub struct Keys<'a, B>(pub(crate) Walk<'a, B>);

impl<'a, B: RunBytes> Iterator for Keys<'a, B> {
    type Item = Result<(&'a str, u64), RunError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.map(|walked| (walked.name, walked.entry.span.count)))
    }
}

impl<B: RunBytes> std::iter::FusedIterator for Streams<'_, B> {}
impl<B: RunBytes> std::iter::FusedIterator for Keys<'_, B> {}

impl<B> fmt::Debug for Streams<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("next", &self.0.next).finish_non_exhaustive()
    }
}

impl<B> fmt::Debug for Keys<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("next", &self.0.next).finish_non_exhaustive()
    }
}

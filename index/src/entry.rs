//! One entry of a run: the kind and name of its key, its span and its postings. Where entries lie
//! and how they are found is in `entries`.

use std::ops::Range;

use crate::body::Body;
use crate::bytes::{RunBytes, narrow, pair};
use crate::error::{Part, RunError, damaged, wide};
use crate::kind::{self, STREAM};
use crate::layout::{ALIGN, DELTA_MAX, OFFSET_END, POSTINGS_PER_SKIP, SKIP_LEN};
use crate::span::Span;
use crate::varint;

/// What an entry is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key<'a> {
    pub(crate) kind: u8,
    pub(crate) name: &'a str,
    /// Of a stream.
    pub(crate) first_version: u64,
    /// Offsets / 8. They ascend and are not empty.
    pub(crate) postings: &'a [u32],
}

/// Writes entries; keeps its buffers from one to the next.
#[derive(Default)]
pub(crate) struct EntryWriter {
    skips: Vec<u8>,
    deltas: Vec<u8>,
}

impl EntryWriter {
    /// Appends an entry.
    pub(crate) fn put(&mut self, out: &mut Vec<u8>, key: &Key<'_>) {
        self.skips.clear();
        self.deltas.clear();
        let mut before = 0u32;
        let mut running = 0u64;
        for (index, &posting) in key.postings.iter().enumerate() {
            if index != 0 && index.is_multiple_of(POSTINGS_PER_SKIP) {
                self.skips.extend_from_slice(&before.to_le_bytes());
                self.skips.extend_from_slice(&narrow(self.deltas.len()).to_le_bytes());
            }
            let next = u64::from(posting) + 1;
            varint::put(&mut self.deltas, next.saturating_sub(running));
            (before, running) = (posting, next);
        }
        out.push(key.kind);
        varint::put(out, wide(key.name.len()));
        out.extend_from_slice(key.name.as_bytes());
        if key.kind == STREAM {
            varint::put(out, key.first_version);
        }
        varint::put(out, wide(key.postings.len()));
        varint::put(out, wide(self.deltas.len()));
        out.extend_from_slice(&self.skips);
        out.extend_from_slice(&self.deltas);
    }
}

/// An entry whose numbers have been compared with its place: nothing lies outside the blob.
pub(crate) struct Entry {
    /// The postings of a key that is no stream count as versions from 1 on.
    pub(crate) span: Span,
    /// As `span.count`; there are at least that many bytes of deltas.
    count: usize,
    /// The first skip point.
    skips: usize,
    deltas: Range<usize>,
}

/// Up to 128 postings of an entry.
struct Piece {
    /// offset / 8 + 1 of the posting before it, 0 before the first.
    before: u64,
    deltas: Range<usize>,
}

/// Kind and name of the entry at `at`, which lies in the blob. As pairs, entries are sorted by
/// them.
pub(crate) type KindName<'a> = (u8, &'a [u8]);

/// Kind and name of the entry at `at`, and the place after them.
pub(crate) fn name<B: RunBytes>(
    body: &Body<B>,
    at: usize,
) -> Result<(KindName<'_>, usize), RunError> {
    let end = body.places.blob.end;
    let kind = body.read(at..at + 1)?.first().copied();
    let (len, start) = body.varint(at + 1, end)?;
    match (kind, usize::try_from(len).ok().and_then(|len| start.checked_add(len))) {
        (Some(kind), Some(after)) if after <= end && kind <= kind::LAST => {
            Ok(((kind, body.read(start..after)?), after))
        }
        _ => Err(damaged(Part::Entries, at)),
    }
}

impl Entry {
    /// The entry of this kind whose name ends at `at`.
    pub(crate) fn read<B: RunBytes>(
        body: &Body<B>,
        kind: u8,
        at: usize,
    ) -> Result<Entry, RunError> {
        let end = body.places.blob.end;
        let (first_version, next) = if kind == STREAM { body.varint(at, end)? } else { (1, at) };
        let (count, next) = body.varint(next, end)?;
        let (deltas_len, skips) = body.varint(next, end)?;
        let entry = (|| {
            first_version.checked_add(count)?;
            let span = Span { first_version, count };
            let count = usize::try_from(count).ok()?;
            let skips_len = (count.checked_sub(1)? / POSTINGS_PER_SKIP).checked_mul(SKIP_LEN)?;
            let start = skips.checked_add(skips_len)?;
            let deltas = start..start.checked_add(usize::try_from(deltas_len).ok()?)?;
            let whole = first_version != 0 && deltas.end <= end && count <= deltas.len();
            whole.then_some(Entry { span, count, skips, deltas })
        })();
        entry.ok_or_else(|| damaged(Part::Entries, at))
    }

    /// Where the next entry starts.
    pub(crate) fn end(&self) -> usize {
        self.deltas.end
    }

    /// Appends the offsets of the postings `first..=last` of this entry, counted from 0.
    /// `last` must be less than the count. On an error `out` may have grown.
    pub(crate) fn offsets<B: RunBytes>(
        &self,
        body: &Body<B>,
        (first, last): (usize, usize),
        out: &mut Vec<u64>,
    ) -> Result<(), RunError> {
        for number in first / POSTINGS_PER_SKIP..=last / POSTINGS_PER_SKIP {
            let piece = self.piece(body, number)?;
            let start = number * POSTINGS_PER_SKIP;
            let skipped = first.saturating_sub(start);
            let wanted = (last + 1 - start).min(POSTINGS_PER_SKIP);
            decode(body, &piece, wanted, |index, offset| {
                if index >= skipped {
                    out.push(offset);
                }
            })?;
        }
        Ok(())
    }

    /// The offset of the last posting.
    pub(crate) fn last<B: RunBytes>(&self, body: &Body<B>) -> Result<u64, RunError> {
        let number = (self.count - 1) / POSTINGS_PER_SKIP;
        let wanted = self.count - number * POSTINGS_PER_SKIP;
        let mut last = 0;
        decode(body, &self.piece(body, number)?, wanted, |_, offset| last = offset)?;
        Ok(last)
    }

    /// How many postings of this entry have an offset below `offset`: a binary search over the
    /// skip points, then one piece.
    pub(crate) fn rank<B: RunBytes>(&self, body: &Body<B>, offset: u64) -> Result<u64, RunError> {
        // `before` of a piece is offset / 8 + 1 of a posting, and that posting lies below
        // `offset` if it is not greater than this.
        let below = offset.div_ceil(wide(ALIGN));
        let (mut low, mut high) = (0, (self.count - 1) / POSTINGS_PER_SKIP);
        while low < high {
            let middle = high - (high - low) / 2;
            if self.piece(body, middle)?.before <= below {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        let start = low * POSTINGS_PER_SKIP;
        let mut rank = wide(start);
        let wanted = (self.count - start).min(POSTINGS_PER_SKIP);
        decode(body, &self.piece(body, low)?, wanted, |_, found| {
            rank += u64::from(found < offset);
        })?;
        Ok(rank)
    }

    /// Whether the deltas are as many as the count says, and the skip points agree with them.
    pub(crate) fn check<B: RunBytes>(&self, body: &Body<B>) -> Result<(), RunError> {
        let mut reached = Piece { before: 0, deltas: self.deltas.start..self.deltas.start };
        for number in 0..=(self.count - 1) / POSTINGS_PER_SKIP {
            let piece = self.piece(body, number)?;
            if (piece.before, piece.deltas.start) != (reached.before, reached.deltas.end) {
                return Err(damaged(Part::Entries, self.skips));
            }
            let wanted = (self.count - number * POSTINGS_PER_SKIP).min(POSTINGS_PER_SKIP);
            reached = decode(body, &piece, wanted, |_, _| {})?;
        }
        if reached.deltas.end == self.deltas.end {
            Ok(())
        } else {
            Err(damaged(Part::Entries, reached.deltas.end))
        }
    }

    /// The piece with this number. Its deltas are cut to what 128 of them can take at most, so
    /// that a wrong skip point cannot make a look-up read the whole blob again and again.
    fn piece<B: RunBytes>(&self, body: &Body<B>, number: usize) -> Result<Piece, RunError> {
        let (before, start) = match number.checked_sub(1) {
            None => (0, Some(self.deltas.start)),
            Some(skip) => {
                let at = self.skips + skip * SKIP_LEN;
                let Some((before, start)) =
                    body.read(at..at + SKIP_LEN)?.first_chunk::<SKIP_LEN>().map(pair)
                else {
                    return Err(damaged(Part::Entries, at));
                };
                (u64::from(before) + 1, self.deltas.start.checked_add(start as usize))
            }
        };
        match start {
            Some(start) if start < self.deltas.end => {
                let longest = start.saturating_add(POSTINGS_PER_SKIP * DELTA_MAX);
                Ok(Piece { before, deltas: start..longest.min(self.deltas.end) })
            }
            _ => Err(damaged(Part::Entries, self.skips)),
        }
    }
}

/// Hands out the first `wanted` offsets of a piece. Returns where it came to: the piece that
/// was decoded ends where the next must start.
fn decode<B: RunBytes>(
    body: &Body<B>,
    piece: &Piece,
    wanted: usize,
    mut take: impl FnMut(usize, u64),
) -> Result<Piece, RunError> {
    const END: u64 = OFFSET_END / 8;
    let mut bytes = body.read(piece.deltas.clone())?;
    let mut running = piece.before;
    for index in 0..wanted {
        let delta = varint::take(&mut bytes).filter(|&delta| delta != 0);
        running = match delta.and_then(|delta| running.checked_add(delta)) {
            Some(next) if next <= END => next,
            _ => return Err(damaged(Part::Entries, piece.deltas.end - bytes.len())),
        };
        take(index, (running - 1) * wide(ALIGN));
    }
    let end = piece.deltas.end - bytes.len();
    Ok(Piece { before: running, deltas: piece.deltas.start..end })
}

//! One stream's entry in a run: its name, its span and its postings. Where entries lie and how
//! they are found is in `streams`.

use std::ops::Range;

use crate::body::Body;
use crate::bytes::{RunBytes, narrow, pair};
use crate::error::{Part, RunError, damaged, wide};
use crate::layout::{ALIGN, DELTA_MAX, EVENTS_PER_SKIP, OFFSET_END, SKIP_LEN};
use crate::span::Span;
use crate::varint;

/// Writes entries; keeps its buffers from one to the next.
#[derive(Default)]
pub(crate) struct EntryWriter {
    skips: Vec<u8>,
    deltas: Vec<u8>,
}

impl EntryWriter {
    /// Appends an entry. `postings` ascend and are not empty.
    pub(crate) fn put(&mut self, out: &mut Vec<u8>, name: &str, first: u64, postings: &[u32]) {
        self.skips.clear();
        self.deltas.clear();
        let mut before = 0u32;
        let mut running = 0u64;
        for (index, &posting) in postings.iter().enumerate() {
            if index != 0 && index.is_multiple_of(EVENTS_PER_SKIP) {
                self.skips.extend_from_slice(&before.to_le_bytes());
                self.skips.extend_from_slice(&narrow(self.deltas.len()).to_le_bytes());
            }
            let next = u64::from(posting) + 1;
            varint::put(&mut self.deltas, next.saturating_sub(running));
            (before, running) = (posting, next);
        }
        varint::put(out, wide(name.len()));
        out.extend_from_slice(name.as_bytes());
        varint::put(out, first);
        varint::put(out, wide(postings.len()));
        varint::put(out, wide(self.deltas.len()));
        out.extend_from_slice(&self.skips);
        out.extend_from_slice(&self.deltas);
    }
}

/// An entry whose numbers have been compared with its place: nothing lies outside the blob.
pub(crate) struct Entry {
    pub(crate) span: Span,
    /// As `span.count`; there are at least that many bytes of deltas.
    count: usize,
    /// The first skip point.
    skips: usize,
    deltas: Range<usize>,
}

/// Up to 128 events of an entry.
struct Piece {
    /// offset / 8 + 1 of the event before it, 0 before the first.
    before: u64,
    deltas: Range<usize>,
}

/// The name of the entry at `at`, and the place after it.
pub(crate) fn name<B: RunBytes>(body: &Body<B>, at: usize) -> Result<(&[u8], usize), RunError> {
    let end = body.places.blob.end;
    let (len, start) = body.varint(at, end)?;
    match usize::try_from(len).ok().and_then(|len| start.checked_add(len)) {
        Some(after) if after <= end => Ok((body.read(start..after)?, after)),
        _ => Err(damaged(Part::Streams, at)),
    }
}

impl Entry {
    /// The entry whose name ends at `at`.
    pub(crate) fn read<B: RunBytes>(body: &Body<B>, at: usize) -> Result<Entry, RunError> {
        let end = body.places.blob.end;
        let (first_version, next) = body.varint(at, end)?;
        let (count, next) = body.varint(next, end)?;
        let (deltas_len, skips) = body.varint(next, end)?;
        let entry = (|| {
            first_version.checked_add(count)?;
            let span = Span { first_version, count };
            let count = usize::try_from(count).ok()?;
            let skips_len = (count.checked_sub(1)? / EVENTS_PER_SKIP).checked_mul(SKIP_LEN)?;
            let start = skips.checked_add(skips_len)?;
            let deltas = start..start.checked_add(usize::try_from(deltas_len).ok()?)?;
            let whole = first_version != 0 && deltas.end <= end && count <= deltas.len();
            whole.then_some(Entry { span, count, skips, deltas })
        })();
        entry.ok_or_else(|| damaged(Part::Streams, at))
    }

    /// Where the next entry starts.
    pub(crate) fn end(&self) -> usize {
        self.deltas.end
    }

    /// Appends the offsets of the events `first..=last` of this entry, counted from 0.
    /// `last` must be less than the count. On an error `out` may have grown.
    pub(crate) fn offsets<B: RunBytes>(
        &self,
        body: &Body<B>,
        (first, last): (usize, usize),
        out: &mut Vec<u64>,
    ) -> Result<(), RunError> {
        for number in first / EVENTS_PER_SKIP..=last / EVENTS_PER_SKIP {
            let piece = self.piece(body, number)?;
            let start = number * EVENTS_PER_SKIP;
            let skipped = first.saturating_sub(start);
            let wanted = (last + 1 - start).min(EVENTS_PER_SKIP);
            decode(body, &piece, wanted, |index, offset| {
                if index >= skipped {
                    out.push(offset);
                }
            })?;
        }
        Ok(())
    }

    /// Whether the deltas are as many as the count says, and the skip points agree with them.
    pub(crate) fn check<B: RunBytes>(&self, body: &Body<B>) -> Result<(), RunError> {
        let mut reached = Piece { before: 0, deltas: self.deltas.start..self.deltas.start };
        for number in 0..=(self.count - 1) / EVENTS_PER_SKIP {
            let piece = self.piece(body, number)?;
            if (piece.before, piece.deltas.start) != (reached.before, reached.deltas.end) {
                return Err(damaged(Part::Streams, self.skips));
            }
            let wanted = (self.count - number * EVENTS_PER_SKIP).min(EVENTS_PER_SKIP);
            reached = decode(body, &piece, wanted, |_, _| {})?;
        }
        if reached.deltas.end == self.deltas.end {
            Ok(())
        } else {
            Err(damaged(Part::Streams, reached.deltas.end))
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
                    return Err(damaged(Part::Streams, at));
                };
                (u64::from(before) + 1, self.deltas.start.checked_add(start as usize))
            }
        };
        match start {
            Some(start) if start < self.deltas.end => {
                let longest = start.saturating_add(EVENTS_PER_SKIP * DELTA_MAX);
                Ok(Piece { before, deltas: start..longest.min(self.deltas.end) })
            }
            _ => Err(damaged(Part::Streams, self.skips)),
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
            _ => return Err(damaged(Part::Streams, piece.deltas.end - bytes.len())),
        };
        take(index, (running - 1) * wide(ALIGN));
    }
    let end = piece.deltas.end - bytes.len();
    Ok(Piece { before: running, deltas: piece.deltas.start..end })
}

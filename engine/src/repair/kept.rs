//! Up to where a log is whole: every group from the first one on, segment by segment.

use crate::catalog::runs::Indexer;
use crate::catalog::survey::{Survey, damage};
use crate::error::{Corrupt, Damage, Error, Result};
use crate::io::Storage;
use crate::place::Place;
use crate::record::field::wide;
use crate::record::layout::segment as layout;
use crate::record::walk::{Step, Walk};
use crate::segment::header::{Found, SegmentHeader};
use crate::segment::{ReadMode, Segment, scan};

const NO_FIRST: &str = "the first segment says which log it is, and nothing can be kept without \
                        it; restore it from a copy";
const FOREIGN: &str = "the file belongs elsewhere; put the right one in its place, or move this \
                       one away and plan again";

/// Up to where a log is whole.
#[derive(Debug)]
pub(super) enum Prefix {
    /// As far as recovery says that it goes.
    Whole,
    /// Up to here.
    Until(Kept, Corrupt),
    CannotMend(Corrupt, &'static str),
}

/// The end of what is whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    pub(super) log: u128,
    pub(super) place: Place,
    pub(super) next_position: u64,
    /// Header CRC of the last group before it.
    crc: u32,
}

/// Where recovery says that a log ends, or why it refuses to say.
#[derive(Debug)]
pub(super) enum Ending {
    At(Place),
    Refused(Corrupt),
}

/// Reads every segment from the first one on.
pub(super) fn prefix(storage: &dyn Storage, survey: &Survey, ending: &Ending) -> Result<Prefix> {
    let last = match ending {
        Ending::At(end) => end.segment(),
        Ending::Refused(_) => survey.last(),
    };
    let mut kept = None;
    for number in 1..=last {
        match next(storage, survey, ending, kept, number)? {
            Next::Segment(until) => kept = Some(until),
            Next::Stop(prefix) => return Ok(prefix),
        }
    }
    Ok(match (ending, kept) {
        (Ending::At(_), _) => Prefix::Whole,
        (Ending::Refused(cause), Some(kept)) => Prefix::Until(kept, cause.clone()),
        (Ending::Refused(cause), None) => Prefix::CannotMend(cause.clone(), NO_FIRST),
    })
}

enum Next {
    /// The segment is whole as far as is known.
    Segment(Kept),
    Stop(Prefix),
}

fn next(
    storage: &dyn Storage,
    survey: &Survey,
    ending: &Ending,
    before: Option<Kept>,
    number: u64,
) -> Result<Next> {
    let stop = |error| -> Result<Next> {
        let Error::Corrupt(corrupt) = error else { return Err(error) };
        Ok(Next::Stop(match before {
            _ if misplaced(&corrupt) => Prefix::CannotMend(corrupt, FOREIGN),
            Some(before) => Prefix::Until(before, corrupt),
            None => Prefix::CannotMend(corrupt, NO_FIRST),
        }))
    };
    if !survey.segments.contains_key(&number) {
        return stop(damage(number, Damage::Missing));
    }
    let header = match header(storage, before.map(|kept| kept.log), number) {
        Ok(header) => header,
        Err(error) => return stop(error),
    };
    let continues =
        before.map_or((1, 0, 0), |kept| (kept.next_position, kept.place.offset(), kept.crc));
    if continues != (header.first_position, header.previous_end, header.previous_crc) {
        return stop(damage(number, Damage::Link));
    }
    let segment = Segment::open(storage, header.log, number, ReadMode::Pread, false)?;
    let len = segment.len()?;
    let end = match ending {
        Ending::At(end) if end.segment() == number => Some(end.offset()),
        _ => end_by_next(storage, survey, header.log, number)?,
    };
    let limit = end.unwrap_or(len & !7).min(len);
    let (kept, fault) = walk(&segment, &header, limit)?;
    match (fault, end) {
        // Where it ends is not known: the next segment, or recovery, says what is wrong.
        (_, None) => Ok(Next::Segment(kept)),
        (Some(error), _) => match error {
            Error::Corrupt(corrupt) => Ok(Next::Stop(Prefix::Until(kept, corrupt))),
            other => Err(other),
        },
        (None, Some(end)) if kept.place.offset() < end => {
            let Error::Corrupt(short) = segment.corrupt(len, Damage::Short { needed: end }) else {
                return Ok(Next::Segment(kept));
            };
            Ok(Next::Stop(Prefix::Until(kept, short)))
        }
        (None, Some(_)) => Ok(Next::Segment(kept)),
    }
}

const fn misplaced(corrupt: &Corrupt) -> bool {
    matches!(corrupt.cause, Damage::Foreign | Damage::Misplaced { .. } | Damage::NotAFile)
}

/// The header of a segment, of this log if that is known.
fn header(storage: &dyn Storage, log: Option<u128>, number: u64) -> Result<SegmentHeader> {
    let segment = Segment::open(storage, 0, number, ReadMode::Pread, false)?;
    match SegmentHeader::read(&segment.name, &segment.first_block()?)? {
        Found::Header(header) => {
            header
                .belongs(log.unwrap_or(header.log), number)
                .map_err(|cause| segment.corrupt(0, cause))?;
            Ok(header)
        }
        Found::Blank | Found::Bad => Err(segment.corrupt(0, Damage::Header)),
    }
}

/// Where a segment ends, as the one after it says; `None` if that says nothing.
fn end_by_next(
    storage: &dyn Storage,
    survey: &Survey,
    log: u128,
    number: u64,
) -> Result<Option<u64>> {
    if !survey.segments.contains_key(&(number + 1)) {
        return Ok(None);
    }
    match header(storage, Some(log), number + 1) {
        Ok(next) => Ok(Some(next.previous_end)),
        Err(Error::Corrupt(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Walks as far as whole groups stand, and says what stopped it before `limit`.
fn walk(segment: &Segment, header: &SegmentHeader, limit: u64) -> Result<(Kept, Option<Error>)> {
    let (data, first) = (wide(layout::DATA), header.first_position);
    let mut walk = Walk::new(segment.seed, data, first, Some(header.previous_crc));
    let mut indexer = Indexer::new(first);
    let mut kept = Kept {
        log: header.log,
        place: Place::new(segment.number, data),
        next_position: first,
        crc: header.previous_crc,
    };
    let mut group = kept;
    let walked = scan::walk_to(segment, &mut walk, limit, &mut |step| {
        indexer.take(segment, step)?;
        match step {
            Step::Group { crc, .. } => group.crc = *crc,
            Step::Batch(batch) => {
                group.next_position = batch.first_position + u64::from(batch.events);
            }
            Step::GroupEnd { end } => {
                group.place = Place::new(segment.number, *end);
                kept = group;
            }
            _ => {}
        }
        Ok(())
    });
    let fault = match walked {
        Ok(stopped) => stopped.map(|error| segment.fault(error, Some(kept.next_position))),
        Err(error @ Error::Corrupt(_)) => Some(error),
        Err(error) => return Err(error),
    };
    Ok((kept, fault))
}

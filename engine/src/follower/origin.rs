//! From what the log's end is known: a writer's control file, or the segments.

use std::time::Duration;

use crate::catalog::runs;
use crate::control::{ControlView, Said};
use crate::error::{Error, Result};
use crate::io::{LockError, Storage};
use crate::place::Place;
use crate::record::walk::Walk;
use crate::recovery::analysis::{Analysis, How, analyse};
use crate::segment::{ReadMode, Segment, scan};
use crate::sync::{Instant, thread};
use crate::visibility::Visibility;

use super::End;

/// How often it is looked while a writer sets its files up, before the segments are
/// asked; and how often they are asked beside a writer that may be changing them.
pub(super) const PATIENCE: u32 = 50;
const TRIES: u32 = 50;
const TRY_EVERY: Duration = Duration::from_millis(2);

/// From what the log's end is known.
#[derive(Debug)]
pub(super) enum Origin {
    /// A live writer says it.
    Control(ControlView, Said),
    /// There is no writer: everything up to here was made durable. With the epoch of the
    /// last writer, as far as its control file tells: another one may come and go between
    /// two looks.
    Settled(End, Option<u128>),
    /// There is a writer and no control file: up to here the segments prove that the log
    /// was durable, when they were asked.
    Proven(End, Instant),
}

impl Origin {
    pub(super) fn end(&self, visibility: Visibility) -> End {
        match self {
            Self::Control(view, _) => view.end(visibility),
            Self::Settled(end, _) | Self::Proven(end, _) => *end,
        }
    }
}

/// What was found, to build a view of.
pub(super) enum Found {
    Control(ControlView, Said),
    /// What the segments say, and what it rests on.
    Segments(Box<Analysis>, Origin),
}

/// Looks for the log's end. `None` if there is no log. `known` is the log that it must
/// be, once that is known; `patience` is how often it is looked for a writer's file.
pub(super) fn find(
    storage: &dyn Storage,
    mode: ReadMode,
    known: Option<u128>,
    patience: u32,
) -> Result<Option<Found>> {
    let place = storage.describe();
    let mut tries = 0;
    loop {
        tries += 1;
        let alive = storage.writer_alive().map_err(|error| Error::io("lock", &place, error))?;
        let outcome = if alive {
            if let Some((view, said)) = live(storage, known) {
                return Ok(Some(Found::Control(view, said)));
            }
            // It may be about to set the file up, or to write what is being read.
            if tries < patience { Ok(None) } else { proven(storage, mode).map(Some) }
        } else {
            settled(storage, mode)
        };
        match outcome {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {}
            Err(error) if tries >= patience + TRIES || !alive => return Err(error),
            Err(_) => {}
        }
        thread::sleep(TRY_EVERY);
    }
}

/// What a live writer's control file says.
pub(super) fn live(storage: &dyn Storage, known: Option<u128>) -> Option<(ControlView, Said)> {
    let view = ControlView::open(storage).ok()?;
    let said = view.said()?;
    let fits = !said.closed && known.is_none_or(|log| log == said.log);
    fits.then_some((view, said))
}

/// The epoch of the last writer, dead or alive, if its control file tells.
pub(super) fn last_epoch(storage: &dyn Storage) -> Option<u128> {
    Some(ControlView::open(storage).ok()?.said()?.epoch)
}

/// Without a writer: the end is found as recovery finds it, and what is not known to be
/// durable is synced; a sync works on a file that is open for reading. Where that fails,
/// up to the end that the segments prove. `None` if a writer comes in between.
fn settled(storage: &dyn Storage, mode: ReadMode) -> Result<Option<Option<Found>>> {
    let _keeps_writers_out = match storage.lock_shared() {
        Ok(lock) => lock,
        Err(LockError::Held { .. }) => return Ok(None),
        Err(LockError::Io(error)) => return Err(Error::io("lock", &storage.describe(), error)),
    };
    let epoch = last_epoch(storage);
    let Some(analysis) = read(storage, mode)? else { return Ok(Some(None)) };
    let end = (analysis.end.place, analysis.end.next_position - 1);
    if let Some(durable) = failed_at(storage, &analysis)? {
        // After a failed sync the system may hold lost pages for clean: syncing them again
        // proves nothing. Only a writer can write them again.
        return Ok(Some(Some(Found::Segments(
            Box::new(analysis),
            Origin::Settled(durable, epoch),
        ))));
    }
    let clean = analysis.recovery.clean;
    let mut scanned =
        analysis.segments.iter().filter(|segment| segment.number >= analysis.scanned_from);
    let synced = clean || scanned.all(|segment| segment.file().sync_data().is_ok());
    let end = if synced { end } else { proven_end(&analysis)? };
    Ok(Some(Some(Found::Segments(Box::new(analysis), Origin::Settled(end, epoch)))))
}

/// The durable end of a writer that could not make durable what stands behind it. The
/// file may be damaged: it can say that less is served than was found, and never less than
/// the segments prove; and what stands there is theirs to say.
fn failed_at(storage: &dyn Storage, analysis: &Analysis) -> Result<Option<End>> {
    let Ok(view) = ControlView::open(storage) else { return Ok(None) };
    let (place, _) = view.end(Visibility::Durable);
    if !view.has_failed(analysis.log) || place > analysis.end.place {
        return Ok(None);
    }
    match end_at(analysis, place.max(analysis.end.proven)) {
        Err(Error::Corrupt(_)) => proven_end(analysis).map(Some),
        end => end.map(Some),
    }
}

/// Beside a writer that says nothing: up to the end that its groups and its witness prove.
fn proven(storage: &dyn Storage, mode: ReadMode) -> Result<Option<Found>> {
    let Some(analysis) = read(storage, mode)? else { return Ok(None) };
    let end = proven_end(&analysis)?;
    Ok(Some(Found::Segments(Box::new(analysis), Origin::Proven(end, Instant::now()))))
}

fn read(storage: &dyn Storage, mode: ReadMode) -> Result<Option<Analysis>> {
    let load = |_, number| runs::load_from(storage, mode, number);
    analyse(storage, How { mode, strict: false, write: false }, &load)
}

fn proven_end(analysis: &Analysis) -> Result<End> {
    end_at(analysis, analysis.end.proven)
}

/// The end at a place up to which there are whole groups.
fn end_at(analysis: &Analysis, place: Place) -> Result<End> {
    if place >= analysis.end.place {
        return Ok((analysis.end.place, analysis.end.next_position - 1));
    }
    let header = &analysis.header;
    let Some(segment) =
        analysis.segments.last().filter(|segment| segment.number == place.segment())
    else {
        // Nothing of the newest segment is proven.
        return Ok((before(header), header.first_position - 1));
    };
    let data = crate::record::field::wide(crate::record::layout::segment::DATA);
    let mut walk = Walk::new(segment.seed, data, header.first_position, Some(header.previous_crc));
    walk_to(segment, &mut walk, place.offset())?;
    Ok((place, walk.next_position() - 1))
}

fn walk_to(segment: &Segment, walk: &mut Walk, end: u64) -> Result<()> {
    scan::walk_sealed(segment, walk, end, &mut |_| Ok(()))
}

/// The end of the segment before one with this header.
fn before(header: &crate::segment::header::SegmentHeader) -> Place {
    if header.number == 1 {
        let data = crate::record::field::wide(crate::record::layout::segment::DATA);
        return Place::new(1, data);
    }
    Place::new(header.number - 1, header.previous_end)
}

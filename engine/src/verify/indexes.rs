//! Every run, byte for byte what a full scan gives; and the control file.

use annals_index::{Run, RunMeta};

use super::Findings;
use crate::catalog::entry::Facts;
use crate::catalog::runs::RunFile;
use crate::catalog::runs::{Indexer, meta_of};
use crate::catalog::survey::Survey;
use crate::error::{Corrupt, Damage, Error, Result};
use crate::io::Storage;
use crate::record::field::wide;
use crate::record::layout::witness::LEN;
use crate::record::layout::{control, segment as layout};
use crate::record::walk::Walk;
use crate::segment::header::SegmentHeader;
use crate::segment::witness::{Slot, slots};
use crate::segment::{Segment, name, scan};

/// Compares a segment's run with what was found in the segment up to `end`. A run is
/// a function of the log, so it is compared as a whole.
pub(super) fn run(
    storage: &dyn Storage,
    segment: &Segment,
    header: &SegmentHeader,
    (indexer, end): (Indexer, u64),
    findings: &mut Findings,
) -> Result<()> {
    let name = name::run(segment.number);
    let bytes = read_all(storage, &name)?;
    let meta = match Run::open(RunFile::Owned(bytes.clone())) {
        Ok(run) => run.meta().clone(),
        Err(_) => {
            findings.push(damage(&name, segment.number, 0));
            return Ok(());
        }
    };
    // The run of the active segment is from its last close: it may cover less.
    let (indexer, crc) = if meta.end == end {
        (Some(indexer), meta.end_crc)
    } else {
        part(segment, header, &meta).map_or((None, 0), |(indexer, crc)| (Some(indexer), crc))
    };
    let Some(indexer) = indexer else {
        findings.push(damage(&name, segment.number, 0));
        return Ok(());
    };
    let events = indexer.table.event_count();
    let facts = Facts {
        first_position: header.first_position,
        next_position: header.first_position + events,
        end: meta.end,
        end_crc: crc,
        previous_crc: header.previous_crc,
    };
    let expected = annals_index::build(&indexer.table, &meta_of(segment, &facts));
    if expected != bytes {
        let differs = expected.iter().zip(&bytes).position(|(a, b)| a != b);
        let at = differs.unwrap_or(expected.len().min(bytes.len()));
        findings.push(damage(&name, segment.number, wide(at)));
    }
    Ok(())
}

/// What the segment holds up to where a run says that it ends; `None` if no group ends
/// there.
fn part(segment: &Segment, header: &SegmentHeader, meta: &RunMeta) -> Option<(Indexer, u32)> {
    let data = wide(layout::DATA);
    if meta.end < data || meta.end > segment.len().ok()? {
        return None;
    }
    let first = header.first_position;
    let mut walk = Walk::new(segment.seed, data, first, Some(header.previous_crc));
    let mut indexer = Indexer::new(first);
    scan::walk_sealed(segment, &mut walk, meta.end, &mut |step| indexer.take(segment, step))
        .ok()?;
    Some((indexer, walk.previous_crc().unwrap_or(header.previous_crc)))
}

fn read_all(storage: &dyn Storage, name: &str) -> Result<Vec<u8>> {
    let failed = |error| Error::io("read", name, error);
    let file = storage.open(name, false).map_err(failed)?;
    let len = usize::try_from(file.len().map_err(failed)?).unwrap_or(usize::MAX);
    let mut bytes = vec![0; len];
    let count = file.read_at(&mut bytes, 0).map_err(failed)?;
    bytes.truncate(count);
    Ok(bytes)
}

/// The control file mirrors the witness: a slot of it that is neither blank nor whole,
/// or anything around the slots, is told. In a log that was not closed a slot may be
/// `torn`. The words in front of them say something only while a writer lives, who sets
/// them anew.
pub(super) fn control_file(
    storage: &dyn Storage,
    survey: &Survey,
    torn: bool,
    findings: &mut Findings,
) {
    if !survey.control {
        return;
    }
    let Ok(bytes) = read_all(storage, name::CONTROL) else { return };
    let tell = |at: usize, cause| Corrupt {
        file: name::CONTROL.to_owned(),
        segment: 0,
        offset: wide(at),
        position: None,
        cause,
    };
    let in_slot = |at: usize| layout::SLOTS.iter().any(|slot| (*slot..slot + LEN).contains(&at));
    let words = control::WORDS * size_of::<u64>();
    if let Some(at) = (words..bytes.len()).find(|at| !in_slot(*at) && bytes.get(*at) != Some(&0)) {
        findings.push(tell(at, Damage::NotZero));
    }
    for (slot, at) in slots(&bytes, 0).iter().zip(layout::SLOTS) {
        if matches!(slot, Slot::Bad) && !torn {
            findings.push(tell(at, Damage::Witness));
        }
    }
}

fn damage(file: &str, segment: u64, offset: u64) -> Corrupt {
    Corrupt { file: file.to_owned(), segment, offset, position: None, cause: Damage::Index }
}

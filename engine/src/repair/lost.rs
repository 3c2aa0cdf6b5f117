//! What stands behind the place up to which a log is kept: bytes, and as far as they can
//! still be read, events and streams.

use std::collections::BTreeSet;

use super::kept::Kept;
use super::step::Lost;
use crate::catalog::survey::Survey;
use crate::error::{Error, Result};
use crate::io::Storage;
use crate::record::field::wide;
use crate::record::layout::segment as layout;
use crate::record::walk::{Step, Walk};
use crate::segment::header::{Found, SegmentHeader};
use crate::segment::witness::{Slot, slots};
use crate::segment::{ReadMode, Segment, name, scan};

/// So many streams are listed.
const STREAMS: usize = 1000;

/// What is lost, and the files that hold it.
pub(super) fn behind(
    storage: &dyn Storage,
    survey: &Survey,
    kept: &Kept,
) -> Result<(Lost, Vec<String>)> {
    let mut lost = Lost {
        from: kept.next_position,
        to: kept.next_position.saturating_sub(1),
        ..Lost::default()
    };
    let mut files = Vec::new();
    let mut streams = BTreeSet::new();
    for (number, len) in survey.segments.range(kept.place.segment()..) {
        let own = *number == kept.place.segment();
        let segment = Segment::open(storage, kept.log, *number, ReadMode::Pread, false)?;
        let start = if own { kept.place.offset().min(*len) } else { 0 };
        let written = scan::last_written(&segment, start, *len)?;
        lost.bytes += written.map_or(0, |end| end - start);
        let block = segment.first_block()?;
        let witnessed = beyond(&slots(&block, *number), kept);
        lost.to = lost.to.max(witnessed.unwrap_or_default());
        // The last one that is kept always gets a witness of where it ends now.
        if written.is_some() || own {
            files.push(segment.name.clone());
        }
        if !own {
            lost.segments += u64::from(written.is_some());
            later(&segment, &block, &mut lost, &mut streams)?;
        }
    }
    for number in survey.runs.range(kept.place.segment()..).map(|(number, _)| *number) {
        files.push(name::run(number));
    }
    if survey.control {
        let block = control_block(storage)?;
        lost.to = lost.to.max(beyond(&slots(&block, 0), kept).unwrap_or_default());
        files.push(name::CONTROL.to_owned());
    }
    lost.streams = streams.into_iter().collect();
    Ok((lost, files))
}

/// The highest position that a witness of a later end tells.
fn beyond(slots: &[Slot; 2], kept: &Kept) -> Option<u64> {
    let told = slots.iter().filter_map(|slot| match slot {
        Slot::Witness(witness) => Some(witness),
        Slot::Blank | Slot::Bad => None,
    });
    let later = told.filter(|witness| witness.log == kept.log && witness.durable > kept.place);
    later.map(|witness| witness.position).max()
}

/// What a segment behind the damage holds, as far as it can be read.
fn later(
    segment: &Segment,
    block: &[u8],
    lost: &mut Lost,
    streams: &mut BTreeSet<String>,
) -> Result<()> {
    let Ok(Found::Header(header)) = SegmentHeader::read(&segment.name, block) else {
        return Ok(());
    };
    if header.belongs(segment.log, segment.number).is_err() {
        return Ok(());
    }
    lost.to = lost.to.max(header.first_position.saturating_sub(1));
    let data = wide(layout::DATA);
    let limit = segment.len()? & !7;
    let mut walk = Walk::new(segment.seed, data, header.first_position, Some(header.previous_crc));
    let walked = scan::walk_to(segment, &mut walk, limit, &mut |step| {
        if let Step::Event(event) = step {
            lost.to = lost.to.max(event.head.position);
            let stream = event.fields.stream(event.payload);
            if streams.len() < STREAMS && !streams.contains(stream) {
                streams.insert(stream.to_owned());
            }
        }
        Ok(())
    });
    match walked {
        Ok(_) | Err(Error::Corrupt(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The first block of the control file; zeros if it is shorter.
pub(super) fn control_block(storage: &dyn Storage) -> Result<Vec<u8>> {
    let mut block = vec![0; layout::DATA];
    let failed = |error| Error::io("read", name::CONTROL, error);
    storage
        .open(name::CONTROL, false)
        .and_then(|file| file.read_at(&mut block, 0))
        .map_err(failed)?;
    Ok(block)
}

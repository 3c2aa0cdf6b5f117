//! What stands beyond the place where the scan stopped: in the rest of that segment,
//! in all later ones, and in every witness.

use super::decision::Beyond;
use crate::error::Result;
use crate::place::Place;
use crate::record::field::wide;
use crate::record::layout::{ALIGN, PAGE};
use crate::record::walk::frames_beyond;
use crate::segment::header::{Found, SegmentHeader, checked_place};
use crate::segment::witness::Witness;
use crate::segment::{Segment, scan};

/// What was found.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) beyond: Beyond,
    /// The farthest place that is proven to have been durable.
    pub(super) proven: Place,
    /// Bytes from the place to the last one that is not zero, over all segments.
    pub(super) bytes: u64,
}

/// Looks at everything beyond `place`. `segments` are the one that holds the place
/// and all later ones.
pub(super) fn gather(
    place: Place,
    segments: &[&Segment],
    witnesses: &[Witness],
) -> Result<Evidence> {
    let mut evidence = Evidence { beyond: Beyond::Nothing, proven: place, bytes: 0 };
    for segment in segments {
        let own = segment.number == place.segment();
        let len = segment.len()?;
        let start = if own { place.offset().min(len) } else { 0 };
        if let Some(end) = scan::last_written(segment, start, len)? {
            evidence.bytes += end - start;
            evidence.stronger(Beyond::Bytes);
            if !own {
                header(segment, place, &mut evidence)?;
            }
            let from = if own { start } else { wide(crate::record::layout::segment::DATA) };
            groups(segment, from, len.min(end.next_multiple_of(PAGE)), place, &mut evidence)?;
        }
    }
    for witness in witnesses {
        if witness.durable > place {
            evidence.proof(witness.durable, Beyond::ProofByWitness);
        }
    }
    Ok(evidence)
}

/// The header of a later segment also says what was durable when it was made.
fn header(segment: &Segment, place: Place, evidence: &mut Evidence) -> Result<()> {
    if let Found::Header(header) = SegmentHeader::read(&segment.name, &segment.first_block()?)?
        && header.belongs(segment.log, segment.number).is_ok()
        && header.durable > place
    {
        evidence.proof(header.durable, Beyond::ProofByGroup);
    }
    Ok(())
}

fn groups(
    segment: &Segment,
    from: u64,
    end: u64,
    place: Place,
    evidence: &mut Evidence,
) -> Result<()> {
    let from = from.next_multiple_of(wide(ALIGN));
    scan::windows(segment, from, end, &mut |window| {
        for (offset, frame) in frames_beyond(window, segment.seed, window.base) {
            match checked_place(frame.durable_segment, frame.durable_offset) {
                Some(durable) if durable > place => {
                    evidence.proof(durable, Beyond::ProofByGroup);
                }
                // The frame at the place itself is what the scan stopped at.
                _ if Place::new(segment.number, offset) > place => {
                    evidence.stronger(Beyond::Group);
                }
                _ => {}
            }
        }
    })
}

impl Evidence {
    fn stronger(&mut self, beyond: Beyond) {
        self.beyond = self.beyond.max(beyond);
    }

    fn proof(&mut self, durable: Place, by: Beyond) {
        self.proven = self.proven.max(durable);
        self.stronger(by);
    }
}

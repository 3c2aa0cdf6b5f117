//! Every byte of every segment.

use std::collections::HashMap;

use super::indexes;
use super::{Findings, Report};
use crate::catalog::runs::Indexer;
use crate::catalog::survey::Survey;
use crate::error::{Damage, Result};
use crate::io::Storage;
use crate::place::Place;
use crate::record::field::{size, u32_at, wide};
use crate::record::layout::{segment as layout, witness as witness_layout};
use crate::record::walk::{EventStep, Step, Walk};
use crate::segment::header::{Found, SegmentHeader};
use crate::segment::witness::{Slot, slots};
use crate::segment::{ReadMode, Segment, scan};

/// What is carried from segment to segment.
pub(super) struct Checker<'a> {
    storage: &'a dyn Storage,
    survey: &'a Survey,
    /// Where the log ends, and whether it was closed there; unknown if recovery would
    /// refuse.
    end: Option<(Place, bool)>,
    total: u64,
    done: u64,
    progress: &'a mut dyn FnMut(u64, u64),
    /// What comes next; unknown at the start and after damage.
    expected: Option<Next>,
    versions: HashMap<Box<str>, u64>,
    /// Before damage, a stream that was not seen yet starts with version 1.
    all_seen: bool,
    last_time: i64,
}

/// How the next segment must continue.
#[derive(Debug, Clone, Copy)]
struct Next {
    position: u64,
    end: u64,
    crc: u32,
}

impl<'a> Checker<'a> {
    pub(super) fn new(
        storage: &'a dyn Storage,
        survey: &'a Survey,
        end: Option<(Place, bool)>,
        total: u64,
        progress: &'a mut dyn FnMut(u64, u64),
    ) -> Self {
        Self {
            storage,
            survey,
            end,
            total,
            done: 0,
            progress,
            expected: Some(Next { position: 1, end: 0, crc: 0 }),
            versions: HashMap::new(),
            all_seen: true,
            last_time: i64::MIN,
        }
    }

    pub(super) fn streams(&self) -> u64 {
        wide(self.versions.len())
    }

    pub(super) fn run(&mut self, report: &mut Report, findings: &mut Findings) -> Result<()> {
        let mut log = None;
        for (number, len) in &self.survey.segments {
            let spare = self.end.is_some_and(|(end, _)| *number > end.segment());
            if spare {
                self.done += len;
                continue;
            }
            report.segments += 1;
            let outcome = self.segment(*number, &mut log, report, findings);
            if findings.take(outcome)?.is_none() {
                // Where it goes on is what the next header says.
                self.expected = None;
                self.all_seen = false;
                self.versions.clear();
            }
            self.done += len;
            (self.progress)(self.done, self.total);
        }
        report.bytes = self.done;
        Ok(())
    }

    fn segment(
        &mut self,
        number: u64,
        log: &mut Option<u128>,
        report: &mut Report,
        findings: &mut Findings,
    ) -> Result<()> {
        let unknown = Segment::open(self.storage, 0, number, ReadMode::Pread, false)?;
        let block = unknown.first_block()?;
        let Found::Header(header) = SegmentHeader::read(&unknown.name, &block)? else {
            return Err(unknown.corrupt(0, Damage::Header));
        };
        let log = *log.get_or_insert(header.log);
        let segment = Segment::open(self.storage, log, number, ReadMode::Pread, false)?;
        header.belongs(log, number).map_err(|damage| segment.corrupt(0, damage))?;
        self.first_block(&segment, &block, findings);
        self.continues(&segment, &header)?;
        self.last_time = self.last_time.max(header.previous_time);
        let end = self.end_of(&segment, log)?;
        let indexer = self.walk(&segment, &header, end, report)?;
        let len = segment.len()?;
        if let Some(last) = scan::last_written(&segment, end.min(len), len)?
            && !self.is_tail(number)
        {
            findings.take(Err::<(), _>(segment.corrupt(last - 1, Damage::NotZero)))?;
        }
        let run = self.survey.runs.get(&number);
        if let Some(len) = run {
            indexes::run(self.storage, &segment, &header, (indexer, end), findings)?;
            report.index_runs += 1;
            self.done += len;
        }
        Ok(())
    }

    /// Whether what stands behind the end was never part of the log: opening will cut it.
    fn is_tail(&self, number: u64) -> bool {
        self.end.is_some_and(|(end, clean)| end.segment() == number && !clean)
    }

    /// Header, slots, and zeros around them.
    fn first_block(&self, segment: &Segment, block: &[u8], findings: &mut Findings) {
        let [a, b] = layout::SLOTS;
        // A later version's header may be longer: that is for that version.
        let header = u32_at(block, layout::HEADER_LEN).map_or(layout::LEN, size);
        for (start, end) in
            [(header, a), (a + witness_layout::LEN, b), (b + witness_layout::LEN, layout::DATA)]
        {
            let gap = block.get(start..end).unwrap_or_default();
            if let Some(at) = gap.iter().position(|byte| *byte != 0) {
                findings.push(damage(segment, wide(start + at), Damage::NotZero));
            }
        }
        for (slot, at) in slots(block, segment.number).iter().zip(layout::SLOTS) {
            // In a log that was not closed, a slot may be torn.
            let honest = self.is_tail(segment.number);
            if matches!(slot, Slot::Bad) && !honest {
                findings.push(damage(segment, wide(at), Damage::Witness));
            }
        }
    }

    fn continues(&self, segment: &Segment, header: &SegmentHeader) -> Result<()> {
        let fits = self.expected.is_none_or(|next| {
            (next.position, next.end, next.crc)
                == (header.first_position, header.previous_end, header.previous_crc)
        });
        if fits { Ok(()) } else { Err(segment.corrupt(0, Damage::Link)) }
    }

    /// Where the segment ends: as its successor says; the active one as recovery says.
    fn end_of(&self, segment: &Segment, log: u128) -> Result<u64> {
        if let Some((end, _)) = self.end.filter(|(end, _)| end.segment() == segment.number) {
            return Ok(end.offset());
        }
        if self.survey.last() == segment.number {
            return Ok(segment.len()? & !7);
        }
        let next = Segment::open(self.storage, log, segment.number + 1, ReadMode::Pread, false)?;
        match SegmentHeader::read(&next.name, &next.first_block()?)? {
            Found::Header(header) => Ok(header.previous_end),
            Found::Blank | Found::Bad => Ok(segment.len()? & !7),
        }
    }

    fn walk(
        &mut self,
        segment: &Segment,
        header: &SegmentHeader,
        end: u64,
        report: &mut Report,
    ) -> Result<Indexer> {
        let len = segment.len()?;
        if len < end {
            return Err(segment.corrupt(len, Damage::Short { needed: end }));
        }
        let data = wide(layout::DATA);
        let first = header.first_position;
        let mut walk = Walk::new(segment.seed, data, first, Some(header.previous_crc));
        let mut indexer = Indexer::new(first);
        scan::walk_sealed(segment, &mut walk, end, &mut |step| {
            indexer.take(segment, step)?;
            match step {
                Step::Event(event) => {
                    self.event(segment, event)?;
                    report.events += 1;
                }
                Step::GroupEnd { end } => (self.progress)(self.done + end, self.total),
                _ => {}
            }
            Ok(())
        })?;
        let crc = walk.previous_crc().unwrap_or(header.previous_crc);
        self.expected = Some(Next { position: walk.next_position(), end, crc });
        Ok(indexer)
    }

    fn event(&mut self, segment: &Segment, event: &EventStep<'_>) -> Result<()> {
        let stream = event.fields.stream(event.payload);
        let expected = match self.versions.get_mut(stream) {
            Some(version) => {
                *version += 1;
                *version
            }
            None => {
                let first = if self.all_seen { 1 } else { event.head.version };
                self.versions.insert(stream.into(), first);
                first
            }
        };
        let in_order = event.head.version == expected && event.head.recorded_at >= self.last_time;
        self.last_time = event.head.recorded_at;
        if in_order { Ok(()) } else { Err(segment.corrupt(event.offset, Damage::Order)) }
    }
}

fn damage(segment: &Segment, offset: u64, cause: Damage) -> crate::error::Corrupt {
    crate::error::Corrupt {
        file: segment.name.clone(),
        segment: segment.number,
        offset,
        position: None,
        cause,
    }
}

//! Reading from the last known durable place to the end, and deciding what the end
//! is. Changes nothing.

use std::sync::Arc;

use super::decision::{Action, At, decide};
use super::evidence::{self, Evidence};
use super::identity::{Identity, identify};
use crate::catalog::runs::Indexer;
use crate::catalog::runs::LoadedRun;
use crate::catalog::survey::{Survey, damage, survey};
use crate::error::{Corrupt, Damage, Error, Result};
use crate::io::Storage;
use crate::place::Place;
use crate::planted::{self, Bug};
use crate::record::field::wide;
use crate::record::layout::segment as layout;
use crate::record::walk::{Fault, Step, Walk, WalkError};
use crate::recovered::{Discarded, Recovery};
use crate::segment::header::{SegmentHeader, checked_place};
use crate::segment::witness::{Slot, Witness};
use crate::segment::{ReadMode, Segment, scan};

/// Where a log ends, and what is to be done about what stands behind.
#[derive(Debug)]
pub(crate) struct Analysis {
    pub(crate) log: u128,
    pub(crate) survey: Survey,
    /// All segments of the log up to the active one.
    pub(crate) segments: Vec<Arc<Segment>>,
    /// Those after it: spares, or what becomes spares.
    pub(crate) later: Vec<Arc<Segment>>,
    /// Header of the active segment.
    pub(crate) header: SegmentHeader,
    pub(crate) slots: [Slot; 2],
    /// Number of the next witness.
    pub(crate) sequence: u64,
    /// The run of the active segment's first part, if it can be used.
    pub(crate) run: Option<LoadedRun>,
    /// What stands after that part.
    pub(crate) indexer: Indexer,
    pub(crate) end: End,
    /// The lowest segment that was read: from here on nothing is known to be durable.
    pub(crate) scanned_from: u64,
    pub(crate) recovery: Recovery,
}

/// The end of the log: the last group, and what comes after it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) place: Place,
    pub(crate) next_position: u64,
    pub(crate) last_crc: u32,
    pub(crate) last_group: u64,
    pub(crate) last_time: i64,
    /// The last group is a close mark.
    closed: bool,
    /// Up to here the log is proven to have been durable: by a group, a header or a
    /// witness. What stands behind may be written and no more.
    pub(crate) proven: Place,
}

/// Opening options that matter here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    pub(crate) mode: ReadMode,
    pub(crate) strict: bool,
    pub(crate) write: bool,
}

/// Finds the log's end. `None` if there is no log.
pub(crate) fn analyse(
    storage: &dyn Storage,
    how: How,
    load_run: &dyn Fn(u128, u64) -> Option<LoadedRun>,
) -> Result<Option<Analysis>> {
    let survey = survey(storage)?;
    let Some(identity) = identify(storage, &survey, how.mode)? else { return Ok(None) };
    let mut segments = Vec::new();
    for number in survey.segments.keys() {
        let segment = Segment::open(storage, identity.log, *number, how.mode, how.write)?;
        segments.push(Arc::new(segment));
    }
    let (first, headers) = first_to_scan(&segments, &identity)?;
    let mut scan = Scan::start(&segments, &headers, first, &identity, load_run)?;
    let stop = scan.run(&segments, &headers)?;
    segments.iter().for_each(|segment| segment.forget_mapping());
    decide_end(scan, stop, segments, survey, identity, &headers, how.strict).map(Some)
}

/// The headers from the first segment that must be scanned to the newest: those whose
/// predecessor was durable when they were made need no look further back.
fn first_to_scan(
    segments: &[Arc<Segment>],
    identity: &Identity,
) -> Result<(u64, Vec<SegmentHeader>)> {
    let mut headers = vec![identity.header];
    let mut first = identity.newest;
    while let Some(header) = headers.last()
        && first > 1
        && header.durable < Place::new(first - 1, header.previous_end)
    {
        first -= 1;
        headers.push(at(segments, first)?.header()?);
    }
    headers.reverse();
    Ok((first, headers))
}

fn at(segments: &[Arc<Segment>], number: u64) -> Result<&Arc<Segment>> {
    let index = usize::try_from(number).unwrap_or(usize::MAX).wrapping_sub(1);
    segments.get(index).ok_or_else(|| damage(number, Damage::Missing))
}

/// The scan, and what it has gathered.
struct Scan {
    number: u64,
    walk: Walk,
    indexer: Indexer,
    run: Option<LoadedRun>,
    end: End,
    first: u64,
    /// Where the walk through the current segment began, to walk it again.
    began: Walk,
    scanned_bytes: u64,
}

/// Where and why the scan stopped.
struct Stop {
    place: Place,
    at: At,
}

impl Scan {
    fn start(
        segments: &[Arc<Segment>],
        headers: &[SegmentHeader],
        first: u64,
        identity: &Identity,
        load_run: &dyn Fn(u128, u64) -> Option<LoadedRun>,
    ) -> Result<Self> {
        let header = headers.first().copied().unwrap_or(identity.header);
        let segment = at(segments, first)?;
        let run = (first == identity.newest)
            .then(|| load_run(identity.log, first))
            .flatten()
            .and_then(|run| Some((usable(&run, &header, identity)?, run)));
        if let Some((witness, run)) = run {
            return Ok(Self::after(first, segment, &witness, run));
        }
        let data = wide(layout::DATA);
        let walk = Walk::new(segment.seed, data, header.first_position, Some(header.previous_crc));
        let end = End {
            place: Place::new(first, data),
            next_position: header.first_position,
            last_crc: header.previous_crc,
            last_group: 0,
            last_time: header.previous_time,
            closed: false,
            proven: header.durable,
        };
        Ok(Self {
            number: first,
            began: walk.clone(),
            walk,
            indexer: Indexer::new(header.first_position),
            run: None,
            end,
            first,
            scanned_bytes: 0,
        })
    }

    /// Goes on after what a run covers: a witness says that it was durable.
    fn after(first: u64, segment: &Segment, witness: &Witness, run: LoadedRun) -> Self {
        let next_position = witness.position + 1;
        let walk = Walk::new(
            segment.seed,
            witness.durable.offset(),
            next_position,
            Some(witness.last_crc),
        );
        let end = End {
            place: witness.durable,
            next_position,
            last_crc: witness.last_crc,
            last_group: witness.last_group,
            last_time: witness.last_time,
            closed: witness.closed,
            proven: witness.durable,
        };
        Self {
            number: first,
            began: walk.clone(),
            walk,
            indexer: Indexer::new(next_position),
            run: Some(run),
            end,
            first,
            scanned_bytes: 0,
        }
    }

    /// Walks to the first place where no whole group stands.
    fn run(&mut self, segments: &[Arc<Segment>], headers: &[SegmentHeader]) -> Result<Stop> {
        loop {
            let segment = at(segments, self.number)?;
            let later = headers.iter().find(|header| header.number == self.number + 1);
            let len = segment.len()? & !7;
            let limit = later.map_or(len, |next| next.previous_end.min(len));
            let stopped = self.walk_segment(segment, limit)?;
            match (stopped, later) {
                (None, Some(next)) if self.continues(next) => self.enter(segments, next)?,
                (None, _) => return Ok(self.stop(At::Unwritten)),
                (Some(error), _) => return self.stopped_by(segment, error),
            }
        }
    }

    fn continues(&self, next: &SegmentHeader) -> bool {
        next.previous_end == self.walk.offset()
            && Some(next.previous_crc) == self.walk.previous_crc()
            && next.first_position == self.walk.next_position()
    }

    fn enter(&mut self, segments: &[Arc<Segment>], next: &SegmentHeader) -> Result<()> {
        let segment = at(segments, next.number)?;
        let data = wide(layout::DATA);
        self.walk = Walk::new(segment.seed, data, next.first_position, Some(next.previous_crc));
        self.began = self.walk.clone();
        self.indexer = Indexer::new(next.first_position);
        self.number = next.number;
        self.end.place = Place::new(next.number, data);
        self.end.proven = self.end.proven.max(next.durable);
        Ok(())
    }

    fn walk_segment(&mut self, segment: &Segment, limit: u64) -> Result<Option<WalkError>> {
        let Self { walk, indexer, end, number, .. } = self;
        let start = walk.offset();
        let mut group = *end;
        let stopped = scan::walk_to(segment, walk, limit, &mut |step| {
            indexer.take(segment, step)?;
            match step {
                Step::Group { crc, offset, frame } => {
                    group.last_crc = *crc;
                    group.last_group = *offset;
                    group.closed = false;
                    let durable = checked_place(frame.durable_segment, frame.durable_offset);
                    group.proven = group.proven.max(durable.unwrap_or(group.proven));
                }
                Step::Batch(batch) => {
                    group.last_time = batch.committed_at;
                    group.next_position = batch.first_position + u64::from(batch.events);
                }
                Step::CloseMark => group.closed = true,
                Step::GroupEnd { end: at } => {
                    group.place = Place::new(*number, *at);
                    *end = group;
                }
                Step::Event(_) | Step::Snapshot(_) | Step::Key(_) | Step::Other => {}
            }
            Ok(())
        })?;
        self.scanned_bytes += self.walk.offset() - start;
        Ok(stopped)
    }

    fn stop(&self, at: At) -> Stop {
        Stop { place: self.end.place, at }
    }

    fn stopped_by(&mut self, segment: &Segment, error: WalkError) -> Result<Stop> {
        let inside = error.offset != self.end.place.offset();
        let at = match error.fault {
            // Whole, and of a later version: nobody may cut it.
            Fault::UnknownKind(_) => return Err(segment.fault(error, None)),
            Fault::Unwritten if !inside => At::Unwritten,
            Fault::Garbage | Fault::Chain if !inside => At::Garbage,
            _ => At::Torn,
        };
        if inside {
            // The index holds part of a group that is no part of the log.
            self.indexer = Indexer::new(self.began.next_position());
            let mut again = self.began.clone();
            let indexer = &mut self.indexer;
            scan::walk_to(segment, &mut again, self.end.place.offset(), &mut |step| {
                indexer.take(segment, step)
            })?;
        }
        Ok(self.stop(at))
    }
}

/// The witness that says that what a run covers was durable, if the run fits the
/// segment.
fn usable(run: &LoadedRun, header: &SegmentHeader, identity: &Identity) -> Option<Witness> {
    let meta = run.meta();
    let place = checked_place(identity.newest, meta.end)?;
    let fits = meta.log == identity.log
        && meta.segment == identity.newest
        && meta.start == wide(layout::DATA)
        && meta.first_position == header.first_position;
    if planted::active(Bug::StaleIndexBelieved) {
        return identity.witnesses.iter().max_by_key(|witness| witness.durable).copied();
    }
    let covers = |witness: &&Witness| {
        witness.durable == place
            && witness.last_crc == meta.end_crc
            && Some(witness.position + 1) == meta.first_position.checked_add(meta.events)
    };
    identity.witnesses.iter().find(covers).filter(|_| fits).copied()
}

fn decide_end(
    scan: Scan,
    stop: Stop,
    mut segments: Vec<Arc<Segment>>,
    survey: Survey,
    identity: Identity,
    headers: &[SegmentHeader],
    strict: bool,
) -> Result<Analysis> {
    let number = stop.place.segment();
    let keep = usize::try_from(number).unwrap_or(usize::MAX).min(segments.len());
    let from = keep.saturating_sub(1);
    let beyond: Vec<&Segment> =
        segments.get(from..).unwrap_or_default().iter().map(|segment| &**segment).collect();
    let Evidence { beyond, proven, bytes } =
        evidence::gather(stop.place, &beyond, &identity.witnesses)?;
    let head = scan.end.next_position - 1;
    let mut end = scan.end;
    for witness in &identity.witnesses {
        if witness.durable <= end.place {
            end.proven = end.proven.max(witness.durable);
        }
    }
    // A close mark alone may be written and not durable yet: the witness of the close is
    // written after the mark was synced.
    let witnessed = |witness: &Witness| witness.closed && witness.durable == scan.end.place;
    let closed = scan.end.closed && identity.witnesses.iter().any(witnessed);
    let mut recovery = Recovery {
        clean: closed && number == identity.newest,
        head,
        scanned_bytes: scan.scanned_bytes,
        discarded: None,
    };
    let discarded = |reason| {
        let offset = stop.place.offset();
        Some(Discarded { segment: number, offset, bytes, reason })
    };
    match decide(stop.at, beyond, strict) {
        Action::End => {}
        Action::Cut(reason) => {
            recovery.clean = false;
            recovery.discarded = discarded(reason);
        }
        Action::RefuseToCut(reason) => {
            recovery.clean = false;
            recovery.discarded = discarded(reason);
            return Err(Error::WouldDiscard(recovery));
        }
        Action::Damage => return Err(lost(&segments, stop.place, proven, head + 1)),
    }
    let later = segments.split_off(keep);
    let header = headers.iter().find(|header| header.number == number);
    let newest = identity.witnesses.iter().map(|witness| witness.sequence).max();
    Ok(Analysis {
        log: identity.log,
        survey,
        segments,
        later,
        header: header.copied().unwrap_or(identity.header),
        slots: if number == identity.newest { identity.slots } else { [Slot::Blank; 2] },
        sequence: newest.map_or(1, |newest| newest.saturating_add(1)),
        run: scan.run,
        indexer: scan.indexer,
        end,
        scanned_from: scan.first,
        recovery,
    })
}

/// Damage at `place`, where the log was durable up to `proven`.
fn lost(segments: &[Arc<Segment>], place: Place, proven: Place, position: u64) -> Error {
    if proven.segment() > crate::record::field::wide(segments.len()) {
        return damage(proven.segment(), Damage::Missing);
    }
    Error::Corrupt(Corrupt {
        file: crate::segment::name::segment(place.segment()),
        segment: place.segment(),
        offset: place.offset(),
        position: Some(position),
        cause: Damage::Lost { segment: proven.segment(), offset: proven.offset() },
    })
}

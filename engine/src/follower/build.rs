//! The view of the log, made anew and taken further.

use std::sync::Arc;

use annals_index::Table;

use super::origin::{Found, Origin};
use super::{Active, Follower, State};
use crate::catalog::entry::{Entry, Facts};
use crate::catalog::runs::Filling;
use crate::catalog::source::Source;
use crate::catalog::view::View;
use crate::control::{ControlView, Said};
use crate::error::{Damage, Result};
use crate::io::Storage;
use crate::place::Place;
use crate::record::field::wide;
use crate::record::layout::segment as layout;
use crate::record::walk::Walk;
use crate::recovered::Recovery;
use crate::recovery::view_of;
use crate::segment::header::SegmentHeader;
use crate::segment::{Extent, ReadMode, Segment, scan};
use crate::sync::RwLock;
use crate::visibility::Visibility;

/// A log that was looked at.
pub(super) struct Built {
    pub(super) log: u128,
    pub(super) view: View,
    pub(super) origin: Origin,
    pub(super) active: Active,
    /// What recovery found; unknown beside a writer.
    pub(super) recovery: Option<Recovery>,
}

/// Makes the view of what was found.
pub(super) fn build(storage: &dyn Storage, mode: ReadMode, found: Found) -> Result<Built> {
    match found {
        Found::Control(view, said) => beside_writer(storage, mode, view, said),
        Found::Segments(analysis, origin) => {
            let (log, header) = (analysis.log, analysis.header);
            let settled = matches!(origin, Origin::Settled(..));
            let recovery = settled.then(|| analysis.recovery.clone());
            let segment =
                Arc::clone(analysis.segments.last().ok_or_else(|| {
                    crate::catalog::survey::damage(header.number, Damage::Missing)
                })?);
            let last = analysis.end;
            let (view, table) = view_of(*analysis);
            // The table holds everything up to the end that was found.
            let walk = Walk::new(
                segment.seed,
                last.place.offset(),
                last.next_position,
                Some(last.last_crc),
            );
            let filling = Filling::new(last.next_position);
            let active = Active {
                segment,
                first_position: header.first_position,
                previous_crc: header.previous_crc,
                table,
                walk,
                filling,
            };
            Ok(Built { log, view, origin, active, recovery })
        }
    }
}

fn beside_writer(
    storage: &dyn Storage,
    mode: ReadMode,
    control: ControlView,
    said: Said,
) -> Result<Built> {
    let newest = control.end(Visibility::Written).0.segment().max(1);
    let open = |number| Segment::open(storage, said.log, number, mode, false).map(Arc::new);
    let mut entries = Vec::new();
    let mut sources = Vec::new();
    let mut segment = open(1)?;
    for number in 2..=newest {
        let next = open(number)?;
        let entry = Arc::new(Entry::sealed(segment, Arc::clone(&next)));
        sources.push(Arc::new(Source::unloaded(Arc::clone(&entry))));
        entries.push(entry);
        segment = next;
    }
    let header = segment.header()?;
    let table = Arc::new(RwLock::new(Table::new(header.first_position)));
    let entry = Arc::new(Entry::active(Arc::clone(&segment)));
    let source = Source::of_table(Arc::clone(&entry), header.first_position, Arc::clone(&table));
    sources.push(Arc::new(source));
    entries.push(entry);
    let active = Active::at_start(segment, &header, table);
    let origin = Origin::Control(control, said);
    let view = View { entries, sources };
    Ok(Built { log: said.log, view, origin, active, recovery: None })
}

impl Active {
    fn at_start(
        segment: Arc<Segment>,
        header: &SegmentHeader,
        table: crate::catalog::source::SharedTable,
    ) -> Self {
        let data = wide(layout::DATA);
        let walk = Walk::new(segment.seed, data, header.first_position, Some(header.previous_crc));
        Self {
            segment,
            first_position: header.first_position,
            previous_crc: header.previous_crc,
            table,
            walk,
            filling: Filling::new(header.first_position),
        }
    }
}

impl Follower {
    /// Takes the view on to the segment of `place`.
    pub(super) fn extend(&self, state: &mut State, place: Place) -> Result<()> {
        while state.active.segment.number < place.segment() {
            let storage = &*self.catalog.storage;
            let sealed = Arc::clone(&state.active.segment);
            let next = Segment::open(
                storage,
                self.catalog.log,
                sealed.number + 1,
                self.catalog.mode,
                false,
            )?;
            let next = Arc::new(next);
            let header = next.header()?;
            let facts = Facts {
                first_position: state.active.first_position,
                next_position: header.first_position,
                end: header.previous_end,
                end_crc: header.previous_crc,
                previous_crc: state.active.previous_crc,
            };
            if facts.end < wide(layout::DATA) || facts.next_position < facts.first_position {
                return Err(next.corrupt(0, Damage::Link));
            }
            let table = self.catalog.roll(header.first_position, Arc::clone(&next));
            self.catalog.seal(sealed.number, facts);
            self.catalog.unload(sealed.number);
            state.active = Active::at_start(next, &header, table);
        }
        Ok(())
    }

    /// Takes the table of the active segment on to `place`.
    pub(super) fn fill(&self, state: &mut State, place: Place, lasting: Place) -> Result<()> {
        let active = &mut state.active;
        let segment = Arc::clone(&active.segment);
        if place.segment() != segment.number || active.walk.offset() >= place.offset() {
            return Ok(());
        }
        let lasting = if lasting.segment() == segment.number { lasting.offset() } else { 0 };
        let extent = Extent { limit: place.offset(), lasting };
        let Active { walk, filling, table, .. } = active;
        let mut table = table.write();
        let stopped = scan::walk_extent(&segment, walk, extent, &mut |step| {
            filling.take(&mut table, &segment, step)
        })?;
        let position = walk.next_position();
        stopped.map_or(Ok(()), |error| Err(segment.fault(error, Some(position))))
    }
}

//! Look-ups by stream, id and position over the whole log.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use annals_index::{APPROACHES, Sought, Span};

use super::Catalog;
use super::entry::Entry;
use super::runs::LoadedRun;
use super::source::Source;
use super::view::View;
use crate::error::Result;
use crate::event::{Event, OwnedEvent};
use crate::horizon::Bound;
use crate::place::Place;
use crate::record::field::wide;
use crate::record::layout::segment as layout;
use crate::segment::Extent;

/// How many versions are looked at together when the last durable one is sought.
const LAST_VERSIONS: u64 = 31;

/// An event that was found.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    pub(crate) source: Arc<Source>,
    pub(crate) offset: u64,
}

impl Hit {
    pub(crate) fn place(&self) -> Place {
        Place::new(self.source.entry.segment.number, self.offset)
    }

    /// The event, checked. Nothing beyond the bound is read.
    pub(crate) fn event(&self, bound: Bound) -> Result<OwnedEvent> {
        let extent = extent_of(&self.source.entry, bound)?;
        let (chunk, span) = self.source.entry.segment.event(self.offset, extent)?;
        let payload = chunk.bytes_at(span.payload_at, span.payload_len);
        Ok(Event { head: span.head, fields: span.fields, payload }.to_owned())
    }
}

/// Up to where a segment may be read, and lent.
pub(crate) fn extent_of(entry: &Entry, bound: Bound) -> Result<Extent> {
    let number = entry.segment.number;
    let before = |place: Place| -> Result<u64> {
        match number.cmp(&place.segment()) {
            Ordering::Less => Ok(entry.facts()?.end),
            Ordering::Equal => Ok(place.offset()),
            Ordering::Greater => Ok(0),
        }
    };
    Ok(Extent { limit: before(bound.place)?, lasting: before(bound.lasting)? })
}

impl Catalog {
    /// The newest version of a stream, durable or not; 0 if there is none.
    pub(crate) fn version(&self, view: &View, stream: &str) -> Result<u64> {
        for source in view.sources.iter().rev() {
            if let Some(span) = source.ask(self, |index| index.stream(stream))? {
                return Ok(span.last_version());
            }
        }
        Ok(0)
    }

    /// The newest version of a stream that is in a table: what was appended since runs
    /// were last made.
    pub(crate) fn version_in_tables(view: &View, stream: &str) -> Option<u64> {
        let tables = view.sources.iter().rev().map_while(|source| source.table());
        tables
            .into_iter()
            .find_map(|table| table.read().stream(stream).map(|span| span.last_version()))
    }

    /// The newest version of a stream that a reader may see.
    pub(crate) fn version_before(&self, view: &View, stream: &str, end: Place) -> Result<u64> {
        for source in view.sources.iter().rev() {
            let number = source.entry.segment.number;
            if let Some(table) = source.table() {
                // Most often all that there is may be seen.
                let table = table.read();
                let found = table.find(stream);
                let newest = table.last_of(found).zip(table.span(found));
                match newest {
                    None => continue,
                    Some((last, span)) if Place::new(number, last) < end => {
                        return Ok(span.last_version());
                    }
                    Some(_) => {}
                }
            }
            let Some(span) = source.ask(self, |index| index.stream(stream))? else { continue };
            // What may not be seen is in flight: few versions as a rule, so the
            // last ones are looked at first.
            let mut high = span.last_version();
            while high >= span.first_version {
                let low = high.saturating_sub(LAST_VERSIONS).max(span.first_version);
                let offsets = source.ask(self, |index| {
                    let mut offsets = Vec::new();
                    index.offsets(stream, low..=high, &mut offsets)?;
                    Ok(offsets)
                })?;
                let visible = offsets.partition_point(|offset| Place::new(number, *offset) < end);
                if visible > 0 {
                    return Ok(low + wide(visible) - 1);
                }
                high = low - 1;
            }
        }
        Ok(0)
    }

    /// The event with this id, durable or not.
    pub(crate) fn id(&self, view: &View, id: u128, bound: Bound) -> Result<Option<Hit>> {
        for source in view.sources.iter().rev() {
            if let Some(hit) = self.id_in(source, id, bound)? {
                return Ok(Some(hit));
            }
        }
        Ok(None)
    }

    /// The event with this id, if it was appended since runs were last made.
    pub(crate) fn id_in_tables(view: &View, id: u128) -> Option<Hit> {
        for source in view.sources.iter().rev() {
            let table = source.table()?;
            let found = table.read().id(id);
            if let Some(offset) = found {
                return Some(Hit { source: Arc::clone(source), offset });
            }
        }
        None
    }

    fn id_in(&self, source: &Arc<Source>, id: u128, bound: Bound) -> Result<Option<Hit>> {
        let exact = source.table().is_some();
        let candidates = source.ask(self, |index| {
            let mut found = Vec::new();
            index.ids(id, &mut found)?;
            Ok(found)
        })?;
        for offset in candidates {
            let hit = Hit { source: Arc::clone(source), offset };
            if exact {
                return Ok(Some(hit));
            }
            // A run says where an id may be; the record itself says whether it is.
            if hit.event(bound)?.as_event().id().as_u128() == id {
                return Ok(Some(hit));
            }
        }
        Ok(None)
    }

    /// Where a walk to `position` can start: a group at or before it, and the position
    /// of that group's first event. `position` must be in the log.
    pub(crate) fn place(&self, view: &View, position: u64) -> Result<(Place, u64)> {
        let (mut low, mut high) = (0, view.sources.len());
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            let Some(source) = view.sources.get(middle) else { break };
            if source.first_position()? <= position {
                low = middle;
            } else {
                high = middle;
            }
        }
        let Some(source) = view.sources.get(low) else { return Ok((Place::START, 1)) };
        let number = source.entry.segment.number;
        let mark = source.ask(self, |index| index.place(position))?;
        match mark {
            Some(mark) => Ok((Place::new(number, mark.offset), mark.position)),
            None => Ok((Place::new(number, wide(layout::DATA)), source.first_position()?)),
        }
    }

    /// The parts of a stream, newest first, down to the one with version `from`, and the
    /// offsets of the events of those parts that are small: at most `most` in all.
    pub(crate) fn parts(&self, view: &View, stream: &str, from: u64, most: u64) -> Result<Parts> {
        let mut found = Parts::default();
        let sought = Sought::stream(stream);
        for (asked, source) in view.sources.iter().rev().enumerate() {
            // Most streams are in one or in many: the second one's way to memory is taken
            // together with those behind it.
            if asked % APPROACHED == 1 {
                let older = view.sources.iter().rev().skip(asked).take(APPROACHED);
                approach(older, &sought);
            }
            let start = found.offsets.len();
            let left = most.saturating_sub(wide(start));
            let offsets = &mut found.offsets;
            let span = source.ask(self, |index| index.stream_offsets(stream, left, offsets))?;
            let Some(span) = span else { continue };
            let known = (span.count <= left).then_some(start..found.offsets.len());
            found.parts.push(Part { source: Arc::clone(source), span, known });
            if span.first_version <= from {
                break;
            }
        }
        Ok(found)
    }
}

/// Takes the way to memory of a look-up in several indexes together. Those that are not
/// loaded are left out.
fn approach<'a>(sources: impl Iterator<Item = &'a Arc<Source>>, sought: &Sought) {
    let mut runs: [Option<Arc<LoadedRun>>; APPROACHED] = [const { None }; APPROACHED];
    for (slot, source) in runs.iter_mut().zip(sources) {
        *slot = source.run();
    }
    // Nothing in between may lock: that would wait for what is under way.
    for step in 0..APPROACHES {
        runs.iter().flatten().for_each(|run| run.approach(sought, step));
    }
}

/// How many indexes are approached together.
const APPROACHED: usize = 8;

/// A stream, part by part.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) parts: Vec<Part>,
    /// Of parts that are small.
    pub(crate) offsets: Vec<u64>,
}

/// What one index has of a stream.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) source: Arc<Source>,
    pub(crate) span: Span,
    /// Which of the offsets are its, if they were asked for.
    pub(crate) known: Option<Range<usize>>,
}

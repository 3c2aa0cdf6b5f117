//! Control records: idempotency keys and what they came to, snapshots and named states.

use std::ops::Range;
use std::sync::Arc;

use annals_index::Kind;

use super::Catalog;
use super::entry::Entry;
use super::find::{Hit, extent_of};
use super::source::Source;
use super::view::View;
use crate::error::{Damage, Error, Result};
use crate::horizon::Bound;
use crate::names::{NamedVersions, Names, Versions};
use crate::record::key::Outcome;
use crate::record::walk::{Step, Walk};
use crate::segment::{Extent, scan};
use crate::snapshot::Snapshot;

/// How many snapshots are looked at together.
const SNAPSHOTS: u64 = 16;

impl Hit {
    /// What a key came to, if the record there is that key.
    pub(crate) fn outcome(&self, key: &str, bound: Bound) -> Result<Outcome> {
        let segment = &self.source.entry.segment;
        let extent = extent_of(&self.source.entry, bound)?;
        let (chunk, span) = segment.key(self.offset, extent)?;
        if span.fields.text(chunk.bytes_at(span.payload_at, span.payload_len)) != key {
            return Err(segment.corrupt(self.offset, Damage::Index));
        }
        Ok(span.head.outcome)
    }
}

impl Catalog {
    /// Where a key stands, durable or not.
    pub(crate) fn key(&self, view: &View, key: &str) -> Result<Option<Hit>> {
        for source in view.sources.iter().rev() {
            if let Some(offset) = source.ask(self, |index| index.last(Kind::Key, key))? {
                return Ok(Some(Hit { source: Arc::clone(source), offset }));
            }
        }
        Ok(None)
    }

    /// Where a key stands, if it was appended since runs were last made.
    pub(crate) fn key_in_tables(view: &View, key: &str) -> Option<Hit> {
        let tables = view.sources.iter().rev();
        for (source, table) in tables.map_while(|source| Some((source, source.table()?))) {
            let found = table.read().last(Kind::Key, key);
            if let Some(offset) = found {
                return Some(Hit { source: Arc::clone(source), offset });
            }
        }
        None
    }

    /// The streams that events of one batch were appended to, each with the version of its
    /// last one.
    pub(crate) fn versions_of(
        &self,
        view: &View,
        outcome: Outcome,
        bound: Bound,
    ) -> Result<Versions> {
        let mut names = Names::default();
        let mut after = NamedVersions::new();
        if outcome.events == 0 {
            return Ok(Versions::default());
        }
        let (place, first) = self.place(view, outcome.first_position)?;
        let Some(entry) = view.entry(place.segment()) else { return Err(Error::Closed) };
        let end = outcome.first_position + u64::from(outcome.events);
        if end > bound.position + 1 {
            return Err(entry.segment.corrupt(place.offset(), Damage::Order));
        }
        let mut walk = Walk::new(entry.segment.seed, place.offset(), first, None);
        while walk.next_position() < end {
            let wanted = outcome.first_position..end;
            step_events(entry, &mut walk, bound, wanted, &mut |stream, version| {
                let index = names.add(stream);
                names.written(index, 1);
                match after.get_mut(index) {
                    Some(last) => *last = version,
                    None => after.push(version),
                }
            })?;
        }
        Ok(Versions::new(Arc::new(names), after))
    }

    /// The newest snapshot of a stream or, with [`Kind::State`], the newest state of a
    /// name, that `wanted` takes. Those that it does not take are passed over.
    pub(crate) fn snapshot(
        &self,
        view: &View,
        (kind, name): (Kind, &str),
        bound: Bound,
        wanted: &mut dyn FnMut(&Snapshot) -> bool,
    ) -> Result<Option<Snapshot>> {
        for source in view.sources.iter().rev() {
            if let Some(found) = self.snapshot_in(source, (kind, name), bound, wanted)? {
                return Ok(Some(found));
            }
            // Nothing was folded before a stream began.
            if kind == Kind::Snapshot
                && source
                    .ask(self, |index| index.stream(name))?
                    .is_some_and(|span| span.first_version == 1)
            {
                break;
            }
        }
        Ok(None)
    }

    fn snapshot_in(
        &self,
        source: &Source,
        (kind, name): (Kind, &str),
        bound: Bound,
        wanted: &mut dyn FnMut(&Snapshot) -> bool,
    ) -> Result<Option<Snapshot>> {
        let segment = &source.entry.segment;
        let extent = extent_of(&source.entry, bound)?;
        let mut left = source.ask(self, |index| index.rank(kind, name, extent.limit))?;
        while left > 0 {
            let from = left.saturating_sub(SNAPSHOTS);
            let offsets = source.ask(self, |index| {
                let mut offsets = Vec::new();
                index.postings(kind, name, from..left, &mut offsets)?;
                Ok(offsets)
            })?;
            for offset in offsets.into_iter().rev() {
                let (chunk, span) = segment.snapshot(offset, extent)?;
                let payload = chunk.bytes_at(span.payload_at, span.payload_len);
                let snapshot = Snapshot::new(span.head, span.fields, payload);
                // If the record is not what the index said, nothing wrong is handed out.
                if snapshot.name() != name || snapshot.is_state() != (kind == Kind::State) {
                    return Err(segment.corrupt(offset, Damage::Index));
                }
                if wanted(&snapshot) {
                    return Ok(Some(snapshot));
                }
            }
            left = from;
        }
        Ok(None)
    }
}

/// Walks over one window, with a look at the events of the batch that holds these positions.
fn step_events(
    entry: &Entry,
    walk: &mut Walk,
    bound: Bound,
    positions: Range<u64>,
    visit: &mut dyn FnMut(&str, u64),
) -> Result<()> {
    let segment = &entry.segment;
    let extent = extent_of(entry, bound)?;
    let mut wanted = scan::FIRST_WINDOW_BYTES;
    let start = walk.offset();
    // Groups do not lie across the end of what lasts.
    let limit = if start < extent.lasting { extent.lasting } else { extent.limit }.max(start);
    loop {
        let chunk = segment.part(
            start,
            start.saturating_add(wanted).min(limit),
            Extent { limit, ..extent },
        )?;
        let window = chunk.window();
        loop {
            match walk.step(&window) {
                // What is wrong with other batches is no matter here.
                Ok(Step::Batch(batch)) => {
                    if batch.first_position + u64::from(batch.events) <= positions.start {
                        walk.skip_batch(&batch);
                    }
                }
                Ok(Step::Event(event)) => {
                    visit(event.fields.stream(event.payload), event.head.version);
                    if walk.next_position() >= positions.end {
                        return Ok(());
                    }
                }
                Ok(Step::GroupEnd { end }) if end >= limit => return Ok(()),
                Ok(_) => {}
                Err(error) => {
                    let position = Some(walk.next_position());
                    wanted = scan::more_needed(&error, &window, limit)
                        .ok_or_else(|| segment.fault(error, position))?;
                    break;
                }
            }
        }
        if walk.offset() > start {
            return Ok(());
        }
    }
}

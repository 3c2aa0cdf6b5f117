//! Walking the log in commit order, never beyond what may be seen: what cursors and
//! reads of the whole log have in common.

use std::sync::Arc;

use uuid::Uuid;

use super::Shared;
use super::events::Events;
use super::locate;
use crate::catalog::entry::Entry;
use crate::catalog::find::extent_of;
use crate::catalog::view::View;
use crate::checkpoint::Checkpoint;
use crate::error::{Corrupt, Damage, Error, Result};
use crate::horizon::Reach;
use crate::place::Place;
use crate::record::field::wide;
use crate::record::layout::{event, segment as layout};
use crate::record::walk::{Step, Walk};
use crate::segment::{Extent, scan};

/// How many bytes one `pread` asks for, unless a record needs more.
const WINDOW_BYTES: u64 = 256 << 10;

/// For how many events memory is taken at once.
const READY_EVENTS: usize = 1024;

/// No event takes fewer bytes.
const EVENT_BYTES_MIN: u64 = wide(event::LEN + event::NAMES);

/// A place in the log that moves forward.
#[derive(Debug)]
pub(crate) struct Forward {
    shared: Shared,
    reach: Reach,
    view: Arc<View>,
    entry: Arc<Entry>,
    walk: Walk,
    /// Events up to this position are passed over.
    after: u64,
    wanted: u64,
    epochs: Epochs,
    /// Of the horizon, when the walk began.
    life: u64,
}

/// Which epochs wrote what is walked over.
#[derive(Debug, Clone, Copy)]
struct Epochs {
    /// Of the group that the walk is in.
    current: u128,
    /// Position of that group's first event.
    from: u64,
    /// Of the last event before it.
    before: u128,
}

impl Epochs {
    /// The walk enters a group, after events up to `after` were delivered or passed over.
    const fn enter(&mut self, epoch: u128, from: u64, after: u64) {
        // A group without events is the epoch of nothing.
        if after >= self.from {
            self.before = self.current;
        }
        self.current = epoch;
        self.from = from;
    }

    /// The epoch that wrote the event at `after`.
    const fn of(&self, after: u64) -> u128 {
        if after >= self.from { self.current } else { self.before }
    }
}

impl Forward {
    /// Starts after `after`, which must be at most the position of the bound.
    pub(crate) fn after(shared: Shared, reach: Reach, after: u64) -> Result<Self> {
        let view = shared.catalog.view();
        let (place, position) = if after == 0 {
            (Place::new(1, wide(layout::DATA)), 1)
        } else {
            shared.catalog.place(&view, after)?
        };
        let Some(entry) = view.entry(place.segment()).cloned() else {
            return Err(Error::Closed);
        };
        let walk = Walk::new(entry.segment.seed, place.offset(), position, None);
        let life = shared.horizon.life();
        // Only where another process writes can what was read be there no more.
        let epoch = if life == 0 {
            0
        } else {
            locate::epoch_at(&shared, shared.horizon.indexed(reach)?, after)?
        };
        let epochs = Epochs { current: epoch, from: 0, before: epoch };
        Ok(Self { shared, reach, view, entry, walk, after, wanted: WINDOW_BYTES, epochs, life })
    }

    /// Position of the last event that was delivered or passed over.
    pub(crate) const fn position(&self) -> u64 {
        self.after
    }

    /// Up to where everything was read.
    pub(crate) fn place(&self) -> Place {
        Place::new(self.entry.segment.number, self.walk.offset())
    }

    /// Up to `max` events that may be seen, from one segment; none if there are none
    /// yet. Damage behind some events is told by the next call.
    pub(crate) fn next(&mut self, max: usize) -> Result<Events> {
        let bound = self.shared.horizon.bound(self.reach)?;
        if self.life != self.shared.horizon.life() {
            self.rejoin()?;
            return self.next(max);
        }
        loop {
            let extent = extent_of(&self.entry, bound)?;
            let at = self.walk.offset();
            if at >= extent.limit && self.walk.between_groups() {
                if self.entry.segment.number >= bound.place.segment() {
                    return Ok(Events::default());
                }
                self.next_segment()?;
                continue;
            }
            // Groups do not lie across the end of what lasts.
            let limit = if at < extent.lasting { extent.lasting } else { extent.limit };
            let events = self.read(Extent { limit, ..extent }, max)?;
            if !events.is_empty() || max == 0 {
                return Ok(events);
            }
        }
    }

    /// Another writer has the log: goes on behind the last event that was delivered, if
    /// that is still there.
    fn rejoin(&mut self) -> Result<()> {
        let bound = self.shared.horizon.indexed(self.reach)?;
        let checkpoint = Checkpoint {
            log: Uuid::from_u128(self.shared.catalog.log),
            epoch: Uuid::from_u128(self.epochs.of(self.after)),
            position: self.after,
        };
        let after = locate::resume(&self.shared, bound, checkpoint)?;
        *self = Self::after(self.shared.clone(), self.reach, after)?;
        Ok(())
    }

    fn read(&mut self, extent: Extent, max: usize) -> Result<Events> {
        let start = self.walk.offset();
        let limit = extent.limit.max(start);
        let end = start.saturating_add(self.wanted).min(limit);
        let chunk = self.entry.segment.part(start, end, Extent { limit, ..extent })?;
        self.wanted = WINDOW_BYTES;
        let window = chunk.window();
        // Memory at once for what is usually asked for, where these bytes can hold it:
        // growing step by step would copy it.
        let most = usize::try_from(limit.saturating_sub(start) / EVENT_BYTES_MIN).unwrap_or(max);
        let mut events = Events::with_capacity(max.min(most).min(READY_EVENTS));
        while events.len() < max && !(self.walk.between_groups() && self.walk.offset() >= limit) {
            let step = match self.walk.event(&window) {
                Ok(Some(event)) => Ok(Step::Event(event)),
                Ok(None) => self.walk.step(&window),
                Err(error) => Err(error),
            };
            match step {
                Ok(Step::Event(event)) => {
                    if event.head.position > self.after {
                        self.after = event.head.position;
                        events.push(&event.span());
                    }
                }
                Ok(Step::Group { frame, .. }) => {
                    self.epochs.enter(frame.epoch, self.walk.next_position(), self.after);
                }
                Ok(Step::Batch(batch)) => {
                    let last = batch.first_position + u64::from(batch.events) - 1;
                    if batch.events > 0 && last <= self.after {
                        self.walk.skip_batch(&batch);
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    if let Some(needed) = scan::more_needed(&error, &window, limit) {
                        self.wanted = WINDOW_BYTES.max(needed);
                    } else if events.is_empty() {
                        let position = self.walk.next_position();
                        return Err(self.entry.segment.fault(error, Some(position)));
                    }
                    break;
                }
            }
        }
        events.push_chunk(chunk);
        Ok(events)
    }

    fn next_segment(&mut self) -> Result<()> {
        let facts = self.entry.facts()?;
        let number = self.entry.segment.number;
        let whole = self.walk.next_position() == facts.next_position
            && self.walk.previous_crc().is_none_or(|crc| crc == facts.end_crc);
        if !whole {
            return Err(Error::Corrupt(Corrupt {
                file: self.entry.segment.name.clone(),
                segment: number,
                offset: facts.end,
                position: Some(self.walk.next_position()),
                cause: Damage::Link,
            }));
        }
        if self.view.entry(number + 1).is_none() {
            self.view = self.shared.catalog.view();
        }
        let next = self.view.entry(number + 1).cloned();
        let Some(next) = next else {
            return Err(self.entry.segment.corrupt(facts.end, Damage::Link));
        };
        self.walk = Walk::new(
            next.segment.seed,
            wide(layout::DATA),
            facts.next_position,
            Some(facts.end_crc),
        );
        self.entry = next;
        Ok(())
    }
}

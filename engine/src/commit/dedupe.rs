//! Batches that the log holds already, wholly or in part.

use super::Committer;
use super::answers::committed;
use crate::batch::{Batch, Encoded};
use crate::catalog::find::Hit;
use crate::committed::Committed;
use crate::durability::Durability;
use crate::error::{Difference, Error, Result};
use crate::event::Event;
use crate::horizon::Reach;
use crate::names::NamedVersions;
use crate::planted::{self, Bug};
use crate::record::event::{EventHead, Fields};
use crate::record::field::{size, wide};

impl Committer {
    /// The answer to a batch of which only some ids are in the log.
    pub(super) fn partly_known(&self, hit: &Hit, id: u128) -> Result<Error> {
        let bound = self.watermark.bound(Reach::Written);
        let position = hit.event(bound)?.as_event().position();
        let id = uuid::Uuid::from_u128(id);
        Ok(Error::DuplicateConflict { id, position, difference: Difference::SomeMissing })
    }

    /// The answer to a batch whose key is in the log: what the first one came to. It
    /// must be written by now.
    pub(super) fn first_outcome(
        &self,
        batch: &Batch,
        hit: &Hit,
        durability: Durability,
    ) -> Result<Committed> {
        let bound = self.watermark.bound(Reach::Written);
        let outcome = hit.outcome(batch.key().unwrap_or_default(), bound)?;
        let view = self.catalog.view();
        let versions = self.catalog.versions_of(&view, outcome, bound)?;
        let durable = hit.place() < bound.lasting;
        Ok(Committed {
            first_position: outcome.first_position,
            events: u64::from(outcome.events),
            versions,
            deduplicated: true,
            durability: if durable { Durability::Durable } else { durability },
        })
    }

    /// The answer to a batch whose ids are all in the log: its first outcome if it is
    /// the same batch. All of it must be written by now.
    pub(super) fn known(
        &self,
        batch: &Batch,
        hits: &[Hit],
        durability: Durability,
    ) -> Result<Committed> {
        let bound = self.watermark.bound(Reach::Written);
        let mut first_position = 0;
        let mut versions = NamedVersions::from_elem(0, batch.named().len());
        for (index, (event, hit)) in batch.events().iter().zip(hits).enumerate() {
            let stored = hit.event(bound)?;
            let stored = stored.as_event();
            if index == 0 {
                first_position = stored.position();
            }
            let conflict = |difference| Error::DuplicateConflict {
                id: uuid::Uuid::from_u128(event.id),
                position: stored.position(),
                difference,
            };
            if stored.position() != first_position + wide(index) {
                return Err(conflict(Difference::Order));
            }
            let submitted = as_submitted(batch, event);
            if !submitted.is_some_and(|submitted| submitted.same_content(&stored)) {
                return Err(conflict(Difference::Content));
            }
            if let Some(version) = versions.get_mut(event.stream) {
                *version = stored.version();
            }
        }
        let durable = hits.iter().all(|hit| hit.place() < bound.lasting)
            || planted::active(Bug::DuplicateCalledDurable);
        let durability = if durable { Durability::Durable } else { durability };
        let first = committed(batch, first_position, versions, durability);
        Ok(Committed { deduplicated: true, ..first })
    }
}

/// An encoded event of a batch, seen as an event. It has no place: only its content is
/// looked at.
fn as_submitted<'a>(batch: &'a Batch, event: &Encoded) -> Option<Event<'a>> {
    let payload = batch.filled_payload(event).get(..size(event.len))?;
    let head = EventHead { position: 0, version: 0, recorded_at: 0, last_of_batch: false };
    Some(Event { head, fields: Fields::read(payload)?, payload })
}

//! What is looked up before the lock is taken: streams and ids that only runs know,
//! so that no page fault happens under it.

use std::collections::HashSet;

use super::Committer;
use crate::batch::Batch;
use crate::catalog::find::Hit;
use crate::error::{Error, Result};
use crate::horizon::Reach;
use crate::planted::{self, Bug};

/// What was found, and of which generation of the index that holds. By default nothing
/// was looked up: streams that were written lately are in tables, and ids that were made
/// here are new.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    /// `None` if nothing was looked up.
    pub(super) generation: Option<u64>,
    /// Of each stream that the batch names.
    pub(super) versions: Vec<u64>,
    /// Of each event, where its id was found; empty if ids need no look-up.
    pub(super) known: Vec<Option<Hit>>,
    /// Where the batch's key was found.
    pub(super) key: Option<Hit>,
}

impl Committer {
    pub(super) fn prepare(&self, batch: &Batch) -> Result<Prepared> {
        // Before the view: what changes in between makes this stale, not wrong.
        let generation = self.catalog.generation();
        let view = self.catalog.view();
        let mut versions = Vec::with_capacity(batch.named().len());
        for named in batch.named() {
            versions.push(self.catalog.version(&view, &named.stream)?);
        }
        let key = match batch.key() {
            Some(key) if !planted::active(Bug::KeyLostAtReopen) => self.catalog.key(&view, key)?,
            _ => None,
        };
        let mut known = Vec::new();
        if batch.ids_may_exist() && !planted::active(Bug::DedupeLostAtReopen) {
            refuse_twice(batch)?;
            let bound = self.watermark.bound(Reach::Written);
            for event in batch.events() {
                known.push(self.catalog.id(&view, event.id, bound)?);
            }
        }
        Ok(Prepared { generation: Some(generation), versions, known, key })
    }
}

fn refuse_twice(batch: &Batch) -> Result<()> {
    if batch.len() < 2 {
        return Ok(());
    }
    let mut seen = HashSet::with_capacity(batch.len());
    if batch.events().iter().all(|event| seen.insert(event.id)) {
        Ok(())
    } else {
        Err(Error::Invalid { what: "event id", why: "the batch names it twice" })
    }
}

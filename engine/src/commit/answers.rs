//! Under the lock: whether there is an answer to a batch without placing it.

use super::prepare::Prepared;
use super::queue::Placement;
use crate::batch::{Batch, Named, Subject};
use crate::catalog::Catalog;
use crate::catalog::find::Hit;
use crate::catalog::view::View;
use crate::committed::{Committed, Durability};
use crate::error::{Error, Result};
use crate::record::field::wide;

/// The answer to a batch that is in the log. `versions` are those of the streams that it
/// names, after it.
pub(super) fn committed(
    batch: &Batch,
    first_position: u64,
    versions: &[u64],
    durability: Durability,
) -> Committed {
    let written = batch.named().iter().zip(versions).filter(|(named, _)| named.writes > 0);
    Committed {
        first_position,
        events: wide(batch.len()),
        versions: written.map(|(named, version)| (named.stream.clone(), *version)).collect(),
        deduplicated: false,
        durability,
    }
}

/// The first snapshot that says more than its stream will hold after the batch.
pub(super) fn ahead_of_stream(batch: &Batch, versions: &[u64]) -> Option<Error> {
    batch.controls().iter().find_map(|control| {
        let Subject::Stream(stream) = control.subject else { return None };
        let named = batch.named().get(stream)?;
        let actual = versions.get(stream)? + named.writes;
        (control.version > actual).then(|| Error::SnapshotAhead {
            stream: named.stream.clone(),
            version: control.version,
            actual,
        })
    })
}

/// Refuses a batch after which a stream's version would be no number that has a next one.
pub(super) fn versions_left(named: &[Named], versions: &[u64]) -> Result<()> {
    for (named, actual) in named.iter().zip(versions) {
        let limit = (u64::MAX - 1).saturating_sub(*actual);
        if named.writes > limit {
            return Err(Error::TooLarge { what: "versions", size: named.writes, limit });
        }
    }
    Ok(())
}

/// What there is to answer if the batch's key is in the log.
pub(super) fn known_key(batch: &Batch, prepared: &Prepared, view: &View) -> Option<Placement> {
    let key = batch.key()?;
    let hit = prepared.key.clone().or_else(|| Catalog::key_in_tables(view, key))?;
    Some(Placement::KnownKey(hit))
}

/// What there is to answer if ids of the batch are in the log.
pub(super) fn known_ids(batch: &Batch, prepared: &Prepared, view: &View) -> Option<Placement> {
    if prepared.known.is_empty() {
        return None;
    }
    let hits: Vec<Option<Hit>> = batch
        .events()
        .iter()
        .zip(&prepared.known)
        .map(|(event, known)| known.clone().or_else(|| Catalog::id_in_tables(view, event.id)))
        .collect();
    let found = hits.iter().flatten().count();
    if found == 0 {
        return None;
    }
    if found == batch.len() {
        return Some(Placement::Known(hits.into_iter().flatten().collect()));
    }
    let mut pairs = batch.events().iter().zip(hits);
    pairs.find_map(|(event, hit)| Some(Placement::Partly(hit?, event.id)))
}

/// Where each named stream is; `None` if one is in no table and was not looked up.
pub(super) fn versions(named: &[Named], prepared: &Prepared, view: &View) -> Option<Vec<u64>> {
    let find = |(index, named): (usize, &Named)| {
        Catalog::version_in_tables(view, &named.stream)
            .or_else(|| prepared.versions.get(index).copied())
    };
    named.iter().enumerate().map(find).collect()
}

/// The first stream that is not where it was expected.
pub(super) fn conflict(named: &[Named], versions: &[u64]) -> Option<Error> {
    named.iter().zip(versions).find_map(|(named, actual)| {
        let expected = named.expected.iter().find(|expected| !expected.allows(*actual))?;
        Some(Error::WrongExpectedVersion {
            stream: named.stream.clone(),
            expected: *expected,
            actual: *actual,
        })
    })
}

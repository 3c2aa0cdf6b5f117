//! Under the lock: whether there is an answer to a batch without placing it.

use annals_index::{StreamFound, Table};
use smallvec::SmallVec;

use super::prepare::Prepared;
use super::queue::Placement;
use crate::batch::{Batch, Subject};
use crate::catalog::Catalog;
use crate::catalog::find::Hit;
use crate::catalog::view::View;
use crate::committed::Committed;
use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::names::{Named, NamedVersions, Versions};
use crate::record::field::wide;

/// Where the streams that a batch names are in the active segment's table.
pub(super) type StreamsFound = SmallVec<[StreamFound; 4]>;

/// The answer to a batch that is in the log. `versions` are those of the streams that it
/// names, after it.
pub(super) fn committed(
    batch: &Batch,
    first_position: u64,
    versions: NamedVersions,
    durability: Durability,
) -> Committed {
    Committed {
        first_position,
        events: wide(batch.len()),
        versions: Versions::new(batch.shared_names(), versions),
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

/// What there is to answer if the batch's key or ids are in the log.
pub(super) fn known(batch: &Batch, prepared: &Prepared, catalog: &Catalog) -> Option<Placement> {
    if batch.key().is_none() && prepared.known.is_empty() {
        return None;
    }
    let view = catalog.view();
    known_key(batch, prepared, &view).or_else(|| known_ids(batch, prepared, &view))
}

/// What there is to answer if the batch's key is in the log.
fn known_key(batch: &Batch, prepared: &Prepared, view: &View) -> Option<Placement> {
    let key = batch.key()?;
    let hit = prepared.key.clone().or_else(|| Catalog::key_in_tables(view, key))?;
    Some(Placement::KnownKey(hit))
}

/// What there is to answer if ids of the batch are in the log.
fn known_ids(batch: &Batch, prepared: &Prepared, view: &View) -> Option<Placement> {
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

/// Where the streams that a batch names are in the active segment's table, and which version
/// it knows of each; 0 of one that it does not know.
pub(super) fn in_active(batch: &Batch, active: &Table) -> (NamedVersions, StreamsFound) {
    let (mut versions, mut streams) = (NamedVersions::new(), StreamsFound::new());
    for named in batch.named() {
        let found = active.find(&named.stream);
        versions.push(active.span(found).map_or(0, |span| span.last_version()));
        streams.push(found);
    }
    (versions, streams)
}

/// Where each named stream is, after what the active segment's table knows; `None` if one is
/// in no table and was not looked up.
pub(super) fn versions(
    batch: &Batch,
    prepared: &Prepared,
    catalog: &Catalog,
    mut known: NamedVersions,
) -> Option<NamedVersions> {
    if known.iter().all(|version| *version > 0) {
        return Some(known);
    }
    let view = catalog.view();
    for (index, (named, version)) in batch.named().iter().zip(&mut known).enumerate() {
        if *version == 0 {
            *version = Catalog::version_in_tables(&view, &named.stream)
                .or_else(|| prepared.versions.get(index).copied())?;
        }
    }
    Some(known)
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

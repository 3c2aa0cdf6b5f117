//! Events whose data are images of the log: of its own groups, of a whole segment, at
//! places where records may stand. They are torn then, so that the images lie in what is
//! searched for the end of the log.

use std::sync::Arc;

use annals::Durability;

use super::base::{Base, Making};
use super::hurt::{Damage, Files, Hurt};
use crate::format::{self, DATA, GROUP};
use crate::oracle::Broken;
use crate::program::{Op, What};
use crate::told::{Entry, Told};

/// The stream of the images.
const STREAM: &str = "image";

/// Bytes of an event's payload before its data: 20 fixed ones, stream, type, and one tag of
/// one letter.
const BEFORE_DATA: usize = 20 + STREAM.len() + crate::told::EVENT_TYPE.len() + 2 + 2;

/// So much of a segment as an image leaves no room for a second one beside it.
const FILLS: usize = 9_000;

fn image(id: u128, bytes: &[u8]) -> Entry {
    // Filled up in front, so that the image begins where a record may.
    let mut data = vec![1; BEFORE_DATA.next_multiple_of(8) - BEFORE_DATA];
    data.extend(bytes);
    Entry::of(vec![Told { stream: STREAM.into(), id, data: data.into(), last: true }])
}

/// The groups of a segment, without what is behind them.
fn groups(files: &Files, number: usize) -> Vec<Vec<u8>> {
    let name = format!("{number:020}.seg");
    let bytes = files.get(&name).cloned().unwrap_or_default();
    let records = format::records(&bytes);
    let groups = records.iter().filter(|record| record.kind == GROUP);
    groups.filter_map(|group| bytes.get(group.range()).map(<[u8]>::to_vec)).collect()
}

/// A log of three segments, full of images of itself.
///
/// # Errors
/// If making it breaks a promise.
pub fn base(seed: u64) -> Result<Base, Broken> {
    let mut making = Making::new(seed)?;
    let plain = |what| Op::Append(what, Durability::Durable);
    let mut ids = (u128::from(seed) << 64)..;
    let mut put = |making: &mut Making, bytes: &[u8], level| {
        let entry = image(ids.next().unwrap_or(0), bytes);
        making.with(|run| run.append(entry, level))
    };
    making.step(plain(What::Small))?;
    making.step(plain(What::Batch))?;
    // Of the group before it, and of all groups; then a whole small segment.
    let before = groups(&making.files(), 1);
    for level in [Durability::Durable, Durability::Written] {
        put(&mut making, before.last().map_or(&[], |group| group), level)?;
        put(&mut making, &before.concat(), level)?;
    }
    let first = making.files().get("00000000000000000001.seg").cloned().unwrap_or_default();
    put(&mut making, first.get(..DATA + 1024).unwrap_or_default(), Durability::Durable)?;
    let whole = first.get(..FILLS).unwrap_or_default();
    put(&mut making, whole, Durability::Durable)?;
    let of_first = groups(&making.files(), 1);
    put(&mut making, of_first.first().map_or(&[], |group| group), Durability::Durable)?;
    put(&mut making, whole, Durability::Durable)?;
    // The newest segment begins with images of the groups of the one before.
    for group in groups(&making.files(), 2).iter().filter(|group| group.len() < 2_000) {
        put(&mut making, group, Durability::Durable)?;
    }
    put(&mut making, &before.concat(), Durability::Durable)?;
    put(&mut making, first.get(..DATA + 512).unwrap_or_default(), Durability::Durable)?;
    put(&mut making, &before.concat(), Durability::Written)?;
    making.done(false)
}

/// Each group that holds an image, torn in every way that leaves the image or a part of it:
/// its head is gone, or its sector; it ends somewhere; only the image is left of it.
pub fn torn(base: &Base) -> Vec<Damage> {
    let mut all = Vec::new();
    for (name, bytes) in base.files.iter().filter(|(name, _)| name.ends_with(".seg")) {
        let records = format::records(bytes);
        for record in records.iter().filter(|record| record.kind == format::EVENT) {
            let group = record.within.last().copied().unwrap_or(record.at);
            let data = record.at + record.head + BEFORE_DATA.next_multiple_of(8);
            let end = record.range().end;
            let place = format!("the group at {group} of {name}");
            let mut add = |hurt, what: String| all.push(Damage::to(name, hurt, what));
            add(Hurt::Zero(group..group + 8), format!("{place} without the start of its head"));
            add(Hurt::Zero(group..data.min(end)), format!("{place}, the image alone"));
            let sector = group / 512 * 512;
            add(Hurt::Zero(sector.max(DATA)..sector + 512), format!("{place} without its sector"));
            for from in (group..end).step_by(8) {
                add(Hurt::Zero(from..bytes.len()), format!("{place} zero from {from} on"));
            }
            // The image as it is, at the place of the group that it lies in.
            let image: Arc<[u8]> = bytes.get(data..end).unwrap_or_default().into();
            add(Hurt::Put(group, image), format!("{place} replaced by its image"));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_begin_where_records_may() {
        let base = base(1).unwrap();
        let frames = |bytes: &[u8]| {
            let at = (DATA..bytes.len()).step_by(8);
            at.filter(|at| bytes.get(at + 4..at + 8) == Some(&[GROUP, 0, 64, 0])).count()
        };
        for (name, bytes) in base.files.iter().filter(|(name, _)| name.ends_with(".seg")) {
            let real = format::records(bytes).iter().filter(|record| record.kind == GROUP).count();
            println!("{name}: {} frames, {real} groups", frames(bytes));
            assert!(frames(bytes) > real, "{name}");
        }
    }
}

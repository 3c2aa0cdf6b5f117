//! Disks that are full: what does not fit is said so, and heals.

use std::sync::Arc;

use annals::io::sim::SimStorage;
use annals::{Durability, Error};

use crate::check::{must_open, open, options, read_all};
use crate::numbers::{digest, narrow};
use crate::oracle::{Broken, End, Oracle};
use crate::told::{Entry, Told};

/// Fills a disk of this size: what does not fit is [`Error::Full`], uses no number and
/// leaves nothing, reads go on, and once there is space the same append works
/// without reopening. Returns how many events fitted.
///
/// # Errors
/// If it is otherwise.
pub fn full_disk_heals(capacity: u64) -> Result<usize, Broken> {
    let disk = SimStorage::new();
    disk.set_capacity(Some(capacity));
    let log = match open(&disk, annals::Reading::Mapped) {
        Err(Error::Full { .. }) => return made_later(&disk),
        other => other.map_err(|error| Broken::new("12: full is said to be full", error))?,
    };
    let mut oracle = Oracle::default();
    let mut healed = None;
    for number in 0..60 {
        let told = Entry::of(vec![Told::make("a-1", 1 << 100 | number, 900)]);
        let level = LEVELS.into_iter().cycle().nth(narrow(digest(&number) % 3));
        let level = level.unwrap_or_default();
        match log.append_with(&oracle.batch(&told), level) {
            Ok(_) => oracle.entries.push(told),
            Err(Error::Full { .. }) if healed.is_none() => {
                let held = oracle.admits(&read_all(&log)?, End::Cut)?;
                if *held.end() != oracle.entries.len() {
                    return Err(Broken::new("12: full leaves all that was before", "less"));
                }
                healed = Some(oracle.entries.len());
                disk.set_capacity(None);
                let again = log.append_with(&oracle.batch(&told), level);
                again.map_err(|error| Broken::new("12: full heals", error))?;
                oracle.entries.push(told);
            }
            Err(error) => return Err(Broken::new("12: full is said to be full", error)),
        }
    }
    // Closing makes all of it durable.
    log.close().map_err(|error| Broken::new("12: full heals", error))?;
    oracle.durable = oracle.entries.len();
    let log = must_open(&disk, annals::Reading::Pread)?;
    oracle.admits(&read_all(&log)?, End::Cut)?;
    Ok(healed.unwrap_or(oracle.entries.len()))
}

const LEVELS: [Durability; 3] = [Durability::Durable, Durability::Written, Durability::Buffered];

fn made_later(disk: &SimStorage) -> Result<usize, Broken> {
    disk.set_capacity(None);
    let opened = options(annals::Reading::Mapped).open_on(Arc::new(disk.clone()));
    opened.map(|_| 0).map_err(|error| Broken::new("12: full heals", error))
}

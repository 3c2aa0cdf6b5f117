//! A log on a file system that keeps no more than POSIX asks for.
//!
//! ext4 and XFS forgive a directory that is not synced: a new file's own sync carries its
//! name along. So what a log owes to stricter ones shows only on such a one
//! ([`strict`](devices::strict)): children use a log there through the ordinary calls of
//! the system, and the directory is put together as a power cut may have left it.
//! `ANNALS_STRICT_IMAGES` sets at how many moments.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod devices;

use std::path::Path;
use std::sync::Arc;

use annals::planted::Bug;
use annals_fuzz::numbers::Numbers;
use annals_fuzz::oracle::End;
use annals_fuzz::real::recover::{leave_foreign, recover};
use annals_fuzz::real::watch::Watched;
use devices::alone;
use devices::lives::{self, Life};
use devices::looks::{self, Images, Looked, Seen};
use devices::strict::{Deed, Strict, crash};

const PROGRAMS: [&str; 1] = ["/dev/fuse"];

/// How many moments are looked at.
const IMAGES: Images = Images {
    variable: "ANNALS_STRICT_IMAGES",
    otherwise: 200,
    workload: 100,
    file: "strict_files",
};

/// How often the power is cut under the children before they start on a fresh log.
const CUTS: u64 = 3;

/// Records a workload and looks at so many moments of it, or until something is broken. The
/// next workload goes on where one of these moments has left the log.
fn look(work: &Path, wanted: u64, seed: u64, bug: Option<Bug>) -> Looked {
    let from = work.join("from");
    fresh(&from);
    leave_foreign(&from).unwrap();
    let mut base = Watched::new(seed);
    let (mut seen, mut all_deeds) = (Seen::default(), 0);
    let mut numbers = Numbers::new(seed);
    for cut in 1..=CUTS {
        let strict = Arc::new(Strict::new(&work.join("strict"), &from));
        let settled = strict.count();
        let counted = Arc::clone(&strict);
        let lives = lives::record(strict.path(), seed, bug, &base, move || counted.count());
        let deeds = strict.deeds();
        drop(strict);
        all_deeds += deeds.len();
        for _ in seen.images..wanted * cut / CUTS {
            let told = moment(&deeds, settled, &lives, &mut numbers);
            let mut watched = lives::watched_at(&base, told, &lives);
            seen.image(&watched);
            let crashed = work.join("crashed");
            fresh(&crashed);
            crash(&deeds[..told], &mut numbers, &crashed);
            recover(&mut watched, End::Cut, &crashed).map_err(|broken| {
                (seen.images, broken.within(format!("cut {cut}, after {told} deeds")))
            })?;
            seen.found += watched.counts.found;
        }
        let told = moment(&deeds, settled, &lives, &mut numbers);
        base = lives::watched_at(&base, told, &lives);
        base.pass(End::Cut);
        fresh(&from);
        crash(&deeds[..told], &mut numbers, &from);
    }
    seen.recorded = format!("{all_deeds} deeds");
    Ok(seen)
}

/// After a promise, after a sync, or anywhere.
fn moment(deeds: &[Deed], settled: usize, lives: &[Life], numbers: &mut Numbers) -> usize {
    let mut told = settled + numbers.below((deeds.len() - settled) as u64 + 1) as usize;
    match numbers.below(4) {
        0 => {
            let synced = |deed: &Deed| matches!(deed, Deed::Sync { .. } | Deed::SyncNames);
            told += deeds[told..].iter().position(synced).map_or(0, |place| place + 1);
        }
        1 | 2 => told = lives::promised(lives, numbers).unwrap_or(told),
        _ => {}
    }
    told.clamp(settled, deeds.len())
}

/// An empty directory.
fn fresh(directory: &Path) {
    drop(std::fs::remove_dir_all(directory));
    std::fs::create_dir(directory).unwrap();
}

#[test]
fn no_more_is_counted_on_than_what_was_synced() {
    let name = "no_more_is_counted_on_than_what_was_synced";
    alone(name, &PROGRAMS, |work| {
        looks::nothing_is_lost(name, IMAGES, |wanted, seed| look(work, wanted, seed, None));
    });
}

/// Plants a bug in the child; images have to show it, so many at the most.
fn is_caught(name: &str, bug: Bug, within: u64) {
    alone(name, &PROGRAMS, |work| {
        looks::is_caught(bug, within, |wanted, seed| look(work, wanted, seed, Some(bug)));
    });
}

#[test]
fn a_directory_that_is_not_synced_is_caught() {
    is_caught("a_directory_that_is_not_synced_is_caught", Bug::NoDirectorySync, 400);
}

#[test]
fn an_acknowledgement_before_the_sync_is_caught() {
    is_caught("an_acknowledgement_before_the_sync_is_caught", Bug::AcknowledgeBeforeSync, 400);
}

#[test]
fn a_roll_without_a_sync_is_caught() {
    is_caught("a_roll_without_a_sync_is_caught", Bug::NoSyncAtRoll, 400);
}

#[test]
fn a_close_that_forgets_what_is_in_memory_is_caught() {
    let name = "a_close_that_forgets_what_is_in_memory_is_caught";
    is_caught(name, Bug::CloseForgetsBuffered, 1_000);
}

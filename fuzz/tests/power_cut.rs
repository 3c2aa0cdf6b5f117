//! The power of a real ext4 and a real XFS is cut under a log.
//!
//! A child appends to a log on a file system of its own. At some moment everything that
//! the file system has not given to its device is lost, by the shutdown that its
//! developers test with: what is in the page cache, and what of the file system's own
//! journal is in memory. Then it is mounted again, which plays back the journal that is on
//! the device, and the log must hold what the child was promised. The next life goes on in
//! the same file system. `ANNALS_POWER_CUTS` sets how many cuts there are of each kind.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod devices;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use annals::Durability;
use annals::planted::Bug;
use annals_fuzz::numbers::Numbers;
use annals_fuzz::oracle::{Broken, End};
use annals_fuzz::real::child::ChildPlan;
use annals_fuzz::real::recover::{leave_foreign, recover};
use annals_fuzz::real::watch::Watched;
use devices::child::{Running, learn};
use devices::mounts::{Kind, Mounted};
use devices::{alone, count, run, seed};

/// How many lives a file system has at the most, before the next one is made.
const LIVES: u64 = 8;

/// What there was to see.
#[derive(Debug, Default)]
struct Seen {
    cuts: u64,
    acknowledged: u64,
    found: u64,
    lost: u64,
}

/// How the child of one life works.
fn plan(watched: &Watched, log: &Path, seed: u64, bug: Option<Bug>) -> ChildPlan {
    let mut numbers = Numbers::new(seed ^ u64::from(watched.life()) << 40);
    let mut plan = ChildPlan::new(log, seed, watched.life());
    plan.bug = bug;
    plan.writers = 1 + numbers.below(4) as u16;
    plan.level = [None, None, Some(Durability::Durable)][numbers.below(3) as usize];
    plan.segment_bytes = [64 << 10, 64 << 10, 256 << 10][numbers.below(3) as usize];
    plan.inline = numbers.below(4) == 0;
    plan.pread = numbers.below(2) == 0;
    plan.tail = numbers.below(3) == 0;
    plan.reopen_every = [0, 0, 20][numbers.below(3) as usize];
    plan
}

/// One life that ends with the power.
fn live(watched: &mut Watched, image: &Path, at: &Path, kind: Kind, seed: u64, bug: Option<Bug>) {
    let mounted = Mounted::image(kind, image, at);
    let log = mounted.path().join("log");
    if watched.life() == 1 {
        leave_foreign(&log).unwrap();
        run("sync", &["--file-system", log.to_str().unwrap()]).unwrap();
    }
    let mut numbers = Numbers::new(seed ^ u64::from(watched.life()));
    let over = Arc::new(AtomicBool::new(false));
    let stamp = {
        let over = Arc::clone(&over);
        move || usize::from(over.load(Ordering::SeqCst))
    };
    let mut child = Running::start(&plan(watched, &log, seed, bug), stamp);
    // By lines, so that it does not depend on how fast this machine is. The first ones
    // are told while the log is opened.
    let lines = [2, 40, 400, 1500][numbers.below(4) as usize];
    child.await_lines(numbers.below(lines) as usize, Duration::from_secs(3));
    std::thread::sleep(Duration::from_micros(numbers.below(5_000)));
    // A sync that meets the shutdown half way can come back without an error, on either
    // file system: it finds its part of the journal thrown away and takes it for written.
    // A power cut has nobody left to hear that. So what is heard from here on promises
    // nothing.
    over.store(true, Ordering::SeqCst);
    mounted.cut_power();
    let (_, told) = child.ended(Duration::from_secs(3));
    learn(watched, &told, |stamp| stamp == 0);
}

/// Cuts the power so often, or until something is broken; then after how many cuts.
fn cut_often(
    kind: Kind,
    work: &Path,
    cuts: u64,
    seed: u64,
    bug: Option<Bug>,
) -> Result<Seen, (u64, Broken)> {
    let (image, at) = (work.join("image"), work.join("file-system"));
    let mut seen = Seen::default();
    let mut numbers = Numbers::new(seed);
    while seen.cuts < cuts {
        // So large that no log fills it, however fast the machine is.
        kind.make(&image, 4 * kind.bytes());
        let seed = numbers.next();
        let mut watched = Watched::new(seed);
        let lives = (1 + numbers.below(LIVES)).min(cuts - seen.cuts);
        for life in 1..=lives {
            live(&mut watched, &image, &at, kind, seed, bug);
            seen.cuts += 1;
            // Now and then the next child has to cope with it, and loses the power too,
            // perhaps while it recovers.
            if life < lives && numbers.below(3) == 0 {
                watched.pass(End::Cut);
                continue;
            }
            let mounted = Mounted::image(kind, &image, &at);
            let cut = |broken: Broken| (seen.cuts, broken.within(format!("life {life}")));
            recover(&mut watched, End::Cut, &mounted.path().join("log")).map_err(cut)?;
        }
        seen.acknowledged += watched.counts.acknowledged;
        seen.found += watched.counts.found;
        seen.lost += watched.counts.lost;
    }
    Ok(seen)
}

fn programs(kind: Kind) -> [&'static str; 3] {
    [kind.program(), "xfs_io", "/dev/loop-control"]
}

fn nothing_is_lost(name: &str, kind: Kind) {
    alone(name, &programs(kind), |work| {
        let (cuts, seed) = (count("ANNALS_POWER_CUTS", 50), seed());
        let began = Instant::now();
        match cut_often(kind, work, cuts, seed, None) {
            Ok(Seen { cuts, acknowledged, found, lost }) => println!(
                "{kind:?}: {cuts} cuts, {acknowledged} batches acknowledged, {found} events \
                 found, {lost} batches lost that were promised to nobody, in {:.1} s",
                began.elapsed().as_secs_f64()
            ),
            Err((cut, broken)) => panic!(
                "{kind:?}, cut {cut}: {broken}\nagain (its moment may be another): \
                 ANNALS_SEED={seed} ANNALS_POWER_CUTS={cuts} \
                 cargo test -p annals-fuzz --test power_cut {name}"
            ),
        }
    });
}

#[test]
fn ext4_loses_nothing_durable_with_the_power() {
    nothing_is_lost("ext4_loses_nothing_durable_with_the_power", Kind::Ext4);
}

#[test]
fn xfs_loses_nothing_durable_with_the_power() {
    nothing_is_lost("xfs_loses_nothing_durable_with_the_power", Kind::Xfs);
}

/// Plants a bug in the child; it has to be seen within that many cuts.
fn is_caught(name: &str, bug: Bug, within: u64) {
    alone(name, &programs(Kind::Ext4), |work| {
        for kind in [Kind::Ext4, Kind::Xfs] {
            let began = Instant::now();
            let caught = cut_often(kind, work, within, seed(), Some(bug));
            let took = began.elapsed().as_secs_f64();
            let Err((cuts, broken)) = caught else {
                panic!("{bug:?} was not caught on {kind:?} by {within} cuts in {took:.1} s");
            };
            println!("{bug:?}: caught on {kind:?} after {cuts} cuts in {took:.2} s: {broken:.120}");
        }
    });
}

#[test]
fn an_acknowledgement_before_the_sync_is_caught() {
    let name = "an_acknowledgement_before_the_sync_is_caught";
    is_caught(name, Bug::AcknowledgeBeforeSync, 40);
}

#[test]
fn a_roll_without_a_sync_is_caught() {
    is_caught("a_roll_without_a_sync_is_caught", Bug::NoSyncAtRoll, 100);
}

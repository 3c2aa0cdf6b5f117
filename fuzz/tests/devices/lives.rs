//! Children that use one log after the other on something that counts what it is asked.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use annals::planted::Bug;
use annals_fuzz::numbers::Numbers;
use annals_fuzz::oracle::End;
use annals_fuzz::real::child::ChildPlan;
use annals_fuzz::real::watch::Watched;

use super::child::{Running, Stamped, learn};

/// How many children use a log.
const LIVES: u32 = 3;

/// How long a child may take to do its work, or to notice that it cannot.
pub const CHILD: Duration = Duration::from_secs(20);

/// What a child told, and what the counter stood at when it began.
#[derive(Debug)]
pub struct Life {
    began: usize,
    told: Vec<Stamped>,
}

/// How the child of that life works.
pub fn plan(log: &Path, seed: u64, life: u32, bug: Option<Bug>) -> ChildPlan {
    let mut numbers = Numbers::new(seed ^ u64::from(life) << 40);
    let mut plan = ChildPlan::new(log, seed, life);
    plan.bug = bug;
    plan.writers = 1 + numbers.below(3) as u16;
    plan.segment_bytes = [16 << 10, 64 << 10][numbers.below(2) as usize];
    plan.inline = numbers.below(4) == 0;
    plan.pread = numbers.below(2) == 0;
    plan.tail = numbers.below(2) == 0;
    plan.batches = 30 + numbers.below(60) as u32;
    plan.reopen_every = [0, 20][numbers.below(2) as usize];
    plan.pause = [0, 500][numbers.below(2) as usize];
    plan
}

/// Lets children work on a log of which `base` is known. All but the last are killed on the
/// way, so that the next one recovers; no power is cut.
pub fn record(
    log: &Path,
    seed: u64,
    bug: Option<Bug>,
    base: &Watched,
    counter: impl Fn() -> usize + Clone + Send + 'static,
) -> Vec<Life> {
    let first = base.life();
    let mut numbers = Numbers::new(seed ^ u64::from(first) << 20);
    let live = |life| {
        let began = counter();
        let mut child = Running::start(&plan(log, seed, life, bug), counter.clone());
        if life == first + LIVES - 1 {
            return Life { began, told: child.ended(CHILD).1 };
        }
        child.await_lines(numbers.below(200) as usize, CHILD);
        Life { began, told: child.ended(Duration::ZERO).1 }
    };
    (first..first + LIVES).map(live).collect()
}

/// What is known of the log after a power cut at the moment at which the counter stood at
/// `told`.
pub fn watched_at(base: &Watched, told: usize, lives: &[Life]) -> Watched {
    let mut watched = base.clone();
    for (index, life) in lives.iter().enumerate() {
        // Nothing that this one did was asked for by then.
        if index > 0 && life.began >= told {
            break;
        }
        if index > 0 {
            watched.pass(End::Cut);
        }
        learn(&mut watched, &life.told, |stamp| stamp <= told);
    }
    watched
}

/// A moment at which something had just been promised: after a line of the children, of
/// any kind as likely as of any other.
pub fn promised(lives: &[Life], numbers: &mut Numbers) -> Option<usize> {
    let mut kinds: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (stamp, line) in lives.iter().flat_map(|life| &life.told) {
        kinds.entry(line.split(' ').next()?).or_default().push(*stamp);
    }
    kinds.remove("s");
    let stamps = kinds.into_values().nth(numbers.below(6) as usize)?;
    stamps.get(numbers.below(stamps.len() as u64) as usize).copied()
}

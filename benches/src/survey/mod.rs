//! How cost grows: the same use of annals at several sizes, each beside its floor, in turns.
//!
//! The rows of [`rows`](crate::rows) hold one size each and are compared with bars; a survey
//! moves one size at a time over what a user asks for, on the user's own disk, and keeps
//! every figure of every round as a [`Fact`], so that tables and plots can be drawn from
//! it later.
//!
//! * `fact`: what is measured, and one figure of it
//! * [`Plan`]: which works, how often and how long
//! * [`Survey`]: the facts with what they were taken on, and their text form
//! * [`Row`]: medians and spreads of one work
//! * `turns`: floor and annals in turns; progress; stopping
//! * `append`, `streams`, `replay`, `reads`, `open`, `tail`: the parts
//! * `heads`, `index`, `records`: floors of these sizes, beside those of [`floors`](crate::floors)
//! * [`child`]: a process that is killed

mod append;
pub mod child;
mod fact;
mod heads;
mod index;
mod open;
mod plan;
mod reads;
mod records;
mod replay;
mod row;
mod streams;
mod tail;
mod text;
mod turns;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::Result;

pub use fact::{Fact, Measure, Part, Side, Way, Word, Work};
pub use plan::{DEFAULT_PAYLOAD, Plan};
pub use row::{Figure, Row, rows};
pub use text::{About, Survey};
pub use turns::{Progress, Stopped, histogram_step};

/// What the temporary directory of a run is called, and something random behind it.
pub const PLACE_PREFIX: &str = "annals-bench-";

/// Takes every figure of the plan in a temporary directory below `directory`, which is gone
/// afterwards, and adds them to `facts` work by work: what was measured before an
/// error, or before `stop` was set, is there. Writes up to 4 GiB at a time; where the plan asks
/// for larger logs, 1 GiB and 1.2 times as much as the largest of them. Ten million streams
/// take 7 GiB.
///
/// # Errors
/// [`Stopped`] soon after `stop` was set. If the disk or the log fails.
pub fn run(
    plan: &Plan,
    directory: &Path,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(&Progress),
    facts: &mut Vec<Fact>,
) -> Result<()> {
    plan.check()?;
    let works = plan.works();
    let place = tempfile::Builder::new().prefix(PLACE_PREFIX).tempdir_in(directory)?;
    let mut turns = turns::Turns::new(plan, works.len(), stop, watch);
    for (number, work) in works.iter().enumerate() {
        let room = place.path().join(number.to_string());
        std::fs::create_dir(&room)?;
        let measured = match work.part {
            Part::Append => append::measure(work, &room, &mut turns),
            Part::Streams => streams::measure(work, &room, &mut turns),
            Part::Replay => replay::measure(work, &room, &mut turns),
            Part::Reads => reads::measure(work, &room, &mut turns),
            Part::Open => open::measure(work, &room, plan, &mut turns),
            Part::Tail => tail::measure(work, &room, &mut turns),
        };
        facts.extend(measured?);
        // The next work does not pay for what this one left on the disk.
        std::fs::remove_dir_all(&room)?;
    }
    place.close()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tiny() -> Plan {
        Plan {
            rounds: 2,
            turn: Duration::from_millis(10),
            threads: vec![1, 3],
            batches: vec![1, 5],
            payloads: vec![16, 300],
            tickets: vec![8],
            streams: vec![50],
            log_bytes: vec![1 << 20],
            ..Plan::quick(Vec::new())
        }
    }

    /// Everything but what needs a process to kill: that is tried with the program.
    fn without_kills(plan: Plan) -> Plan {
        let parts = plan.parts.iter().copied().filter(|part| *part != Part::Open).collect();
        Plan { parts, ..plan }
    }

    #[test]
    fn every_work_has_a_row_and_nothing_is_left_behind() {
        let directory = tempfile::tempdir().unwrap();
        let plan = without_kills(tiny());
        let (stop, mut facts) = (AtomicBool::new(false), Vec::new());
        run(&plan, directory.path(), &stop, &mut |_| {}, &mut facts).unwrap();
        let rows = rows(&facts);
        assert_eq!(rows.iter().map(|row| row.work).collect::<Vec<_>>(), plan.works());
        for row in rows {
            let figures = [row.floor, row.annals, row.ratio];
            assert!(figures.iter().all(|figure| figure.median > 0.0), "{row:?}");
        }
        assert!(facts.iter().all(|fact| (1..=2).contains(&fact.round) && fact.value > 0.0));
        let steps = |part| {
            facts.iter().any(|fact| fact.work.part == part && fact.measure == Measure::Calls)
        };
        assert!(steps(Part::Append), "there is a histogram of syncs");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_survey_that_is_stopped_keeps_whole_works_and_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let plan = Plan { parts: vec![Part::Append], ..tiny() };
        let (stop, mut facts) = (AtomicBool::new(false), Vec::new());
        let third = plan.works().get(2).copied();
        let mut watch = |progress: &Progress| {
            assert!(progress.done < progress.total);
            if Some(progress.work) == third {
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        };
        let ended = run(&plan, directory.path(), &stop, &mut watch, &mut facts);
        assert!(ended.unwrap_err().is::<Stopped>());
        assert_eq!(rows(&facts).len(), 2);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

//! Children that use a log and are killed, and faults planted in them that this sees.
#![allow(clippy::unwrap_used)]

use annals::planted::Bug;
use annals_fuzz::real::kill::{KillPlan, Killed, run};

fn plan(seed: u64) -> KillPlan {
    let child = [env!("CARGO_BIN_EXE_annals-fuzz"), "child"];
    KillPlan::new(child.map(Into::into).to_vec(), seed)
}

/// The number in the environment, if there is one.
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn no_kill_breaks_a_promise() {
    let plan = plan(asked("ANNALS_KILL_SEED").unwrap_or(20_261_121));
    let kills = asked("ANNALS_KILLS").unwrap_or(plan.kills);
    let killed = run(&KillPlan { kills, ..plan }, |killed: &Killed| {
        if killed.kills.is_multiple_of(1000) {
            println!("{killed}");
        }
    });
    println!("{killed}");
    if let Some(failure) = &killed.failure {
        panic!("{failure}");
    }
    assert_eq!(killed.kills, kills);
    // If the children did nothing, nothing could be broken.
    assert!(killed.acknowledged > 20 * kills && killed.delivered > 10 * kills, "{killed}");
    assert!(killed.lost > 0 && killed.while_opening > 0, "{killed}");
}

/// What a kill can show. What only a power cut shows is seen elsewhere: the system's
/// memory survives a killed process.
const SEEN: [Bug; 7] = [
    Bug::WrittenBeforeWrite,
    Bug::DedupeLostAtReopen,
    Bug::KeyLostAtReopen,
    Bug::PositionsRestarted,
    Bug::SyncDoesNothing,
    Bug::SnapshotLostAtReopen,
    Bug::SnapshotTakesPosition,
];

#[test]
fn faults_that_are_planted_in_the_children_are_seen() {
    let mut missed = Vec::new();
    for bug in SEEN {
        let killed = run(&KillPlan { kills: 100, bug: Some(bug), ..plan(1) }, |_| {});
        let Some(failure) = &killed.failure else {
            missed.push(bug);
            continue;
        };
        let seen = failure.broken.to_string();
        println!(
            "{bug:?}: after {} kills in {:.1} s: {}",
            killed.kills,
            killed.took.as_secs_f64(),
            seen.chars().take(120).collect::<String>()
        );
        std::fs::remove_dir_all(&failure.kept).unwrap();
    }
    assert!(missed.is_empty(), "{missed:?}");
}

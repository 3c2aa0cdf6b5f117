//! Failing calls, full disks, and followers of a failed group.

use annals_fuzz::faults::{CANONICAL, full_disk_heals, sweep};

#[test]
fn no_failed_call_is_followed_by_a_lie() {
    let swept =
        sweep(&CANONICAL.parse().unwrap(), None).unwrap_or_else(|broken| panic!("{broken}"));
    println!("{} runs with a failing call, {} crash states after them", swept.runs, swept.states);
    assert!(swept.runs > 500, "{swept:?}");
}

#[test]
fn a_full_disk_is_said_to_be_full_and_heals() {
    let mut fitted = std::collections::BTreeSet::new();
    for capacity in (0..64 << 10).step_by(1 << 10) {
        let events = full_disk_heals(capacity).unwrap_or_else(|b| panic!("{capacity}: {b}"));
        fitted.insert(events);
    }
    assert!(fitted.len() > 3, "{fitted:?}");
}

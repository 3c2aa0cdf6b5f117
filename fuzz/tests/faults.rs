//! Failing calls, full disks, and followers of a failed group.

use annals_fuzz::faults::full::full_disk_heals;
use annals_fuzz::faults::{CANONICAL, beside, sweep};

#[test]
fn no_failed_call_is_followed_by_a_lie() {
    let swept =
        sweep(&CANONICAL.parse().unwrap(), None).unwrap_or_else(|failure| panic!("{failure}"));
    let (runs, states, took) = (swept.runs, swept.states, swept.took.as_secs_f64());
    println!("{runs} runs with a failing call, {states} crash states after them, {took:.1} s");
    assert!(swept.runs > 5_400, "{swept:?}");
}

#[test]
fn no_failed_call_of_a_reader_is_followed_by_a_lie() {
    let swept = beside::sweep().unwrap_or_else(|broken| panic!("{broken}"));
    println!("{} readers with a failing call, {:.1} s", swept.runs, swept.took.as_secs_f64());
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

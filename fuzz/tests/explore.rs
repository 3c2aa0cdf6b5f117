//! Every crash state of all short programs, and of random ones.

use annals_fuzz::explore::{Plan, explore};

/// The number of states, if the environment asks for more.
fn states() -> u64 {
    let asked = std::env::var("ANNALS_CRASH_STATES").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(Plan::default().states)
}

#[test]
fn no_crash_state_breaks_a_promise() {
    let explored = explore(&Plan { states: states(), ..Plan::default() });
    println!("{explored}");
    if let Some(failure) = &explored.failure {
        panic!("{failure}");
    }
    assert!(explored.states >= states(), "{explored}");
}

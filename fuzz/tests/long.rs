//! Random programs of about 200 steps, each with several crashes, one of them within
//! recovery, and one kill after which the log is served before the power goes.

use annals_fuzz::explore::{Plan, explore};

/// The number of seeds, if the environment asks for more.
fn seeds() -> u64 {
    let asked = std::env::var("ANNALS_CRASH_SEEDS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(10_000)
}

#[test]
fn no_long_life_with_crashes_breaks_a_promise() {
    let explored = explore(&Plan { programs: seeds(), ..Plan::only_long() });
    println!("{explored}");
    if let Some(failure) = &explored.failure {
        panic!("{failure}");
    }
    assert!(explored.long >= seeds(), "{explored}");
}

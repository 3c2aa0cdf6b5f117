//! Every bug that can be planted is seen by a harness that passes without it.
//!
//! That they pass without is shown by the tests `explore`, `faults`, `damage` and
//! `settled`, which do the same with nothing planted.

use annals_fuzz::bugs::catch;

#[test]
fn every_planted_bug_is_caught() {
    let caught: Vec<_> = catch().inspect(|caught| println!("{caught}")).collect();
    let missed: Vec<_> = caught.iter().filter(|caught| caught.seen.is_none()).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

//! Replay in order under criterion, beside its floor in one group.

mod harness;

fn main() -> annals_benches::Result<()> {
    harness::run(&["w4"])
}

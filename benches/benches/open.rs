//! Opening a log under criterion, beside a full scan in one group.

mod harness;

fn main() -> annals_benches::Result<()> {
    harness::run(&["w6", "w6k"])
}

//! Reads of random streams under criterion, beside their floor in one group.

mod harness;

fn main() -> annals_benches::Result<()> {
    harness::run(&["w5"])
}

//! Appends under criterion, each beside its floor in one group.

mod harness;

fn main() -> annals_benches::Result<()> {
    harness::run(&["w1", "w1b", "w2-8", "w2-64", "w2t", "w3", "w3b", "w3w", "w3e-w", "w3e-b"])
}

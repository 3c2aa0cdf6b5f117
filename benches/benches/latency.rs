//! From append to receipt under criterion, beside one atomic or futex in one group. The
//! figure is the median of the calls of a sample.

mod harness;

fn main() -> annals_benches::Result<()> {
    harness::run(&["w7ds", "w7dp", "w7ws", "w7wp", "w7dsx", "w7dpx", "w7wsx", "w7wpx"])
}

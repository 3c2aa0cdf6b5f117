//! Benches of annals, each beside its floor: a loop that does nothing but what
//! the device, the memory or the scheduler must do for the same work.
//!
//! Absolute figures drift with the machine, the disk and the hour. What counts is
//! the ratio of two figures taken in turns in one run, and how far that ratio
//! spreads.
//!
//! * [`workload`]: the events, the same for both sides
//! * [`floors`]: the floors; they know nothing of annals
//! * [`subject`]: annals, through its public surface
//! * [`measure`]: turns, medians, spreads
//! * [`rows`]: which floor stands beside which use of annals
//! * [`report`]: the table and the machine it is from
//!
//! `cargo run --release -p annals-benches` prints the table. `cargo bench -p
//! annals-benches` runs the same pairs under criterion, for comparing two versions
//! of the code.

pub mod child;
pub mod clock;
pub mod floors;
pub mod histogram;
pub mod machine;
pub mod measure;
pub mod paths;
pub mod receipt;
pub mod report;
pub mod rows;
pub mod subject;
pub mod workload;

/// What goes wrong in a bench is told and ends it; nobody tells errors apart.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

//! Benches of annals, each beside its floor: a loop that does nothing but what
//! the device, the memory or the scheduler must do for the same work.
//!
//! Absolute figures drift with the machine, the disk and the hour. What counts is
//! the ratio of two figures taken in turns in one run, and how far that ratio
//! spreads.
//!
//! * [`workload`]: the events, the same for both sides
//! * [`floors`]: the floors; they know nothing of annals
//! * [`subject`], [`receipt`]: annals, through its public surface
//! * [`rows`]: which floor stands beside which use of annals, and the bars
//! * [`measure`], [`histogram`], [`clock`]: turns, medians, spreads, single calls
//! * [`report`], [`machine`]: the table, the figures as JSON, the machine they are from
//! * [`child`]: what is done in another process
//! * [`paths`]: the hot paths, for the guards that count
//! * [`survey`]: how cost grows, point by point, for `annals bench`
//!
//! # The table
//!
//! `cargo run --release -p annals-benches -- DIRECTORY [ROW...]` prints it; `--help` lists the
//! rows, `--json FILE` keeps the figures. A row says by how much it misses its bar, and if it was
//! too noisy to say.
//!
//! # Comparing two versions of the code
//!
//! `cargo bench -p annals-benches` runs the same pairs under criterion, with plots in
//! `target/criterion/report/index.html`. To compare with what was there before a change:
//!
//! ```text
//! cargo bench -p annals-benches --bench append -- w3 --save-baseline before
//! (change the code)
//! cargo bench -p annals-benches --bench append -- w3 --baseline before
//! ```
//!
//! The floor of the group did not change with the code: where it differs by as much as annals,
//! the machine changed. `cargo bench -p annals-benches -- --test` runs each bench once, which
//! takes seconds. Bursts become sustained under criterion, which decides by itself how many
//! calls it makes.
//!
//! # Guards
//!
//! Times are noisy, counts are not. The guards are tests; their baselines are text files in
//! `benches/guards`, and `ANNALS_BASELINES=write` in the environment rewrites those instead of
//! comparing:
//!
//! * `cargo test --release -p annals-benches --test instructions`: instructions of each of the
//!   [`paths`], by valgrind; at most 10% more than the baseline. Of one compiler and one
//!   architecture: others are skipped, with a line that says so.
//! * `cargo test --release -p annals-benches --test allocations`: allocations of the same
//!   paths.
//! * `cargo test -p annals --test costs --test open_cost`: writes, syncs and reads, counted by
//!   the simulated storage.

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
pub mod survey;
pub mod workload;

/// What goes wrong in a bench is told and ends it; nobody tells errors apart.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

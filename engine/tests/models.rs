//! Models of the concurrent parts: small programs on the real log and the simulated disk,
//! run by shuttle in one schedule of their threads after another.
//!
//! Built only with `--cfg shuttle`, which puts shuttle's locks, atomics, channels and
//! threads in the place of the ordinary ones (`engine/src/sync`):
//!
//! ```text
//! RUSTFLAGS='--cfg shuttle' CARGO_TARGET_DIR=target/models \
//!     cargo test -p annals --features sim,planted --test models
//! ```
//!
//! `ANNALS_SCHEDULES=100` runs a hundred times as many schedules, `ANNALS_SEED=7` others.
//! A schedule that fails is printed, with the command that runs it again. What a thread
//! waits for and nobody does is a deadlock, and fails too. Not seen is what only weak
//! orderings of atomics can break: all are taken for the strongest one.
#![cfg(shuttle)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

#[path = "models/flushes.rs"]
mod flushes;
#[path = "models/groups.rs"]
mod groups;
#[path = "models/harness.rs"]
mod harness;
#[path = "models/planted.rs"]
mod planted;
#[path = "models/processes.rs"]
mod processes;
#[path = "models/rolls.rs"]
mod rolls;
#[path = "models/subscriptions.rs"]
mod subscriptions;
#[path = "models/tails.rs"]
mod tails;
#[path = "models/tickets.rs"]
mod tickets;
#[path = "models/words.rs"]
mod words;

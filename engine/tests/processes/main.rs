//! Processes (sagas), each test named for the fact that it shows.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod commands;
mod crash;
mod deadlines;
mod failures;
mod states;
mod support;

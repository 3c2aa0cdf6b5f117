//! Turns, medians and spreads.
//!
//! Floor and annals run in turns, A B A B, in one process and on one disk, and a ratio
//! is taken of each pair before anything is averaged: what drifts, drifts for both.
//!
//! * `turn`: what a turn came to
//! * `pairs`: turns of both sides, medians, spreads
//! * `calls`: making calls, alone or by many threads, until the time is up

mod calls;
mod pairs;
mod turn;

pub use calls::{Until, Work, alone, crowd, crowd_until, each, one, together};
pub use pairs::{Contest, Go, NOISY, Pairs, REST, median, range};
pub use turn::{Figure, Turn};

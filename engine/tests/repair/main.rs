//! Repair: for each kind of damage, what is planned, what is kept, and what can be lost
//! on the way.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[cfg(test)]
mod around;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod support;

//! The trait that event sourcing stands on: what a log says by it, what every other engine
//! must say, and an engine of another kind that does.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod conformance;
mod elsewhere;
mod faults;
mod memory;
mod promises;
mod reads;
mod tail;

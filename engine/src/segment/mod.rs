//! One file of the log.
//!
//! * [`name`]: what the files of a log are called
//! * [`header`]: what a segment says about itself
//! * [`witness`]: what is known to be durable, kept apart from the tail
//! * [`file`]: a segment as an open file: its space, and reading it
//! * [`scan`]: all groups of a segment, one after the other
//!
//! Nothing here knows of other segments, of indexes or of who writes when.

pub(crate) mod file;
pub(crate) mod header;
pub(crate) mod name;
pub(crate) mod scan;
pub(crate) mod witness;

#[cfg(all(test, feature = "sim"))]
mod mapping_tests;

pub(crate) use file::{Chunk, Extent, ReadMode, Segment};

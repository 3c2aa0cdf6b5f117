//! Getting events into a log: where they are read from, and the one way in which all
//! of them are appended.

mod ahead;
mod flights;
mod importer;
mod input;
mod lines;

pub(crate) use ahead::ReadAhead;
pub(crate) use importer::{Counts, Importer};
pub(crate) use input::{Input, STDIN};

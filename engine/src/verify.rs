//! Verify: stub.
#![allow(missing_docs)]
use crate::io::Storage;
use crate::{Corrupt, Recovery, Result};
use std::sync::Arc;
/// one thing that is wrong
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Finding {
    pub corrupt: Corrupt,
}
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    pub events: u64,
    pub streams: u64,
    pub segments: u64,
    pub bytes: u64,
    pub findings: Vec<Finding>,
    /// what an opening would find at the end (torn tail is no finding)
    pub recovery: Option<Recovery>,
}
/// Reads everything, writes nothing. `progress(done_bytes, total_bytes)`.
pub fn verify(_storage: Arc<dyn Storage>, _progress: &mut dyn FnMut(u64, u64)) -> Result<Report> {
    Err(crate::Error::Closed)
}

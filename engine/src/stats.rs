//! Numbers about a log.

use uuid::Uuid;

use crate::catalog::survey::Survey;
use crate::record::field::wide;

/// Numbers about a log, made by [`Log::stats`](crate::Log::stats).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The log's identity: random, made with it, in every segment's header.
    pub log: Uuid,
    /// Position of the last durable event.
    pub head: u64,
    /// Durable events in the log.
    pub events: u64,
    /// Streams with at least one durable event.
    pub streams: u64,
    /// Segment files, the one that is prepared ahead included.
    pub segments: u64,
    /// Their size together, in bytes.
    pub segment_bytes: u64,
    /// Index files.
    pub index_runs: u64,
    /// Their size together, in bytes.
    pub index_bytes: u64,
    /// Size of the other files of the log, in bytes.
    pub other_bytes: u64,
}

impl Stats {
    pub(crate) fn of(log: u128, head: u64, streams: usize, survey: &Survey) -> Self {
        Self {
            log: Uuid::from_u128(log),
            head,
            events: head,
            streams: wide(streams),
            segments: wide(survey.segments.len()),
            segment_bytes: survey.segments.values().sum(),
            index_runs: wide(survey.runs.len()),
            index_bytes: survey.runs.values().sum(),
            other_bytes: survey.other_bytes,
        }
    }
}

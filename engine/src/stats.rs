//! Numbers about a log.

use annals_index::Kind;
use uuid::Uuid;

use crate::catalog::Catalog;
use crate::catalog::survey::Survey;
use crate::error::Result;
use crate::observe::Activity;
use crate::record::field::wide;

/// Numbers about a log, made by [`Log::stats`](crate::Reader::stats).
///
/// Counts of streams and records may be ahead of the durable [`head`](Self::head): they have
/// what was acknowledged, and records of groups in flight.
///
/// ```
/// use annals::{Batch, Expected, Log, NewEvent};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Log::open(path)?;
/// log.append(Batch::new().write("a", Expected::Any, ["One", "Two"].map(NewEvent::new)))?;
/// let stats = log.stats()?;
/// assert_eq!((stats.events, stats.streams), (2, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The log's identity: random, made with it, in every segment's header.
    pub log: Uuid,
    /// Position of the last durable event.
    pub head: u64,
    /// Durable events in the log.
    pub events: u64,
    /// Streams with at least one event that a read sees.
    pub streams: u64,
    /// Snapshots of streams.
    pub snapshots: u64,
    /// Named states, each counted as often as it was appended.
    pub states: u64,
    /// Idempotency keys.
    pub keys: u64,
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
    /// What this process has written since it opened the log; `None` if it only reads it.
    pub activity: Option<Activity>,
}

impl Stats {
    pub(crate) fn of(
        catalog: &Catalog,
        head: u64,
        streams: usize,
        survey: &Survey,
        activity: Option<Activity>,
    ) -> Result<Self> {
        let records = |kind| -> Result<u64> {
            let mut count = 0;
            for source in &catalog.view().sources {
                let keys = source.ask(catalog, |index| index.keys(kind, ""))?;
                count += keys.iter().map(|(_, count)| count).sum::<u64>();
            }
            Ok(count)
        };
        Ok(Self {
            log: Uuid::from_u128(catalog.log),
            head,
            events: head,
            streams: wide(streams),
            snapshots: records(Kind::Snapshot)?,
            states: records(Kind::State)?,
            keys: records(Kind::Key)?,
            segments: wide(survey.segments.len()),
            segment_bytes: survey.segments.values().sum(),
            index_runs: wide(survey.runs.len()),
            index_bytes: survey.runs.values().sum(),
            other_bytes: survey.other_bytes,
            activity,
        })
    }
}

//! What the writing process has done since it opened the log, counted with or without features.

/// What the writing process has done since it opened the log: part of
/// [`Stats`](crate::Stats::activity).
///
/// Counted under a lock that is taken anyway, once per group.
///
/// ```
/// use annals::{Batch, Expected, Log, NewEvent};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Log::open(path)?;
/// let mut batch = Batch::new();
/// batch.write("a", Expected::NoStream, ["One", "Two"].map(NewEvent::new));
/// log.append(&batch)?;
/// log.append(&batch)?;
/// let activity = log.stats()?.activity.unwrap_or_default();
/// assert_eq!((activity.events, activity.batches, activity.duplicates), (2, 1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Activity {
    /// Events that were written.
    pub events: u64,
    /// Batches that were written.
    pub batches: u64,
    /// Bytes of the groups that were written.
    pub bytes: u64,
    /// Groups that were written: writes of the log. Batches by groups is how many share one.
    pub groups: u64,
    /// Syncs of groups.
    pub syncs: u64,
    /// Segments that were begun.
    pub rolls: u64,
    /// Batches that were refused, since a stream was not as expected.
    pub conflicts: u64,
    /// Batches that were known by their ids or their key.
    pub duplicates: u64,
}

/// What a leader did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupFacts {
    pub(crate) events: u64,
    pub(crate) batches: u64,
    /// 0 if there was nothing to write, but something to sync.
    pub(crate) bytes: u64,
    pub(crate) synced: bool,
    pub(crate) rolled: bool,
}

impl Activity {
    pub(crate) fn add(&mut self, group: &GroupFacts) {
        self.events += group.events;
        self.batches += group.batches;
        self.bytes += group.bytes;
        self.groups += u64::from(group.bytes > 0);
        self.syncs += u64::from(group.synced);
        self.rolls += u64::from(group.rolled);
    }
}

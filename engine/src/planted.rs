//! Deliberate faults, for proving that the tests see them.
//!
//! Each is asked about at the place that it would break. Outside builds that have
//! both the feature `planted` and debug assertions, `active` is a constant
//! `false` and nothing of this is compiled in.

/// A fault that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[cfg_attr(not(feature = "planted"), allow(unreachable_pub))]
pub enum Bug {
    /// Record headers do not depend on their place.
    CrcNotSeeded,
    /// Callers are answered before the sync.
    AcknowledgeBeforeSync,
    /// The watermark moves before the sync.
    PublishBeforeDurable,
    /// A failed sync is tried again, and its success believed.
    SyncRetried,
    /// The directory is not synced after a segment was created.
    NoDirectorySync,
    /// A torn tail is left in place.
    TailNotCut,
    /// What was recovered is served without a sync.
    RecoveredNotSynced,
    /// Damage is taken for the end of the log.
    DamageIsTheEnd,
    /// Followers of a failed group are told that it succeeded.
    LeadersErrorNotShared,
    /// Groups do not say what was durable before them.
    DurableUptoNeverAdvanced,
    /// Positions start again at 1 after reopening.
    PositionsRestarted,
    /// Ids are forgotten when the log is reopened.
    DedupeLostAtReopen,
    /// A run is believed without comparing it with the log.
    StaleIndexBelieved,
    /// Payloads are not checked when a group is recovered.
    PayloadUnchecked,
    /// Idempotency keys are forgotten when the log is reopened.
    KeyLostAtReopen,
    /// A segment is begun before the one before it is synced.
    NoSyncAtRoll,
    /// An answer that rests on a batch in flight does not wait for its outcome.
    AnswerNotSettled,
    /// Appends that ask for written are answered while they are in memory.
    WrittenBeforeWrite,
    /// `sync` does nothing.
    SyncDoesNothing,
    /// Closing forgets what is in memory.
    CloseForgetsBuffered,
    /// A failed write or sync does not end appending.
    PoisonForgotten,
    /// A duplicate is called durable when it is written.
    DuplicateCalledDurable,
    /// Snapshots and states take positions.
    SnapshotTakesPosition,
    /// Snapshots are forgotten when the log is reopened.
    SnapshotLostAtReopen,
    /// Cursors deliver what is written for durable.
    CursorAheadOfSync,
    /// Every opening writes with the same epoch.
    EpochKept,
    /// The answer to a checkpoint that diverged says that all of it is there.
    DivergedTooFar,
    /// Recovery writes only the last group again.
    LastGroupRewritten,
}

#[cfg(all(feature = "planted", debug_assertions))]
mod switch {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Which one is planted everywhere, plus 1; 0 for none.
    static EVERYWHERE: AtomicU8 = AtomicU8::new(0);

    const fn number(bug: Bug) -> u8 {
        bug as u8 + 1
    }

    /// Plants a fault in the logs that this thread uses, or takes it out again.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }

    /// Plants a fault in all logs of this process, whichever thread uses them, those of
    /// the logs themselves among them, or takes it out again.
    pub fn plant_process(bug: Option<Bug>) {
        EVERYWHERE.store(bug.map_or(0, number), Ordering::Relaxed);
    }

    /// Whether the fault is planted here.
    pub(crate) fn active(bug: Bug) -> bool {
        PLANTED.get() == Some(bug) || EVERYWHERE.load(Ordering::Relaxed) == number(bug)
    }
}

#[cfg(all(feature = "planted", debug_assertions))]
pub(crate) use switch::active;
#[cfg(all(feature = "planted", debug_assertions))]
pub use switch::{plant, plant_process};

/// Whether the fault is planted: never, in this build.
#[cfg(not(all(feature = "planted", debug_assertions)))]
pub(crate) const fn active(_bug: Bug) -> bool {
    false
}

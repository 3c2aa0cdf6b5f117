//! Deliberate faults, for proving that the tests see them.
//!
//! Each is asked about at the place that it would break. Outside builds that have
//! both the feature `planted` and debug assertions, `active` is a constant
//! `false` and nothing of this is compiled in.

/// A fault that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[cfg_attr(not(feature = "planted"), allow(unreachable_pub))]
// Some are of futures, some of subscriptions, some of projections into SQL.
#[cfg_attr(
    not(all(feature = "async", any(feature = "sqlite", feature = "postgres"))),
    allow(dead_code)
)]
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
    /// A group is done before its outcome is stored.
    DoneBeforeOutcome,
    /// Whether anybody goes on leading is found out under the lock and noted later.
    LeadDropped,
    /// The flusher goes before it has done what was ordered.
    OrderLost,
    /// Who waits says so after it has looked, not before.
    WaitNotedLate,
    /// Who waits is woken without the lock that it looks under.
    WokenWithoutLock,
    /// Of all who wait for the watermark one is woken.
    OneWoken,
    /// A place is announced before it stands there.
    AnnouncedTooSoon,
    /// A future is not looked after again when its waker stands there.
    WakerTooLate,
    /// What lies in the next segment is published before the one before it is sealed.
    PublishedBeforeSealed,
    /// A reader in another process says that it waits after it has looked.
    ReaderNotedLate,
    /// Readers in other processes are woken, and the word that they sleep on stays.
    WakeWordKept,
    /// A new log is used before the name of its first segment is durable.
    FirstNameNotSynced,
    /// Closing syncs neither what it makes durable nor its mark.
    CloseMarkNotSynced,
    /// Segments behind the end are left in place, and begun again over what they hold.
    SpareNotZeroed,
    /// Of several segments behind the end the next is removed before the removal of the
    /// last one is durable.
    RemovedBeforeSync,
    /// Offsets are cut off: to 13 bits, so that the small segments of the tests show what
    /// 32 bits would do to large ones.
    OffsetCutOff,
    /// A length is used before the checksum that covers it was looked at.
    LengthBeforeCrc,
    /// A write that finds no space is told as `Full` and goes on behind what it left.
    HalfLeftByFull,
    /// An error of the device is taken for the end of the log.
    ErrorIsTheEnd,
    /// A subscription is said to be where it has read to, whatever was acknowledged.
    CheckpointAheadOfAcks,
    /// An exactly-once step writes its acknowledgement after its batch.
    AckOutsideBatch,
    /// A projection's checkpoint is written in a transaction of its own, before that of the
    /// events.
    CheckpointOutsideTransaction,
    /// A step of a process writes its deadlines after its batch.
    DeadlineOutsideBatch,
}

#[cfg(all(feature = "planted", debug_assertions))]
mod switch {
    use std::cell::Cell;
    use std::sync::OnceLock;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// What is planted in all threads.
    static EVERYWHERE: OnceLock<Bug> = OnceLock::new();

    /// Plants a fault in the logs that this thread uses, or takes it out again.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }

    /// Plants a fault in all logs of this process, whichever thread uses them, those of
    /// the logs themselves among them. It stays for as long as the process lives, and
    /// what was planted first stays alone.
    pub fn plant_process(bug: Bug) {
        EVERYWHERE.get_or_init(|| bug);
    }

    /// Whether the fault is planted here.
    pub(crate) fn active(bug: Bug) -> bool {
        PLANTED.get() == Some(bug) || EVERYWHERE.get() == Some(&bug)
    }
}

#[cfg(all(feature = "planted", debug_assertions))]
pub(crate) use switch::active;
#[cfg(all(feature = "planted", debug_assertions))]
pub use switch::{plant, plant_process};

// A build without debug assertions has no fault, whatever features it has: were there a
// switch, this would not compile.
#[cfg(not(debug_assertions))]
const _: () = assert!(!active(Bug::AcknowledgeBeforeSync));

/// Whether the fault is planted: never, in this build.
#[cfg(not(all(feature = "planted", debug_assertions)))]
pub(crate) const fn active(_bug: Bug) -> bool {
    false
}

//! Everything that can go wrong, with its place and its cause.

use std::io;
use std::sync::Arc;

use uuid::Uuid;

use crate::checkpoint::Checkpoint;
use crate::expected::Expected;
use crate::recovered::Recovery;

/// The result of everything that can fail here.
///
/// [`Error`] is what it is unless another one is named.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call did not do what was asked.
///
/// Cheap to clone: one failed write answers every caller that waited for it. The guide says
/// what helps: [for appends](crate::guide::appending#what-can-go-wrong),
/// [after a crash](crate::guide::recovery).
///
/// ```
/// use annals::{Batch, Error, Expected, Log, NewEvent};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Log::open(path)?;
/// let mut batch = Batch::new();
/// batch.write("order-17", Expected::Exact(3), [NewEvent::new("OrderShipped")]);
/// match log.append(&batch) {
///     Err(Error::WrongExpectedVersion { stream, actual, .. }) => {
///         assert_eq!((stream.as_str(), actual), ("order-17", 0));
///     }
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A stream was not where the caller expected it. Nothing was written and no
    /// number was used: read the stream, decide again, append again.
    #[error("stream {stream:?} is at version {actual}, expected {expected}")]
    WrongExpectedVersion {
        /// The stream whose expectation failed; the first one, if several did.
        stream: String,
        /// What the caller stated.
        expected: Expected,
        /// Where the stream is.
        actual: u64,
    },

    /// An event id of the batch is in the log already, but the batch as a whole is
    /// not: some ids are new, or the content or order differs. Nothing was written.
    #[error("event {id} is in the log already, at position {position}: {difference}")]
    DuplicateConflict {
        /// The id that is there.
        id: Uuid,
        /// Where it is.
        position: u64,
        /// What does not fit.
        difference: Difference,
    },

    /// A snapshot says more than its stream holds after the batch. Nothing was written.
    #[error("a snapshot of stream {stream:?} is at version {version}, the stream at {actual}")]
    SnapshotAhead {
        /// The stream.
        stream: String,
        /// What the snapshot says that it holds.
        version: u64,
        /// Where the stream is, after the batch.
        actual: u64,
    },

    /// Something is larger than its limit. Nothing was written.
    #[error("{what} is {size}, the limit is {limit}")]
    TooLarge {
        /// What is too large, with its unit, such as "stream name (bytes)".
        what: &'static str,
        /// How large it is.
        size: u64,
        /// How large it may be.
        limit: u64,
    },

    /// Something that was handed in has no meaning. Nothing was written.
    #[error("{what} is not valid: {why}")]
    Invalid {
        /// What it is.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },

    /// What is on the disk is not what was written there. Nothing was changed.
    #[error("{0}")]
    Corrupt(Corrupt),

    /// A write or a sync failed, now or earlier. What was durable stays readable; nothing can
    /// be appended until the log is opened again, which settles whether the group
    /// in flight was kept: see the [guide](crate::guide::recovery#poisoned-a-write-or-a-sync-failed).
    #[error("the log takes no more appends since {operation} of {file} failed: {source}")]
    Poisoned {
        /// The call that failed.
        operation: &'static str,
        /// The file it failed on.
        file: String,
        /// What the operating system said.
        source: Arc<io::Error>,
    },

    /// There is no space for the batch. No number was used and nothing is half
    /// written; the same append works once there is space, without reopening.
    #[error("no space to append {bytes} bytes to {file}: {source}")]
    Full {
        /// The file that could not grow.
        file: String,
        /// How many bytes were needed.
        bytes: u64,
        /// What the operating system said.
        source: Arc<io::Error>,
    },

    /// Another writer has the log open.
    #[error("{log} is locked by {}", holder(*.pid))]
    Locked {
        /// The log.
        log: String,
        /// The process that holds it, where that could be found out.
        pid: Option<u32>,
    },

    /// This process inherited the log from the one that opened it: only that one may
    /// use it.
    #[error("the log was opened by process {opened_by}, this is process {this}")]
    Forked {
        /// The process that opened the log.
        opened_by: u32,
        /// The process that called.
        this: u32,
    },

    /// A cursor was asked to start behind the end of the log.
    #[error("position {position} is beyond the head of the log, {head}")]
    BeyondHead {
        /// Where the cursor was to start.
        position: u64,
        /// The last position there is: it may start after this one or any before.
        head: u64,
    },

    /// A cursor was asked to start at a checkpoint whose event is not the one that the
    /// reader saw: it is of another log, or of an epoch that does not hold that position
    /// here. A tail that the reader had seen was lost, or a copy was restored.
    #[error(
        "the log is not what it was at checkpoint {checkpoint}: log {log}, known to be the same \
         up to position {same_until}"
    )]
    Diverged {
        /// Where the cursor was to start.
        checkpoint: Checkpoint,
        /// The identity of this log.
        log: Uuid,
        /// The reader may start after this one: what it saw up to here is in the log. 0 if
        /// nothing is known of that.
        same_until: u64,
    },

    /// Strict recovery found a tail that it would have to discard. Nothing was
    /// changed.
    #[error("strict recovery refuses to discard: {0}")]
    WouldDiscard(Recovery),

    /// The log was made by a version of annals with features that this one does not
    /// know.
    #[error("{file} needs {what} {found:#x}, this version knows {known:#x}")]
    Unsupported {
        /// The file that says so.
        file: String,
        /// What is not known: the format version or a set of feature bits.
        what: &'static str,
        /// What the file says.
        found: u64,
        /// What this version knows.
        known: u64,
    },

    /// There is no log there, and the options do not allow making one.
    #[error("there is no log in {log}")]
    NotFound {
        /// Where it was looked for.
        log: String,
    },

    /// The log was closed.
    #[error("the log is closed")]
    Closed,

    /// What a store other than a log says of itself where none of the others fits: see
    /// `sourcing::Store`. A log never answers this.
    #[error("{store}: {source}")]
    Store {
        /// The store.
        store: String,
        /// Whether the very same call may succeed later.
        retryable: bool,
        /// What went wrong there.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },

    /// The operating system refused. Where this comes from an append, nothing was
    /// written.
    #[error("{operation} of {file} failed: {source}")]
    Io {
        /// The call that failed.
        operation: &'static str,
        /// The file it failed on.
        file: String,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
}

impl Error {
    /// Whether somebody else was faster: reading again and deciding again is what
    /// helps.
    ///
    /// ```
    /// # use annals::{Error, Expected};
    /// let error = Error::WrongExpectedVersion {
    ///     stream: "order-17".into(), expected: Expected::NoStream, actual: 3,
    /// };
    /// assert!(error.is_conflict() && !error.is_retryable());
    /// ```
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::WrongExpectedVersion { .. })
    }

    /// Whether the very same call may succeed later without anything being changed
    /// here: there may be space again, or the other writer may be gone.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path();
    /// let log = annals::Log::open(path)?;
    /// let second = annals::Log::open(path);
    /// assert!(second.is_err_and(|error| error.is_retryable()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Full { .. } | Self::Locked { .. } => true,
            Self::Store { retryable, .. } => *retryable,
            _ => false,
        }
    }

    /// An I/O error with its place.
    pub(crate) fn io(operation: &'static str, file: &str, source: io::Error) -> Self {
        Self::Io { operation, file: file.to_owned(), source: Arc::new(source) }
    }
}

fn holder(pid: Option<u32>) -> String {
    match pid {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}

/// In what a batch differs from what the log holds under its ids: see the
/// [guide](crate::guide::appending#ids-the-same-batch-again).
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// Some of the batch's ids are in the log, others are not.
    #[error("other ids of the batch are not in the log")]
    SomeMissing,
    /// All are there, but not one after the other in the batch's order.
    #[error("the log holds the batch's events in another order")]
    Order,
    /// The stream, type, schema, data or tags of this event differ.
    #[error("the event there has other content")]
    Content,
}

/// Damage: where, and what was found. The
/// [guide to recovery](crate::guide::recovery#corrupt-the-disk-is-hurt) has an example.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} is damaged at offset {offset}{}: {cause}", in_event(*.position))]
pub struct Corrupt {
    /// The file.
    pub file: String,
    /// The segment's number.
    pub segment: u64,
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// The position of the event that is hurt, where that is known.
    pub position: Option<u64>,
    /// What was found.
    pub cause: Damage,
}

fn in_event(position: Option<u64>) -> String {
    position.map(|position| format!(" (position {position})")).unwrap_or_default()
}

/// What was found where something else was written. Part of [`Corrupt`].
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A segment that must be there is not.
    #[error("the segment is missing")]
    Missing,
    /// A directory, link, pipe or device stands in place of a segment.
    #[error("it is not a regular file")]
    NotAFile,
    /// The segment's header does not match its checksum, or says what cannot be.
    #[error("the segment header is damaged")]
    Header,
    /// The segment belongs to another log.
    #[error("the segment is of another log")]
    Foreign,
    /// The segment has another number in its header than in its name.
    #[error("the segment says that it is segment {found}")]
    Misplaced {
        /// The number in the header.
        found: u64,
    },
    /// The segment does not continue the one before it.
    #[error("the segment does not continue the one before it")]
    Link,
    /// The file ends before what it must hold.
    #[error("the file ends before offset {needed}")]
    Short {
        /// Where the file must at least end.
        needed: u64,
    },
    /// A record's header does not match its checksum or its place.
    #[error("a record header is damaged")]
    RecordHeader,
    /// A record's payload does not match its checksum.
    #[error("a record payload is damaged")]
    Payload,
    /// Checksums hold, but what they cover makes no sense.
    #[error("a record is malformed")]
    Malformed,
    /// A group does not continue the one before it.
    #[error("a group does not continue the one before it")]
    Chain,
    /// A position or version is not the next one.
    #[error("a position or version is out of order")]
    Order,
    /// The log ends here, but durable data is known to have stood behind.
    #[error("the log ends, but was durable up to segment {segment}, offset {offset}")]
    Lost {
        /// Segment of the durable end.
        segment: u64,
        /// Offset of the durable end.
        offset: u64,
    },
    /// Bytes that must be zero are not.
    #[error("bytes that must be zero are not")]
    NotZero,
    /// A slot of the witness does not match its checksum.
    #[error("a witness slot is damaged")]
    Witness,
    /// The index says other than the log.
    #[error("the index does not match the log")]
    Index,
}

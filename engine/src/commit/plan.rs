//! What is prepared ahead of the appends, and how much of it: sizes, and the names of
//! the work. Who does it and when stands elsewhere.

/// Segments start with this many bytes and double from one to the next, up to the
/// option's limit: a log with little in it is little on disk.
const FIRST_SEGMENT_BYTES: u64 = 1 << 20;

/// More space is prepared when less than this is left.
pub(super) const LOW_SPACE_BYTES: u64 = 512 << 10;

/// How large segment `number` gets, unless one batch needs more.
pub(super) fn segment_limit(number: u64, segment_bytes: u64) -> u64 {
    let doublings = u32::try_from(number.saturating_sub(1)).unwrap_or(u32::MAX).min(32);
    FIRST_SEGMENT_BYTES.saturating_mul(1 << doublings).min(segment_bytes)
}

/// How many sealed segments may wait for their run before appends wait for it.
pub(super) const WAITING_MAX: usize = 2;

/// Work for the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// Make space in the active segment.
    Extend,
    /// Make the next segment ready.
    Spare,
    /// Make runs of sealed segments.
    Index,
    /// Mirror the witness that the roll left in the new segment.
    Witness,
    /// Something is durable that no witness says: write one when the log is idle.
    Watch,
}

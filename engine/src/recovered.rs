//! The report of what opening a log found and did.

use std::fmt;

/// What opening the log found at its end.
///
/// Returned by [`Log::recovery`](crate::Log::recovery); the
/// [guide](crate::guide::recovery) has an example.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Whether the log had been closed, or was made by this opening; if not, its writer was
    /// killed, crashed or lost power.
    pub clean: bool,
    /// Position of the last event that was kept; 0 in an empty log.
    pub head: u64,
    /// Bytes of records that were read to find the end.
    pub scanned_bytes: u64,
    /// What was discarded, if anything.
    pub discarded: Option<Discarded>,
}

/// A tail that had not become durable and was not whole: no caller had been told
/// that it was durable, unless the device lied, or hurt what it had synced last: see
/// [the guide](crate::guide::recovery#a-torn-tail-or-damage).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Discarded {
    /// Number of the segment.
    pub segment: u64,
    /// Offset in it of the first discarded byte.
    pub offset: u64,
    /// Bytes from there to the last one that was not zero.
    pub bytes: u64,
    /// Why the log could not go on there.
    pub reason: TailReason,
}

/// Why a tail was discarded. Part of [`Discarded`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TailReason {
    /// A group's frame is whole, but not all of its records.
    Torn,
    /// No frame stands there, only bytes.
    Garbage,
    /// Nothing stands there, but something does behind it: a hole.
    Hole,
}

impl fmt::Display for TailReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Torn => "a group is not whole",
            Self::Garbage => "no record stands there",
            Self::Hole => "a hole before further bytes",
        })
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.clean { "closed cleanly" } else { "not closed" };
        write!(formatter, "{state}, head {}", self.head)?;
        match &self.discarded {
            None => Ok(()),
            Some(tail) => write!(
                formatter,
                ", {} bytes discarded from segment {} offset {}: {}",
                tail.bytes, tail.segment, tail.offset, tail.reason
            ),
        }
    }
}

//! The units that a power cut can keep or lose, as a chooser sees them.
//!
//! Only the words: what is done with a verdict is in `inode` and `directory`, who
//! passes it is in `fate`.

use std::sync::Arc;

/// How many bytes of a file one unit of written data covers.
pub const SECTOR_BYTES: usize = 512;

/// One change that is written and not durable: what a power cut keeps or loses on
/// its own. [`SimStorage::pending_units`](super::SimStorage::pending_units) lists
/// them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The file that it belongs to: the name that the file has now, or had last.
    /// For a change of the directory, the name that is created, removed or
    /// renamed.
    pub name: Arc<str>,
    /// What changed.
    pub kind: UnitKind,
    /// Whether it was part of a sync that failed. Such a unit counts as clean, so
    /// that no later sync makes it durable, unless the same sector, length or name
    /// is written again.
    pub suspect: bool,
}

/// What a [`Unit`] changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitKind {
    /// One version of one sector of a file. A sector that was written several
    /// times has a unit for each version; the last one kept is what survives.
    Sector {
        /// Its place in the file, in units of [`SECTOR_BYTES`].
        index: u64,
    },
    /// A change of a file's length, by a cut or by an extension. The last one kept
    /// gives the length, and brings the cuts before it with it, as a journal does.
    Length {
        /// The new length, in bytes.
        len: u64,
    },
    /// The name was given to a new file.
    Create,
    /// The file got another name; what had that name is replaced. One step: after
    /// a power cut it has happened, or not.
    Rename {
        /// The new name.
        to: Arc<str>,
    },
    /// The name was removed.
    Remove,
}

/// What becomes of a [`Unit`] in a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It reached the disk.
    Keep,
    /// It did not.
    Lose,
    /// Only the first so many bytes of the sector did. A unit that is no sector is
    /// lost.
    Tear(usize),
    /// Each byte of the sector that changes is the old one, the new one, or neither,
    /// chosen by this seed; bytes that the write leaves as they were stay. A unit that
    /// is no sector is lost.
    Garble(u64),
}

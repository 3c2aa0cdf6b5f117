//! One thing that a repair does, told in full: what, where, and what is lost by it.

use std::fmt;

use crate::error::Corrupt;
use crate::recovered::TailReason;

/// So many streams are named in a text.
const STREAMS_TOLD: usize = 8;

/// What a repair does, or cannot do.
///
/// Part of a [`RepairPlan`](crate::RepairPlan); [`plan_repair`](crate::plan_repair) has an
/// example.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RepairStep {
    /// A torn tail is cut, as opening the log would do. It was never acknowledged as
    /// durable, unless the device lied.
    CutTail {
        /// The segment's number.
        segment: u64,
        /// Offset in it of the first byte that goes.
        offset: u64,
        /// Bytes from there to the last one that is not zero.
        bytes: u64,
        /// Why the log cannot go on there.
        reason: TailReason,
        /// Position of the last event that is kept.
        kept: u64,
        /// The files that change or go.
        files: Vec<String>,
    },
    /// Damage in durable data: the log is kept up to the last whole group before it, and
    /// all that follows is moved aside.
    Quarantine {
        /// The damage that was met first.
        damage: Corrupt,
        /// The last segment that is kept.
        segment: u64,
        /// Where in it the log ends from now on.
        offset: u64,
        /// Position of the last event that is kept.
        kept: u64,
        /// What goes.
        lost: Lost,
        /// The files that change or go.
        files: Vec<String>,
    },
    /// Bytes that stand for nothing are set to zero: a damaged witness slot, or what
    /// stands where nothing was written. No event is touched.
    Clear {
        /// The damage.
        damage: Corrupt,
    },
    /// An index is made again from its segment. Nothing is lost.
    RebuildIndex {
        /// The index file.
        file: String,
        /// The segment that it is of.
        segment: u64,
        /// Whether it is not there at all; else it does not match the log.
        missing: bool,
    },
    /// A file that was never finished is removed. Nothing is lost.
    RemoveUnfinished {
        /// The file.
        file: String,
    },
    /// The control file, which repeats what segments say, is made again. Nothing is lost.
    RebuildControl {
        /// The damage.
        damage: Corrupt,
    },
    /// Damage that no repair mends. With such a step, a plan cannot be applied.
    CannotMend {
        /// The damage.
        damage: Corrupt,
        /// Why, and what may help.
        why: &'static str,
    },
}

/// What is lost when a log is kept up to a place.
///
/// Part of [`RepairStep::Quarantine`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lost {
    /// Position of the first event that is lost.
    pub from: u64,
    /// Position of the last event that is known to be lost, as far as later segments and
    /// witnesses tell; there may be more. Less than `from` if none is known of.
    pub to: u64,
    /// Bytes from the place to the last one that is not zero, over all files.
    pub bytes: u64,
    /// Segments that go as a whole.
    pub segments: u64,
    /// Streams of lost events, as far as later segments can be read; sorted, the first
    /// 1000.
    pub streams: Vec<String>,
}

impl Lost {
    /// How many events are known to be lost; there may be more.
    pub const fn events(&self) -> u64 {
        self.to.saturating_add(1).saturating_sub(self.from)
    }
}

impl RepairStep {
    /// The files that the step changes or removes.
    pub fn files(&self) -> Vec<&str> {
        match self {
            Self::CutTail { files, .. } | Self::Quarantine { files, .. } => {
                files.iter().map(String::as_str).collect()
            }
            Self::RebuildIndex { missing: true, .. } | Self::CannotMend { .. } => Vec::new(),
            Self::RebuildIndex { file, .. } | Self::RemoveUnfinished { file } => vec![file],
            Self::Clear { damage } | Self::RebuildControl { damage } => vec![&damage.file],
        }
    }

    /// What is lost by it, if anything that may have been acknowledged.
    pub const fn lost(&self) -> Option<&Lost> {
        match self {
            Self::Quarantine { lost, .. } => Some(lost),
            _ => None,
        }
    }
}

impl fmt::Display for RepairStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutTail { segment, offset, bytes, reason, kept, .. } => write!(
                out,
                "cut the torn tail of segment {segment} at offset {offset}, as opening would \
                 ({reason}): {bytes} bytes that were never acknowledged as durable go, events up \
                 to position {kept} stay"
            ),
            Self::Quarantine { damage, segment, offset, kept, lost, files } => {
                write!(
                    out,
                    "keep the log up to position {kept} (segment {segment}, offset {offset}) and \
                     move the rest aside, because {damage}; lost: {lost}; files: {}",
                    if files.is_empty() { "none".to_owned() } else { files.join(", ") }
                )
            }
            Self::Clear { damage } => {
                write!(out, "set to zero what stands for nothing, no event is lost: {damage}")
            }
            Self::RebuildIndex { file, segment, missing } => {
                let why = if *missing { "it is missing" } else { "it does not match the log" };
                write!(out, "make the index {file} again from segment {segment}: {why}")
            }
            Self::RemoveUnfinished { file } => {
                write!(out, "remove {file}, which was never finished")
            }
            Self::RebuildControl { damage } => {
                write!(out, "make {} again from the segments: {damage}", damage.file)
            }
            Self::CannotMend { damage, why } => write!(out, "cannot mend: {damage}; {why}"),
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.events() {
            0 => write!(out, "events from position {} on, how many is not known", self.from)?,
            events => {
                write!(out, "positions {} to {} ({events} events", self.from, self.to)?;
                write!(out, " at least)")?;
            }
        }
        write!(out, ", {} bytes", self.bytes)?;
        match self.segments {
            0 => {}
            1 => write!(out, ", 1 whole segment")?,
            segments => write!(out, ", {segments} whole segments")?,
        }
        if let [first, rest @ ..] = self.streams.as_slice() {
            write!(out, ", of streams {first:?}")?;
            for stream in rest.iter().take(STREAMS_TOLD - 1) {
                write!(out, ", {stream:?}")?;
            }
            if self.streams.len() > STREAMS_TOLD {
                write!(out, " and {} more", self.streams.len() - STREAMS_TOLD)?;
            }
        }
        Ok(())
    }
}

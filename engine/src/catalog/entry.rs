//! A segment in the log, and what is known of it once it is sealed.

use std::sync::{Arc, OnceLock};

use crate::error::{Damage, Result};
use crate::record::layout::segment as layout;
use crate::segment::Segment;

/// What is known of a sealed segment, from its header and the one after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) first_position: u64,
    /// Position of the first event after it.
    pub(crate) next_position: u64,
    /// Where it ends.
    pub(crate) end: u64,
    /// Header CRC of its last group; of the last one before it, if it has none.
    pub(crate) end_crc: u32,
    /// Header CRC of the last group before it.
    pub(crate) previous_crc: u32,
}

/// A segment in the log.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) segment: Arc<Segment>,
    next: OnceLock<Arc<Segment>>,
    facts: OnceLock<Facts>,
}

impl Entry {
    /// The segment that is written to.
    pub(crate) const fn active(segment: Arc<Segment>) -> Self {
        Self { segment, next: OnceLock::new(), facts: OnceLock::new() }
    }

    /// A sealed segment. Nothing is read yet.
    pub(crate) fn sealed(segment: Arc<Segment>, next: Arc<Segment>) -> Self {
        Self { segment, next: OnceLock::from(next), facts: OnceLock::new() }
    }

    /// The active segment becomes a sealed one.
    pub(super) fn seal(&self, facts: Facts, next: Arc<Segment>) {
        // Facts first: an entry that has a next one must have them or be able to read
        // them, and the next one's header is not written yet.
        self.facts.get_or_init(|| facts);
        self.next.get_or_init(|| next);
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.next.get().is_some()
    }

    /// The facts of a sealed segment; read and checked at the first call.
    pub(crate) fn facts(&self) -> Result<Facts> {
        if let Some(facts) = self.facts.get() {
            return Ok(*facts);
        }
        let header = self.segment.header()?;
        let Some(next) = self.next.get() else {
            return Err(self.segment.corrupt(0, Damage::Link));
        };
        let next_header = next.header()?;
        let facts = Facts {
            first_position: header.first_position,
            next_position: next_header.first_position,
            end: next_header.previous_end,
            end_crc: next_header.previous_crc,
            previous_crc: header.previous_crc,
        };
        let data = crate::record::field::wide(layout::DATA);
        if facts.end < data || facts.next_position < facts.first_position {
            return Err(next.corrupt(0, Damage::Link));
        }
        let len = self.segment.len()?;
        if len < facts.end {
            return Err(self.segment.corrupt(len, Damage::Short { needed: facts.end }));
        }
        Ok(*self.facts.get_or_init(|| facts))
    }
}

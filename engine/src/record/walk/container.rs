//! A group or batch that the walk is inside of: what is left of it, and its chain.

use super::Fault;
use crate::record::checksum::Chain;

/// A group or batch that the walk is inside of.
#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) end: u64,
    /// How many of its children were not walked yet.
    pub(super) left: u32,
    pub(super) crc: u32,
    pub(super) chain: Chain,
}

impl Container {
    pub(super) const fn new(end: u64, left: u32, crc: u32) -> Self {
        Self { end, left, crc, chain: Chain::new() }
    }

    #[inline]
    pub(super) fn child(&mut self, crc: u32, end: u64) -> Result<(), Fault> {
        if end > self.end || self.left == 0 {
            return Err(Fault::Malformed);
        }
        self.left -= 1;
        self.chain.push(crc);
        Ok(())
    }

    /// Checked when its end is reached.
    pub(super) fn close(self, at: u64) -> Result<(), Fault> {
        if self.left != 0 || at != self.end {
            Err(Fault::Malformed)
        } else if self.chain.finish() != self.crc {
            Err(Fault::Chain)
        } else {
            Ok(())
        }
    }
}

/// A batch that the walk is inside of.
#[derive(Debug, Clone)]
pub(super) struct Inside {
    pub(super) container: Container,
    pub(super) events_left: u32,
    /// Its key was walked: it has one at most.
    pub(super) keyed: bool,
}

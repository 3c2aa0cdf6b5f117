//! What stands in for metrics where nobody wants them: nothing.

use super::activity::GroupFacts;

/// Whether anybody may be told.
#[cfg(feature = "sourcing")]
pub(crate) const METERED: bool = false;

/// No time is taken.
#[derive(Debug)]
pub(crate) struct Stopwatch;

impl Stopwatch {
    #[inline(always)]
    pub(crate) const fn start() -> Self {
        Self
    }
}

/// Nothing is counted.
#[derive(Debug)]
pub(crate) struct Segments;

impl Segments {
    #[inline(always)]
    pub(crate) const fn opened(_: u64) -> Self {
        Self
    }

    #[inline(always)]
    #[allow(clippy::unused_self)]
    pub(crate) const fn rolled(&self) {}
}

#[inline(always)]
pub(crate) const fn describe() {}

#[inline(always)]
pub(crate) const fn group(_: &GroupFacts) {}

#[inline(always)]
pub(crate) const fn synced(_: &Stopwatch) {}

#[inline(always)]
pub(crate) const fn conflict() {}

#[inline(always)]
pub(crate) const fn duplicate() {}

#[inline(always)]
pub(crate) const fn poisoned() {}

#[inline(always)]
pub(crate) const fn recovered(_: &Stopwatch, _: bool, _: u64) {}

#[inline(always)]
pub(crate) const fn indexed(_: &Stopwatch) {}

#[cfg(feature = "sourcing")]
#[inline(always)]
pub(crate) const fn replayed(_: u64) {}

#[cfg(feature = "sourcing")]
#[inline(always)]
pub(crate) const fn snapshots(_: u64) {}

#[cfg(feature = "sourcing")]
#[inline(always)]
pub(crate) const fn lag(_: &str, _: u64) {}

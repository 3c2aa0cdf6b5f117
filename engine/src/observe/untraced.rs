//! What stands in for spans where nobody wants them: nothing.

/// Spans, and events where nobody waits for an error.
pub(crate) mod span {
    use std::fmt::Display;

    /// No span.
    #[derive(Debug)]
    pub(crate) struct Span;

    #[inline(always)]
    pub(crate) const fn open(_: &str) -> Span {
        Span
    }

    #[inline(always)]
    pub(crate) const fn append(_: usize, _: u64) -> Span {
        Span
    }

    #[inline(always)]
    pub(crate) const fn write(_: u64, _: usize) -> Span {
        Span
    }

    #[inline(always)]
    pub(crate) const fn sync(_: u64) -> Span {
        Span
    }

    #[inline(always)]
    pub(crate) const fn roll(_: u64) -> Span {
        Span
    }

    #[inline(always)]
    pub(crate) const fn index(_: u64) -> Span {
        Span
    }

    #[cfg(feature = "sourcing")]
    #[inline(always)]
    pub(crate) const fn command(_: &str) -> Span {
        Span
    }

    #[cfg(feature = "sourcing")]
    #[inline(always)]
    pub(crate) const fn deliver(_: &str, _: &str, _: u64) -> Span {
        Span
    }

    #[cfg(feature = "sourcing")]
    #[inline(always)]
    pub(crate) const fn step(_: &str, _: usize) -> Span {
        Span
    }

    #[cfg(feature = "sourcing")]
    #[inline(always)]
    pub(crate) const fn snapshots(_: &str) -> Span {
        Span
    }

    #[inline(always)]
    pub(crate) const fn recovered(_: bool, _: u64, _: u64) {}

    #[inline(always)]
    pub(crate) const fn poisoned(_: &dyn Display) {}
}

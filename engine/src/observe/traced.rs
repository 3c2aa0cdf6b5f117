//! Spans, told to the program's subscriber.

/// Spans, and events where nobody waits for an error.
pub(crate) mod span {
    use std::fmt::Display;

    use tracing::span::EnteredSpan;
    use tracing::{debug_span, info_span, trace_span, warn};

    /// Entered until it is dropped.
    #[derive(Debug)]
    pub(crate) struct Span(#[allow(dead_code)] EnteredSpan);

    pub(crate) fn open(log: &str) -> Span {
        Span(info_span!(target: "annals", "annals.open", log).entered())
    }

    pub(crate) fn append(events: usize, bytes: u64) -> Span {
        Span(trace_span!(target: "annals", "annals.append", events, bytes).entered())
    }

    pub(crate) fn write(batches: u64, bytes: usize) -> Span {
        Span(debug_span!(target: "annals", "annals.write", batches, bytes).entered())
    }

    pub(crate) fn sync(segment: u64) -> Span {
        Span(debug_span!(target: "annals", "annals.sync", segment).entered())
    }

    pub(crate) fn roll(segment: u64) -> Span {
        Span(debug_span!(target: "annals", "annals.roll", segment).entered())
    }

    pub(crate) fn index(segment: u64) -> Span {
        Span(debug_span!(target: "annals", "annals.index", segment).entered())
    }

    #[cfg(feature = "sourcing")]
    pub(crate) fn command(stream: &str) -> Span {
        Span(debug_span!(target: "annals", "annals.command", stream).entered())
    }

    #[cfg(feature = "sourcing")]
    pub(crate) fn deliver(subscription: &str, stream: &str, position: u64) -> Span {
        let span = debug_span!(target: "annals", "annals.deliver", subscription, stream, position);
        Span(span.entered())
    }

    #[cfg(feature = "sourcing")]
    pub(crate) fn step(processor: &str, events: usize) -> Span {
        Span(debug_span!(target: "annals", "annals.step", processor, events).entered())
    }

    #[cfg(feature = "sourcing")]
    pub(crate) fn snapshots(category: &str) -> Span {
        Span(debug_span!(target: "annals", "annals.snapshots", category).entered())
    }

    pub(crate) fn recovered(clean: bool, head: u64, discarded_bytes: u64) {
        if !clean {
            warn!(target: "annals", head, discarded_bytes, "annals.recovered");
        }
    }

    pub(crate) fn poisoned(error: &dyn Display) {
        warn!(target: "annals", %error, "annals.poisoned");
    }
}

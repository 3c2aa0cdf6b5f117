//! Metrics, told to the program's recorder.

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use super::activity::GroupFacts;
use crate::sync::{AtomicU64, Instant, Ordering};

/// Whether anybody may be told.
#[cfg(feature = "sourcing")]
pub(crate) const METERED: bool = true;

/// The metrics: constant, name, what describes it, unit, meaning.
macro_rules! metrics_of {
    ($($name:ident = $text:literal, $describe:ident, $unit:ident, $meaning:literal;)*) => {
        $(#[doc = concat!("`", $text, "`: ", $meaning, ".")]
        pub const $name: &str = $text;)*

        /// Tells the recorder what each metric means.
        pub(crate) fn describe() {
            $($describe!($name, Unit::$unit, $meaning);)*
        }
    };
}

metrics_of! {
    APPENDED_EVENTS = "annals_appended_events_total", describe_counter, Count,
        "events that were written";
    APPENDED_BATCHES = "annals_appended_batches_total", describe_counter, Count,
        "batches that were written";
    APPENDED_BYTES = "annals_appended_bytes_total", describe_counter, Bytes,
        "bytes of the groups that were written";
    GROUP_BATCHES = "annals_group_batches", describe_histogram, Count,
        "batches that shared one write";
    GROUP_BYTES = "annals_group_bytes", describe_histogram, Bytes, "bytes of one write";
    SYNC_SECONDS = "annals_sync_seconds", describe_histogram, Seconds,
        "how long a sync of a group took";
    CONFLICTS = "annals_conflicts_total", describe_counter, Count,
        "batches that were refused, since a stream was not as expected";
    DUPLICATES = "annals_duplicates_total", describe_counter, Count,
        "batches that were known by their ids or their key";
    POISONED = "annals_poisoned_total", describe_counter, Count,
        "logs that take no more appends since a write or sync failed";
    SEGMENTS = "annals_segments", describe_gauge, Count,
        "segments of the logs that are open for writing";
    RECOVERIES = "annals_recoveries_total", describe_counter, Count,
        "openings of a log that had not been closed";
    RECOVERY_SECONDS = "annals_recovery_seconds", describe_histogram, Seconds,
        "how long an opening took, until the log could be used";
    DISCARDED_BYTES = "annals_discarded_bytes_total", describe_counter, Bytes,
        "bytes of torn tails that openings discarded";
    INDEX_RUN_SECONDS = "annals_index_run_seconds", describe_histogram, Seconds,
        "how long making the index of a sealed segment took";
    REPLAYED_EVENTS = "annals_replayed_events", describe_histogram, Count,
        "events that one load of an aggregate folded";
    AGGREGATE_SNAPSHOTS = "annals_aggregate_snapshots_total", describe_counter, Count,
        "snapshots of aggregates that were written beside commands";
    SUBSCRIPTION_LAG_EVENTS = "annals_subscription_lag_events", describe_gauge, Count,
        "events of the log behind a subscription's checkpoint, when that is saved";
}

/// A time that is taken for a metric alone.
#[derive(Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// The segments of a log, in the gauge while it is there.
#[derive(Debug)]
pub(crate) struct Segments(AtomicU64);

impl Segments {
    pub(crate) fn opened(count: u64) -> Self {
        gauge!(SEGMENTS).increment(count as f64);
        Self(AtomicU64::new(count))
    }

    pub(crate) fn rolled(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        gauge!(SEGMENTS).increment(1.0);
    }
}

impl Drop for Segments {
    fn drop(&mut self) {
        gauge!(SEGMENTS).decrement(self.0.load(Ordering::Relaxed) as f64);
    }
}

/// A group was written, or there was none and only a sync.
pub(crate) fn group(facts: &GroupFacts) {
    if facts.bytes > 0 {
        counter!(APPENDED_EVENTS).increment(facts.events);
        counter!(APPENDED_BATCHES).increment(facts.batches);
        counter!(APPENDED_BYTES).increment(facts.bytes);
        histogram!(GROUP_BATCHES).record(facts.batches as f64);
        histogram!(GROUP_BYTES).record(facts.bytes as f64);
    }
}

pub(crate) fn synced(watch: &Stopwatch) {
    histogram!(SYNC_SECONDS).record(watch.seconds());
}

pub(crate) fn conflict() {
    counter!(CONFLICTS).increment(1);
}

pub(crate) fn duplicate() {
    counter!(DUPLICATES).increment(1);
}

pub(crate) fn poisoned() {
    counter!(POISONED).increment(1);
}

pub(crate) fn recovered(watch: &Stopwatch, clean: bool, discarded_bytes: u64) {
    histogram!(RECOVERY_SECONDS).record(watch.seconds());
    if !clean {
        counter!(RECOVERIES).increment(1);
    }
    if discarded_bytes > 0 {
        counter!(DISCARDED_BYTES).increment(discarded_bytes);
    }
}

pub(crate) fn indexed(watch: &Stopwatch) {
    histogram!(INDEX_RUN_SECONDS).record(watch.seconds());
}

#[cfg(feature = "sourcing")]
pub(crate) fn replayed(events: u64) {
    histogram!(REPLAYED_EVENTS).record(events as f64);
}

#[cfg(feature = "sourcing")]
pub(crate) fn snapshots(made: u64) {
    counter!(AGGREGATE_SNAPSHOTS).increment(made);
}

#[cfg(feature = "sourcing")]
pub(crate) fn lag(subscription: &str, events: u64) {
    gauge!(SUBSCRIPTION_LAG_EVENTS, "subscription" => subscription.to_owned()).set(events as f64);
}

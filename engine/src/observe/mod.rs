//! What a running log tells of itself: metrics (feature `metrics`) and spans (feature
//! `tracing`).
//!
//! Nothing of it is compiled without these features. With them the log tells whatever recorder
//! and subscriber the program has installed; [`Stats`](crate::Stats) needs neither. Everything is
//! told once per group of batches, per opening, per load of an aggregate, per save of a
//! subscription: never per event.
//!
//! # Metrics
//!
//! By the crate [`metrics`](https://docs.rs/metrics). The constants have the names, which stay as
//! they are. There is no label per stream and none for the log: several logs of one process are
//! added up. A close mark counts as a batch.
//!
//! A recorder or a subscriber is called by the thread that writes, and must not call the log that
//! it is told of.
//!
//! | name | kind | unit | meaning |
//! |---|---|---|---|
//! | `annals_appended_events_total` | counter | events | events that were written |
//! | `annals_appended_batches_total` | counter | batches | batches that were written; events by batches is the size of a batch |
//! | `annals_appended_bytes_total` | counter | bytes | bytes of the groups that were written |
//! | `annals_group_batches` | histogram | batches | batches that shared one write |
//! | `annals_group_bytes` | histogram | bytes | bytes of one write |
//! | `annals_sync_seconds` | histogram | seconds | how long a sync of a group took |
//! | `annals_conflicts_total` | counter | batches | batches that were refused, since a stream was not as expected |
//! | `annals_duplicates_total` | counter | batches | batches that were known by their ids or their key |
//! | `annals_poisoned_total` | counter | logs | logs that take no more appends since a write or sync failed |
//! | `annals_segments` | gauge | segments | segments of the logs that are open for writing |
//! | `annals_recoveries_total` | counter | openings | openings of a log that had not been closed |
//! | `annals_recovery_seconds` | histogram | seconds | how long an opening took, until the log could be used |
//! | `annals_discarded_bytes_total` | counter | bytes | bytes of torn tails that openings discarded |
//! | `annals_index_run_seconds` | histogram | seconds | how long making the index of a sealed segment took |
//! | `annals_replayed_events` | histogram | events | events that one load of an aggregate folded |
//! | `annals_aggregate_snapshots_total` | counter | snapshots | snapshots of aggregates that were written beside commands |
//! | `annals_subscription_lag_events` | gauge | events | events of the log behind a subscription's checkpoint, when that is saved; label `subscription` |
//!
//! # Spans
//!
//! By the crate [`tracing`](https://docs.rs/tracing), with the target `annals`.
//!
//! | span | level | fields | around |
//! |---|---|---|---|
//! | `annals.open` | info | `log` | opening for writing, recovery included |
//! | `annals.append` | trace | `events`, `bytes` | an append, from the call to the answer |
//! | `annals.write` | debug | `batches`, `bytes` | one write of a group |
//! | `annals.sync` | debug | `segment` | one sync of a group |
//! | `annals.roll` | debug | `segment` | going on in another segment: the header, and what is synced before it |
//! | `annals.index` | debug | `segment` | making the index of a sealed segment |
//! | `annals.command` | debug | `stream` | a command of an aggregate, all attempts; none around one that is awaited |
//! | `annals.deliver` | debug | `subscription`, `stream`, `position` | a call of a subscription's handler |
//! | `annals.step` | debug | `processor`, `events` | an exactly-once step of a processor or of processes |
//! | `annals.snapshots` | debug | `category` | a round of the snapshotter |
//!
//! Two events of level warn tell of what went wrong where nobody waits: `annals.recovered`, with
//! `head` and `discarded_bytes`, of a log that had not been closed, and `annals.poisoned`, with `error`.

mod activity;
#[cfg(feature = "metrics")]
mod metered;
#[cfg(not(feature = "metrics"))]
#[path = "unmetered.rs"]
mod metered;
#[cfg(feature = "tracing")]
mod traced;
#[cfg(not(feature = "tracing"))]
#[path = "untraced.rs"]
mod traced;

pub use self::activity::Activity;
pub(crate) use self::activity::GroupFacts;
#[cfg(feature = "metrics")]
pub use self::metered::{
    AGGREGATE_SNAPSHOTS, APPENDED_BATCHES, APPENDED_BYTES, APPENDED_EVENTS, CONFLICTS,
    DISCARDED_BYTES, DUPLICATES, GROUP_BATCHES, GROUP_BYTES, INDEX_RUN_SECONDS, POISONED,
    RECOVERIES, RECOVERY_SECONDS, REPLAYED_EVENTS, SEGMENTS, SUBSCRIPTION_LAG_EVENTS, SYNC_SECONDS,
};
#[cfg(feature = "sourcing")]
pub(crate) use self::metered::{METERED, lag, replayed, snapshots};
pub(crate) use self::metered::{Segments, Stopwatch};
pub(crate) use self::metered::{
    conflict, describe, duplicate, group, indexed, poisoned, recovered, synced,
};
pub(crate) use self::traced::span;

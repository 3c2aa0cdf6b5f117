//! What one turn came to.

use std::time::Duration;

use crate::histogram::Histogram;

/// What one turn came to.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// Events, or whatever else is counted, in a second.
    pub rate: f64,
    /// What one call took: the mean, or where single calls are timed the median.
    pub call: Duration,
    /// Half of the calls took no longer; where single calls are timed.
    pub p50: Option<Duration>,
    /// 99 of 100 calls took no longer; where single calls are timed.
    pub p99: Option<Duration>,
    /// The sync that came before what was measured and is not part of it.
    pub sync: Option<Duration>,
    /// Bytes, where they are what is measured.
    pub bytes: Option<f64>,
}

impl Turn {
    /// So many events in that time, one a call.
    pub fn new(events: u64, time: Duration) -> Self {
        Self::of_calls(events, 1, time)
    }

    /// So many in a second, or whatever number is compared.
    pub fn of_rate(rate: f64) -> Self {
        Self { rate, ..Self::new(0, Duration::ZERO) }
    }

    /// So many calls in that time, each of so many events.
    pub fn of_calls(calls: u64, events: u64, time: Duration) -> Self {
        let seconds = time.as_secs_f64().max(f64::MIN_POSITIVE);
        let rate = calls.saturating_mul(events) as f64 / seconds;
        let call = time.div_f64((calls as f64).max(1.0));
        Self { rate, call, p50: None, p99: None, sync: None, bytes: None }
    }

    /// Single calls, by how long each took.
    pub fn timed(calls: &Histogram, time: Duration) -> Self {
        let (p50, p99) = (calls.percentile(50), calls.percentile(99));
        let turn = Self::of_calls(calls.len(), 1, time);
        Self { call: p50.unwrap_or_default(), p50, p99, ..turn }
    }

    /// Bytes instead of time.
    pub fn of_bytes(bytes: f64) -> Self {
        let nothing = Self::of_calls(0, 0, Duration::ZERO);
        Self { bytes: Some(bytes), ..nothing }
    }
}

/// Which number of a turn stands in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// Events in a second.
    Rate,
    /// The median of single calls.
    P50,
    /// Bytes.
    Bytes,
}

impl Figure {
    /// The number: a second's events, seconds, or bytes; not a number where there is none.
    pub fn of(self, turn: &Turn) -> f64 {
        match self {
            Self::Rate => turn.rate,
            Self::P50 => turn.p50.as_ref().map_or(f64::NAN, Duration::as_secs_f64),
            Self::Bytes => turn.bytes.unwrap_or(f64::NAN),
        }
    }
}

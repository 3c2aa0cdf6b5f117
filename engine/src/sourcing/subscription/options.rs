//! How a subscription is opened, and what its handlers' failures come to.

use std::time::Duration;

use crate::{Filter, Start};

/// How a subscription is opened.
///
/// ```
/// use annals::sourcing::SubscriptionOptions;
/// use annals::{Filter, Start};
/// let options = SubscriptionOptions::new()
///     .filter(Filter::new().category("order").event_type("OrderPaid"))
///     .start(Start::End);
/// # let _ = options;
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct SubscriptionOptions {
    pub(super) filter: Filter,
    pub(super) start: Start,
    pub(super) window: usize,
    pub(super) parked_streams: usize,
    pub(super) save_every: u64,
    pub(super) save_after: Duration,
}

impl Default for SubscriptionOptions {
    fn default() -> Self {
        Self {
            filter: Filter::new(),
            start: Start::Beginning,
            window: 1024,
            parked_streams: 100,
            save_every: 256,
            save_after: Duration::from_secs(1),
        }
    }
}

impl SubscriptionOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which events it delivers. Default: all of them. It belongs to the subscription: opened
    /// with another one it is refused.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Where it starts when it is opened for the first time. Default: at the beginning.
    pub const fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// How many events are held in memory that are not settled: handed out, waiting for those
    /// before them in their stream, or for their time. With so many it reads on only when the
    /// first of them are. Default: 1,024; 0 is taken for 1.
    pub const fn window(mut self, events: usize) -> Self {
        self.window = if events == 0 { 1 } else { events };
        self
    }

    /// How many streams may be parked. The next one stops the subscription: then it is not the
    /// events but the handler. Each is some hundred bytes of every save. Default: 100.
    pub const fn parked_streams(mut self, streams: usize) -> Self {
        self.parked_streams = streams;
        self
    }

    /// After how many acknowledgements, or how long after the first one that is not saved yet,
    /// where the subscription is goes into the log. Default: 256, one second. What is lost
    /// with the process is delivered again.
    pub const fn save(mut self, every: u64, after: Duration) -> Self {
        self.save_every = every;
        self.save_after = after;
        self
    }
}

/// What a delivery that could not be handled comes to: see
/// [`Delivery::nack`](crate::sourcing::Delivery::nack).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Nack<'r> {
    /// It is delivered again after this time; its stream waits, others do not.
    Retry(Duration),
    /// It is parked, for this reason, and with it its stream: later events wait.
    Park(&'r str),
    /// It is skipped; that and the reason are recorded.
    Skip(&'r str),
    /// The subscription stops, for this reason.
    Stop(&'r str),
}

/// What a handler's failure comes to. By default the subscription stops: nothing is skipped,
/// and nothing after it is delivered.
///
/// ```
/// use std::time::Duration;
/// use annals::sourcing::OnFailure;
/// // Five more attempts, after 10, 20, 40, 80 and 160 ms; then its stream is parked.
/// let policy = OnFailure::park().retry(5, Duration::from_millis(10));
/// # let _ = policy;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use]
pub struct OnFailure {
    park: bool,
    retries: u32,
    first_after: Duration,
}

/// No wait before another attempt is longer.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

impl OnFailure {
    /// The subscription stops.
    pub fn stop() -> Self {
        Self::default()
    }

    /// The event is parked, and its stream waits.
    pub fn park() -> Self {
        Self { park: true, ..Self::default() }
    }

    /// Before that it is tried so many times more, the first time after this, then after twice
    /// that, and so on, up to a minute.
    pub const fn retry(mut self, times: u32, first_after: Duration) -> Self {
        self.retries = times;
        self.first_after = first_after;
        self
    }

    pub(in crate::sourcing) fn nack(self, attempt: u32, reason: &str) -> Nack<'_> {
        if attempt <= self.retries {
            let doubled = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
            return Nack::Retry(self.first_after.saturating_mul(doubled).min(RETRY_AFTER_MAX));
        }
        if self.park { Nack::Park(reason) } else { Nack::Stop(reason) }
    }
}

//! Floor and annals in turns, one pair to warm up; progress; stopping.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::fact::{Fact, Measure, Side, Work};
use super::plan::Plan;
use crate::Result;

/// The longest time that the disk and the background get to come to rest before a turn.
const REST: Duration = Duration::from_millis(300);

/// The clock is looked at once in so many calls, where calls are short.
const CALLS_BETWEEN_LOOKS: u64 = 16;

/// The percentiles that are kept, in thousandths.
const PERCENTILES: [usize; 12] =
    [1_000, 10_000, 25_000, 50_000, 75_000, 90_000, 95_000, 99_000, 99_900, 99_990, 99_999, WHOLE];
const WHOLE: usize = 100_000;

/// Steps of the histogram in a power of ten.
const STEPS: f64 = 20.0;

/// How much larger each step of a histogram is than the one before.
pub fn histogram_step() -> f64 {
    10_f64.powf(STEPS.recip())
}

/// How far it has got.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Turns that are done.
    pub done: u64,
    /// Turns that there are.
    pub total: u64,
    /// What is being measured.
    pub work: Work,
}

/// The survey ended because it was told to.
#[derive(Debug, Clone, Copy)]
pub struct Stopped;

impl std::fmt::Display for Stopped {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("stopped")
    }
}

impl std::error::Error for Stopped {}

/// Whether to stop. Looked at in every loop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop<'a>(&'a AtomicBool);

impl<'a> Stop<'a> {
    /// When this is set.
    pub(super) const fn of(flag: &'a AtomicBool) -> Self {
        Self(flag)
    }

    /// Ends what calls it, if that is wanted.
    pub(super) fn check(self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(Stopped.into()) } else { Ok(()) }
    }
}

/// What one turn says: measures, what they are at, and values.
pub(super) type Seen = Vec<(Measure, f64, f64)>;

/// Runs turns and tells how far it has got.
pub(super) struct Turns<'a> {
    rounds: u32,
    time: Duration,
    stop: Stop<'a>,
    watch: &'a mut dyn FnMut(&Progress),
    done: u64,
    total: u64,
}

impl<'a> Turns<'a> {
    pub(super) fn new(
        plan: &Plan,
        works: usize,
        stop: &'a AtomicBool,
        watch: &'a mut dyn FnMut(&Progress),
    ) -> Self {
        let pairs = u64::from(plan.rounds) + 1;
        let total = u64::try_from(works).unwrap_or(u64::MAX).saturating_mul(pairs * 2);
        Self { rounds: plan.rounds, time: plan.turn, stop: Stop(stop), watch, done: 0, total }
    }

    /// How long a turn is.
    pub(super) const fn time(&self) -> Duration {
        self.time
    }

    pub(super) const fn stop(&self) -> Stop<'a> {
        self.stop
    }

    /// Says what is being prepared.
    pub(super) fn preparing(&mut self, work: &Work) {
        (self.watch)(&Progress { done: self.done, total: self.total, work: *work });
    }

    /// Runs both in turns: one turn each to warm up, which is not counted, then the
    /// rounds. Ratios are of pairs, so both sides of a round are beside each other.
    pub(super) fn pairs(
        &mut self,
        work: &Work,
        mut floor: impl FnMut() -> Result<Seen>,
        mut annals: impl FnMut() -> Result<Seen>,
    ) -> Result<Vec<Fact>> {
        let mut facts = Vec::new();
        for round in 0..=self.rounds {
            for side in [Side::Floor, Side::Annals] {
                (self.watch)(&Progress { done: self.done, total: self.total, work: *work });
                self.stop.check()?;
                std::thread::sleep(REST.min(self.time));
                let seen = if side == Side::Floor { floor()? } else { annals()? };
                self.done += 1;
                if round > 0 {
                    facts.extend(seen.into_iter().map(|(measure, at, value)| Fact {
                        work: *work,
                        side,
                        measure,
                        at,
                        round,
                        value,
                    }));
                }
            }
        }
        Ok(facts)
    }
}

/// How many in a second.
pub(super) fn rate(count: u64, time: Duration) -> (Measure, f64, f64) {
    let seconds = time.as_secs_f64().max(f64::MIN_POSITIVE);
    (Measure::Rate, 0.0, count as f64 / seconds)
}

/// How long the whole took.
pub(super) fn took(time: Duration) -> (Measure, f64, f64) {
    (Measure::Time, 0.0, time.as_secs_f64() * 1e9)
}

/// Calls `work` until the time is up, or so many calls were made. Returns the calls and
/// their time.
pub(super) fn busy(
    stop: Stop<'_>,
    time: Duration,
    most_calls: u64,
    mut work: impl FnMut() -> Result<()>,
) -> Result<(u64, Duration)> {
    let start = Instant::now();
    let mut calls = 0;
    loop {
        for _ in 0..CALLS_BETWEEN_LOOKS {
            work()?;
        }
        calls += CALLS_BETWEEN_LOOKS;
        stop.check()?;
        let elapsed = start.elapsed();
        if elapsed >= time || calls >= most_calls {
            return Ok((calls, elapsed));
        }
    }
}

/// Calls `work` until the time is up, and keeps how long each call took.
pub(super) fn timed(
    stop: Stop<'_>,
    time: Duration,
    mut work: impl FnMut() -> Result<()>,
) -> Result<(Duration, Vec<u64>)> {
    // Large enough that it seldom grows while it is measured.
    let mut latencies = Vec::with_capacity(1 << 16);
    let start = Instant::now();
    let mut before = start;
    loop {
        work()?;
        let now = Instant::now();
        latencies.push(u64::try_from((now - before).as_nanos())?);
        before = now;
        stop.check()?;
        if now - start >= time {
            return Ok((now - start, latencies));
        }
    }
}

/// The percentiles of these, as far as there are enough of them.
pub(super) fn percentiles(latencies: &mut [u64]) -> Seen {
    latencies.sort_unstable();
    let count = latencies.len();
    let mut seen = Seen::new();
    for percentile in PERCENTILES {
        // Of a thousand calls nobody knows what 9,999 of 10,000 would not exceed.
        if percentile < WHOLE && count.saturating_mul(WHOLE - percentile) < WHOLE {
            continue;
        }
        let rank = count.saturating_mul(percentile).div_ceil(WHOLE);
        if let Some(nanos) = rank.checked_sub(1).and_then(|index| latencies.get(index)) {
            seen.push((Measure::Latency, percentile as f64 / 1000.0, *nanos as f64));
        }
    }
    seen
}

/// How many of these fall into each step of a histogram; steps without any are left out.
pub(super) fn histogram(latencies: &[u64]) -> Seen {
    let mut counts = std::collections::BTreeMap::new();
    for nanos in latencies {
        let step = ((*nanos).max(1) as f64).log10() * STEPS;
        // Whole, and far below what a number of this kind holds.
        let bound = 10_f64.powf(step.floor() / STEPS).round();
        *counts.entry(bound.to_bits()).or_insert(0_u32) += 1;
    }
    let seen = counts.into_iter();
    seen.map(|(bound, count)| (Measure::Calls, f64::from_bits(bound), f64::from(count))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_at(seen: &Seen, at: f64) -> Option<f64> {
        seen.iter().find(|(_, own, _)| (own - at).abs() < 1e-9).map(|(_, _, value)| *value)
    }

    #[test]
    fn a_percentile_is_what_so_many_did_not_exceed() {
        let mut latencies: Vec<u64> = (1..=1000).rev().collect();
        let seen = percentiles(&mut latencies);
        for (at, value) in [(1.0, 10.0), (50.0, 500.0), (99.0, 990.0), (99.9, 999.0)] {
            assert_eq!(value_at(&seen, at), Some(value), "{at}");
        }
        assert_eq!(value_at(&seen, 100.0), Some(1000.0));
        assert_eq!(value_at(&seen, 99.99), None);
        assert_eq!(percentiles(&mut [7]), [(Measure::Latency, 100.0, 7.0)]);
        assert!(percentiles(&mut []).is_empty());
    }

    #[test]
    fn a_histogram_counts_every_call_once() {
        let seen = histogram(&[100, 101, 1000, 1_000_000]);
        let counts: f64 = seen.iter().map(|(_, _, count)| count).sum();
        assert!((counts - 4.0).abs() < 1e-9);
        assert_eq!((value_at(&seen, 100.0), value_at(&seen, 1000.0)), (Some(2.0), Some(1.0)));
    }

    #[test]
    fn one_pair_warms_up_and_the_others_count() {
        let plan = Plan { rounds: 2, turn: Duration::from_nanos(1), ..Plan::quick(Vec::new()) };
        let work = Work::new(super::super::Part::Open, super::super::Way::Clean);
        let (stop, mut said) = (AtomicBool::new(false), Vec::new());
        let mut watch = |progress: &Progress| said.push((progress.done, progress.total));
        let mut turns = Turns::new(&plan, 1, &stop, &mut watch);
        let time = |time| move || Ok(vec![(Measure::Time, 0.0, time)]);
        let facts = turns.pairs(&work, time(1.0), time(2.0)).unwrap();
        let rounds: Vec<_> = facts.iter().map(|fact| (fact.round, fact.side)).collect();
        let pair = |round| [(round, Side::Floor), (round, Side::Annals)];
        assert_eq!(rounds, [pair(1), pair(2)].concat());
        assert_eq!(said, [(0, 6), (1, 6), (2, 6), (3, 6), (4, 6), (5, 6)]);
    }
}

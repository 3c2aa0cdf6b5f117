//! Turns, medians and spreads.
//!
//! Floor and annals run in turns, A B A B, in one process and on one disk, and a ratio
//! is taken of each pair before anything is averaged: what drifts, drifts for both.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::Result;

/// How long the disk and the background get to come to rest between two turns, so that
/// one side does not pay for what the other left behind.
const REST: Duration = Duration::from_millis(300);

/// A side whose turns differ by more than this factor says that the run was noisy.
const NOISY: f64 = 1.25;

/// What one turn came to.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// Events in a second.
    pub rate: f64,
    /// 99 of 100 calls took no longer; where many threads were measured.
    pub p99: Option<Duration>,
}

impl Turn {
    /// So many events in that time.
    pub fn new(events: u64, time: Duration) -> Self {
        let seconds = time.as_secs_f64().max(f64::MIN_POSITIVE);
        Self { rate: events as f64 / seconds, p99: None }
    }
}

/// Floor and annals, turn by turn.
#[derive(Debug, Clone, Default)]
pub struct Pairs {
    /// The floor's turns.
    pub floor: Vec<Turn>,
    /// Those of annals, each beside the floor's with the same index.
    pub annals: Vec<Turn>,
}

impl Pairs {
    /// Runs both in turns: one turn each to warm up, which is not counted, then
    /// `rounds`.
    ///
    /// # Errors
    /// Those of the turns.
    pub fn run(
        rounds: usize,
        mut floor: impl FnMut() -> Result<Turn>,
        mut annals: impl FnMut() -> Result<Turn>,
    ) -> Result<Self> {
        let mut pairs = Self::default();
        for round in 0..=rounds {
            std::thread::sleep(REST);
            let turn = floor()?;
            std::thread::sleep(REST);
            let other = annals()?;
            if round > 0 {
                pairs.floor.push(turn);
                pairs.annals.push(other);
            }
        }
        Ok(pairs)
    }

    /// The ratio of each pair.
    pub fn ratios(&self) -> Vec<f64> {
        let pairs = self.floor.iter().zip(&self.annals);
        pairs.map(|(floor, annals)| annals.rate / floor.rate).collect()
    }

    /// Whether one side alone differs so much from turn to turn that its figure means
    /// little.
    pub fn is_noisy(&self) -> bool {
        [&self.floor, &self.annals].into_iter().any(|turns| {
            let (least, most) = range(&turns.iter().map(|turn| turn.rate).collect::<Vec<_>>());
            most > least * NOISY
        })
    }
}

/// The one in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle).copied().unwrap_or(f64::NAN);
    if sorted.len().is_multiple_of(2) {
        let lower = middle.checked_sub(1).and_then(|lower| sorted.get(lower).copied());
        return f64::midpoint(lower.unwrap_or(upper), upper);
    }
    upper
}

/// The least and the greatest.
pub fn range(values: &[f64]) -> (f64, f64) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (least, most)
}

/// One thread calls `work`, which does `events` events, until the time is up.
///
/// # Errors
/// Those of `work`.
pub fn alone(time: Duration, events: u64, mut work: impl FnMut() -> Result<()>) -> Result<Turn> {
    let start = Instant::now();
    let mut done = 0;
    loop {
        work()?;
        done += events;
        let elapsed = start.elapsed();
        if elapsed >= time {
            return Ok(Turn::new(done, elapsed));
        }
    }
}

/// What is done by each of several threads: made once in each, then called.
pub type Work<'a> = Box<dyn FnMut() -> Result<()> + 'a>;

/// When a thread stops.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// When this time is up.
    Time(Duration),
    /// After so many calls.
    Calls(u64),
}

/// `threads` threads call what `make` makes for each. Returns the time from their
/// common start to the last one's end, and how long each call took, in nanoseconds.
///
/// # Errors
/// Those of the work; of a thread that panicked.
pub fn together<'a>(
    threads: u64,
    until: Until,
    make: &(impl Fn(u64) -> Work<'a> + Sync),
) -> Result<(Duration, Vec<u64>)> {
    let everybody = Barrier::new(usize::try_from(threads)? + 1);
    std::thread::scope(|scope| {
        let mut running = Vec::new();
        for thread in 0..threads {
            let everybody = &everybody;
            running.push(scope.spawn(move || {
                let work = make(thread);
                everybody.wait();
                calls(until, work)
            }));
        }
        everybody.wait();
        let start = Instant::now();
        let mut all = Vec::new();
        for thread in running {
            all.append(&mut thread.join().map_err(|_| "a thread panicked")??);
        }
        Ok((start.elapsed(), all))
    })
}

fn calls(until: Until, mut work: Work<'_>) -> Result<Vec<u64>> {
    let start = Instant::now();
    let mut before = start;
    // Large enough that it seldom grows while it is measured.
    let mut latencies = Vec::with_capacity(1 << 16);
    let mut left = match until {
        Until::Calls(calls) => calls,
        Until::Time(_) => u64::MAX,
    };
    while left > 0 {
        work()?;
        let now = Instant::now();
        latencies.push(u64::try_from((now - before).as_nanos())?);
        before = now;
        left -= 1;
        if let Until::Time(time) = until
            && now - start >= time
        {
            break;
        }
    }
    Ok(latencies)
}

/// A turn of several threads.
///
/// # Errors
/// Those of [`together`].
pub fn crowd<'a>(
    threads: u64,
    time: Duration,
    make: &(impl Fn(u64) -> Work<'a> + Sync),
) -> Result<Turn> {
    let (elapsed, mut latencies) = together(threads, Until::Time(time), make)?;
    let calls = latencies.len();
    let at = (calls.saturating_mul(99) / 100).min(calls.saturating_sub(1));
    let p99 = if calls == 0 { 0 } else { *latencies.select_nth_unstable(at).1 };
    let turn = Turn::new(u64::try_from(calls)?, elapsed);
    Ok(Turn { p99: Some(Duration::from_nanos(p99)), ..turn })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_and_a_ratio_is_of_a_pair() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        let turn = |rate| Turn { rate, p99: None };
        let pairs =
            Pairs { floor: vec![turn(100.0), turn(50.0)], annals: vec![turn(90.0), turn(45.0)] };
        assert!(pairs.ratios().iter().all(|ratio| (ratio - 0.9).abs() < 1e-9));
        assert!(pairs.is_noisy());
    }

    #[test]
    fn every_call_of_every_thread_is_counted() {
        let make = |_| -> Work<'static> { Box::new(|| Ok(())) };
        let (_, latencies) = together(4, Until::Calls(25), &make).unwrap();
        assert_eq!(latencies.len(), 100);
    }
}

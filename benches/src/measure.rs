//! Turns, medians and spreads.
//!
//! Floor and annals run in turns, A B A B, in one process and on one disk, and a ratio
//! is taken of each pair before anything is averaged: what drifts, drifts for both.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::Result;
use crate::histogram::Histogram;

/// How long the disk and the background get to come to rest between two turns, so that
/// one side does not pay for what the other left behind.
pub const REST: Duration = Duration::from_millis(300);

/// A side whose turns differ by more than this factor says that the run was noisy.
pub const NOISY: f64 = 1.25;

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

/// Floor and annals, turn by turn.
#[derive(Debug, Clone, Default)]
pub struct Pairs {
    /// The floor's turns.
    pub floor: Vec<Turn>,
    /// Those of annals, each beside the floor's with the same index.
    pub annals: Vec<Turn>,
    /// Those of another use of annals that a bar is given in, if it is.
    pub beside: Vec<Turn>,
}

impl Pairs {
    /// Runs both in turns: one turn each to warm up, which is not counted, then
    /// `rounds`.
    ///
    /// # Errors
    /// Those of the turns.
    pub fn run(
        rounds: usize,
        floor: impl FnMut() -> Result<Turn>,
        annals: impl FnMut() -> Result<Turn>,
    ) -> Result<Self> {
        Self::run_beside(rounds, floor, annals, None::<fn() -> Result<Turn>>)
    }

    /// As [`run`](Self::run), with a third side, if there is one.
    ///
    /// # Errors
    /// Those of the turns.
    pub fn run_beside(
        rounds: usize,
        mut floor: impl FnMut() -> Result<Turn>,
        mut annals: impl FnMut() -> Result<Turn>,
        mut beside: Option<impl FnMut() -> Result<Turn>>,
    ) -> Result<Self> {
        let mut pairs = Self::default();
        for round in 0..=rounds {
            std::thread::sleep(REST);
            let turn = floor()?;
            std::thread::sleep(REST);
            let other = annals()?;
            let third = match &mut beside {
                Some(beside) => {
                    std::thread::sleep(REST);
                    Some(beside()?)
                }
                None => None,
            };
            if round > 0 {
                pairs.floor.push(turn);
                pairs.annals.push(other);
                pairs.beside.extend(third);
            }
        }
        Ok(pairs)
    }

    /// The ratio of the rates of each pair.
    pub fn ratios(&self) -> Vec<f64> {
        self.ratios_of(|turn| Figure::Rate.of(turn))
    }

    /// The ratio of each pair, by some number of a turn.
    pub fn ratios_of(&self, number: impl Fn(&Turn) -> f64) -> Vec<f64> {
        let pairs = self.floor.iter().zip(&self.annals);
        pairs.map(|(floor, annals)| number(annals) / number(floor)).collect()
    }

    /// Whether one side's rate differs so much from turn to turn that its figure means
    /// little.
    pub fn is_noisy(&self) -> bool {
        self.unrest(Figure::Rate) > NOISY
    }

    /// By what factor the turns of one side differ, of the side where they differ more.
    pub fn unrest(&self, figure: Figure) -> f64 {
        let sides = [&self.floor, &self.annals].into_iter();
        let spread = sides.map(|turns| {
            let (least, most) =
                range(&turns.iter().map(|turn| figure.of(turn)).collect::<Vec<_>>());
            most / least
        });
        spread.fold(1.0, f64::max)
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
pub fn alone(time: Duration, events: u64, work: impl FnMut() -> Result<()>) -> Result<Turn> {
    one(Until::Time(time), events, work)
}

/// One thread calls `work`, which does `events` events. The clock is read after each call
/// only where time ends the turn: beside a call of 200 ns that is a tenth.
///
/// # Errors
/// Those of `work`.
pub fn one(until: Until, events: u64, mut work: impl FnMut() -> Result<()>) -> Result<Turn> {
    let start = Instant::now();
    match until {
        Until::Calls(calls) => {
            for _ in 0..calls {
                work()?;
            }
            Ok(Turn::of_calls(calls, events, start.elapsed()))
        }
        Until::Time(time) => {
            let mut done = 0;
            loop {
                work()?;
                done += 1;
                let elapsed = start.elapsed();
                if elapsed >= time {
                    return Ok(Turn::of_calls(done, events, elapsed));
                }
            }
        }
    }
}

/// One thread calls `work`, and each call is timed.
///
/// # Errors
/// Those of `work`.
pub fn each(until: Until, mut work: impl FnMut() -> Result<()>) -> Result<Turn> {
    let mut took = Histogram::default();
    let start = Instant::now();
    let mut before = start;
    loop {
        match until {
            Until::Calls(calls) if took.len() >= calls => break,
            Until::Time(time) if before - start >= time => break,
            Until::Calls(_) | Until::Time(_) => {}
        }
        work()?;
        let now = Instant::now();
        took.add(now - before);
        before = now;
    }
    Ok(Turn::timed(&took, before - start))
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
    crowd_until(threads, Until::Time(time), make)
}

/// A turn of several threads, until the time is up or so many calls were made by all of them
/// together, rounded up to the same number for each.
///
/// # Errors
/// Those of [`together`].
pub fn crowd_until<'a>(
    threads: u64,
    until: Until,
    make: &(impl Fn(u64) -> Work<'a> + Sync),
) -> Result<Turn> {
    let until = match until {
        Until::Calls(calls) => Until::Calls(calls.div_ceil(threads.max(1))),
        time @ Until::Time(_) => time,
    };
    let (elapsed, mut latencies) = together(threads, until, make)?;
    let calls = latencies.len();
    let mut percentile = |percent: usize| {
        let at = (calls.saturating_mul(percent) / 100).min(calls.saturating_sub(1));
        let nanos = if calls == 0 { 0 } else { *latencies.select_nth_unstable(at).1 };
        Some(Duration::from_nanos(nanos))
    };
    let (p50, p99) = (percentile(50), percentile(99));
    Ok(Turn { p50, p99, ..Turn::new(u64::try_from(calls)?, elapsed) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_and_a_ratio_is_of_a_pair() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        let turn = |events| Turn::new(events, Duration::from_secs(1));
        let (floor, annals) = (vec![turn(100), turn(50)], vec![turn(90), turn(45)]);
        let pairs = Pairs { floor, annals, beside: Vec::new() };
        assert!(pairs.ratios().iter().all(|ratio| (ratio - 0.9).abs() < 1e-9));
        assert!(pairs.is_noisy());
    }

    #[test]
    fn every_call_of_every_thread_is_counted() {
        let make = |_| -> Work<'static> { Box::new(|| Ok(())) };
        let (_, latencies) = together(4, Until::Calls(25), &make).unwrap();
        assert_eq!(latencies.len(), 100);
    }

    #[test]
    fn a_turn_of_calls_makes_as_many_and_a_turn_of_time_at_least_one() {
        let mut made = 0;
        let turn = one(Until::Calls(7), 3, || {
            made += 1;
            Ok(())
        });
        assert!(made == 7 && turn.unwrap().rate > 0.0);
        let turn = each(Until::Calls(5), || {
            std::thread::sleep(Duration::from_millis(2));
            Ok(())
        });
        let p50 = turn.unwrap().p50.unwrap();
        assert!(p50 >= Duration::from_millis(1), "{p50:?}");
        assert!(one(Until::Time(Duration::ZERO), 1, || Ok(())).unwrap().rate > 0.0);
    }
}

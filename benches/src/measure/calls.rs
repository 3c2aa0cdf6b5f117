//! Making calls until the time is up, or a number of them.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::Turn;
use crate::Result;
use crate::histogram::Histogram;

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

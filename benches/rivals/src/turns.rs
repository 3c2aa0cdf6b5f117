//! One turn of one store: what a process of its own does.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use annals_benches::Result;
use annals_benches::measure::{Work, crowd};
use annals_benches::workload::{CONTENT_BYTES, STREAMS, Workload};

use crate::rows::{BURST_EVENTS, Content, EVENTS_PER_STREAM, EXPECTED_STREAMS, Kind, Size};
use crate::source::{Names, Source, spread};
use crate::store::{Appender, Durability, Event, Rival, Setup, Store};
use crate::usage;

/// What a turn that appends stops at, if its time is not up before: what one turn writes
/// must fit on the disk, and below what the system writes back by itself.
pub const MOST_EVENTS: u64 = 2_000_000;

/// Part of a turn's length that many threads run before they are measured.
const WARM_UP: u32 = 5;

/// Events of a batch of the warm-up, and how long it lasts at most, for stores that are slow.
const WARM_BATCH: usize = 1000;
const WARM_AT_MOST: Duration = Duration::from_secs(5);

/// How long the threads and the disk come to rest between the warm-up and measuring: what
/// is written in the background is, and space is prepared.
const REST: Duration = Duration::from_millis(300);

/// Events of a batch where a store is filled.
const FILL_EVENTS: usize = 1000;

/// What a turn came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// In the unit of the row.
    pub value: f64,
    /// Half of the calls took no longer; in nanoseconds, where calls were timed.
    pub p50: Option<u64>,
    /// 99 of 100 calls took no longer.
    pub p99: Option<u64>,
}

impl Figure {
    /// A figure without latencies.
    pub const fn new(value: f64) -> Self {
        Self { value, p50: None, p99: None }
    }
}

fn content_bytes(events: u64) -> u64 {
    events.saturating_mul(u64::try_from(CONTENT_BYTES).unwrap_or(u64::MAX))
}

/// Events whose content is so many bytes.
pub fn events_of(bytes: u64) -> u64 {
    bytes / u64::try_from(CONTENT_BYTES).unwrap_or(u64::MAX)
}

/// A store that is kept, as it is filled and opened again.
fn kept(content: Content, size: Size) -> Setup {
    let bytes = match content {
        Content::Spread => content_bytes(u64::try_from(spread_events(size)).unwrap_or(u64::MAX)),
        Content::Log | Content::Nothing => size.replay_bytes,
    };
    Setup { durability: Durability::Durable, threads: 1, bytes, kept: true }
}

fn spread_events(size: Size) -> usize {
    size.streams.saturating_mul(EVENTS_PER_STREAM)
}

/// Fills a store with what a row needs, and leaves it open.
///
/// # Errors
/// Those of the store.
pub fn fill(
    rival: &Rival,
    content: Content,
    size: Size,
    directory: &Path,
) -> Result<Box<dyn Store>> {
    let store = (rival.open)(directory, kept(content, size))?;
    let mut appender = store.appender()?;
    match content {
        Content::Nothing => {}
        Content::Log => {
            let (workload, names) = (Workload::new(), Names::new(STREAMS));
            let mut source = Source::new(&workload, &names, 0);
            let mut batch = Vec::new();
            let mut left = usize::try_from(events_of(size.replay_bytes))?;
            while left > 0 {
                let events = left.min(FILL_EVENTS);
                source.batch(events, &mut batch);
                appender.append(&batch)?;
                left -= events;
            }
        }
        Content::Spread => {
            let names = Names::new(size.streams);
            spread(&names, EVENTS_PER_STREAM, FILL_EVENTS, |batch| appender.append(batch))?;
        }
    }
    drop(appender);
    Ok(store)
}

/// Runs a turn in a directory that holds what the row needs.
///
/// # Errors
/// Those of the store; if it does not hold what it was given.
pub fn turn(rival: &Rival, kind: Kind, size: Size, directory: &Path) -> Result<Figure> {
    let setup = kept(kind.content(), size);
    match kind {
        Kind::Append { durability, threads, .. } => {
            let durability = rival.nearest(durability)?;
            let bytes = content_bytes(MOST_EVENTS.saturating_mul(2));
            let setup = Setup { durability, threads, bytes, kept: false };
            let store = (rival.open)(directory, setup)?;
            let figure = append(store.as_ref(), kind, size)?;
            store.close()?;
            Ok(figure)
        }
        Kind::Replay => {
            let store = (rival.open)(directory, setup)?;
            let figure = replay(store.as_ref(), size)?;
            store.close()?;
            Ok(figure)
        }
        Kind::Streams => {
            let store = (rival.open)(directory, setup)?;
            let figure = streams(store.as_ref(), size)?;
            store.close()?;
            Ok(figure)
        }
        Kind::OpenClosed | Kind::OpenKilled => {
            let start = Instant::now();
            let store = (rival.open)(directory, setup)?;
            let elapsed = start.elapsed();
            store.close()?;
            Ok(Figure::new(elapsed.as_secs_f64() * 1e9))
        }
        Kind::Memory => {
            let before = usage::anonymous_bytes()?;
            let store = (rival.open)(directory, setup)?;
            let after = usage::anonymous_bytes()?;
            store.close()?;
            Ok(Figure::new(after.saturating_sub(before) as f64))
        }
        Kind::Disk => {
            let events = spread_events(size).max(1);
            Ok(Figure::new(usage::allocated_bytes(directory)? as f64 / events as f64))
        }
    }
}

fn append(store: &dyn Store, kind: Kind, size: Size) -> Result<Figure> {
    let Kind::Append { durability, batch, threads, expected, burst } = kind else {
        return Err("not a row that appends".into());
    };
    let time = Duration::from_secs_f64(size.seconds);
    let workload = Workload::new();
    let names = Names::new(if expected { EXPECTED_STREAMS } else { STREAMS });
    warm(store, &workload, &names, size)?;
    if threads > 1 {
        let work = |thread| one_by_one(store, &workload, &names, thread);
        crowd(threads, time / WARM_UP, &work)?;
        let turn = crowd(threads, time, &work)?;
        let p99 = turn.p99.map(|p99| u64::try_from(p99.as_nanos())).transpose()?;
        return Ok(Figure { value: turn.rate, p50: None, p99 });
    }
    let mut source = Source::new(&workload, &names, 0);
    let mut appender = store.appender()?;
    let mut events = Vec::with_capacity(batch);
    let mut work = || {
        if expected {
            return appender.append_expected(&source.any());
        }
        source.batch(batch, &mut events);
        appender.append(&events)
    };
    // The clock is not read often enough to be felt, and a sync is seldom.
    let calls = if durability == Durability::Durable || batch > 1 { 1 } else { 64 };
    let until = if burst {
        Until { time: Duration::MAX, events: BURST_EVENTS }
    } else {
        Until { time, events: MOST_EVENTS }
    };
    alone(until, calls, batch, &mut work)
}

/// Brings a store to the size at which it is measured, and to rest.
fn warm(store: &dyn Store, workload: &Workload, names: &Names, size: Size) -> Result<()> {
    let mut source = Source::new(workload, names, u64::MAX);
    let mut appender = store.appender()?;
    let mut batch = Vec::with_capacity(WARM_BATCH);
    let until = Until { time: WARM_AT_MOST, events: size.warm_events };
    alone(until, 1, WARM_BATCH, &mut || {
        batch.clear();
        batch.extend((0..WARM_BATCH).map(|_| source.any()));
        appender.append(&batch)
    })?;
    std::thread::sleep(REST);
    Ok(())
}

/// What one of several threads does, call by call.
fn one_by_one<'a>(
    store: &'a dyn Store,
    workload: &'a Workload,
    names: &'a Names,
    thread: u64,
) -> Work<'a> {
    let mut source = Source::new(workload, names, thread);
    let mut appender: Result<Box<dyn Appender + 'a>> = store.appender();
    Box::new(move || match &mut appender {
        Ok(appender) => appender.append(&[source.any()]),
        Err(error) => Err(error.to_string().into()),
    })
}

/// When one thread stops.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Until {
    /// When this time is up,
    pub(crate) time: Duration,
    /// or after so many events.
    pub(crate) events: u64,
}

/// Calls `work`, which appends `batch` events, and looks at the clock after every so many
/// calls.
pub(crate) fn alone(
    until: Until,
    calls: u64,
    batch: usize,
    work: &mut dyn FnMut() -> Result<()>,
) -> Result<Figure> {
    let per_look = calls * u64::try_from(batch)?;
    let start = Instant::now();
    let mut done = 0;
    loop {
        for _ in 0..calls {
            work()?;
        }
        done += per_look;
        let elapsed = start.elapsed();
        if elapsed >= until.time || done >= until.events {
            return Ok(Figure::new(done as f64 / elapsed.as_secs_f64()));
        }
    }
}

fn look(event: &Event<'_>, count: &mut u64) {
    black_box((event.id, event.stream, event.kind, event.data));
    *count += 1;
}

fn replay(store: &dyn Store, size: Size) -> Result<Figure> {
    let mut count = 0;
    let start = Instant::now();
    store.replay(&mut |event| look(&event, &mut count))?;
    let elapsed = start.elapsed();
    let events = events_of(size.replay_bytes);
    if count != events {
        return Err(format!("{count} events were replayed of {events}").into());
    }
    Ok(Figure::new(count as f64 / elapsed.as_secs_f64()))
}

fn streams(store: &dyn Store, size: Size) -> Result<Figure> {
    let time = Duration::from_secs_f64(size.seconds);
    let (workload, names) = (Workload::new(), Names::new(size.streams));
    let mut source = Source::new(&workload, &names, 1);
    let mut read = |latencies: &mut Vec<u64>, time: Duration| -> Result<Duration> {
        let start = Instant::now();
        let mut before = start;
        loop {
            let mut count = 0;
            let number = source.number();
            store.read_stream(names.get(number), &mut |event| look(&event, &mut count))?;
            if count != u64::try_from(EVENTS_PER_STREAM)? {
                return Err(format!("a stream has {count} events").into());
            }
            let now = Instant::now();
            latencies.push(u64::try_from((now - before).as_nanos())?);
            before = now;
            if now - start >= time {
                return Ok(now - start);
            }
        }
    };
    // Caches of the store's own are filled as far as they fill in that time.
    read(&mut Vec::new(), time)?;
    let mut latencies = Vec::with_capacity(1 << 20);
    let elapsed = read(&mut latencies, time)?;
    let rate = latencies.len() as f64 / elapsed.as_secs_f64();
    let (p50, p99) = (part(&mut latencies, 50), part(&mut latencies, 99));
    Ok(Figure { value: rate, p50, p99 })
}

/// `percent` of 100 values are no greater.
fn part(values: &mut [u64], percent: usize) -> Option<u64> {
    let at = (values.len().saturating_mul(percent) / 100).min(values.len().checked_sub(1)?);
    Some(*values.select_nth_unstable(at).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::ROWS;
    use crate::stores::{ANNALS, RIVALS};

    const SIZE: Size =
        Size { rounds: 1, seconds: 0.02, replay_bytes: 300_000, streams: 50, warm_events: 2000 };

    #[test]
    fn every_row_runs_with_every_store_that_it_fits() {
        for rival in std::iter::once(&ANNALS).chain(RIVALS) {
            for row in ROWS.iter().filter(|row| row.kind.fits(rival).is_ok()) {
                eprintln!("{} {}", rival.name, row.name);
                let place = tempfile::tempdir().unwrap();
                let path = place.path().join("store");
                if row.kind.content() != Content::Nothing {
                    fill(rival, row.kind.content(), SIZE, &path).unwrap().close().unwrap();
                }
                let figure = turn(rival, row.kind, SIZE, &path).unwrap();
                assert!(figure.value > 0.0 || row.kind == Kind::Memory);
            }
        }
    }

    #[test]
    fn parts_of_a_hundred() {
        let mut values: Vec<u64> = (1..=100).rev().collect();
        assert_eq!((part(&mut values, 50), part(&mut values, 99)), (Some(51), Some(100)));
        assert_eq!(part(&mut [], 50), None);
    }
}

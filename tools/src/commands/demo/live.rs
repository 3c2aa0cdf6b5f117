//! One cursor from the first event on, while others write: catching up and following
//! live are one loop.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use annals::{Batch, Cursor, Event, Expected, Log, NewEvent, Start};
use serde::Deserialize;
use serde_json::json;

use super::tour::Tour;
use crate::error::{Failure, OfLog};
use crate::output::units;

const WRITERS: u64 = 4;
const EVENTS_EACH: u64 = 500;
const STREAM_PREFIX: &str = "meter-";
/// How long the cursor waits for an event before it looks whether any can come.
const PATIENCE: Duration = Duration::from_millis(200);

#[derive(Deserialize)]
struct Reading {
    /// When it was handed to the log, in nanoseconds since the step began.
    sent: u64,
}

/// What the cursor has delivered.
#[derive(Default)]
struct Seen {
    last_position: u64,
    in_order: bool,
    live: u64,
    versions: HashMap<String, u64>,
    delays: Vec<Duration>,
}

pub(super) fn step(log: &Log, log_path: &Path, tour: &mut Tour<'_>) -> Result<(), Failure> {
    tour.step("Tail", "one cursor from the first event on, while four threads write")?;
    let before = log.head();
    let expected = before + WRITERS * EVENTS_EACH;
    let cursor = log.cursor(Start::Beginning).of(log_path)?;
    let began = Instant::now();
    let running = AtomicU64::new(WRITERS);
    let (seen, written) = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let running = &running;
                scope.spawn(move || {
                    let outcome = write(log, writer, began);
                    running.fetch_sub(1, Ordering::Release);
                    outcome
                })
            })
            .collect();
        let seen = follow(cursor, log_path, began, expected, &running);
        let written = writers.into_iter().try_for_each(|writer| match writer.join() {
            Ok(outcome) => outcome.of(log_path),
            Err(_) => Err(Failure::Tour("a writing thread panicked".to_owned())),
        });
        (seen, written)
    });
    let span = began.elapsed();
    written?;
    tell(tour, seen?, before, expected, span)
}

/// Durable appends of one event each.
fn write(log: &Log, writer: u64, began: Instant) -> annals::Result<()> {
    let stream = format!("{STREAM_PREFIX}{}", writer + 1);
    let mut batch = Batch::new();
    for version in 0..EVENTS_EACH {
        let data = json!({ "sent": nanos(began.elapsed()) }).to_string();
        let event = NewEvent::new("MeterRead").json(&data);
        batch.clear();
        batch.write(&stream, Expected::Exact(version), [event]);
        log.append(&batch)?;
    }
    Ok(())
}

fn follow(
    mut cursor: Cursor,
    log_path: &Path,
    began: Instant,
    expected: u64,
    running: &AtomicU64,
) -> Result<Seen, Failure> {
    let mut seen = Seen { in_order: true, ..Seen::default() };
    while seen.last_position < expected {
        // Asked before the wait: what was written by then, the wait would find.
        let may_come = running.load(Ordering::Acquire) > 0;
        let events = cursor.wait(PATIENCE).of(log_path)?;
        for event in &events {
            seen.take(&event, began);
        }
        if events.is_empty() && !may_come {
            break;
        }
    }
    Ok(seen)
}

impl Seen {
    fn take(&mut self, event: &Event<'_>, began: Instant) {
        self.in_order &= event.position() == self.last_position + 1;
        self.last_position = event.position();
        if !event.stream().starts_with(STREAM_PREFIX) {
            return;
        }
        self.live += 1;
        let version = self.versions.entry(event.stream().to_owned()).or_insert(0);
        self.in_order &= event.version() == *version + 1;
        *version = event.version();
        if let Ok(reading) = serde_json::from_slice::<Reading>(event.data()) {
            let sent = Duration::from_nanos(reading.sent);
            self.delays.push(began.elapsed().saturating_sub(sent));
        }
    }

    /// The delay that so many of a hundred did not exceed.
    fn percentile(&self, percent: usize) -> Duration {
        let last = self.delays.len().saturating_sub(1);
        self.delays.get(last * percent / 100).copied().unwrap_or_default()
    }
}

fn tell(
    tour: &mut Tour<'_>,
    mut seen: Seen,
    before: u64,
    expected: u64,
    span: Duration,
) -> Result<(), Failure> {
    seen.delays.sort_unstable();
    let (median, slow) = (seen.percentile(50), seen.percentile(99));
    tour.say(format_args!(
        "caught up on {}, followed {} live as they were committed",
        units::counted(before, "event"),
        units::count(seen.live)
    ))?;
    tour.say(format_args!(
        "{}, {}: the threads share their syncs",
        units::duration(span),
        units::rate(WRITERS * EVENTS_EACH, "durable appends", span)
    ))?;
    tour.say(format_args!(
        "from the call of append to the cursor: median {}, 99 of 100 within {}",
        units::duration(median),
        units::duration(slow)
    ))?;
    tour.facts(
        "tail",
        json!({ "before": before, "live": seen.live, "seconds": span.as_secs_f64(),
            "median_delay_seconds": median.as_secs_f64(),
            "p99_delay_seconds": slow.as_secs_f64() }),
    )?;
    tour.check(
        seen.in_order && seen.last_position == expected && seen.live == WRITERS * EVENTS_EACH,
        format!("the cursor got positions 1 to {}, each once, in order", units::count(expected)),
    );
    Ok(())
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

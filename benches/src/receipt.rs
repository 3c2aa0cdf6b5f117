//! w7: from the call of an append to the receipt by a cursor or a waiting thread, in this
//! process or another one.
//!
//! What is sent carries the time at which its call began; who receives it compares.

use std::ops::Range;
use std::time::Duration;

use annals::{
    Batch, Cursor, CursorOptions, Durability, Expected, Log, NewEvent, Reader, Start, Visibility,
};

use crate::Result;
use crate::clock;
use crate::floors::baton::{Waiting, Where, Words};
use crate::histogram::Histogram;
use crate::workload::{DATA_BYTES, EVENT_TYPE, Workload};

/// How long a parked cursor waits before it asks whether it is to stop.
const PATIENCE: Duration = Duration::from_millis(500);

/// Before this much is left until the next call, its thread sleeps; then it spins, since
/// sleepers are woken late.
const SPIN: Duration = Duration::from_micros(150);

/// How safe what is received must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Written; 10,000 events a second.
    Written,
    /// Durable; 2,000 events a second.
    Durable,
}

impl Level {
    /// Its name in a job.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Durable => "durable",
        }
    }

    /// How many events a second are appended.
    pub const fn per_second(self) -> u32 {
        match self {
            Self::Written => 10_000,
            Self::Durable => 2_000,
        }
    }

    /// What an append is asked for.
    pub const fn durability(self) -> Durability {
        match self {
            Self::Written => Durability::Written,
            Self::Durable => Durability::Durable,
        }
    }

    const fn visibility(self) -> Visibility {
        match self {
            Self::Written => Visibility::Written,
            Self::Durable => Visibility::Durable,
        }
    }
}

/// A cursor that receives what is appended from now on.
///
/// # Errors
/// If the log cannot be read.
pub fn cursor(reader: &Reader, level: Level) -> Result<Cursor> {
    let options = CursorOptions::new().visibility(level.visibility());
    Ok(reader.cursor_with(Start::End, &options)?)
}

/// Receives `calls` events, and notes how long each took; stops early if `stop` says so.
///
/// # Errors
/// If the log cannot be read.
pub fn tail(
    mut cursor: Cursor,
    waiting: Waiting,
    calls: u64,
    stop: &dyn Fn() -> bool,
) -> Result<Histogram> {
    let mut took = Histogram::default();
    while took.len() < calls {
        let events = match waiting {
            Waiting::Spinning => cursor.poll(64)?,
            Waiting::Parked => cursor.wait(PATIENCE)?,
        };
        let now = clock::now();
        for event in &events {
            let stamp = event.data().first_chunk().ok_or("an event without a time")?;
            took.add_nanos(now.saturating_sub(u64::from_le_bytes(*stamp)));
        }
        if events.is_empty() {
            if stop() {
                break;
            }
            std::hint::spin_loop();
        }
    }
    Ok(took)
}

/// Receives what is sent over words, from one count of what was sent to another. What is
/// overtaken before it is seen is not counted.
pub fn receive(words: &Words, sent: Range<u32>, waiting: Waiting, place: Where) -> Histogram {
    let mut took = Histogram::default();
    let mut seen = sent.start;
    // Counts may wrap, so what is left is compared.
    while seen != sent.end && sent.end.wrapping_sub(seen) <= sent.end.wrapping_sub(sent.start) {
        let (now_sent, stamp) = words.receive(seen, waiting, place);
        seen = now_sent;
        took.add_nanos(clock::now().saturating_sub(stamp));
    }
    took
}

/// Calls `send` at a steady rate with the time at which the call began.
///
/// # Errors
/// Those of `send`, at the first one.
pub fn paced(calls: u64, per_second: u32, mut send: impl FnMut(u64) -> Result<()>) -> Result<()> {
    let step = 1_000_000_000 / u64::from(per_second.max(1));
    let start = clock::now();
    for call in 0..calls {
        let due = start.saturating_add(call.saturating_mul(step));
        loop {
            let left = Duration::from_nanos(due.saturating_sub(clock::now()));
            if left.is_zero() {
                break;
            }
            if left > SPIN * 2 {
                std::thread::sleep(left - SPIN);
            } else {
                std::hint::spin_loop();
            }
        }
        send(clock::now())?;
    }
    Ok(())
}

/// Appends events that carry the time of their call.
#[derive(Debug)]
pub struct Stamper<'a> {
    log: &'a Log,
    workload: &'a Workload,
    batch: Batch,
    data: [u8; DATA_BYTES],
}

impl<'a> Stamper<'a> {
    /// Appends to this log, as safe as its options say.
    pub fn new(log: &'a Log, workload: &'a Workload) -> Self {
        Self { log, workload, batch: Batch::new(), data: [7; DATA_BYTES] }
    }

    /// Appends an event with this time.
    ///
    /// # Errors
    /// If the append fails.
    pub fn append(&mut self, stamp: u64) -> Result<()> {
        if let Some(place) = self.data.first_chunk_mut() {
            *place = stamp.to_le_bytes();
        }
        let stream = self.workload.streams().first().map_or("order", String::as_str);
        self.batch.clear();
        self.batch.write(stream, Expected::Any, [NewEvent::new(EVENT_TYPE).data(&self.data)]);
        self.log.append(&self.batch)?;
        Ok(())
    }
}

/// What was noted, as numbers to hand on: how many, the median and the 99th of 100 in
/// nanoseconds.
pub fn numbers(took: &Histogram) -> [u64; 3] {
    let nanos = |percent| {
        let time = took.percentile(percent).unwrap_or_default();
        u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
    };
    [took.len(), nanos(50), nanos(99)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_receives_every_event_with_its_time() {
        let directory = tempfile::tempdir().unwrap();
        let log = Log::open(directory.path().join("log")).unwrap();
        let workload = Workload::new();
        for waiting in [Waiting::Spinning, Waiting::Parked] {
            let cursor = cursor(&log, Level::Durable).unwrap();
            let mut stamper = Stamper::new(&log, &workload);
            let took = std::thread::scope(|scope| {
                let tail = scope.spawn(move || tail(cursor, waiting, 20, &|| false));
                paced(20, 10_000, |stamp| stamper.append(stamp)).unwrap();
                tail.join().unwrap().unwrap()
            });
            assert_eq!(took.len(), 20);
            assert!(took.percentile(50).unwrap() < Duration::from_secs(5));
        }
    }
}

//! From the call of an append to a waiting cursor: paced, so that nothing queues.
//!
//! The floor is the same write, with its sync where that is asked for, one atomic and one
//! futex between two threads.

use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use annals::{Batch, CursorOptions, Expected, Log, NewEvent, Options, Start, Visibility};

use super::append::durability;
use super::fact::{Fact, Way, Work};
use super::records::{record_bytes, workload_for};
use super::turns::{Seen, Stop, Turns, percentiles};
use crate::Result;
use crate::floors::device::Device;
use crate::rows::DEVICE_BYTES;
use crate::workload::{EVENT_TYPE, Workload};

/// Between two appends: of durable ones, and of written ones.
const DURABLE_PACE: Duration = Duration::from_micros(500);
const WRITTEN_PACE: Duration = Duration::from_micros(100);

/// Sleeping takes longer than it was asked to by up to so much; the rest is spun.
const SPIN: Duration = Duration::from_micros(80);

/// A cursor that got nothing for so long looks whether anything can come.
const PATIENCE: Duration = Duration::from_millis(100);

/// In place of the last position, while there is none yet.
const RUNNING: u64 = u64::MAX;

pub(super) fn measure(work: &Work, room: &Path, turns: &mut Turns<'_>) -> Result<Vec<Fact>> {
    turns.preparing(work);
    let (stop, time) = (turns.stop(), turns.time());
    let payload = usize::try_from(work.payload)?;
    let record = record_bytes(payload);
    let workload = workload_for(record);
    let mut device = Device::prepare(&room.join("floor"), DEVICE_BYTES)?;
    let log = Options::new().durability(durability(work.way)).open(room.join("log"))?;
    let pace = Pace { way: work.way, time, stop };
    let facts = turns.pairs(
        work,
        || floor(&mut device, &workload, record, pace),
        || annals(&log, &workload, payload, pace),
    )?;
    log.close()?;
    Ok(facts)
}

/// When to append, and for how long.
#[derive(Clone, Copy)]
struct Pace<'a> {
    way: Way,
    time: Duration,
    stop: Stop<'a>,
}

impl Pace<'_> {
    /// Calls `append` at its pace until the time is up.
    fn keep(self, mut append: impl FnMut() -> Result<()>) -> Result<()> {
        let pace = if self.way == Way::Durable { DURABLE_PACE } else { WRITTEN_PACE };
        let start = Instant::now();
        let mut due = start;
        loop {
            self.stop.check()?;
            let now = Instant::now();
            if now - start >= self.time && due > start {
                return Ok(());
            }
            // Late appends are left out, not caught up on in a burst.
            due = (due + pace).max(now);
            let sleep = due.saturating_duration_since(now).saturating_sub(SPIN);
            if !sleep.is_zero() {
                thread::sleep(sleep);
            }
            while Instant::now() < due {
                std::hint::spin_loop();
            }
            append()?;
        }
    }
}

/// What a thread that waits is told by a counter.
#[derive(Default)]
struct Bell {
    count: AtomicU32,
    ended: AtomicU64,
}

impl Bell {
    fn ring(&self) {
        self.count.fetch_add(1, Ordering::Release);
        atomic_wait::wake_one(&self.count);
    }

    /// The count as soon as it is another one; none at the end.
    fn next(&self, seen: u32) -> Option<u32> {
        loop {
            let now = self.count.load(Ordering::Acquire);
            if self.ended.load(Ordering::Acquire) != 0 {
                return None;
            }
            if now != seen {
                return Some(now);
            }
            atomic_wait::wait(&self.count, seen);
        }
    }

    fn end(&self) {
        self.ended.store(1, Ordering::Release);
        self.ring();
    }
}

fn floor(device: &mut Device, workload: &Workload, record: usize, pace: Pace<'_>) -> Result<Seen> {
    let bell = Bell::default();
    let (send, receive) = channel();
    let mut events = workload.events(0);
    thread::scope(|scope| {
        let bell = &bell;
        let waiting = scope.spawn(move || {
            let mut latencies = Vec::with_capacity(1 << 16);
            let mut seen = 0;
            while let Some(count) = bell.next(seen) {
                let now = Instant::now();
                take(&receive, count.wrapping_sub(seen), now, &mut latencies);
                seen = count;
            }
            latencies
        });
        let kept = pace.keep(|| {
            let called = Instant::now();
            let bytes = events.bytes(record);
            if pace.way == Way::Durable { device.append(bytes) } else { device.write(bytes) }?;
            // Before the bell: whoever hears it finds it.
            let _ = send.send(called);
            bell.ring();
            Ok(())
        });
        bell.end();
        let mut latencies = waiting.join().map_err(|_| "a thread panicked")?;
        kept?;
        Ok(percentiles(&mut latencies))
    })
}

fn take(calls: &Receiver<Instant>, count: u32, now: Instant, latencies: &mut Vec<u64>) {
    for _ in 0..count {
        if let Ok(called) = calls.try_recv() {
            latencies.push(nanos(now.saturating_duration_since(called)));
        }
    }
}

/// An event carries when its append was called.
fn annals(log: &Log, workload: &Workload, payload: usize, pace: Pace<'_>) -> Result<Seen> {
    let visible = if pace.way == Way::Durable { Visibility::Durable } else { Visibility::Written };
    // Everything of the turn before must be behind this one's cursor.
    log.sync()?;
    let mut cursor = log.cursor_with(Start::End, &CursorOptions::new().visibility(visible))?;
    let mut events = workload.events(0);
    let (mut batch, mut data) = (Batch::new(), Vec::with_capacity(payload));
    let last = AtomicU64::new(RUNNING);
    let start = Instant::now();
    let mut latencies = thread::scope(|scope| {
        let last = &last;
        let waiting = scope.spawn(move || -> Result<Vec<u64>> {
            let mut latencies = Vec::with_capacity(1 << 16);
            loop {
                let got = cursor.wait(PATIENCE)?;
                let now = nanos(start.elapsed());
                for event in &got {
                    let called = event.data().first_chunk().ok_or("an event is too short")?;
                    latencies.push(now.saturating_sub(u64::from_le_bytes(*called)));
                }
                let last = last.load(Ordering::Acquire);
                if last != RUNNING && (cursor.position() >= last || got.is_empty()) {
                    return Ok(latencies);
                }
            }
        });
        let mut position = 0;
        let kept = pace.keep(|| {
            let called = nanos(start.elapsed());
            data.clear();
            data.extend_from_slice(&called.to_le_bytes());
            data.extend_from_slice(events.bytes(payload.saturating_sub(size_of::<u64>())));
            batch.clear();
            let event = NewEvent::new(EVENT_TYPE).data(&data);
            batch.write(events.stream(), Expected::Any, [event]);
            position = log.append(&batch)?.last_position();
            Ok(())
        });
        last.store(position, Ordering::Release);
        let latencies = waiting.join().map_err(|_| "a thread panicked")?;
        kept?;
        latencies
    })?;
    Ok(percentiles(&mut latencies))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::survey::{Measure, Part, Plan, Progress};

    #[test]
    fn every_event_reaches_the_cursor_once() {
        let directory = tempfile::tempdir().unwrap();
        let (stop, mut nobody) = (AtomicBool::new(false), |_: &Progress| {});
        let plan = Plan { turn: Duration::from_millis(20), ..Plan::quick(Vec::new()) };
        let mut turns = Turns::new(&plan, 1, &stop, &mut nobody);
        let work = Work { payload: 64, ..Work::new(Part::Tail, Way::Written) };
        let facts = measure(&work, directory.path(), &mut turns).unwrap();
        for round in [1, 2] {
            let longest = facts.iter().filter(|fact| {
                fact.round == round && fact.measure == Measure::Latency && fact.at > 99.9999
            });
            assert!(longest.clone().all(|fact| fact.value > 0.0));
            assert_eq!(longest.count(), 2, "one of the floor and one of the log");
        }
    }
}

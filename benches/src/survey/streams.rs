//! Appends that expect a version, by the number of streams.
//!
//! Each stream has one event before the first turn. A stream is drawn at random, and the
//! caller knows its version, as a program does that has folded it.

use std::hint::black_box;
use std::path::Path;

use annals::{Batch, Expected, Log, NewEvent};

use super::append::{Renewed, durability};
use super::fact::{Fact, Work};
use super::heads::{Heads, Name};
use super::records::{record_bytes, workload_for};
use super::turns::{Stop, Turns, busy, rate};
use crate::Result;
use crate::floors::buffer::Buffer;
use crate::floors::device::Device;
use crate::rows::DEVICE_BYTES;
use crate::workload::{EVENT_TYPE, Events};

/// Streams that one batch makes.
const STREAMS_A_BATCH: u64 = 500;

/// A turn ends after so many calls at the latest, so that a log that is not replaced between
/// turns stays within bounds.
const TURN_CALLS: u64 = 2 << 20;

pub(super) fn measure(work: &Work, room: &Path, turns: &mut Turns<'_>) -> Result<Vec<Fact>> {
    turns.preparing(work);
    let (stop, time) = (turns.stop(), turns.time());
    let payload = usize::try_from(work.payload)?;
    let record = record_bytes(payload);
    let workload = workload_for(record);
    let device = Device::prepare(&room.join("floor"), DEVICE_BYTES)?;
    let mut heads = Heads::new(work.streams, Buffer::new(device));
    let mut log = Renewed::open(room.join("log"), durability(work.way))?;
    fill(log.get()?, work, &mut workload.events(1), payload, stop)?;
    let mut floor_versions = Versions::new(work.streams)?;
    let mut versions = Versions::new(work.streams)?;
    let mut floor_events = workload.events(2);
    let mut events = workload.events(2);
    let mut batch = Batch::new();
    let open = log.get()?;
    let facts = turns.pairs(
        work,
        || {
            let append = || {
                let (name, expected) = floor_versions.next(&mut floor_events);
                heads.append(name, expected, floor_events.bytes(record))
            };
            let (calls, took) = busy(stop, time, TURN_CALLS, append)?;
            Ok(vec![rate(calls, took)])
        },
        || {
            let append = || {
                let (name, expected) = versions.next(&mut events);
                batch.clear();
                let event = NewEvent::new(EVENT_TYPE).data(events.bytes(payload));
                batch.write(name.text(), Expected::Exact(expected), [event]);
                black_box(open.append(&batch)?);
                Ok(())
            };
            let (calls, took) = busy(stop, time, TURN_CALLS, append)?;
            Ok(vec![rate(calls, took)])
        },
    )?;
    log.close()?;
    Ok(facts)
}

/// One event for each stream.
fn fill(
    log: &Log,
    work: &Work,
    events: &mut Events<'_>,
    payload: usize,
    stop: Stop<'_>,
) -> Result<()> {
    let mut batch = Batch::new();
    let mut next = 0;
    while next < work.streams {
        batch.clear();
        let end = next.saturating_add(STREAMS_A_BATCH).min(work.streams);
        for number in next..end {
            let event = NewEvent::new(EVENT_TYPE).data(events.bytes(payload));
            batch.write(Name::of(number).text(), Expected::NoStream, [event]);
        }
        log.append(&batch)?;
        next = end;
        stop.check()?;
    }
    log.sync()?;
    Ok(())
}

/// What a caller knows of the streams.
struct Versions(Vec<u64>);

impl Versions {
    fn new(streams: u64) -> Result<Self> {
        Ok(Self(vec![1; usize::try_from(streams)?]))
    }

    /// A stream, and the version that it is expected at.
    fn next(&mut self, events: &mut Events<'_>) -> (Name, u64) {
        let number = events.below(self.0.len());
        let name = Name::of(u64::try_from(number).unwrap_or(u64::MAX));
        let Some(version) = self.0.get_mut(number) else { return (name, 0) };
        let expected = *version;
        *version += 1;
        (name, expected)
    }
}

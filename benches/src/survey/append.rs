//! Appends: by threads, batch, payload and durability, and by tickets.

use std::collections::VecDeque;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use annals::{Batch, Durability, Expected, Log, NewEvent, Options, Ticket};

use super::fact::{Fact, Way, Work};
use super::records::{record_bytes, workload_for};
use super::turns::{Seen, Stop, Turns, busy, histogram, percentiles, rate, timed};
use crate::Result;
use crate::floors::buffer::Buffer;
use crate::floors::device::Device;
use crate::floors::group::GroupCommit;
use crate::measure::{self, Until};
use crate::rows::DEVICE_BYTES;
use crate::workload::{EVENT_TYPE, Events, Workload};

/// What the floor of tickets writes and syncs at a time, at most: no more than is in flight.
const TICKETS_WRITE_BYTES: usize = 256 << 10;

/// A turn that syncs nothing ends after so many bytes at the latest.
const TURN_BYTES: u64 = 1 << 30;

/// A log that holds so much is replaced by an empty one between two turns.
const LOG_BYTES: u64 = 2 << 30;

pub(super) fn measure(work: &Work, room: &Path, turns: &mut Turns<'_>) -> Result<Vec<Fact>> {
    turns.preparing(work);
    let floor = room.join("floor");
    let log = Renewed::open(room.join("log"), durability(work.way))?;
    match work.way {
        Way::Durable => durable(work, &floor, log, turns),
        Way::Tickets => tickets(work, &floor, log, turns),
        _ => early(work, &floor, log, turns),
    }
}

pub(super) const fn durability(way: Way) -> Durability {
    match way {
        Way::Written => Durability::Written,
        Way::Buffered => Durability::Buffered,
        _ => Durability::Durable,
    }
}

/// A log that begins anew when it has grown large, so that a long survey fits on the disk.
pub(super) struct Renewed {
    log: Option<Log>,
    path: PathBuf,
    durability: Durability,
    /// Bytes of data that were appended.
    bytes: u64,
}

impl Renewed {
    pub(super) fn open(path: PathBuf, durability: Durability) -> Result<Self> {
        let log = Options::new().durability(durability).open(&path)?;
        Ok(Self { log: Some(log), path, durability, bytes: 0 })
    }

    /// The log, for a turn.
    pub(super) fn get(&mut self) -> Result<&Log> {
        if self.bytes > LOG_BYTES
            && let Some(full) = self.log.take()
        {
            full.close()?;
            std::fs::remove_dir_all(&self.path)?;
            self.bytes = 0;
        }
        let open = match self.log.take() {
            Some(log) => log,
            None => Options::new().durability(self.durability).open(&self.path)?,
        };
        Ok(self.log.insert(open))
    }

    /// Counts what a turn appended.
    pub(super) const fn grew(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    pub(super) fn close(self) -> Result<()> {
        if let Some(log) = self.log {
            log.close()?;
        }
        Ok(())
    }
}

/// One thread that appends batches of one stream each.
struct Caller<'a> {
    events: Events<'a>,
    /// Kept: clearing it keeps its memory.
    batch: Batch,
    size: usize,
    payload: usize,
}

impl<'a> Caller<'a> {
    fn new(workload: &'a Workload, thread: u64, sizes: Sizes) -> Self {
        let Sizes { batch, payload, .. } = sizes;
        Self { events: workload.events(thread), batch: Batch::new(), size: batch, payload }
    }

    fn next(&mut self) -> &Batch {
        self.batch.clear();
        let stream = self.events.stream();
        let (events, payload) = (&mut self.events, self.payload);
        let new = (0..self.size).map(|_| NewEvent::new(EVENT_TYPE).data(events.bytes(payload)));
        self.batch.write(stream, Expected::Any, new);
        &self.batch
    }

    fn append(&mut self, log: &Log) -> Result<()> {
        black_box(log.append(self.next())?);
        Ok(())
    }
}

/// The numbers of a work as lengths in memory.
#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    payload: usize,
    record: usize,
    /// What a floor writes for a call.
    call: usize,
}

impl Sizes {
    fn of(work: &Work) -> Result<Self> {
        let (batch, payload) = (usize::try_from(work.batch)?, usize::try_from(work.payload)?);
        let record = record_bytes(payload);
        Ok(Self { batch, payload, record, call: record.saturating_mul(batch) })
    }

    /// Bytes that so many calls appended.
    fn grown(self, calls: u64) -> u64 {
        calls.saturating_mul(u64::try_from(self.call).unwrap_or(u64::MAX))
    }

    /// Calls after which a turn that syncs nothing ends.
    fn most_calls(self) -> Result<u64> {
        Ok((TURN_BYTES / u64::try_from(self.call)?.max(1)).max(1))
    }
}

fn durable(
    work: &Work,
    floor: &Path,
    mut log: Renewed,
    turns: &mut Turns<'_>,
) -> Result<Vec<Fact>> {
    let sizes = Sizes::of(work)?;
    let workload = workload_for(sizes.call);
    let device = Device::prepare(floor, DEVICE_BYTES)?;
    let facts = if work.threads == 1 {
        durable_alone(work, device, &mut log, &workload, turns)?
    } else {
        durable_together(work, device, &mut log, &workload, turns)?
    };
    log.close()?;
    Ok(facts)
}

fn durable_alone(
    work: &Work,
    mut device: Device,
    log: &mut Renewed,
    workload: &Workload,
    turns: &mut Turns<'_>,
) -> Result<Vec<Fact>> {
    let (stop, time, sizes) = (turns.stop(), turns.time(), Sizes::of(work)?);
    let mut events = workload.events(0);
    let mut caller = Caller::new(workload, 0, sizes);
    turns.pairs(
        work,
        || {
            let append = || device.append(events.bytes(sizes.call));
            let (took, latencies) = timed(stop, time, append)?;
            told(work, took, latencies)
        },
        || {
            let open = log.get()?;
            let (took, latencies) = timed(stop, time, || caller.append(open))?;
            log.grew(sizes.grown(u64::try_from(latencies.len())?));
            told(work, took, latencies)
        },
    )
}

fn durable_together(
    work: &Work,
    device: Device,
    log: &mut Renewed,
    workload: &Workload,
    turns: &mut Turns<'_>,
) -> Result<Vec<Fact>> {
    let (stop, until, sizes) = (turns.stop(), Until::Time(turns.time()), Sizes::of(work)?);
    let commit = GroupCommit::new(device);
    turns.pairs(
        work,
        || {
            let make = |thread| floor_thread(&commit, workload, thread, sizes, stop);
            let (took, latencies) = measure::together(work.threads, until, &make)?;
            told(work, took, latencies)
        },
        || {
            let open = log.get()?;
            let make = |thread| thread_of(open, Caller::new(workload, thread, sizes), stop);
            let (took, latencies) = measure::together(work.threads, until, &make)?;
            log.grew(sizes.grown(u64::try_from(latencies.len())?));
            told(work, took, latencies)
        },
    )
}

fn floor_thread<'a>(
    commit: &'a GroupCommit,
    workload: &'a Workload,
    thread: u64,
    sizes: Sizes,
    stop: Stop<'a>,
) -> measure::Work<'a> {
    let mut events = workload.events(thread);
    Box::new(move || {
        stop.check()?;
        commit.append(events.bytes(sizes.call))
    })
}

fn thread_of<'a>(log: &'a Log, mut caller: Caller<'a>, stop: Stop<'a>) -> measure::Work<'a> {
    Box::new(move || {
        stop.check()?;
        caller.append(log)
    })
}

/// Rate, percentiles and histogram of durable calls.
fn told(work: &Work, took: std::time::Duration, mut latencies: Vec<u64>) -> Result<Seen> {
    let calls = u64::try_from(latencies.len())?;
    let mut seen = vec![rate(calls.saturating_mul(work.batch), took)];
    seen.extend(percentiles(&mut latencies));
    if work.threads == 1 {
        seen.extend(histogram(&latencies));
    }
    Ok(seen)
}

/// What returns before it is durable: the floor writes each call, or buffers each event.
fn early(work: &Work, floor: &Path, mut log: Renewed, turns: &mut Turns<'_>) -> Result<Vec<Fact>> {
    let (stop, time, sizes) = (turns.stop(), turns.time(), Sizes::of(work)?);
    let workload = workload_for(sizes.call);
    let most = sizes.most_calls()?;
    let mut device = Device::prepare(floor, DEVICE_BYTES)?;
    let mut events = workload.events(0);
    let mut floor: Box<dyn FnMut() -> Result<()> + '_> = if work.way == Way::Written {
        Box::new(move || device.write(events.bytes(sizes.call)))
    } else {
        let mut buffer = Buffer::new(device);
        let mut each = move |_| buffer.append(events.bytes(sizes.record));
        Box::new(move || (0..sizes.batch).try_for_each(&mut each))
    };
    let mut caller = Caller::new(&workload, 0, sizes);
    let facts = turns.pairs(
        work,
        || {
            let (calls, took) = busy(stop, time, most, &mut floor)?;
            Ok(vec![rate(calls.saturating_mul(work.batch), took)])
        },
        || {
            let open = log.get()?;
            let (calls, took) = busy(stop, time, most, || caller.append(open))?;
            log.grew(sizes.grown(calls));
            Ok(vec![rate(calls.saturating_mul(work.batch), took)])
        },
    )?;
    drop(floor);
    log.close()?;
    Ok(facts)
}

/// The floor is one thread that writes and syncs much at a time.
fn tickets(
    work: &Work,
    floor: &Path,
    mut log: Renewed,
    turns: &mut Turns<'_>,
) -> Result<Vec<Fact>> {
    let (stop, time, sizes) = (turns.stop(), turns.time(), Sizes::of(work)?);
    let in_flight = usize::try_from(work.in_flight)?;
    let records = (TICKETS_WRITE_BYTES / sizes.call.max(1)).min(in_flight).max(1);
    let bytes = records.saturating_mul(sizes.call);
    let workload = workload_for(bytes);
    let mut device = Device::prepare(floor, DEVICE_BYTES)?;
    let mut events = workload.events(0);
    let mut caller = Caller::new(&workload, 0, sizes);
    let facts = turns.pairs(
        work,
        || {
            let append = || device.append(events.bytes(bytes));
            let (took, latencies) = timed(stop, time, append)?;
            let calls = latencies.len().saturating_mul(records);
            Ok(vec![rate(u64::try_from(calls)?, took)])
        },
        || {
            let open = log.get()?;
            let start = Instant::now();
            let mut flight = Flight::new(in_flight);
            let submit = || flight.push(open.submit(caller.next())?);
            let (calls, _) = busy(stop, time, sizes.most_calls()?, submit)?;
            flight.land()?;
            let took = start.elapsed();
            log.grew(sizes.grown(calls));
            Ok(vec![rate(calls.saturating_mul(work.batch), took)])
        },
    )?;
    log.close()?;
    Ok(facts)
}

/// Tickets that are waited for in order.
struct Flight {
    most: usize,
    tickets: VecDeque<Ticket>,
}

impl Flight {
    fn new(most: usize) -> Self {
        Self { most: most.max(1), tickets: VecDeque::with_capacity(most) }
    }

    fn push(&mut self, ticket: Ticket) -> Result<()> {
        if self.tickets.len() == self.most
            && let Some(oldest) = self.tickets.pop_front()
        {
            black_box(oldest.wait()?);
        }
        self.tickets.push_back(ticket);
        Ok(())
    }

    fn land(self) -> Result<()> {
        for ticket in self.tickets {
            black_box(ticket.wait()?);
        }
        Ok(())
    }
}

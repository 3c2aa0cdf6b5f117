//! annals, through its public surface and with its defaults: ids made, versions
//! assigned, every index kept.

use std::collections::VecDeque;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use annals::{Batch, Durability, Expected, Log, NewEvent, Options, Reader, Start, Ticket};

use crate::Result;
use crate::measure::{Turn, Until};
use crate::workload::{EVENT_TYPE, Events, Workload};

/// How many events a replay asks the cursor for at a time.
const POLL_EVENTS: usize = 1024;

/// One thread that appends.
#[derive(Debug)]
pub struct Appender<'a> {
    log: &'a Log,
    events: Events<'a>,
    /// Kept, as a program that cares for speed keeps it: clearing it keeps its memory.
    batch: Batch,
}

impl<'a> Appender<'a> {
    /// An appender with the events of thread `thread`.
    pub fn new(log: &'a Log, workload: &'a Workload, thread: u64) -> Self {
        Self { log, events: workload.events(thread), batch: Batch::new() }
    }

    /// Makes a batch of `events` events of one stream, appends it, and returns when it is
    /// durable.
    ///
    /// # Errors
    /// If the append fails.
    pub fn append(&mut self, events: usize) -> Result<()> {
        self.batch.clear();
        let stream = self.events.stream();
        let source = &mut self.events;
        let new = (0..events).map(|_| NewEvent::new(EVENT_TYPE).data(source.data()));
        self.batch.write(stream, Expected::Any, new);
        black_box(self.log.append(&self.batch)?);
        Ok(())
    }

    /// Reads the version of a stream, as a program does that decides by what is there, and
    /// appends an event that expects it.
    ///
    /// # Errors
    /// If the append fails.
    pub fn append_expected(&mut self) -> Result<()> {
        let stream = self.events.stream();
        let version = self.log.version(stream)?;
        self.batch.clear();
        let event = NewEvent::new(EVENT_TYPE).data(self.events.data());
        self.batch.write(stream, Expected::Exact(version), [event]);
        black_box(self.log.append(&self.batch)?);
        Ok(())
    }
}

/// One thread submits events, one a batch, until the time is up, and waits for the oldest
/// when `most` are in flight; and for all of them at the end.
///
/// # Errors
/// If an append fails.
pub fn tickets(log: &Log, workload: &Workload, most: usize, time: Duration) -> Result<Turn> {
    tickets_until(log, workload, most, Until::Time(time))
}

/// As [`tickets`], until the time is up or so many were submitted.
///
/// # Errors
/// If an append fails.
pub fn tickets_until(log: &Log, workload: &Workload, most: usize, until: Until) -> Result<Turn> {
    let mut events = workload.events(0);
    let mut batch = Batch::new();
    let mut tickets = VecDeque::with_capacity(most);
    let start = Instant::now();
    let mut done = 0;
    loop {
        match until {
            Until::Time(time) if start.elapsed() >= time => break,
            Until::Calls(calls) if done >= calls => break,
            Until::Time(_) | Until::Calls(_) => {}
        }
        if tickets.len() == most
            && let Some(oldest) = tickets.pop_front()
        {
            black_box(Ticket::wait(oldest)?);
        }
        batch.clear();
        let stream = events.stream();
        batch.write(stream, Expected::Any, [NewEvent::new(EVENT_TYPE).data(events.data())]);
        tickets.push_back(log.submit(&batch)?);
        done += 1;
    }
    for ticket in tickets {
        black_box(ticket.wait()?);
    }
    Ok(Turn::new(done, start.elapsed()))
}

/// Fills a new log with `events` events, `per_batch` in a batch, and closes it.
///
/// # Errors
/// If the log cannot be made or an append fails.
pub fn write(directory: &Path, workload: &Workload, events: u64, per_batch: usize) -> Result<()> {
    let log = Log::open(directory)?;
    let mut appender = Appender::new(&log, workload, 0);
    let mut left = events;
    while left > 0 {
        let now = per_batch.min(usize::try_from(left)?).max(1);
        appender.append(now)?;
        left = left.saturating_sub(u64::try_from(now)?);
    }
    log.close()?;
    Ok(())
}

/// Fills a new log with `per_stream` events of each stream of the workload, round by round,
/// each batch of many streams, and closes it.
///
/// # Errors
/// If the log cannot be made or an append fails.
pub fn write_streams(directory: &Path, workload: &Workload, per_stream: usize) -> Result<()> {
    let log = Options::new().durability(Durability::Buffered).open(directory)?;
    append_streams(&log, workload, per_stream)?;
    log.close()?;
    Ok(())
}

/// Appends `per_stream` events to each stream of the workload, round by round.
///
/// # Errors
/// If an append fails.
pub fn append_streams(log: &Log, workload: &Workload, per_stream: usize) -> Result<()> {
    const BATCH: usize = 100;
    let mut events = workload.events(0);
    let mut batch = Batch::new();
    let mut inside = 0;
    for stream in workload.rounds(per_stream) {
        batch.write(stream, Expected::Any, [NewEvent::new(EVENT_TYPE).data(events.data())]);
        inside += 1;
        if inside == BATCH {
            log.append(&batch)?;
            batch.clear();
            inside = 0;
        }
    }
    if inside > 0 {
        log.append(&batch)?;
    }
    Ok(())
}

/// Reads a stream from its first event to its last, and looks at each one's version, type
/// and data. Returns how many there are.
///
/// # Errors
/// If the log is damaged or cannot be read.
pub fn read_stream(log: &Reader, stream: &str) -> Result<u64> {
    let mut read = log.read(stream);
    let mut count = 0;
    while let Some(event) = read.next()? {
        black_box((event.version(), event.event_type(), event.data()));
        count += 1;
    }
    Ok(count)
}

/// Reads the whole log through a cursor and looks at each event's position, stream
/// and data. Returns how many events there are.
///
/// # Errors
/// If the log is damaged or cannot be read.
pub fn replay(log: &Log) -> Result<u64> {
    let mut cursor = log.cursor(Start::Beginning)?;
    let mut count = 0;
    loop {
        let events = cursor.poll(POLL_EVENTS)?;
        if events.is_empty() {
            return Ok(count);
        }
        for event in &events {
            black_box((event.position(), event.stream(), event.data()));
            count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_is_read_whole_and_an_expected_version_holds() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let workload = Workload::with_streams(30);
        write_streams(&path, &workload, 10).unwrap();
        let log = Log::open(&path).unwrap();
        assert!(workload.streams().iter().all(|stream| read_stream(&log, stream).unwrap() == 10));
        Appender::new(&log, &workload, 0).append_expected().unwrap();
        assert_eq!(log.head(), 301);
    }

    #[test]
    fn a_replay_meets_every_event_that_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        write(&path, &Workload::new(), 250, 100).unwrap();
        let log = Log::open(&path).unwrap();
        assert_eq!(replay(&log).unwrap(), 250);
        assert!(log.recovery().clean);
    }
}

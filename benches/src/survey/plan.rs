//! Which works a survey measures, how often and how long.

use std::ffi::OsString;
use std::time::Duration;

use annals::limits;

use super::fact::{Part, Way, Word, Work};
use crate::Result;

/// Bytes of an event's data where nothing else is asked for.
pub const DEFAULT_PAYLOAD: u64 = crate::workload::DATA_BYTES as u64;

/// What the log adds to an event's data at most, in these works: for the check of limits.
const AROUND_DATA_BYTES: u64 = 512;

/// What to measure. Each list is moved over while the other numbers stay at their base:
/// one thread, one event a call, [`DEFAULT_PAYLOAD`], or the first of the list where that is
/// not among them.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The parts, in this order.
    pub parts: Vec<Part>,
    /// Pairs of turns that count, after one that does not.
    pub rounds: u32,
    /// Length of a turn.
    pub turn: Duration,
    /// How safe appends are: [`Way::Durable`], [`Way::Written`], [`Way::Buffered`].
    pub durabilities: Vec<Way>,
    /// Threads that append durably.
    pub threads: Vec<u64>,
    /// Events of a call.
    pub batches: Vec<u64>,
    /// Bytes of an event's data, for appends and replay.
    pub payloads: Vec<u64>,
    /// Appends of one thread in flight.
    pub tickets: Vec<u64>,
    /// Streams of the log that expected versions are appended to.
    pub streams: Vec<u64>,
    /// Sizes of the logs that are replayed, read and opened, in bytes.
    pub log_bytes: Vec<u64>,
    /// The beginning of a command that runs [`child`](super::child) with the words behind
    /// it: a process that can be killed.
    pub child: Vec<OsString>,
}

impl Plan {
    /// Every part, for a figure: takes some minutes.
    pub fn full(child: Vec<OsString>) -> Self {
        Self {
            parts: Part::WORDS.iter().map(|(part, _)| *part).collect(),
            rounds: 3,
            turn: Duration::from_secs(1),
            durabilities: vec![Way::Durable, Way::Written, Way::Buffered],
            threads: vec![1, 2, 8, 64, 128],
            batches: vec![1, 10, 100, 1000],
            payloads: vec![16, 256, 4096, 64 << 10, 1 << 20],
            tickets: vec![64, 4096],
            streams: vec![1000, 100_000],
            log_bytes: vec![64 << 20, 512 << 20],
            child,
        }
    }

    /// Every part, for a look: takes a minute.
    pub fn quick(child: Vec<OsString>) -> Self {
        Self {
            rounds: 2,
            turn: Duration::from_millis(250),
            threads: vec![1, 8, 64],
            batches: vec![1, 100],
            payloads: vec![256, 4096],
            tickets: vec![4096],
            streams: vec![1000, 10_000],
            log_bytes: vec![16 << 20],
            ..Self::full(child)
        }
    }

    /// Everything that is measured, once each.
    pub fn works(&self) -> Vec<Work> {
        let mut works = Vec::new();
        for part in &self.parts {
            match part {
                Part::Append => self.appends(&mut works),
                Part::Streams => {
                    let base = Work { threads: 1, batch: 1, payload: self.payload(), ..of(*part) };
                    works.extend(self.streams.iter().map(|&streams| Work { streams, ..base }));
                }
                Part::Replay => {
                    let base = Work { payload: self.payload(), ..of(*part) };
                    let least = self.log_bytes.first().copied().unwrap_or_default();
                    let payloads = self.payloads.iter();
                    works.extend(payloads.map(|&payload| Work {
                        payload,
                        log_bytes: least,
                        ..base
                    }));
                    works.extend(self.sizes(base));
                }
                Part::Reads => {
                    works.extend(self.sizes(Work { payload: self.payload(), ..of(*part) }));
                }
                Part::Open => {
                    let clean = Work { payload: self.payload(), ..of(*part) };
                    works.extend(self.sizes(clean));
                    works.extend(self.sizes(Work { way: Way::Killed, ..clean }));
                }
                Part::Tail => works.extend([Way::Durable, Way::Written].map(|way| Work {
                    way,
                    threads: 1,
                    batch: 1,
                    payload: DEFAULT_PAYLOAD,
                    ..of(*part)
                })),
            }
        }
        let mut once: Vec<Work> = Vec::with_capacity(works.len());
        for work in works {
            if !once.contains(&work) {
                once.push(work);
            }
        }
        once
    }

    fn appends(&self, works: &mut Vec<Work>) {
        let (batch, payload) = (base(&self.batches, 1), self.payload());
        for &way in &self.durabilities {
            let threads = if way == Way::Durable { base(&self.threads, 1) } else { 1 };
            let base = Work { threads, batch, payload, ..Work::new(Part::Append, way) };
            if way == Way::Durable {
                works.extend(self.threads.iter().map(|&threads| Work { threads, ..base }));
            }
            works.extend(self.batches.iter().map(|&batch| Work { batch, ..base }));
            works.extend(self.payloads.iter().map(|&payload| Work { payload, ..base }));
        }
        // What is waited for by tickets is durable, too.
        let tickets = self.tickets.iter().filter(|_| self.durabilities.contains(&Way::Durable));
        works.extend(tickets.map(|&in_flight| {
            let work = Work::new(Part::Append, Way::Tickets);
            Work { threads: 1, in_flight, batch: 1, payload, ..work }
        }));
    }

    fn sizes(&self, base: Work) -> impl Iterator<Item = Work> {
        self.log_bytes.iter().map(move |&log_bytes| Work { log_bytes, ..base })
    }

    fn payload(&self) -> u64 {
        base(&self.payloads, DEFAULT_PAYLOAD)
    }

    /// Refuses what the log would refuse in the middle of it.
    ///
    /// # Errors
    /// With the first number that is too large, or none at all where one is needed.
    pub fn check(&self) -> Result<()> {
        if self.rounds == 0 || self.turn.is_zero() {
            return Err("at least one round, and a turn longer than nothing".into());
        }
        for work in self.works() {
            let event = work.payload.saturating_add(AROUND_DATA_BYTES);
            if event > u64::try_from(limits::EVENT_BYTES)? {
                return Err(format!("{} bytes are too large for an event", work.payload).into());
            }
            let batch = event.saturating_mul(work.batch);
            if batch > u64::try_from(limits::BATCH_BYTES)? {
                let events = format!("{} events of {} bytes", work.batch, work.payload);
                return Err(format!("{events} are too large for a batch").into());
            }
        }
        Ok(())
    }
}

/// The way that a part is done in, where there is only one.
const fn of(part: Part) -> Work {
    let way = match part {
        Part::Append | Part::Tail => Way::Durable,
        Part::Streams => Way::Buffered,
        Part::Replay => Way::Cursor,
        Part::Reads => Way::Stream,
        Part::Open => Way::Clean,
    };
    Work::new(part, way)
}

/// What stays while something else is moved.
fn base(list: &[u64], usual: u64) -> u64 {
    if list.contains(&usual) { usual } else { list.first().copied().unwrap_or(usual) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_is_moved_at_a_time_and_nothing_is_measured_twice() {
        let plan = Plan { parts: vec![Part::Append], ..Plan::full(Vec::new()) };
        let works = plan.works();
        for way in [Way::Durable, Way::Written, Way::Buffered] {
            let mine: Vec<_> = works.iter().filter(|work| work.way == way).collect();
            let base = (1, 1, DEFAULT_PAYLOAD);
            for work in &mine {
                let now = (work.threads, work.batch, work.payload);
                let moved = [now.0 != base.0, now.1 != base.1, now.2 != base.2];
                assert!(moved.iter().filter(|moved| **moved).count() <= 1, "{work:?}");
            }
            assert_eq!(mine.len(), if way == Way::Durable { 12 } else { 8 }, "{mine:?}");
        }
        let tickets = works.iter().filter(|work| work.way == Way::Tickets);
        assert_eq!(tickets.map(|work| work.in_flight).collect::<Vec<_>>(), [64, 4096]);
        let early = Plan { durabilities: vec![Way::Written], ..plan };
        assert!(early.works().iter().all(|work| work.way == Way::Written));
    }

    #[test]
    fn what_the_log_would_refuse_is_refused_before() {
        let plan = |batches, payloads| Plan {
            parts: vec![Part::Append],
            batches,
            payloads,
            ..Plan::quick(Vec::new())
        };
        assert!(plan(vec![1, 1000], vec![256, 1 << 20]).check().is_ok());
        let error = plan(vec![1000], vec![1 << 20]).check().unwrap_err().to_string();
        assert_eq!(error, "1000 events of 1048576 bytes are too large for a batch");
        assert!(plan(vec![1], vec![16 << 20]).check().is_err());
        assert!(Plan { rounds: 0, ..plan(vec![1], vec![1]) }.check().is_err());
    }
}

//! One thread that appends to the floor that keeps what annals keeps, for the rows that do.

use super::{DEVICE_BYTES, Setting};
use crate::Result;
use crate::floors::device::Device;
use crate::floors::full::Batch;
use crate::floors::full::append::{Flush, Full};
use crate::measure::{Turn, Until, one};
use crate::workload::{EVENT_TYPE, Events, Random, Workload};

/// Between two turns the tables in memory begin anew after so many events.
const RENEW_EVENTS: u64 = 6_000_000;

/// What a thread does whose events annals gets, too.
pub(super) struct Filler<'w> {
    full: Full,
    events: Events<'w>,
    /// Kept, as annals' caller keeps its own.
    batch: Batch,
}

impl<'w> Filler<'w> {
    /// On a prepared file, with nothing in it.
    pub(super) fn new(setting: Setting<'_>, workload: &'w Workload, flush: Flush) -> Result<Self> {
        let device = Device::prepare(&setting.full(), DEVICE_BYTES)?;
        let mut random = Random::new(0);
        let first_id = u128::from(random.draw()) << 64 | u128::from(random.draw());
        let (full, batch) = (Full::new(device, flush), Batch::new(first_id));
        Ok(Self { full, events: workload.events(0), batch })
    }

    /// With one event in each of these streams.
    pub(super) fn fill(mut self, streams: &Workload) -> Result<Self> {
        for stream in streams.rounds(1) {
            self.append_to(stream, 1, Some(0))?;
        }
        Ok(self)
    }

    /// After as many events as annals is warmed up with.
    pub(super) fn warm(mut self, setting: Setting<'_>) -> Result<Self> {
        for _ in 0..setting.size.warm_events / 100 {
            self.append(100)?;
        }
        Ok(self)
    }

    /// A turn of appends of `batch` events.
    pub(super) fn turn(&mut self, until: Until, batch: usize) -> Result<Turn> {
        self.ready();
        one(until, u64::try_from(batch)?, || self.append(batch))
    }

    /// A turn of appends of one event to a stream whose version is read first and expected.
    pub(super) fn turn_expected(&mut self, until: Until) -> Result<Turn> {
        self.ready();
        one(until, 1, || {
            let stream = self.events.stream();
            let version = self.full.version(stream);
            self.append_to(stream, 1, Some(version))
        })
    }

    fn ready(&self) {
        if self.full.position() > RENEW_EVENTS {
            self.full.forget();
        }
    }

    /// Appends events of the next stream.
    pub(super) fn append(&mut self, events: usize) -> Result<()> {
        let stream = self.events.stream();
        self.append_to(stream, events, None)
    }

    fn append_to(&mut self, stream: &str, events: usize, expected: Option<u64>) -> Result<()> {
        self.batch.clear();
        for _ in 0..events {
            self.batch.add(stream, EVENT_TYPE, self.events.data())?;
        }
        if self.full.append(stream, EVENT_TYPE, &self.batch, expected)? {
            return Ok(());
        }
        Err("the full floor's stream moved".into())
    }
}

//! Appends that are answered before they are durable: bursts within what the log has
//! prepared, sustained, and with an expected version.

use std::path::PathBuf;

use annals::{Durability, Log, Options};

use super::full::Filler;
use super::{DEVICE_BYTES, Setting, Sides, Use};
use crate::Result;
use crate::floors::buffer::Buffer;
use crate::floors::device::Device;
use crate::floors::full::append::Flush;
use crate::floors::heads::Heads;
use crate::measure::{Turn, Until, one};
use crate::subject::{self, Appender};
use crate::workload::{FLOOR_RECORD_BYTES, Workload};

/// After so many events a log is replaced by a new one between two turns: about 2 GiB.
const RENEW_EVENTS: u64 = 6_000_000;

/// A log that is appended to, warm, and replaced when it got large.
pub(super) struct Early<'p> {
    setting: Setting<'p>,
    place: PathBuf,
    durability: Durability,
    log: Option<Log>,
    events: u64,
}

impl<'p> Early<'p> {
    pub(super) fn new(setting: Setting<'p>, name: &str, durability: Durability) -> Self {
        let place = setting.directory.join(name);
        Self { setting, place, durability, log: None, events: 0 }
    }

    /// A turn of appends of `batch` events.
    pub(super) fn turn(&mut self, until: Until, batch: usize) -> Result<Turn> {
        let per_call = u64::try_from(batch)?;
        self.ready()?;
        let log = self.log.as_ref().ok_or("no log")?;
        let mut appender = Appender::new(log, self.setting.workload, self.events);
        let mut appended = 0;
        let turn = one(until, per_call, || {
            appended += per_call;
            appender.append(batch)
        })?;
        self.events += appended;
        Ok(turn)
    }

    /// A log whose segments have their full size, with nothing left to be written.
    fn ready(&mut self) -> Result<()> {
        if self.events > RENEW_EVENTS {
            self.remove()?;
        }
        if let Some(log) = &self.log {
            log.sync()?;
            return Ok(());
        }
        let log = Options::new().durability(self.durability).open(&self.place)?;
        let mut appender = Appender::new(&log, self.setting.workload, u64::MAX);
        for _ in 0..self.setting.size.warm_events / 100 {
            appender.append(100)?;
        }
        log.sync()?;
        // The next segment is prepared meanwhile.
        std::thread::sleep(crate::measure::REST);
        self.log = Some(log);
        Ok(())
    }

    fn remove(&mut self) -> Result<()> {
        self.close()?;
        std::fs::remove_dir_all(&self.place)?;
        self.events = 0;
        Ok(())
    }

    pub(super) fn close(&mut self) -> Result<()> {
        if let Some(log) = self.log.take() {
            log.close()?;
        }
        Ok(())
    }
}

/// One thread, `batch` events a call, within prepared segments.
pub(super) fn burst(
    setting: Setting<'_>,
    durability: Durability,
    batch: usize,
    each: &mut Use<'_>,
) -> Result<()> {
    let mut device = Device::prepare(&setting.floor(), DEVICE_BYTES)?;
    let mut events = setting.workload.events(0);
    let mut early = Early::new(setting, "log", durability);
    let mut full = Filler::new(setting, setting.workload, flush(durability))?.warm(setting)?;
    let full = |until| full.turn(until, batch);
    let per_call = u64::try_from(batch)?;
    let bytes = FLOOR_RECORD_BYTES;
    let until = Until::Calls(setting.size.burst_events.div_ceil(per_call));
    let annals = |until| early.turn(until, batch);
    if durability == Durability::Written {
        let floor = |until| one(until, per_call, || device.write(events.bytes(bytes * batch)));
        each(&mut Sides::new(per_call, until, floor, annals).with_full(full))?;
    } else {
        let mut buffer = Buffer::new(device);
        let floor = |until| {
            one(until, per_call, || (0..batch).try_for_each(|_| buffer.append(events.bytes(bytes))))
        };
        each(&mut Sides::new(per_call, until, floor, annals).with_full(full))?;
    }
    early.close()
}

/// When the full floor's buffer is written, for what annals promises.
fn flush(durability: Durability) -> Flush {
    if durability == Durability::Written { Flush::WRITTEN } else { Flush::BUFFERED }
}

/// One thread, buffered, one event a call, as long as it takes: beside it segments are
/// zeroed and synced and indexes are built. Each turn has a log of its own.
pub(super) fn sustained(setting: Setting<'_>, each: &mut Use<'_>) -> Result<()> {
    let mut buffer = Buffer::new(Device::prepare(&setting.floor(), DEVICE_BYTES)?);
    let mut events = setting.workload.events(0);
    let mut early = Early::new(setting, "log", Durability::Buffered);
    let mut sides = Sides::new(
        1,
        Until::Time(setting.size.sustained),
        |until| one(until, 1, || buffer.append(events.bytes(FLOOR_RECORD_BYTES))),
        |until| {
            let turn = early.turn(until, 1)?;
            early.remove()?;
            Ok(turn)
        },
    );
    sides.most_rounds = 3;
    each(&mut sides)
}

/// One thread, one event a call to one of many streams, whose version is read first and
/// expected. The floor does the same with a hash table and a mapping.
pub(super) fn expected(
    setting: Setting<'_>,
    durability: Durability,
    each: &mut Use<'_>,
) -> Result<()> {
    let workload = Workload::with_streams(setting.size.streams);
    let mut heads = Heads::prepare(&setting.floor(), DEVICE_BYTES)?;
    for stream in workload.rounds(1) {
        heads.append(stream, 0, &[0; FLOOR_RECORD_BYTES])?;
    }
    let log = Options::new().durability(durability).open(setting.log())?;
    subject::append_streams(&log, &workload, 1)?;
    let mut warm = Appender::new(&log, &workload, u64::MAX);
    for _ in 0..setting.size.warm_events / 100 {
        warm.append(100)?;
    }
    let mut events = workload.events(0);
    let mut appender = Appender::new(&log, &workload, 1);
    let floor = |until| {
        one(until, 1, || {
            let stream = events.stream();
            let version = heads.version(stream);
            let appended = heads.append(stream, version, events.bytes(FLOOR_RECORD_BYTES))?;
            if appended { Ok(()) } else { Err("the floor's head moved".into()) }
        })
    };
    let annals = |until| {
        log.sync()?;
        one(until, 1, || appender.append_expected())
    };
    let mut full =
        Filler::new(setting, &workload, flush(durability))?.fill(&workload)?.warm(setting)?;
    let until = Until::Calls(setting.size.burst_events);
    each(&mut Sides::new(1, until, floor, annals).with_full(|until| full.turn_expected(until)))?;
    log.close()?;
    Ok(())
}

//! From the call of an append to its receipt elsewhere.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use annals::{Log, Options};

use super::full::Filler;
use super::{DEVICE_BYTES, Setting, Sides, Use};
use crate::Result;
use crate::child::{Child, waiting_name};
use crate::floors::baton::{Waiting, Where, Words};
use crate::floors::device::Device;
use crate::floors::full::append::Flush;
use crate::floors::heads::Heads;
use crate::floors::map::SharedWords;
use crate::histogram::Histogram;
use crate::measure::{Turn, Until};
use crate::receipt::{self, Level, Stamper};
use crate::workload::{FLOOR_RECORD_BYTES, Workload};

/// Who receives, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    pub(super) level: Level,
    pub(super) waiting: Waiting,
    pub(super) place: Where,
}

/// The floor makes the bytes durable, or copies them into a mapping, and hands the news on.
pub(super) fn receipt(setting: Setting<'_>, how: How, each: &mut Use<'_>) -> Result<()> {
    let mut floor = Floor {
        store: Store::prepare(&setting.floor(), how.level)?,
        words: SharedWords::map(&setting.directory.join("words"))?,
        path: setting.directory.join("words"),
    };
    let path = setting.directory.join("full-words");
    let flush = match how.level {
        Level::Durable => Flush::DURABLE,
        Level::Written => Flush::WRITTEN,
    };
    let mut full = Floor {
        store: Store::Full(Box::new(Filler::new(setting, setting.workload, flush)?)),
        words: SharedWords::map(&path)?,
        path,
    };
    let log = Options::new().durability(how.level.durability()).open(setting.log())?;
    each(
        &mut Sides::new(
            1,
            Until::Time(setting.size.turn),
            |until| floor.turn(setting, how, calls_of(until, how.level)),
            |until| annals(setting, &log, how, calls_of(until, how.level)),
        )
        .with_full(|until| full.turn(setting, how, calls_of(until, how.level))),
    )?;
    log.close()?;
    Ok(())
}

fn calls_of(until: Until, level: Level) -> u64 {
    match until {
        Until::Calls(calls) => calls,
        Until::Time(time) => {
            let step = 1_000_000_000 / u128::from(level.per_second());
            u64::try_from(time.as_nanos() / step).unwrap_or(u64::MAX).max(1)
        }
    }
}

/// What the child or thread that received found.
fn turn_of(numbers: &[u64], start: Instant) -> Result<Turn> {
    let [calls, p50, p99] = *numbers else { return Err("a child said something else".into()) };
    let (p50, p99) = (std::time::Duration::from_nanos(p50), std::time::Duration::from_nanos(p99));
    let turn = Turn::new(calls, start.elapsed());
    Ok(Turn { call: p50, p50: Some(p50), p99: Some(p99), ..turn })
}

fn annals(setting: Setting<'_>, log: &Log, how: How, calls: u64) -> Result<Turn> {
    let start = Instant::now();
    let mut stamper = Stamper::new(log, setting.workload);
    let mut send = || receipt::paced(calls, how.level.per_second(), |stamp| stamper.append(stamp));
    if how.place == Where::Elsewhere {
        let path = setting.log();
        let path = path.to_str().ok_or("a directory whose name is no text")?;
        let waiting = waiting_name(how.waiting);
        let job = ["tail", path, how.level.name(), waiting, &calls.to_string()];
        let child = Child::start_ready(setting.program, &job)?;
        send()?;
        return turn_of(&child.numbers()?, start);
    }
    let cursor = receipt::cursor(log, how.level)?;
    let failed = AtomicBool::new(false);
    let took = std::thread::scope(|scope| -> Result<Histogram> {
        let stop = || failed.load(Ordering::Relaxed);
        let tail = scope.spawn(move || receipt::tail(cursor, how.waiting, calls, &stop));
        let sent = send();
        failed.store(sent.is_err(), Ordering::Relaxed);
        let took = tail.join().map_err(|_| "a thread panicked")?;
        sent?;
        took
    })?;
    turn_of(&receipt::numbers(&took), start)
}

struct Floor<'w> {
    store: Store<'w>,
    words: SharedWords,
    path: std::path::PathBuf,
}

/// Where the floor's bytes go.
enum Store<'w> {
    Device(Device),
    Mapping(Box<Heads>),
    /// With all that annals keeps.
    Full(Box<Filler<'w>>),
}

impl Store<'_> {
    fn prepare(path: &Path, level: Level) -> Result<Self> {
        Ok(match level {
            Level::Durable => Self::Device(Device::prepare(path, DEVICE_BYTES)?),
            Level::Written => Self::Mapping(Box::new(Heads::prepare(path, DEVICE_BYTES)?)),
        })
    }

    fn put(&mut self, record: &[u8]) -> Result<()> {
        match self {
            Self::Device(device) => device.append(record),
            Self::Mapping(mapping) => mapping.put(record),
            Self::Full(filler) => filler.append(1),
        }
    }
}

impl Floor<'_> {
    fn turn(&mut self, setting: Setting<'_>, how: How, calls: u64) -> Result<Turn> {
        let start = Instant::now();
        if how.place == Where::Elsewhere {
            let path = self.path.to_str().ok_or("a directory whose name is no text")?;
            let job = ["receive", path, waiting_name(how.waiting), &calls.to_string()];
            let child = Child::start_ready(setting.program, &job)?;
            self.store.send(self.words.words(), setting.workload, how, calls)?;
            return turn_of(&child.numbers()?, start);
        }
        let words = Words::default();
        let end = u32::try_from(calls)?;
        let took = std::thread::scope(|scope| -> Result<Histogram> {
            let words = &words;
            let receive =
                scope.spawn(move || receipt::receive(words, 0..end, how.waiting, Where::Here));
            let sent = self.store.send(words, setting.workload, how, calls);
            // Whoever waits for what did not come is let go.
            while words.sent() < end {
                words.send(0, how.waiting, Where::Here);
            }
            let took = receive.join().map_err(|_| "a thread panicked")?;
            sent?;
            Ok(took)
        })?;
        turn_of(&receipt::numbers(&took), start)
    }
}

impl Store<'_> {
    fn send(&mut self, words: &Words, workload: &Workload, how: How, calls: u64) -> Result<()> {
        let mut events = workload.events(0);
        receipt::paced(calls, how.level.per_second(), |stamp| {
            self.put(events.bytes(FLOOR_RECORD_BYTES))?;
            words.send(stamp, how.waiting, how.place);
            Ok(())
        })
    }
}

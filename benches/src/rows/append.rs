//! Durable appends: alone, in batches, by many threads, by tickets.

use std::sync::atomic::{AtomicU64, Ordering};

use annals::{Durability, Log};

use super::early::Early;
use super::full::Filler;
use super::{DEVICE_BYTES, Setting, Sides, TICKETS, Use};
use crate::Result;
use crate::floors::device::Device;
use crate::floors::full::Batch;
use crate::floors::full::append::{Flush, Kept};
use crate::floors::group::GroupCommit;
use crate::measure::{Until, Work, crowd_until, one};
use crate::subject::{self, Appender};
use crate::workload::{EVENT_TYPE, FLOOR_RECORD_BYTES, Workload};

/// What the floor of w2t writes at a time.
const FLOOR_WRITE_BYTES: usize = 256 << 10;

/// One thread, `batch` events a call.
pub(super) fn alone(setting: Setting<'_>, batch: usize, each: &mut Use<'_>) -> Result<()> {
    let mut device = Device::prepare(&setting.floor(), DEVICE_BYTES)?;
    let mut events = setting.workload.events(0);
    let log = Log::open(setting.log())?;
    let mut appender = Appender::new(&log, setting.workload, 0);
    let per_call = u64::try_from(batch)?;
    let bytes = FLOOR_RECORD_BYTES * batch;
    let mut sides = Sides::new(
        per_call,
        Until::Time(setting.size.turn),
        |until| one(until, per_call, || device.append(events.bytes(bytes))),
        |until| one(until, per_call, || appender.append(batch)),
    );
    // Of a lone event the disk takes nearly all: the two floors would say the same.
    if batch > 1 {
        let mut filler = Filler::new(setting, setting.workload, Flush::DURABLE)?;
        sides = sides.with_full(move |until| filler.turn(until, batch));
    }
    each(&mut sides)?;
    drop(sides);
    log.close()?;
    Ok(())
}

/// Many threads, one event a call, each waits for its own.
pub(super) fn crowd(setting: Setting<'_>, threads: u64, each: &mut Use<'_>) -> Result<()> {
    let commit = GroupCommit::new(Device::prepare(&setting.floor(), DEVICE_BYTES)?);
    let full = GroupCommit::new(Device::prepare(&setting.full(), DEVICE_BYTES)?);
    let turns = AtomicU64::new(0);
    let log = Log::open(setting.log())?;
    let workload = setting.workload;
    let full_turn = |until| {
        full.with_kept(Kept::forget);
        // Ids of a turn of its own.
        let turn = turns.fetch_add(1, Ordering::Relaxed);
        let work = |thread| full_work(&full, workload, thread, turn << 32 | thread);
        crowd_until(threads, until, &work)
    };
    each(
        &mut Sides::new(
            1,
            Until::Time(setting.size.turn),
            |until| crowd_until(threads, until, &|thread| floor_work(&commit, workload, thread)),
            |until| crowd_until(threads, until, &|thread| annals_work(&log, workload, thread)),
        )
        .with_full(full_turn),
    )?;
    log.close()?;
    Ok(())
}

/// One thread with many tickets in flight. The floor is one thread that writes and syncs
/// 256 KiB at a time, as does the one that keeps more; beside them stands a burst of buffered appends.
pub(super) fn tickets(setting: Setting<'_>, each: &mut Use<'_>) -> Result<()> {
    let mut device = Device::prepare(&setting.floor(), DEVICE_BYTES)?;
    let mut events = setting.workload.events(0);
    let mut filler = Filler::new(setting, setting.workload, Flush::TOGETHER)?;
    let log = Log::open(setting.log())?;
    let mut early = Early::new(setting, "beside", Durability::Buffered);
    let records = u64::try_from(FLOOR_WRITE_BYTES / FLOOR_RECORD_BYTES)?;
    let bytes = FLOOR_WRITE_BYTES / FLOOR_RECORD_BYTES * FLOOR_RECORD_BYTES;
    let mut sides = Sides::new(
        1,
        Until::Time(setting.size.turn),
        |until| {
            let until = match until {
                Until::Calls(calls) => Until::Calls(calls.div_ceil(records)),
                time @ Until::Time(_) => time,
            };
            let turn = one(until, records, || device.append(events.bytes(bytes)))?;
            Ok(crate::measure::Turn { call: turn.call.div_f64(records as f64), ..turn })
        },
        |until| subject::tickets_until(&log, setting.workload, TICKETS, until),
    )
    .with_full(|until| filler.turn(until, 1));
    sides.beside = Some(Box::new(|_| early.turn(Until::Calls(setting.size.burst_events), 1)));
    each(&mut sides)?;
    drop(sides);
    early.close()?;
    log.close()?;
    Ok(())
}

/// What a thread of the floor does, call by call.
pub fn floor_work<'a>(commit: &'a GroupCommit, workload: &'a Workload, thread: u64) -> Work<'a> {
    let mut events = workload.events(thread);
    Box::new(move || commit.append(events.bytes(FLOOR_RECORD_BYTES)))
}

/// What a thread of the floor does that keeps what annals keeps, call by call; its ids are of
/// this maker.
fn full_work<'a>(
    commit: &'a GroupCommit<Kept>,
    workload: &'a Workload,
    thread: u64,
    maker: u64,
) -> Work<'a> {
    let mut events = workload.events(thread);
    let mut batch = Batch::new(u128::from(maker) << 64);
    Box::new(move || {
        let stream = events.stream();
        batch.clear();
        batch.add(stream, EVENT_TYPE, events.data())?;
        commit.append_with(|kept, buffer| {
            kept.place(buffer, stream, EVENT_TYPE, &batch, None).map(drop)
        })
    })
}

/// What a thread of annals does, call by call.
pub fn annals_work<'a>(log: &'a Log, workload: &'a Workload, thread: u64) -> Work<'a> {
    let mut appender = Appender::new(log, workload, thread);
    Box::new(move || appender.append(1))
}

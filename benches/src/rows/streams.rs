//! A random one of many streams, from its first event to its last.

use annals::Log;

use super::{Setting, Sides, Use};
use crate::Result;
use crate::floors::full::read as full;
use crate::floors::{offsets::Offsets, walk};
use crate::measure::{Until, each as each_timed};
use crate::subject;
use crate::workload::Workload;

/// The events of a stream are spread over the whole log, which is warm: everything was read
/// once before it is measured.
pub(super) fn random(setting: Setting<'_>, each: &mut Use<'_>) -> Result<()> {
    let workload = Workload::with_streams(setting.size.streams);
    let per_stream = setting.size.per_stream;
    walk::write_streams(&setting.floor(), &workload, per_stream)?;
    subject::write_streams(&setting.log(), &workload, per_stream)?;
    full::write_streams(&setting.full(), &workload, per_stream)?;
    let all = full::Streams::open(&setting.full())?;
    let offsets = Offsets::open(&setting.floor())?;
    let log = Log::open(setting.log())?;
    let expected = u64::try_from(per_stream)?;
    let whole =
        |found| if found == expected { Ok(()) } else { Err("a stream is not whole".into()) };
    for stream in workload.rounds(1) {
        whole(offsets.read(stream)?)?;
        whole(all.read(stream)?)?;
        whole(subject::read_stream(&log, stream)?)?;
    }
    let (mut ours, mut theirs) = (workload.events(0), workload.events(1));
    let mut others = workload.events(2);
    let sides = Sides::new(
        1,
        Until::Time(setting.size.turn),
        |until| each_timed(until, || whole(offsets.read(theirs.stream())?)),
        |until| each_timed(until, || whole(subject::read_stream(&log, ours.stream())?)),
    );
    let full = |until| each_timed(until, || whole(all.read(others.stream())?));
    each(&mut sides.with_full(full))?;
    log.close()?;
    Ok(())
}

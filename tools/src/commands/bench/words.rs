//! Works and figures as people read them.

use std::time::Duration;

use annals_benches::survey::{Measure, Part, Way, Word, Work};

use crate::output::units;

/// What a directory in memory means for the figures.
pub(super) fn in_memory(place: &str) -> String {
    format!(
        "{place} is in memory, not on a disk: a sync there reaches no device, and durable figures \
         mean nothing"
    )
}

/// What was measured, within its part.
pub(super) fn work(work: &Work) -> String {
    let payload = units::bytes(work.payload);
    let size = units::bytes(work.log_bytes);
    match (work.part, work.way) {
        (Part::Append, Way::Tickets) => {
            format!("tickets, {} in flight, {payload}", units::count(work.in_flight))
        }
        (Part::Append, way) => {
            let threads = units::counted(work.threads, "thread");
            let batch = match work.batch {
                1 => String::new(),
                batch => format!(", {} a call", units::count(batch)),
            };
            format!("{}, {threads}{batch}, {payload}", way.word())
        }
        (Part::Streams, way) => {
            format!("{}, {}", way.word(), units::counted(work.streams, "stream"))
        }
        (Part::Replay, _) => format!("{payload} an event, {size}"),
        (Part::Reads, _) => format!("10 events of {payload}, {size}"),
        (Part::Open, Way::Killed) => format!("after a kill, {size}"),
        (Part::Open, _) => format!("closed, {size}"),
        (Part::Tail, way) => format!("{}, {payload}", way.word()),
    }
}

/// The heading of a part.
pub(super) const fn part(part: Part) -> &'static str {
    match part {
        Part::Append => "Append",
        Part::Streams => "Append with an expected version, by streams",
        Part::Replay => "Replay of the whole log in order",
        Part::Reads => "Reading one stream of many, at random",
        Part::Open => "Opening a log",
        Part::Tail => "From the call of append to a waiting cursor",
    }
}

/// What the floor of a part does.
pub(super) const fn floor(part: Part) -> &'static str {
    match part {
        Part::Append => {
            "Floors: durable, one pwrite and one fdatasync on a prepared file, shared by \
             threads through a leader and one futex; tickets, one thread that writes and syncs \
             as much as is in flight at a time, 256 KiB at most; written, one pwrite a call; buffered, a copy and a CRC into a \
             buffer of 1 MiB that is written when it is full. None of them gives out positions, \
             checks ids or versions, or keeps an index."
        }
        Part::Streams => {
            "Floor: a hash table in memory from the stream's name to its version, a comparison, \
             a copy and a CRC into a buffer. The floor knows nothing of ids and keeps nothing \
             that survives a restart."
        }
        Part::Replay => {
            "Floor: from header to header through a fresh mapping of one file, each record's CRC \
             checked, nothing decoded. Beyond 1 GiB one file of that size or less is walked over \
             again and again. Both are in the page cache, as far as they fit."
        }
        Part::Reads => {
            "Floor: a hash table in memory from the stream's name to ten offsets in a mapped \
             file of 1 GiB at most, each record's CRC checked. Both are in the page cache, as far as they fit."
        }
        Part::Open => {
            "Beside both: a walk over as much, each record's CRC checked. A log that need not \
             read everything is far below it, and should be. The process that was killed had \
             appended and synced up to 16 MiB since the log was closed last. Everything is in \
             the page cache, as far as it fits."
        }
        Part::Tail => {
            "Floor: the same write, with its sync where it is durable, one atomic and one futex \
             between two threads. Paced: a durable append every 500 µs, a written one every \
             100 µs."
        }
    }
}

/// A figure with its unit: `8,229/s`, `1.56 M/s`, `121 µs`.
pub(super) fn figure(measure: Measure, value: f64) -> String {
    match measure {
        Measure::Rate => rate(value),
        Measure::Latency | Measure::Time => nanos(value),
        Measure::Calls => format!("{value:.0}"),
    }
}

/// Nanoseconds in the unit that leaves one to three digits.
pub(super) fn nanos(value: f64) -> String {
    if value < 1e5 {
        return if value < 1e3 {
            format!("{value:.0} ns")
        } else {
            format!("{:.1} µs", value / 1e3)
        };
    }
    units::duration(Duration::from_secs_f64((value / 1e9).clamp(0.0, 1e9)))
}

fn rate(value: f64) -> String {
    if value >= 1e6 {
        return format!("{:.2} M/s", value / 1e6);
    }
    format!("{}/s", units::count_of(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_as_many_digits_as_mean_something() {
        assert_eq!(figure(Measure::Rate, 8_229.4), "8,229/s");
        assert_eq!(figure(Measure::Rate, 1_563_000.0), "1.56 M/s");
        assert_eq!(nanos(431.0), "431 ns");
        assert_eq!(nanos(2_140.0), "2.1 µs");
        assert_eq!(nanos(121_400.0), "121 µs");
        assert_eq!(nanos(3.2e6), "3.2 ms");
    }

    #[test]
    fn a_work_says_what_sets_it_apart() {
        let append =
            Work { threads: 8, batch: 100, payload: 256, ..Work::new(Part::Append, Way::Durable) };
        assert_eq!(work(&append), "durable, 8 threads, 100 a call, 256 B");
        let opened = Work { log_bytes: 64 << 20, ..Work::new(Part::Open, Way::Killed) };
        assert_eq!(work(&opened), "after a kill, 64.0 MiB");
    }
}

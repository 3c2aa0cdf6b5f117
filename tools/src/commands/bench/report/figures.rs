//! Which plots a survey has: one for each size that was moved over, one for each curve of
//! latencies, and the histogram of syncs. Each has the floor beside the log.

use annals_benches::survey::{Fact, Figure, Measure, Part, Side, Way, Word, Work};

use super::plot::{Axis, Marks, Plot, Point, Series};
use super::scale::Unit;
use crate::output::units;

/// One number of a work.
type Field = fn(&mut Work) -> &mut u64;

/// A size that is moved over.
struct Sweep {
    part: Part,
    way: Way,
    title: &'static str,
    size: &'static str,
    unit: Unit,
    field: Field,
    /// With fewer sizes than this there is nothing to see.
    least: usize,
}

const fn threads(work: &mut Work) -> &mut u64 {
    &mut work.threads
}
const fn in_flight(work: &mut Work) -> &mut u64 {
    &mut work.in_flight
}
const fn batch(work: &mut Work) -> &mut u64 {
    &mut work.batch
}
const fn payload(work: &mut Work) -> &mut u64 {
    &mut work.payload
}
const fn streams(work: &mut Work) -> &mut u64 {
    &mut work.streams
}
const fn log_bytes(work: &mut Work) -> &mut u64 {
    &mut work.log_bytes
}

impl Sweep {
    const fn new(part: Part, way: Way, title: &'static str) -> Self {
        let (size, unit) = ("size of the log", Unit::Bytes);
        Self { part, way, title, size, unit, field: log_bytes, least: 1 }
    }

    const fn over(self, size: &'static str, unit: Unit, field: Field, least: usize) -> Self {
        Self { size, unit, field, least, ..self }
    }
}

const SWEEPS: [Sweep; 14] = [
    Sweep::new(Part::Append, Way::Durable, "Durable append by threads").over(
        "threads",
        Unit::Count,
        threads,
        1,
    ),
    Sweep::new(Part::Append, Way::Durable, "Durable append by batch").over(
        "events of a call",
        Unit::Count,
        batch,
        2,
    ),
    Sweep::new(Part::Append, Way::Written, "Written append by batch").over(
        "events of a call",
        Unit::Count,
        batch,
        2,
    ),
    Sweep::new(Part::Append, Way::Buffered, "Buffered append by batch").over(
        "events of a call",
        Unit::Count,
        batch,
        2,
    ),
    Sweep::new(Part::Append, Way::Durable, "Durable append by payload").over(
        "payload of an event",
        Unit::Bytes,
        payload,
        2,
    ),
    Sweep::new(Part::Append, Way::Written, "Written append by payload").over(
        "payload of an event",
        Unit::Bytes,
        payload,
        2,
    ),
    Sweep::new(Part::Append, Way::Buffered, "Buffered append by payload").over(
        "payload of an event",
        Unit::Bytes,
        payload,
        2,
    ),
    Sweep::new(Part::Append, Way::Tickets, "Durable append by tickets in flight").over(
        "tickets in flight",
        Unit::Count,
        in_flight,
        1,
    ),
    Sweep::new(
        Part::Streams,
        Way::Buffered,
        "Buffered append with an expected version, by streams",
    )
    .over("streams in the log", Unit::Count, streams, 1),
    Sweep::new(Part::Replay, Way::Cursor, "Replay by payload").over(
        "payload of an event",
        Unit::Bytes,
        payload,
        2,
    ),
    Sweep::new(Part::Replay, Way::Cursor, "Replay by size of the log"),
    Sweep::new(Part::Reads, Way::Stream, "Reads of one stream by size of the log"),
    Sweep::new(Part::Open, Way::Clean, "Opening a log that was closed"),
    Sweep::new(Part::Open, Way::Killed, "Opening a log after a kill"),
];

/// Every plot of a part.
pub(super) fn plots(facts: &[Fact], part: Part) -> Vec<Plot> {
    let mine: Vec<_> = facts.iter().filter(|fact| fact.work.part == part).copied().collect();
    let mut plots: Vec<_> = SWEEPS
        .iter()
        .filter(|sweep| sweep.part == part)
        .filter_map(|one| sweep(&mine, one))
        .collect();
    plots.extend(curves(&mine, part));
    plots.extend(histogram(&mine, part));
    for (number, plot) in plots.iter_mut().enumerate() {
        plot.id = format!("{}-{number}", part.word());
    }
    plots
}

fn works(facts: &[Fact]) -> Vec<Work> {
    let mut works = Vec::new();
    for fact in facts {
        if !works.contains(&fact.work) {
            works.push(fact.work);
        }
    }
    works
}

/// The works that differ in this number alone, as many as there are.
fn family(facts: &[Fact], sweep: &Sweep) -> Vec<Work> {
    let mut families: Vec<(Work, Vec<Work>)> = Vec::new();
    for work in works(facts).into_iter().filter(|work| work.way == sweep.way) {
        let mut rest = work;
        *(sweep.field)(&mut rest) = 0;
        match families.iter_mut().find(|(own, _)| *own == rest) {
            Some((_, members)) => members.push(work),
            None => families.push((rest, vec![work])),
        }
    }
    let most = families.iter().map(|(_, members)| members.len()).max().unwrap_or(0);
    let family = families.into_iter().find(|(_, members)| members.len() == most);
    let mut members = family.map(|(_, members)| members).unwrap_or_default();
    members.sort_by_key(|work| size(work, sweep.field));
    members
}

fn size(work: &Work, field: Field) -> u64 {
    let mut work = *work;
    *field(&mut work)
}

fn sweep(facts: &[Fact], sweep: &Sweep) -> Option<Plot> {
    let members = family(facts, sweep);
    let first = *members.first()?;
    if members.len() < sweep.least {
        return None;
    }
    let measure = if sweep.part == Part::Open { Measure::Time } else { Measure::Rate };
    let series = [Side::Floor, Side::Annals].map(|side| {
        let points = members.iter().filter_map(|work| {
            let values = values(facts, work, side, measure, None);
            let figure = Figure::of(&values)?;
            // A file cannot be without bytes on an axis of powers.
            Some(point(size(work, sweep.field).max(1) as f64, figure))
        });
        of_side(side, sweep.part, points.collect())
    });
    let (label, unit) = match (sweep.part, measure) {
        (_, Measure::Time) => ("time", Unit::Nanos),
        (Part::Reads, _) => ("reads in a second", Unit::Rate),
        _ => ("events in a second", Unit::Rate),
    };
    Some(Plot {
        id: String::new(),
        title: sweep.title.to_owned(),
        note: fixed(first, sweep.field),
        x: Axis { label: sweep.size, unit: sweep.unit },
        y: Axis { label, unit },
        marks: Marks::Sizes,
        series: series.into(),
    })
}

/// What stayed while a size was moved over.
fn fixed(mut work: Work, moved: Field) -> String {
    *moved(&mut work) = 0;
    let mut words = Vec::new();
    if work.threads > 0 {
        words.push(units::counted(work.threads, "thread"));
    }
    match work.batch {
        0 => {}
        batch => words.push(format!("{} a call", units::counted(batch, "event"))),
    }
    if work.payload > 0 {
        words.push(format!("{} an event", units::bytes(work.payload)));
    }
    if work.log_bytes > 0 {
        words.push(format!("{} in all", units::bytes(work.log_bytes)));
    }
    words.join(", ")
}

const fn point(x: f64, figure: Figure) -> Point {
    Point { x, y: figure.median, spread: Some((figure.least, figure.most)) }
}

fn of_side(side: Side, part: Part, points: Vec<Point>) -> Series {
    let floor = side == Side::Floor;
    let name = match side {
        Side::Floor if part == Part::Open => "a walk over everything",
        Side::Floor => "floor",
        Side::Annals => "annals",
    };
    Series { name: name.to_owned(), floor, points }
}

/// Latencies: of durable appends by threads, of reads, and of what a cursor gets.
fn curves(facts: &[Fact], part: Part) -> Vec<Plot> {
    let works = match part {
        Part::Append => SWEEPS.first().map(|threads| family(facts, threads)).unwrap_or_default(),
        Part::Reads | Part::Tail => works(facts),
        _ => Vec::new(),
    };
    works.iter().filter_map(|work| curve(facts, work)).collect()
}

fn curve(facts: &[Fact], work: &Work) -> Option<Plot> {
    let mut percentiles: Vec<f64> = facts
        .iter()
        .filter(|fact| fact.work == *work && fact.measure == Measure::Latency)
        .map(|fact| fact.at)
        .collect();
    percentiles.sort_by(f64::total_cmp);
    percentiles.dedup();
    if percentiles.is_empty() {
        return None;
    }
    let series = [Side::Floor, Side::Annals].map(|side| {
        let points = percentiles.iter().filter_map(|at| {
            let values = values(facts, work, side, Measure::Latency, Some(*at));
            Some(point(*at, Figure::of(&values)?))
        });
        of_side(side, work.part, points.collect())
    });
    let (title, note) = match work.part {
        Part::Append => {
            let count = units::counted(work.threads, "thread");
            (format!("Latency of durable append, {count}"), fixed(*work, threads))
        }
        Part::Reads => (
            "Latency of reading a stream".to_owned(),
            format!("10 events, {}", fixed(*work, streams)),
        ),
        _ => {
            (format!("From append to a waiting cursor, {}", work.way.word()), fixed(*work, streams))
        }
    };
    Some(Plot {
        id: String::new(),
        title,
        note,
        x: Axis { label: "percent of calls that took no longer", unit: Unit::Percentile },
        y: Axis { label: "time", unit: Unit::Nanos },
        marks: Marks::Percentiles,
        series: series.into(),
    })
}

/// How long calls of one thread took that each waited for a sync of their own.
fn histogram(facts: &[Fact], part: Part) -> Option<Plot> {
    let is_step = |fact: &&Fact| fact.measure == Measure::Calls;
    let work = facts.iter().find(is_step)?.work;
    let series = [Side::Floor, Side::Annals].map(|side| {
        let mine = facts.iter().filter(|fact| fact.work == work && fact.side == side);
        let mut steps: Vec<_> = mine.filter(is_step).collect();
        steps.sort_by(|a, b| a.at.total_cmp(&b.at));
        let all: f64 = steps.iter().map(|fact| fact.value).sum();
        let mut points: Vec<Point> = Vec::new();
        for fact in steps {
            let share = fact.value * 100.0 / all.max(1.0);
            match points.last_mut() {
                // Another round of the same step.
                Some(last) if last.x.total_cmp(&fact.at).is_eq() => last.y += share,
                _ => points.push(Point { x: fact.at, y: share, spread: None }),
            }
        }
        of_side(side, part, points)
    });
    Some(Plot {
        id: String::new(),
        title: "How long a sync takes".to_owned(),
        note: format!("floor: one write and one sync; annals: {}", fixed(work, streams)),
        x: Axis { label: "time of a call", unit: Unit::Nanos },
        y: Axis { label: "share of the calls", unit: Unit::Percent },
        marks: Marks::Steps,
        series: series.into(),
    })
}

fn values(facts: &[Fact], work: &Work, side: Side, measure: Measure, at: Option<f64>) -> Vec<f64> {
    let mine = facts.iter().filter(|fact| {
        fact.work == *work
            && fact.side == side
            && fact.measure == measure
            && at.is_none_or(|at| fact.at.total_cmp(&at).is_eq())
    });
    mine.map(|fact| fact.value).collect()
}

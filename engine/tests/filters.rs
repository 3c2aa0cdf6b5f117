//! Reads and cursors with filters, against a plain list: over all kinds of indexes, in both
//! ways of reading, with any names and whatever the clock does.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]
use std::sync::Arc;

use annals::io::sim::SimStorage;
use annals::{
    Background, Batch, CursorOptions, Durability, Event, Expected, Filter, Log, NewEvent, Options,
    OwnedEvent, Reading, Start, Timestamp, limits,
};

/// Numbers that look random, the same ones each time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        ((self.0 >> 33) % end as u64) as usize
    }

    fn one<'a>(&mut self, names: &'a [String]) -> &'a str {
        &names[self.below(names.len())]
    }

    fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }
}

/// Names in any script, also of the greatest length.
struct Names {
    streams: Vec<String>,
    types: Vec<String>,
    tags: Vec<String>,
    texts: Vec<String>,
}

impl Names {
    fn new() -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let mut streams: Vec<String> =
            owned(&["order-1", "order-2", "order-2-x", "order", "-x", "заказ-7", "注文-é", "🛒-1"]);
        streams.push("s".repeat(limits::STREAM_NAME_BYTES));
        streams.push(format!("{}-1", "ж".repeat(limits::STREAM_NAME_BYTES / 2 - 1)));
        let mut types: Vec<String> = owned(&["Placed", "Paid", "Отправлен", "\u{0}\"\\"]);
        types.push("T".repeat(limits::EVENT_TYPE_BYTES));
        let mut tags: Vec<String> = (0..60).map(|n| format!("tag:{n}")).collect();
        tags.extend(["ü".repeat(127), "t".repeat(limits::TAG_BYTES), "all".to_owned()]);
        let mut texts: Vec<String> = owned(&["order-1", "a", "命令", "all"]);
        texts.push("c".repeat(limits::CORRELATION_BYTES));
        Self { streams, types, tags, texts }
    }
}

/// What is asked for, kept and checked in the plainest way.
#[derive(Debug, Default)]
struct Wanted {
    categories: Vec<String>,
    streams: Vec<String>,
    types: Vec<String>,
    tags: Vec<String>,
    correlations: Vec<String>,
    causes: Vec<String>,
}

impl Wanted {
    fn draw(draw: &mut Draw, names: &Names) -> Self {
        let mut wanted = Self::default();
        let stream = |draw: &mut Draw| draw.one(&names.streams).to_owned();
        let add = |list: &mut Vec<String>, draw: &mut Draw, name: String| {
            list.push(if draw.chance(12) { format!("{name}?") } else { name });
        };
        for _ in 0..1 + draw.below(3) {
            let name = stream(draw);
            match draw.below(6) {
                0 => {
                    let category = name.split('-').next().unwrap().to_owned();
                    add(&mut wanted.categories, draw, category);
                }
                1 => add(&mut wanted.streams, draw, name),
                2 => {
                    let name = draw.one(&names.types).to_owned();
                    add(&mut wanted.types, draw, name);
                }
                3 => {
                    let name = draw.one(&names.tags).to_owned();
                    add(&mut wanted.tags, draw, name);
                }
                4 => {
                    let name = draw.one(&names.texts).to_owned();
                    add(&mut wanted.correlations, draw, name);
                }
                _ => {
                    let name = draw.one(&names.texts).to_owned();
                    add(&mut wanted.causes, draw, name);
                }
            }
        }
        wanted
    }

    fn filter(&self) -> Filter {
        let mut filter = Filter::new();
        for name in &self.causes {
            filter = filter.caused_by(name);
        }
        for name in &self.tags {
            filter = filter.tag(name);
        }
        for name in &self.categories {
            filter = filter.category(name);
        }
        for name in &self.streams {
            filter = filter.stream(name);
        }
        for name in &self.types {
            filter = filter.event_type(name);
        }
        for name in &self.correlations {
            filter = filter.correlation(name);
        }
        filter
    }

    fn takes(&self, event: &Event<'_>) -> bool {
        let any = |names: &[String], name: Option<&str>| {
            names.is_empty() || name.is_some_and(|name| names.iter().any(|other| other == name))
        };
        any(&self.categories, event.stream().split('-').next())
            && any(&self.streams, Some(event.stream()))
            && any(&self.types, Some(event.event_type()))
            && any(&self.correlations, event.correlation())
            && any(&self.causes, event.caused_by())
            && self.tags.iter().all(|tag| event.tags().any(|other| other == tag))
    }
}

fn options(segment_bytes: u64, reading: Reading) -> Options {
    Options::new().background(Background::Inline).segment_bytes(segment_bytes).reading(reading)
}

/// Some batches of one to several events. The clock jumps, also back.
fn fill(log: &Log, disk: &SimStorage, draw: &mut Draw, names: &Names, rounds: usize) {
    for round in 0..rounds {
        if draw.chance(10) {
            disk.set_now(1_000_000_000 + i64::try_from(draw.below(500_000)).unwrap() * 1000);
        }
        let mut batch = Batch::new();
        for _ in 0..1 + draw.below(6) {
            // Now and then many of one kind in a row, so that keys do not lie evenly.
            let of_types = if round % 40 < 20 { 2 } else { names.types.len() };
            let data = [7; 60];
            let mut event = NewEvent::new(&names.types[draw.below(of_types)]);
            event = event.data(&data[..draw.below(60)]);
            let tags = if draw.chance(40) { limits::TAGS - 4 } else { draw.below(3) };
            for n in 0..tags {
                let many = tags > 3;
                event = event.tag(if many { &names.tags[n] } else { draw.one(&names.tags) });
            }
            if draw.chance(2) {
                event = event.tag("all");
            }
            if draw.chance(3) {
                event = event.correlation(draw.one(&names.texts));
            }
            if draw.chance(3) {
                event = event.caused_by(draw.one(&names.texts));
            }
            batch.write(draw.one(&names.streams), Expected::Any, [event]);
        }
        let levels = [Durability::Buffered, Durability::Written, Durability::Durable];
        log.append_with(&batch, levels[draw.below(3)]).unwrap();
    }
}

fn positions(events: &[OwnedEvent]) -> Vec<u64> {
    events.iter().map(|event| event.as_event().position()).collect()
}

/// Random reads and cursors, each compared with the list.
fn compare(log: &Log, draw: &mut Draw, names: &Names, reads: usize) {
    let all = log.read_all().collect().unwrap();
    log.sync().unwrap();
    let head = all.len() as u64;
    let mut matches = 0;
    for _ in 0..reads {
        let wanted = Wanted::draw(draw, names);
        let filter = wanted.filter();
        let bound = |draw: &mut Draw| draw.chance(2).then(|| draw.below(all.len() + 3) as u64);
        let time = |draw: &mut Draw| {
            let event = &all[draw.below(all.len())];
            let nanos = event.as_event().recorded_at().as_nanos()
                + i64::try_from(draw.below(3)).unwrap()
                - 1;
            draw.chance(3).then(|| Timestamp::from_nanos(nanos))
        };
        let (from, to) = (bound(draw), bound(draw));
        let (since, before) = (time(draw), time(draw));
        let limit = if draw.chance(3) { draw.below(10) } else { usize::MAX };
        let inside = |event: &Event<'_>| {
            from.is_none_or(|from| event.position() >= from)
                && to.is_none_or(|to| event.position() <= to)
                && since.is_none_or(|since| event.recorded_at() >= since)
                && before.is_none_or(|before| event.recorded_at() < before)
        };
        let backward = draw.chance(2);
        let filtered = !draw.chance(8);
        let mut expected: Vec<u64> = all
            .iter()
            .map(OwnedEvent::as_event)
            .filter(|event| inside(event) && (!filtered || wanted.takes(event)))
            .map(|event| event.position())
            .collect();
        if backward {
            expected.reverse();
        }
        expected.truncate(limit);
        let mut read = log.read_all().from(from.unwrap_or(0)).to(to.unwrap_or(u64::MAX));
        read = read.limit(limit as u64);
        read = if filtered { read.filter(filter.clone()) } else { read };
        read = if backward { read.backward() } else { read };
        read = if let Some(since) = since { read.since(since) } else { read };
        read = if let Some(before) = before { read.before(before) } else { read };
        let found = positions(&read.collect().unwrap());
        assert_eq!(
            found, expected,
            "{wanted:?} {from:?}..={to:?} {since:?}..{before:?} {backward} {limit} {filtered}"
        );
        matches += found.len();
        for event in &all {
            let event = event.as_event();
            assert_eq!(filter.matches(&event), wanted.takes(&event), "{wanted:?} {event:?}");
        }
        let after = from.unwrap_or(0).min(head);
        let max = [1, 3, 1000][draw.below(3)];
        follow(log, &all, &wanted, (Start::After(after), after), max);
        if let Some(time) = since {
            // Whatever the clock did, times do not run backwards along the log.
            let after = all.iter().take_while(|event| event.as_event().recorded_at() < time);
            follow(log, &all, &wanted, (Start::At(time), after.count() as u64), max);
        }
    }
    assert!(matches > 100, "hardly anything matched");
}

/// A cursor with this filter from a start, which is after this position, to the head.
fn follow(
    log: &Log,
    all: &[OwnedEvent],
    wanted: &Wanted,
    (start, after): (Start, u64),
    max: usize,
) {
    let options = CursorOptions::new().filter(wanted.filter());
    let mut cursor = log.cursor_with(start, &options).unwrap();
    assert_eq!((cursor.position(), cursor.scanned_to()), (after, after));
    let mut found = Vec::new();
    loop {
        let events = cursor.poll(max).unwrap();
        if events.is_empty() {
            break;
        }
        assert!(events.len() <= max);
        found.extend(events.iter().map(|event| event.position()));
        assert_eq!(cursor.position(), *found.last().unwrap());
        assert!(cursor.scanned_to() >= cursor.position());
    }
    let later = all.iter().map(OwnedEvent::as_event).filter(|event| event.position() > after);
    let expected: Vec<_> =
        later.filter(|event| wanted.takes(event)).map(|event| event.position()).collect();
    assert_eq!(found, expected, "{wanted:?} after {after}, {max} at a time");
    assert_eq!(cursor.scanned_to(), all.len() as u64);
    assert_eq!(cursor.position(), found.last().copied().unwrap_or(after));
}

/// Tables and runs, then runs alone, then a run and a table for the active segment.
fn any_filter(segment_bytes: u64, reading: Reading, rounds: usize, reads: usize) {
    let (mut draw, names) = (Draw(7), Names::new());
    let disk = SimStorage::new();
    let options = options(segment_bytes, reading);
    let open = || options.open_on(Arc::new(disk.clone())).unwrap();
    let log = open();
    fill(&log, &disk, &mut draw, &names, rounds);
    compare(&log, &mut draw, &names, reads);
    log.close().unwrap();
    let log = open();
    compare(&log, &mut draw, &names, reads);
    fill(&log, &disk, &mut draw, &names, 10);
    compare(&log, &mut draw, &names, reads);
    let segments = disk.file_names().iter().filter(|name| name.ends_with(".seg")).count();
    assert!(segments >= 3, "{segments}");
}

#[test]
fn mapped_reads_by_any_filter_give_what_a_list_gives() {
    any_filter(16 << 10, Reading::Mapped, 300, 150);
}

#[test]
fn pread_reads_by_any_filter_give_what_a_list_gives() {
    any_filter(16 << 10, Reading::Pread, 300, 150);
}

#[test]
fn reads_by_filters_that_match_thousands_in_one_segment_give_what_a_list_gives() {
    any_filter(512 << 10, Reading::Mapped, 1500, 60);
}

#[test]
fn names_that_no_event_can_have_match_nothing() {
    let disk = SimStorage::new();
    let log = options(16 << 10, Reading::Mapped).open_on(Arc::new(disk)).unwrap();
    let mut batch = Batch::new();
    batch.write("-x", Expected::Any, [NewEvent::new("Happened").tag("t")]);
    log.append(&batch).unwrap();
    let found = |filter: Filter| log.read_all().filter(filter).collect().unwrap().len();
    assert_eq!(found(Filter::new().category("").tag("t")), 1);
    let long = "n".repeat(5000);
    for name in ["", &long] {
        assert_eq!(found(Filter::new().stream(name)), 0);
        assert_eq!(found(Filter::new().event_type(name)), 0);
        assert_eq!(found(Filter::new().tag("t").tag(name)), 0);
        assert_eq!(found(Filter::new().correlation(name)), 0);
        assert_eq!(found(Filter::new().caused_by(name)), 0);
        // One of several is enough.
        assert_eq!(found(Filter::new().stream(name).stream("-x")), 1);
    }
    let many = (0..=limits::TAGS).fold(Filter::new(), |filter, n| filter.tag(&format!("t{n}")));
    assert_eq!(found(many), 0);
}

#[test]
fn what_is_acknowledged_is_read_by_filter_and_what_is_durable_is_followed() {
    let disk = SimStorage::new();
    let log = options(16 << 10, Reading::Mapped).open_on(Arc::new(disk)).unwrap();
    let filter = Filter::new().tag("t");
    let cursor = |visibility| {
        let options = CursorOptions::new().filter(filter.clone()).visibility(visibility);
        log.cursor_with(Start::Beginning, &options).unwrap()
    };
    let mut durable = cursor(annals::Visibility::Durable);
    let mut written = cursor(annals::Visibility::Written);
    let mut batch = Batch::new();
    batch.write("a", Expected::Any, ["t", "u"].map(|tag| NewEvent::new("T").tag(tag)));
    log.append_with(&batch, Durability::Buffered).unwrap();
    assert!(durable.poll(9).unwrap().is_empty() && written.poll(9).unwrap().is_empty());
    assert_eq!(log.read_all().filter(filter.clone()).collect().unwrap().len(), 1);
    // Reading it has written it.
    assert!(durable.poll(9).unwrap().is_empty());
    assert_eq!(durable.scanned_to(), 0);
    assert_eq!(written.poll(9).unwrap().len(), 1);
    assert!(written.poll(9).unwrap().is_empty());
    assert_eq!((written.position(), written.scanned_to()), (1, 2));
    log.sync().unwrap();
    assert_eq!(durable.poll(9).unwrap().len(), 1);
    assert!(durable.poll(9).unwrap().is_empty());
    assert_eq!((durable.position(), durable.scanned_to()), (1, 2));
}

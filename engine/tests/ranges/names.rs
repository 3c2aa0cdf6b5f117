//! Names and texts of the least and of the most bytes, in many scripts.

use annals::{Batch, Error, Expected, Filter, Log, NewEvent, NewSnapshot, Reader, limits};

/// Characters of one to four bytes: Latin, combining, from right to left, of the east, emoji
/// with what joins them, and those that a path or a terminal would mind.
const SCRIPTS: [&str; 9] = [
    "x",
    "e\u{301}",
    "שָׁלוֹם",
    "مرحبا\u{200F}",
    "ไทย",
    "流れ",
    "𝕏🦀",
    "👩\u{200D}🚀",
    "../\0\r\n\u{1b}\u{7f}\\\"'",
];

/// A text of exactly so many bytes, of this script as far as it goes.
fn text(script: &str, bytes: usize) -> String {
    let mut text = String::new();
    for c in script.chars().cycle() {
        if text.len() + c.len_utf8() > bytes {
            break;
        }
        text.push(c);
    }
    while text.len() < bytes {
        text.push('.');
    }
    text
}

fn tags(script: &str, bytes: usize) -> Vec<String> {
    (0..limits::TAGS).map(|n| format!("{n:02}{}", text(script, bytes - 2))).collect()
}

/// Adds to a batch.
type Fill<'f> = &'f dyn Fn(&mut Batch) -> &mut Batch;

struct Names {
    stream: String,
    short: String,
    tags: Vec<String>,
    state: String,
}

fn longest(script: &str) -> Names {
    Names {
        stream: text(script, limits::STREAM_NAME_BYTES),
        short: text(script, limits::EVENT_TYPE_BYTES),
        tags: tags(script, limits::TAG_BYTES),
        state: text(script, limits::STATE_NAME_BYTES),
    }
}

fn append(log: &Log, names: &Names) {
    let short = names.short.as_str();
    let event = names
        .tags
        .iter()
        .fold(NewEvent::new(short), |event, tag| event.tag(tag))
        .content_type(short)
        .correlation(short)
        .caused_by(short)
        .data(b"data");
    let snapshot = NewSnapshot::new(1).content_type(short).data(b"folded");
    let mut batch = Batch::new();
    batch
        .once(short)
        .write(&names.stream, Expected::NoStream, [event])
        .snapshot(&names.stream, 1, snapshot)
        .state(&names.state, 7, snapshot);
    log.append(&batch).unwrap();
}

fn comes_back(reader: &Reader, names: &Names) {
    let short = names.short.as_str();
    assert_eq!(reader.version(&names.stream).unwrap(), 1);
    let read = reader.read(&names.stream).collect().unwrap();
    let event = read[0].as_event();
    assert_eq!((event.stream(), event.event_type()), (&*names.stream, short));
    assert!(event.tags().eq(names.tags.iter().map(String::as_str)));
    let texts = [event.content_type(), event.correlation(), event.caused_by()];
    assert_eq!((texts, event.data()), ([Some(short); 3], &b"data"[..]));

    let mut streams = reader.streams(&names.stream).unwrap();
    assert_eq!(streams.next().unwrap().unwrap().name, names.stream);
    assert!(streams.next().unwrap().is_none());
    for filter in [
        Filter::new().stream(&names.stream),
        Filter::new().event_type(short),
        Filter::new().tag(&names.tags[limits::TAGS - 1]),
        Filter::new().correlation(short),
        Filter::new().caused_by(short),
    ] {
        let found = reader.read_all().filter(filter.clone()).collect().unwrap();
        let streams: Vec<_> = found.iter().map(|event| event.as_event().stream()).collect();
        assert_eq!(streams, [&*names.stream], "{filter:?}");
    }
    for snapshot in [
        reader.snapshot(&names.stream).unwrap().unwrap(),
        reader.state(&names.state, 1).unwrap().unwrap(),
    ] {
        assert_eq!((snapshot.content_type(), snapshot.data()), (Some(short), &b"folded"[..]));
    }
    assert_eq!(reader.state(&names.state, 1).unwrap().unwrap().name(), names.state);
}

#[test]
fn the_longest_names_come_back_in_any_script() {
    let folder = tempfile::tempdir().unwrap();
    let all = SCRIPTS.map(longest);
    let log = super::options(16 << 10).open(folder.path()).unwrap();
    for names in &all {
        append(&log, names);
        comes_back(&log, names);
    }
    drop(log);
    let log = super::options(16 << 10).open(folder.path()).unwrap();
    for (n, names) in (1..).zip(&all) {
        comes_back(&log, names);
        comes_back(&super::open(folder.path()), names);
        let again = log.append(Batch::new().once(&names.short)).unwrap();
        assert!(again.is_deduplicated());
        assert_eq!(again.positions(), n..=n);
    }
    assert_eq!(log.head(), all.len() as u64);
}

#[test]
fn the_shortest_names_come_back_and_empty_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let log = super::options(16 << 10).open(folder.path()).unwrap();
    for (n, name) in (1..).zip(["-", "\0", "/", "é"]) {
        let event = NewEvent::new(name).tag(name).correlation(name).caused_by(name);
        let snapshot = NewSnapshot::new(0).content_type(name);
        let mut batch = Batch::new();
        batch.once(name).write(name, Expected::NoStream, [event.content_type(name)]);
        batch.snapshot(name, 1, snapshot).state(name, 0, snapshot);
        assert_eq!(log.append(&batch).unwrap().first_position(), n);
        let read = log.read(name).collect().unwrap();
        let event = read[0].as_event();
        assert_eq!((event.stream(), event.event_type()), (name, name));
        assert_eq!([event.content_type(), event.correlation(), event.caused_by()], [Some(name); 3]);
        assert_eq!((event.tags().collect::<Vec<_>>(), event.data()), (vec![name], &[][..]));
        assert!(log.state(name, 0).unwrap().unwrap().data().is_empty());
        assert!(log.append(Batch::new().once(name)).unwrap().is_deduplicated());
    }
    let event = NewEvent::new("T");
    let empty: [(&str, Fill<'_>); 8] = [
        ("stream name", &|batch| batch.write("", Expected::Any, [NewEvent::new("T")])),
        ("event type", &|batch| batch.write("s", Expected::Any, [NewEvent::new("")])),
        ("tag", &|batch| batch.write("s", Expected::Any, [event.clone().tag("")])),
        ("content type", &|batch| {
            batch.write("s", Expected::Any, [event.clone().content_type("")])
        }),
        ("correlation", &|batch| batch.write("s", Expected::Any, [event.clone().correlation("")])),
        ("cause", &|batch| batch.write("s", Expected::Any, [event.clone().caused_by("")])),
        ("state name", &|batch| batch.state("", 1, NewSnapshot::new(1))),
        ("idempotency key", &|batch| batch.once("")),
    ];
    for (name, fill) in empty {
        let mut batch = Batch::new();
        fill(&mut batch);
        match log.append(&batch) {
            Err(Error::Invalid { what, .. }) => assert_eq!(what, name),
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// A limit is in bytes: a character that begins within it and ends beyond is too much.
#[test]
fn names_beyond_their_limit_are_refused_in_any_script() {
    let folder = tempfile::tempdir().unwrap();
    let log = super::options(16 << 10).open(folder.path()).unwrap();
    let event = NewEvent::new("T");
    for script in SCRIPTS {
        let last = script.chars().last().unwrap();
        let beyond = |limit: usize| text(script, limit + 1 - last.len_utf8()) + &last.to_string();
        let (long, short) = (beyond(limits::STREAM_NAME_BYTES), beyond(limits::TAG_BYTES));
        let cases: [(&str, Fill<'_>); 8] = [
            ("stream name", &|batch| batch.write(&long, Expected::Any, [event.clone()])),
            ("event type", &|batch| batch.write("s", Expected::Any, [NewEvent::new(&short)])),
            ("tag", &|batch| batch.write("s", Expected::Any, [event.clone().tag(&short)])),
            ("content type", &|batch| {
                batch.snapshot("s", 1, NewSnapshot::new(1).content_type(&short))
            }),
            ("correlation", &|batch| {
                batch.write("s", Expected::Any, [event.clone().correlation(&short)])
            }),
            ("cause", &|batch| batch.write("s", Expected::Any, [event.clone().caused_by(&short)])),
            ("state name", &|batch| batch.state(&long, 1, NewSnapshot::new(1))),
            ("idempotency key", &|batch| batch.once(&short)),
        ];
        for (name, fill) in cases {
            let mut batch = Batch::new();
            fill(&mut batch);
            let limit = if name == "stream name" || name == "state name" { 512 } else { 255 };
            super::too_large(log.append(&batch), (name, limit + 1, limit));
        }
    }
    assert_eq!(log.head(), 0);
}

#[test]
fn names_that_only_look_the_same_are_different_ones() {
    let folder = tempfile::tempdir().unwrap();
    let log = super::options(16 << 10).open(folder.path()).unwrap();
    let names = ["é", "e\u{301}", "E\u{301}", "É", "K", "\u{212A}", "a", "a ", "a\0"];
    for name in names {
        append(
            &log,
            &Names {
                stream: name.to_owned(),
                short: name.to_owned(),
                tags: tags(name, 20),
                state: name.to_owned(),
            },
        );
    }
    for name in names {
        assert_eq!(log.version(name).unwrap(), 1, "{name:?}");
        assert_eq!(log.state(name, 1).unwrap().unwrap().name(), name);
    }
    assert_eq!(log.streams("").unwrap().len(), names.len());
    // Byte by byte, so a prefix may end within a character's marks.
    assert_eq!(log.streams("e").unwrap().len(), 1);
}

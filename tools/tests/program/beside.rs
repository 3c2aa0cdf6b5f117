//! Reading beside a live writer and where nothing can be written; filters; snapshots.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use annals::{Batch, Expected, Log, NewEvent, NewSnapshot};
use serde_json::{Value, json};

use crate::support::{Room, annals, annals_fed, command, lines, room_with};

fn positions(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["position"].as_u64().unwrap()).collect()
}

#[test]
fn every_look_works_while_another_process_writes() {
    let room = room_with(5);
    let log = room.log();
    let mut writer = command().args(["demo-writer", &log]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(writer.stdout.take().unwrap());
    for _ in 0..20 {
        assert_ne!(output.read_line(&mut String::new()).unwrap(), 0);
    }
    let exported = annals(["export", &log, "--limit", "45"]).fine().objects();
    assert_eq!(positions(&exported), (1..=45).collect::<Vec<_>>());
    let read = annals(["read", &log, "case-1", "--json"]).fine().objects();
    assert_eq!(positions(&read), [1]);
    assert!(annals(["streams", &log]).fine().stdout.contains("case-1"));
    let stat = annals(["stat", &log, "--json"]).fine().object();
    assert!(stat["head"].as_u64().unwrap() >= 45, "{stat}");
    assert_eq!((&stat["writer_alive"], &stat["closed_cleanly"]), (&json!(true), &Value::Null));
    assert!(annals(["stat", &log]).fine().stdout.contains("has it open"));
    let tail = annals(["tail", &log, "--json", "--count", "10"]).fine().objects();
    assert_eq!(tail.len(), 10);
    annals(["verify", &log]).ends_with(3).says(&["locked"]);
    annals(["repair", &log]).ends_with(3).says(&["locked"]);
    writer.kill().unwrap();
    writer.wait().unwrap();
    let stat = annals(["stat", &log, "--json"]).fine().object();
    assert_eq!((&stat["writer_alive"], &stat["closed_cleanly"]), (&json!(false), &json!(false)));
}

#[test]
fn looking_writes_nothing() {
    let room = room_with(300);
    let log = room.log();
    // Not closed: the lock's file tells who had it, and no more.
    let mut writer = command().args(["demo-writer", &log]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(writer.stdout.take().unwrap());
    assert_ne!(output.read_line(&mut String::new()).unwrap(), 0);
    writer.kill().unwrap();
    writer.wait().unwrap();
    let files = || {
        let read = |entry: std::io::Result<fs::DirEntry>| {
            let path = entry.unwrap().path();
            (path.clone(), fs::read(path).unwrap())
        };
        let mut all: Vec<_> = fs::read_dir(room.path("log")).unwrap().map(read).collect();
        all.sort();
        all
    };
    let before = files();
    let looks: [&[&str]; 9] = [
        &["export"],
        &["read", "case-1"],
        &["streams"],
        &["stat"],
        &["history", "case-1"],
        &["trace", "c1"],
        &["subscriptions"],
        &["tail", "--idle-exit", "0.1"],
        &["verify"],
    ];
    for look in looks {
        let (name, more) = look.split_first().unwrap();
        annals([*name, &log].iter().chain(more)).fine();
        assert!(files() == before, "{name} wrote");
    }
}

/// Three orders of two customers.
fn orders() -> Room {
    let room = Room::new();
    let mut text = String::new();
    for (n, (stream, kind, extra)) in [
        ("order-1", "Placed", r#""tags":["customer:7","web"],"correlation":"c1""#),
        ("order-2", "Placed", r#""tags":["customer:8"],"correlation":"c2""#),
        ("order-1", "Paid", r#""tags":["customer:7"],"caused_by":"m1","correlation":"c1""#),
        ("cart-9", "Placed", r#""tags":["customer:7"]"#),
        ("order-3", "Placed", r#""tags":["customer:7","web"],"caused_by":"m2""#),
    ]
    .iter()
    .enumerate()
    {
        text.push_str(&format!(
            "{{\"stream\":\"{stream}\",\"type\":\"{kind}\",\"data\":{n},{extra}}}\n"
        ));
    }
    annals_fed(["import", &room.log(), "--batch", "1"], text.as_bytes()).fine();
    room
}

#[test]
fn exports_and_tails_are_filtered_alike() {
    let room = orders();
    let log = room.log();
    let cases: &[(&[&str], &[u64])] = &[
        (&[], &[1, 2, 3, 4, 5]),
        (&["--stream", "order-1"], &[1, 3]),
        (&["--stream", "order-1", "--stream", "cart-9"], &[1, 3, 4]),
        (&["--category", "order"], &[1, 2, 3, 5]),
        (&["--type", "Placed"], &[1, 2, 4, 5]),
        (&["--tag", "customer:7"], &[1, 3, 4, 5]),
        (&["--tag", "customer:7", "--tag", "web"], &[1, 5]),
        (&["--correlation", "c1"], &[1, 3]),
        (&["--caused-by", "m1", "--caused-by", "m2"], &[3, 5]),
        (&["--category", "order", "--type", "Placed", "--tag", "web"], &[1, 5]),
        (&["--type", "Nothing"], &[]),
    ];
    for (options, expected) in cases {
        let exported = annals(["export", log.as_str()].iter().chain(*options)).fine().objects();
        assert_eq!(positions(&exported), *expected, "{options:?}");
        let tail = ["tail", log.as_str(), "--json", "--idle-exit", "0.1"];
        let tailed = annals(tail.iter().chain(*options)).fine().objects();
        assert_eq!(positions(&tailed), *expected, "{options:?}");
    }
    let backward = ["export", &log, "--tag", "customer:7", "--backward", "--limit", "2"];
    assert_eq!(positions(&annals(backward).fine().objects()), [5, 4]);
    let between = ["export", &log, "--tag", "customer:7", "--after", "1", "--until", "4"];
    assert_eq!(positions(&annals(between).fine().objects()), [3, 4]);
    annals(["export", &log, "--category", "a-b"]).ends_with(2);
}

#[test]
fn times_cut_an_export_and_a_tail() {
    let room = orders();
    let log = room.log();
    let all = annals(["export", &log]).fine().objects();
    let third = all[2]["recorded_at"].as_str().unwrap();
    let at = |command: &str, flag: &str| {
        let idle: &[&str] = if command == "tail" { &["--json", "--idle-exit", "0.1"] } else { &[] };
        let arguments = [command, &log, flag, third];
        positions(&annals(arguments.iter().chain(idle)).fine().objects())
    };
    // Events of one moment have one time: it is that of the third or of those before it.
    let early = |event: &Value| event["recorded_at"].as_str().unwrap() < third;
    let split = all.iter().filter(|event| early(event)).count() as u64;
    for command in ["export", "tail"] {
        assert_eq!(at(command, "--before"), (1..=split).collect::<Vec<_>>(), "{command}");
        assert_eq!(at(command, "--since"), (split + 1..=5).collect::<Vec<_>>(), "{command}");
    }
    annals(["export", &log, "--since", "yesterday"]).ends_with(2).says(&["--since"]);
}

#[test]
fn a_snapshot_is_shown_with_what_it_is_of() {
    let room = Room::new();
    let path = room.path("log");
    let log = Log::open(&path).unwrap();
    for n in 0..3 {
        let mut batch = Batch::new();
        batch.write("order-1", Expected::Exact(n), [NewEvent::new("T")]);
        if n == 1 {
            batch.snapshot("order-1", 2, NewSnapshot::new(7).json(r#"{"paid": true}"#));
        }
        log.append(&batch).unwrap();
    }
    let mut batch = Batch::new();
    batch.write("order-2", Expected::Any, [NewEvent::new("T")]);
    batch.snapshot("order-2", 1, NewSnapshot::new(1).data(&[0xff, 0]));
    log.append(&batch).unwrap();
    log.close().unwrap();
    let log = room.log();

    let told = annals(["snapshot", &log, "order-1", "--json"]).fine().object();
    assert_eq!((&told["version"], &told["schema"]), (&json!(2), &json!(7)));
    assert_eq!((&told["stream_version"], &told["bytes"]), (&json!(3), &json!(14)));
    assert_eq!(told["data"], Value::Null);
    assert!(told["age_seconds"].as_f64().unwrap() < 3600.0);
    let shown = annals(["snapshot", &log, "order-1", "--show", "--json"]).fine();
    assert!(shown.stdout.contains(r#""data":{"paid": true}"#), "{}", shown.stdout);
    let plain = annals(["snapshot", &log, "order-1", "--show"]).fine().stdout;
    assert!(plain.contains(r#"{"paid": true}"#) && plain.contains("1 event after it"), "{plain}");
    let bytes = annals(["snapshot", &log, "order-2", "--show", "--json"]).fine().object();
    assert_eq!(bytes["data_base64"], json!("/wA="));
    annals(["snapshot", &log, "order-3"]).ends_with(1).says(&["no snapshot"]);

    let streams = annals(["streams", &log, "--json"]).fine().objects();
    assert_eq!(streams[0], json!({"stream": "order-1", "version": 3, "snapshot": 2}));
    let stat = annals(["stat", &log, "--json"]).fine().object();
    assert_eq!(
        (&stat["snapshots"], &stat["states"], &stat["keys"]),
        (&json!(2), &json!(0), &json!(0))
    );
}

#[test]
fn a_key_appends_once_and_answers_with_the_first_event() {
    let room = Room::new();
    let log = room.log();
    let append = |kind: &str, key: &str| {
        let arguments = ["append", &log, "s", "--type", kind, "--once", key, "--json"];
        annals(arguments).fine().object()
    };
    let first = append("First", "m-1");
    assert_eq!((&first["deduplicated"], &first["position"]), (&json!(false), &json!(1)));
    let again = append("Second", "m-1");
    assert_eq!((&again["deduplicated"], &again["id"]), (&json!(true), &first["id"]));
    assert_eq!((&again["position"], &again["version"]), (&json!(1), &json!(1)));
    assert_eq!(append("Third", "m-2")["position"], json!(2));
    let exported = annals(["export", &log]).fine().objects();
    assert_eq!(exported.iter().map(|event| &event["type"]).collect::<Vec<_>>(), ["First", "Third"]);
    annals_fed(["import", &log], lines(1).as_bytes()).fine();
}

//! The commands that look: export, read, streams, stat.

use serde_json::{Value, json};

use crate::support::{Room, annals, annals_fed, line, lines, room_with};

const NONE: [u64; 0] = [];

fn positions(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["position"].as_u64().unwrap()).collect()
}

fn versions(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["version"].as_u64().unwrap()).collect()
}

#[test]
fn an_export_is_cut_to_what_was_asked_for() {
    let room = room_with(30);
    let export = |options: &[&str]| {
        let log = room.log();
        positions(&annals(["export", log.as_str()].iter().chain(options)).fine().objects())
    };
    assert_eq!(export(&[]), (1..=30).collect::<Vec<_>>());
    assert_eq!(export(&["--after", "27"]), [28, 29, 30]);
    assert_eq!(export(&["--until", "2"]), [1, 2]);
    assert_eq!(export(&["--after", "5", "--until", "8"]), [6, 7, 8]);
    assert_eq!(export(&["--after", "5", "--limit", "2"]), [6, 7]);
    assert_eq!(export(&["--limit", "0"]), NONE);
    assert_eq!(export(&["--after", "30"]), NONE);
    assert_eq!(export(&["--after", "18446744073709551615"]), NONE);
    assert_eq!(export(&["--until", "0"]), NONE);
    assert_eq!(export(&["--backward", "--limit", "3"]), [30, 29, 28]);
    assert_eq!(export(&["--backward", "--after", "5", "--until", "8"]), [8, 7, 6]);
    // Stream case-3 has positions 3, 10, 17, 24.
    assert_eq!(export(&["--stream", "case-3"]), [3, 10, 17, 24]);
    assert_eq!(export(&["--stream", "case-3", "--backward"]), [24, 17, 10, 3]);
    assert_eq!(export(&["--stream", "case-3", "--after", "3", "--until", "17"]), [10, 17]);
    assert_eq!(export(&["--stream", "case-3", "--after", "3", "--limit", "1"]), [10]);
    let backward = ["--stream", "case-3", "--backward", "--until", "17", "--limit", "2"];
    assert_eq!(export(&backward), [17, 10]);
    assert_eq!(export(&["--stream", "none"]), NONE);
}

#[test]
fn a_stream_is_read_from_and_to_any_version() {
    let room = room_with(30);
    let read = |options: &[&str]| {
        let log = room.log();
        let arguments = ["read", log.as_str(), "case-3", "--json"];
        versions(&annals(arguments.iter().chain(options)).fine().objects())
    };
    assert_eq!(read(&[]), [1, 2, 3, 4]);
    assert_eq!(read(&["--from", "2", "--to", "3"]), [2, 3]);
    assert_eq!(read(&["--from", "0", "--limit", "1"]), [1]);
    assert_eq!(read(&["--backward"]), [4, 3, 2, 1]);
    assert_eq!(read(&["--backward", "--limit", "1"]), [4]);
    assert_eq!(read(&["--backward", "--from", "2", "--to", "3"]), [3, 2]);
    assert_eq!(read(&["--from", "5"]), NONE);
    let none = annals(["read", &room.log(), "none", "--json"]).fine();
    assert_eq!(none.stdout, "");
    none.says(&["no event of stream none"]);
}

#[test]
fn people_read_columns() {
    let room = Room::new();
    let text = "{\"stream\":\"s\",\"type\":\"Short\",\"time\":\"2024-05-01T12:30:00+02:00\",\"data\":1}\n\
                {\"stream\":\"s\",\"type\":\"Longer\",\"time\":\"2024-05-01T12:31:00+02:00\",\"data_base64\":\"/w==\"}\n\
                {\"stream\":\"s\",\"type\":\"Short\",\"time\":\"2024-05-01T12:32:00+02:00\",\"data\":{}}\n";
    annals_fed(["import", &room.log()], text.as_bytes()).fine();
    let read = annals(["read", &room.log(), "s"]).fine().stdout;
    assert_eq!(
        read,
        "1  2024-05-01T12:30:00+02:00  Short  1\n\
         2  2024-05-01T12:31:00+02:00  Longer  (1 B, no JSON text)\n\
         3  2024-05-01T12:32:00+02:00  Short   {}\n"
    );
}

#[test]
fn streams_are_listed_by_name_category_and_length() {
    let room = Room::new();
    let log = room.log();
    let names = ["a", "a-1", "a-2", "ab-1", "b-1", "b-1", "b-1", "a-2", "b-2", "b-2"];
    let text: String = names
        .iter()
        .map(|name| format!("{{\"stream\":\"{name}\",\"type\":\"T\",\"data\":1}}\n"))
        .collect();
    annals_fed(["import", &log], text.as_bytes()).fine();
    let list = |options: &[&str]| {
        let objects = annals(["streams", &log, "--json"].iter().chain(options)).fine().objects();
        let of = |stream: &Value| {
            (stream["stream"].as_str().unwrap().to_owned(), stream["version"].as_u64().unwrap())
        };
        objects.iter().map(of).collect::<Vec<_>>()
    };
    let known = |pairs: &[(&str, u64)]| {
        pairs.iter().map(|(name, version)| ((*name).to_owned(), *version)).collect::<Vec<_>>()
    };
    let all = [("a", 1), ("a-1", 1), ("a-2", 2), ("ab-1", 1), ("b-1", 3), ("b-2", 2)];
    assert_eq!(list(&[]), known(&all));
    assert_eq!(list(&["--category", "a"]), known(&all[..3]));
    assert_eq!(list(&["--prefix", "a"]), known(&all[..4]));
    assert_eq!(list(&["--category", "a", "--prefix", "a-2"]), known(&all[2..3]));
    assert_eq!(list(&["--category", "b", "--prefix", "a"]), known(&[]));
    assert_eq!(list(&["--longest", "3"]), known(&[("b-1", 3), ("a-2", 2), ("b-2", 2)]));
    assert_eq!(list(&["--longest", "0"]), known(&[]));
    let plain = annals(["streams", &log, "--longest", "2"]).fine().stdout;
    assert_eq!(plain, "3  b-1\n2  a-2\n");
}

#[test]
fn stat_counts_what_is_there() {
    let room = room_with(30);
    let stat = annals(["stat", &room.log(), "--json"]).fine().object();
    assert_eq!(
        (&stat["head"], &stat["events"], &stat["streams"]),
        (&json!(30), &json!(30), &json!(7))
    );
    assert_eq!(stat["closed_cleanly"], json!(true));
    for number in ["segments", "segment_bytes", "index_runs", "index_bytes", "other_bytes"] {
        assert!(stat[number].is_u64(), "{number}: {stat}");
    }
    let plain = annals(["stat", &room.log()]).fine().stdout;
    assert!(plain.contains("events      30\n"), "{plain}");
    assert!(plain.contains("closed cleanly"), "{plain}");
}

#[test]
fn every_command_prints_objects_only_with_json() {
    let room = room_with(3);
    let log = room.log();
    let all: &[&[&str]] = &[
        &["export", &log, "--json"],
        &["read", &log, "case-1", "--json"],
        &["streams", &log, "--json"],
        &["stat", &log, "--json"],
        &["history", &log, "case-1", "--json"],
        &["verify", &log, "--json"],
        &["tail", &log, "--json", "--count", "3"],
        &["append", &log, "s", "--type", "T", "--json"],
        &["--json", "stat", &log],
    ];
    for arguments in all {
        assert!(!annals(*arguments).fine().objects().is_empty(), "{arguments:?}");
    }
    let done = annals_fed(["import", &log, "--json"], line(1).as_bytes()).fine();
    assert_eq!(done.object()["passed_over"], json!(1));
    let plain = annals_fed(["import", &log], lines(4).as_bytes()).fine().stdout;
    assert!(plain.contains("imported 1 event in 1 batch, passed over 3"), "{plain}");
}

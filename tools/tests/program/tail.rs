//! Following a log: where it starts, what it shows, and when it ends.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{annals, annals_fed, command, lines, room_with};

const NONE: [u64; 0] = [];

#[test]
fn it_starts_where_it_is_told_and_ends_when_idle() {
    let room = room_with(30);
    let tail = |options: &[&str]| {
        let log = room.log();
        let arguments = ["tail", log.as_str(), "--json", "--idle-exit", "0.2"];
        let events = annals(arguments.iter().chain(options)).fine().objects();
        events.iter().map(|event| event["position"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(tail(&[]), (1..=30).collect::<Vec<_>>());
    assert_eq!(tail(&["--start"]), (1..=30).collect::<Vec<_>>());
    assert_eq!(tail(&["--after", "28"]), [29, 30]);
    assert_eq!(tail(&["--after", "30"]), NONE);
    assert_eq!(tail(&["--end"]), NONE);
    assert_eq!(tail(&["--stream", "case-3"]), [3, 10, 17, 24]);
    assert_eq!(tail(&["--stream", "case-3", "--count", "2"]), [3, 10]);
    assert_eq!(tail(&["--count", "0"]), NONE);
}

#[test]
fn it_ends_after_a_count_without_waiting() {
    let room = room_with(5);
    let started = Instant::now();
    let ran = annals(["tail", &room.log(), "--count", "3", "--idle-exit", "600"]).fine();
    assert_eq!(ran.stdout.lines().count(), 3);
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_start_behind_the_head_is_an_error_that_says_where_it_may_start() {
    let room = room_with(5);
    let ran = annals(["tail", &room.log(), "--after", "6"]).ends_with(3);
    ran.says(&["position 6", "head of the log, 5", "start after 5 or before"]);
}

#[test]
fn it_follows_what_another_process_writes() {
    let room = room_with(5);
    let log = room.log();
    let tail = ["tail", &log, "--json", "--count", "8", "--idle-exit", "60", "--type", "Noted"];
    let following = command().args(tail).stdout(Stdio::piped()).spawn().unwrap();
    annals(["append", &log, "s", "--type", "Other"]).fine();
    annals_fed(["import", &log, "--batch", "1"], lines(8).as_bytes()).fine();
    let output = following.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let events: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let positions: Vec<_> =
        events.iter().map(|event| event["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, [1, 2, 3, 4, 5, 7, 8, 9], "6 is of another type");
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_it_well() {
    let room = room_with(5);
    let mut following = follow(&room.log());
    let sent = std::process::Command::new("kill")
        .args(["-INT", &following.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    assert_eq!(following.wait().unwrap().code(), Some(0));
    let stat = annals(["stat", &room.log(), "--json"]).fine().object();
    assert_eq!(stat["closed_cleanly"], json!(true));
}

/// A tail that has shown all there is, and waits.
fn follow(log: &str) -> Child {
    let mut child = command().args(["tail", log, "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("\"position\":5,") {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "it ended early");
    }
    child
}

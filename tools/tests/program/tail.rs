//! Following a log: where it starts, what it shows, and when it ends.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{annals, command, room_with};

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
fn while_it_follows_nobody_else_writes() {
    let room = room_with(5);
    let mut following = follow(&room.log());
    let ran = annals(["append", &room.log(), "s", "--type", "T"]).ends_with(3);
    ran.says(&["locked", &following.id().to_string(), "what to do"]);
    following.kill().unwrap();
    following.wait().unwrap();
    annals(["append", &room.log(), "s", "--type", "T"]).fine();
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_it_well_and_closes_the_log() {
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

//! Appends, and how runs end: exit codes, messages, and quiet pipes.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::json;

use crate::support::{Room, annals, annals_fed, command, room_with};

const ID: &str = "0190a5b2-7f3c-7000-8000-0123456789ab";

#[test]
fn an_append_tells_its_position_and_version() {
    let room = Room::new();
    let log = room.log();
    let first = annals(["append", &log, "order-1", "--type", "OrderPlaced", "--json"]).fine();
    let first = first.object();
    assert_eq!((&first["position"], &first["version"]), (&json!(1), &json!(1)));
    assert_eq!(first["deduplicated"], json!(false));
    let second = annals(["append", &log, "order-1", "--type", "Paid", "--expect", "1"]).fine();
    assert!(second.stdout.contains("position 2"), "{}", second.stdout);
    assert!(second.stdout.contains("version 2"), "{}", second.stdout);
    let ids: Vec<_> = annals(["export", &log]).fine().objects();
    assert_eq!(ids[0]["id"], first["id"]);
}

#[test]
fn an_append_takes_all_that_an_event_has() {
    let room = Room::new();
    let log = room.log();
    let arguments = [
        "append",
        &log,
        "order-1",
        "--type",
        "Paid",
        "--data",
        "-",
        "--metadata",
        "{\"by\": 1}",
        "--id",
        ID,
        "--caused-by",
        "m-1",
        "--correlation",
        "r-1",
        "--tag",
        "a",
        "--tag",
        "b",
        "--expect",
        "none",
    ];
    annals_fed(arguments, b" {\"cents\" : -5}\n").fine();
    let line = annals(["export", &log]).fine().stdout;
    assert!(line.contains("\"data\":{\"cents\" : -5},\"metadata\":{\"by\": 1}"), "{line}");
    assert!(line.contains("\"tags\":[\"a\",\"b\"],\"caused_by\":\"m-1\",\"correlation\":\"r-1\""));
}

#[test]
fn an_unmet_expectation_is_a_conflict_that_writes_nothing() {
    let room = room_with(7);
    let log = room.log();
    let append = |expect: &str, code| {
        let ran = annals(["append", &log, "case-1", "--type", "T", "--expect", expect, "--json"]);
        ran.ends_with(code)
    };
    for expect in ["none", "0", "2"] {
        let ran = append(expect, 1).says(&["case-1", "version 1", "what to do"]);
        assert_eq!(ran.stdout, "");
    }
    annals(["append", &log, "new", "--type", "T", "--expect", "exists"]).ends_with(1);
    assert_eq!(annals(["stat", &log, "--json"]).object()["head"], json!(7));
    append("exists", 0);
    append("2", 0);
    append("any", 0);
}

#[test]
fn the_same_id_appends_once_and_another_event_under_it_is_refused() {
    let room = Room::new();
    let log = room.log();
    let append = |data: &str| {
        annals(["append", &log, "s", "--type", "T", "--id", ID, "--data", data, "--json"])
    };
    assert_eq!(append("1").fine().object()["deduplicated"], json!(false));
    let again = append("1").fine().object();
    assert_eq!((&again["deduplicated"], &again["position"]), (&json!(true), &json!(1)));
    append("2").ends_with(1).says(&[ID, "position 1"]);
}

#[test]
fn an_append_says_how_safe_it_is() {
    let room = Room::new();
    let log = room.log();
    for (asked, position) in [("durable", 1), ("written", 2), ("buffered", 3)] {
        let done = annals(["append", &log, "s", "--type", "T", "--durability", asked, "--json"]);
        let done = done.fine().object();
        assert_eq!((&done["durability"], &done["position"]), (&json!(asked), &json!(position)));
    }
    let plain = annals(["append", &log, "s", "--type", "T", "--durability", "written"]).fine();
    assert!(plain.stdout.contains("written"), "{}", plain.stdout);
    let default = annals(["append", &log, "s", "--type", "T", "--json"]).fine().object();
    assert_eq!(default["durability"], json!("durable"));
}

#[test]
fn wrong_usage_is_2() {
    let room = room_with(1);
    let log = room.log();
    let wrong: &[&[&str]] = &[
        &[],
        &["nonsense"],
        &["export"],
        &["export", &log, "--after", "x"],
        &["append", &log, "s"],
        &["append", &log, "s", "--type", "T", "--data", "{"],
        &["append", &log, "s", "--type", "T", "--expect", "some"],
        &["append", &log, "s", "--type", "T", "--id", "1"],
        &["import", &log, "f", "--git", "."],
        &["import", &log, "--batch", "0"],
        &["import", &log, "--durability", "hopeful"],
        &["append", &log, "s", "--type", "T", "--durability", "hopeful"],
        &["tail", &log, "--start", "--end"],
        &["tail", &log, "--idle-exit", "-1"],
        &["streams", &log, "--category", "a-b"],
    ];
    for arguments in wrong {
        let ran = annals(*arguments).ends_with(2);
        assert_eq!(ran.stdout, "", "{arguments:?}");
        assert_ne!(ran.stderr, "", "{arguments:?}");
    }
    let bad = annals(["append", &log, "s", "--type", "T", "--data", "{\"a\":}"]).ends_with(2);
    bad.says(&["--data", "column 6"]);
    annals(["--help"]).fine();
    annals(["--version"]).fine();
}

#[test]
fn a_log_that_is_not_there_is_not_made_by_looking_at_it() {
    let room = Room::new();
    let log = room.log();
    let looks: &[&[&str]] =
        &[&["export"], &["read", "s"], &["streams"], &["stat"], &["verify"], &["tail"]];
    for look in looks {
        let (name, more) = look.split_first().unwrap();
        let ran = annals([*name, &log].iter().chain(more)).ends_with(3);
        assert_eq!(ran.stdout, "");
        ran.says(&[&log, "no log"]);
        assert!(!room.path("log").exists());
    }
}

#[test]
fn an_append_over_a_limit_is_named_with_the_limit() {
    let room = Room::new();
    let name = "s".repeat(513);
    annals(["append", &room.log(), &name, "--type", "T"]).ends_with(3).says(&["513", "512"]);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let room = room_with(20_000);
    for arguments in [vec!["export"], vec!["tail", "--json"], vec!["read"], vec!["streams"]] {
        let mut command = command();
        command.arg(arguments[0]).arg(room.log()).args(&arguments[1..]);
        if arguments[0] == "read" {
            command.arg("case-1");
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert_ne!(first, "");
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
    annals(["stat", &room.log()]).fine();
}

#[test]
fn no_colour_codes_go_into_pipes() {
    let room = room_with(10);
    for arguments in [&["read", "case-1"][..], &["streams"], &["stat"], &["verify"]] {
        let (name, more) = arguments.split_first().unwrap();
        let ran = annals([*name, &room.log()].iter().chain(more)).fine();
        assert!(!ran.stdout.contains('\u{1b}'), "{}", ran.stdout);
        assert_eq!(ran.stderr, "", "no progress bars either");
    }
}

//! An import that runs again: only what is new is added.

use serde_json::json;

use crate::support::{Room, annals, annals_fed, line, lines, parse_lines, real_log};

#[test]
fn a_grown_real_file_adds_only_its_new_lines() {
    let Some(real) = real_log("receipt", "receipt.jsonl") else { return };
    let room = Room::new();
    let events = real.answers["events"].as_u64().unwrap();
    let all: Vec<_> = real.text.split_inclusive('\n').collect();
    let mut there = 0;
    for length in [1000, 1000, 1001, 5000, all.len()] {
        let file = room.write("grown.jsonl", all[..length].concat());
        let done = annals(["import", &room.log(), &file, "--json"]).fine().object();
        let length = u64::try_from(length).unwrap();
        assert_eq!(done["imported"], json!(length - there));
        assert_eq!(done["passed_over"], json!(there));
        there = length;
    }
    let exported = annals(["export", &room.log()]).fine().stdout;
    let (given, found) = (parse_lines(&real.text), parse_lines(&exported));
    assert_eq!(found.len(), usize::try_from(events).unwrap());
    assert!(given.iter().zip(&found).all(|(given, found)| given.content() == found.content()));
}

#[test]
fn known_lines_between_new_ones_are_passed_over() {
    let room = Room::new();
    let log = room.log();
    annals_fed(["import", &log], [line(2), line(4)].concat().as_bytes()).fine();
    let done = annals_fed(["import", &log, "--json"], lines(5).as_bytes()).fine().object();
    assert_eq!((&done["imported"], &done["passed_over"]), (&json!(3), &json!(2)));
    assert_eq!(done["head"], json!(5));
}

#[test]
fn the_same_line_twice_in_a_file_is_one_event() {
    for batch in ["1", "2", "256"] {
        let room = Room::new();
        let text = [line(1), line(2), line(1), line(3), line(3)].concat();
        let done = annals_fed(["import", &room.log(), "--json", "--batch", batch], text.as_bytes());
        let done = done.fine().object();
        assert_eq!((&done["imported"], &done["passed_over"]), (&json!(3), &json!(2)));
    }
}

#[test]
fn lines_without_an_id_are_added_each_time() {
    let room = Room::new();
    let text = "{\"stream\":\"s\",\"type\":\"T\",\"data\":1}\n".repeat(2);
    for head in [2, 4] {
        let done = annals_fed(["import", &room.log(), "--json"], text.as_bytes()).fine().object();
        assert_eq!((&done["imported"], &done["head"]), (&json!(2), &json!(head)));
    }
}

#[test]
fn batches_end_at_the_asked_number_of_events() {
    let room = Room::new();
    let arguments = ["import", &room.log(), "--batch", "10", "--durability", "durable", "--json"];
    let done = annals_fed(arguments, lines(25).as_bytes()).fine().object();
    assert_eq!(done["batches"], json!(3));
}

#[test]
fn batches_end_at_8_mib() {
    let room = Room::new();
    let large = "x".repeat(3 << 20);
    let text: String = (0..5)
        .map(|_| format!("{{\"stream\":\"s\",\"type\":\"T\",\"data\":\"{large}\"}}\n"))
        .collect();
    let done = annals_fed(["import", &room.log(), "--json"], text.as_bytes()).fine().object();
    assert_eq!((&done["imported"], &done["batches"]), (&json!(5), &json!(3)));
    annals(["verify", &room.log()]).fine();
}

#[test]
fn an_import_of_any_durability_brings_the_same_events_in_the_same_order() {
    let text = lines(5_000);
    for durability in ["durable", "written", "buffered"] {
        let room = Room::new();
        let arguments =
            ["import", &room.log(), "--json", "--batch", "10", "--durability", durability];
        let done = annals_fed(arguments, text.as_bytes()).fine().object();
        assert_eq!(done["durability"], json!(durability));
        assert_eq!((&done["imported"], &done["batches"]), (&json!(5_000), &json!(500)));
        assert_eq!(done["head"], json!(5_000), "all of it is durable at the end");
        let exported = annals(["export", &room.log()]).fine().stdout;
        let (given, found) = (parse_ids(&text), parse_ids(&exported));
        assert_eq!(found.len(), 5_000);
        assert!(given == found, "{durability}");
    }
}

fn parse_ids(text: &str) -> Vec<String> {
    let id = |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].to_string();
    text.lines().map(id).collect()
}

#[test]
fn a_line_that_comes_again_while_its_batch_is_under_way_is_passed_over_or_refused() {
    // One event a batch: the second line is read while the first one is being synced.
    let room = Room::new();
    let text = [line(1), line(2), line(1), line(2), line(3), line(2)].concat();
    let arguments = ["import", &room.log(), "--json", "--batch", "1"];
    let done = annals_fed(arguments, text.as_bytes()).fine().object();
    assert_eq!((&done["imported"], &done["passed_over"]), (&json!(3), &json!(3)));

    let room = Room::new();
    let other = line(1).replace("Noted", "Crossed out");
    let text = [line(1), line(2), other, line(3)].concat();
    let arguments = ["import", &room.log(), "--json", "--batch", "1"];
    let ran = annals_fed(arguments, text.as_bytes()).ends_with(1).says(&["line 3", "position 1"]);
    let done = ran.object();
    assert_eq!((&done["imported"], &done["complete"]), (&json!(2), &json!(false)));
    assert_eq!(done["head"], json!(2), "nothing behind the refused line");
}

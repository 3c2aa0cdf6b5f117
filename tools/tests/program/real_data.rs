//! Real event logs: what goes in comes out, and what is asked of it is answered as
//! other programs answered it.
//!
//! Their answers count positions and versions from 0, a log counts from 1.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::{Line, RealLog, Room, annals, parse_lines, real_log, sha256};

#[test]
fn receipt_comes_out_as_it_went_in() {
    let Some(real) = real_log("receipt", "receipt.jsonl") else { return };
    round_trip(&real);
}

#[test]
fn gitmoji_files_come_out_as_they_went_in() {
    let Some(real) = real_log("gitmoji-files", "gitmoji-files.jsonl") else { return };
    let exported = round_trip(&real);
    let events = parse_lines(&exported);
    let existing: BTreeSet<_> = last_types(&events)
        .into_iter()
        .filter_map(|(stream, last)| (last != "FileDeleted").then_some(stream))
        .collect();
    let answers = &real.answers;
    assert_eq!(
        json!(existing.len()),
        answers["files_existing_at_the_end (last type not FileDeleted)"]
    );
    let sum = sha256(existing.into_iter().map(|path| format!("{path}\n")));
    assert_eq!(json!(sum), answers["sha256_of_existing_files_sorted (path LF)"]);
}

#[test]
fn loans_come_out_as_they_went_in_and_fold_to_the_known_sums() {
    let Some(real) = real_log("bpi2012-loans", "bpi2012-loans.jsonl.zst") else { return };
    let exported = round_trip(&real);
    let events = parse_lines(&exported);
    let (mut outcomes, mut amounts) = (BTreeMap::new(), BTreeMap::new());
    for event in &events {
        let outcome = match event.event_type.as_str() {
            "A_APPROVED" => "approved",
            "A_DECLINED" => "declined",
            "A_CANCELLED" => "cancelled",
            _ => outcomes.get(event.stream.as_str()).copied().unwrap_or("open"),
        };
        outcomes.insert(event.stream.as_str(), outcome);
        let data: Value = serde_json::from_str(event.data.get()).unwrap();
        if let Some(amount) = data["case"]["AMOUNT_REQ"].as_str() {
            amounts.insert(event.stream.as_str(), amount.parse::<u64>().unwrap());
        }
    }
    let (mut counts, mut sums) = (BTreeMap::new(), BTreeMap::new());
    for (stream, outcome) in outcomes {
        *counts.entry(outcome).or_insert(0_u64) += 1;
        *sums.entry(outcome).or_insert(0_u64) += amounts[stream];
    }
    let key = "applications_by_outcome (last of A_APPROVED/A_DECLINED/A_CANCELLED, else open)";
    assert_eq!(json!(counts), real.answers[key]);
    assert_eq!(json!(sums), real.answers["sum_of_amount_requested_by_outcome"]);
}

/// Imports, exports, compares; imports again; verifies. Gives what was exported.
fn round_trip(real: &RealLog) -> String {
    let room = Room::new();
    let log = room.log();
    let events = real.answers["events"].as_u64().unwrap();

    let imported = annals(["import", &log, &real.file, "--json"]).fine().object();
    assert_eq!(imported["imported"], real.answers["events"]);
    assert_eq!(imported["passed_over"], json!(0));
    assert_eq!(imported["complete"], json!(true));

    let exported = annals(["export", &log]).fine().stdout;
    let given = parse_lines(&real.text);
    let found = parse_lines(&exported);
    assert_eq!(given.len(), found.len());
    for ((number, given), found) in (1..).zip(&given).zip(&found) {
        assert_eq!(given.content(), found.content(), "line {number}");
        assert_eq!(found.position, Some(number));
    }
    check_answers(&log, &real.answers, &found);

    let again = annals(["import", &log, &real.file, "--json"]).fine().object();
    assert_eq!((&again["imported"], &again["passed_over"]), (&json!(0), &json!(events)));
    assert_eq!(again["head"], json!(events));
    assert_eq!(annals(["export", &log]).fine().stdout, exported);

    let verified = annals(["verify", &log, "--json"]).fine().object();
    assert_eq!(verified["ok"], json!(true));
    assert_eq!(verified["events"], real.answers["events"]);
    assert_eq!(verified["streams"], real.answers["streams"]);
    exported
}

fn check_answers(log: &str, answers: &Value, events: &[Line<'_>]) {
    let mut by_type = BTreeMap::new();
    let mut lengths = BTreeMap::new();
    for event in events {
        *by_type.entry(event.event_type.as_str()).or_insert(0_u64) += 1;
        let length = lengths.entry(event.stream.as_str()).or_insert(0_u64);
        *length += 1;
        assert_eq!(event.version, Some(*length), "versions are dense from 1");
    }
    assert_eq!(json!(by_type), answers["count_by_type"]);
    assert_eq!(json!(by_type.len()), answers["types"]);
    assert_eq!(json!(lengths.len()), answers["streams"]);
    let sorted = lengths.iter().map(|(stream, length)| format!("{stream}\t{length}\n"));
    assert_eq!(
        json!(sha256(sorted)),
        answers["sha256_of_sorted stream TAB length LF (sorted by UTF-8 bytes)"]
    );
    let mut last = BTreeMap::new();
    for event_type in last_types(events).into_values() {
        *last.entry(event_type).or_insert(0_u64) += 1;
    }
    assert_eq!(json!(last), answers["streams_by_last_type"]);

    let ids = events.iter().map(|event| format!("{}\n", event.id));
    assert_eq!(json!(sha256(ids)), answers["sha256_of_ids_in_global_order (each id + LF)"]);
    let order = events.iter().map(|event| {
        let version = event.version.unwrap() - 1;
        format!("{}\t{version}\t{}\t{}\n", event.stream, event.event_type, event.id)
    });
    let key = "sha256_of_stream TAB version TAB type TAB id LF in global order (version 0-based)";
    assert_eq!(json!(sha256(order)), answers[key]);
    check_commands(log, answers, &lengths);
}

/// The same answers, from the commands that give them directly.
fn check_commands(log: &str, answers: &Value, lengths: &BTreeMap<&str, u64>) {
    let pairs = |objects: Vec<Value>| -> Vec<Value> {
        objects.iter().map(|stream| json!([stream["stream"], stream["version"]])).collect()
    };
    let longest = annals(["streams", log, "--longest", "5", "--json"]).fine().objects();
    assert_eq!(json!(pairs(longest)), answers["longest_streams"]);
    let all = annals(["streams", log, "--json"]).fine().objects();
    let known: Vec<_> = lengths.iter().map(|(name, length)| json!([name, length])).collect();
    assert_eq!(pairs(all), known, "sorted by name");

    for (position, known) in answers["at_position_0_based"].as_object().unwrap() {
        let event = annals(["export", log, "--after", position, "--limit", "1"]).fine().object();
        for field in ["stream", "type", "id", "time"] {
            assert_eq!(event[field], known[field], "{field} at {position}");
        }
        assert_eq!(event["version"], json!(known["stream_version"].as_u64().unwrap() + 1));
        let stream = known["stream"].as_str().unwrap();
        let version = event["version"].to_string();
        let read = annals(["read", log, stream, "--from", &version, "--to", &version, "--json"]);
        assert_eq!(read.fine().object(), event);
    }
    let stat = annals(["stat", log, "--json"]).fine().object();
    assert_eq!(stat["events"], answers["events"]);
    assert_eq!(stat["head"], answers["events"]);
    assert_eq!(stat["streams"], answers["streams"]);
    assert_eq!(stat["closed_cleanly"], json!(true));
}

fn last_types<'e>(events: &'e [Line<'_>]) -> BTreeMap<&'e str, &'e str> {
    events.iter().map(|event| (event.stream.as_str(), event.event_type.as_str())).collect()
}

//! Input that is wrong: the message names the line, what is wrong and the limit, and
//! everything before that line is in the log.

use serde_json::json;

use crate::support::{Ran, Room, annals, annals_fed, line, lines};

/// Imports three good lines, then this one, then one more that must not be reached.
fn import_with(bad: &[u8]) -> (Room, Ran) {
    let room = Room::new();
    let text = [lines(3).as_bytes(), bad, b"\n", line(9).as_bytes()].concat();
    let file = room.write("in.jsonl", text);
    let ran = annals(["import", &room.log(), &file, "--batch", "2", "--json"]);
    (room, ran)
}

/// The line is refused with these words; what came before it is there.
#[track_caller]
fn refused(bad: &str, words: &[&str]) {
    refused_bytes(bad.as_bytes(), 3, words);
}

#[track_caller]
fn refused_bytes(bad: &[u8], code: i32, words: &[&str]) {
    let (room, ran) = import_with(bad);
    let ran = ran.ends_with(code).says(&["in.jsonl, line 4: ", "what to do"]).says(words);
    let done = ran.object();
    assert_eq!((&done["imported"], &done["complete"]), (&json!(3), &json!(false)));
    assert_eq!(annals(["export", &room.log()]).fine().objects().len(), 3);
    annals(["verify", &room.log()]).fine();
    // What was imported is passed over by the next try, with the line mended.
    let again = annals_fed(["import", &room.log(), "--json"], lines(4).as_bytes()).fine().object();
    assert_eq!((&again["imported"], &again["passed_over"]), (&json!(1), &json!(3)));
}

#[test]
fn what_is_no_json_is_refused_with_its_column() {
    refused("{\"stream\":\"s\",", &["column 14", "EOF"]);
    refused("nonsense", &["no JSON object"]);
    refused("[\"s\",\"T\"]", &["no JSON object"]);
    refused("{\"stream\":\"s\",\"type\":\"T\",\"data\":{\"a\":1]}", &["column 39"]);
    refused("{\"stream\":\"s\",\"type\":\"T\",\"data\":1} {}", &["trailing characters"]);
}

#[test]
fn a_missing_or_unknown_field_is_named() {
    refused("{\"type\":\"T\",\"data\":1}", &["missing field `stream`"]);
    refused("{\"stream\":\"s\",\"data\":1}", &["missing field `type`"]);
    refused("{\"stream\":\"s\",\"type\":\"T\"}", &["`data`", "`data_base64`"]);
    refused("{\"stream\":\"s\",\"type\":\"T\",\"data\":1,\"typ\":2}", &["unknown field `typ`"]);
    refused("{\"stream\":\"s\",\"stream\":\"s\",\"type\":\"T\"}", &["duplicate field `stream`"]);
}

#[test]
fn what_is_over_a_limit_is_refused_with_the_limit() {
    let with = |stream: &str, event_type: &str, more: &str| {
        format!("{{\"stream\":\"{stream}\",\"type\":\"{event_type}\",\"data\":1{more}}}")
    };
    refused(&with(&"s".repeat(513), "T", ""), &["stream name", "513", "512"]);
    refused(&with("", "T", ""), &["stream name", "empty"]);
    refused(&with("s", &"T".repeat(256), ""), &["event type", "256", "255"]);
    refused(&with("s", "", ""), &["event type", "empty"]);
    let tag = format!(",\"tags\":[\"{}\"]", "t".repeat(256));
    refused(&with("s", "T", &tag), &["tag", "256", "255"]);
    let tags = format!(",\"tags\":[{}]", vec!["\"t\""; 65].join(","));
    refused(&with("s", "T", &tags), &["tags", "65", "64"]);
    let cause = format!(",\"caused_by\":\"{}\"", "c".repeat(256));
    refused(&with("s", "T", &cause), &["cause", "256", "255"]);
    refused(&with("s", "T", ",\"correlation\":\"\""), &["correlation", "empty"]);
    refused(&with("s", "T", ",\"schema\":4294967296"), &["4294967296", "u32"]);
}

#[test]
fn an_event_over_16_mib_is_refused_with_the_limit() {
    let large = "x".repeat((16 << 20) + 1);
    let line = format!("{{\"stream\":\"s\",\"type\":\"T\",\"data\":\"{large}\"}}");
    refused(&line, &["16777216"]);
    // The data fits, the event as a whole does not.
    let large = "x".repeat((16 << 20) - 10);
    let line = format!("{{\"stream\":\"s\",\"type\":\"T\",\"data\":\"{large}\"}}");
    refused(&line, &["16777216"]);
}

#[test]
fn a_bad_id_time_or_base64_is_shown() {
    let with = |more: &str| format!("{{\"stream\":\"s\",\"type\":\"T\",{more}}}");
    refused(&with("\"data\":1,\"id\":\"x-1\""), &["`id` \"x-1\""]);
    refused(&with("\"data\":1,\"time\":\"yesterday\""), &["`time` \"yesterday\""]);
    refused(&with("\"data\":1,\"time\":\"2023-02-29T00:00:00Z\""), &["no such date"]);
    refused(&with("\"data\":1,\"time\":\"2300-01-01T00:00:00Z\""), &["2262"]);
    refused(&with("\"data_base64\":\"%\""), &["`data_base64`"]);
    refused(&with("\"data\":1,\"data_base64\":\"\""), &["both `data`"]);
}

#[test]
fn bytes_that_are_no_utf8_are_refused_with_their_place() {
    refused_bytes(b"{\"stream\":\"\xff\"}", 3, &["byte 12 is not UTF-8"]);
    let in_data = b"{\"stream\":\"s\",\"type\":\"T\",\"data\":\"\xc3\x28\"}";
    refused_bytes(in_data, 3, &["byte 34 is not UTF-8"]);
}

#[test]
fn other_content_under_a_known_id_is_a_conflict() {
    // Line 2 is in the log by then, line 3 still waits in the batch.
    let (in_log, in_batch) = (line(2).replace("Noted", "Other"), line(3).replace('3', "5"));
    let in_batch = in_batch.replace("000000000005", "000000000003");
    refused_bytes(in_log.trim_end().as_bytes(), 1, &["taken", "position 2 of the log"]);
    refused_bytes(in_batch.trim_end().as_bytes(), 1, &["taken", "line 3 of the input"]);
}

#[test]
fn a_cut_compressed_file_stops_at_the_line_that_is_cut() {
    let text = lines(5_000);
    let zstd = zstd::encode_all(text.as_bytes(), 3).unwrap();
    let gzip = {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    for (name, whole) in [("cut.zst", zstd), ("cut.gz", gzip)] {
        let room = Room::new();
        let file = room.write(name, &whole[..whole.len() * 2 / 3]);
        let ran = annals(["import", &room.log(), &file, "--json"]).ends_with(3);
        let imported = ran.object()["imported"].as_u64().unwrap();
        ran.says(&[&format!("{name}, line {}: cannot be read", imported + 1)]);
        let file = room.write("whole", &whole);
        let done = annals(["import", &room.log(), &file, "--json"]).fine().object();
        assert_eq!(done["passed_over"], json!(imported));
        assert_eq!(done["head"], json!(5_000));
    }
}

#[test]
fn compressed_input_is_recognised_on_standard_input_too() {
    let room = Room::new();
    let packed = zstd::encode_all(lines(10).as_bytes(), 3).unwrap();
    let done = annals_fed(["import", &room.log(), "-", "--json"], &packed).fine().object();
    assert_eq!(done["imported"], json!(10));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let room = Room::new();
    annals(["import", &room.log(), "/nowhere/in.jsonl"]).ends_with(3).says(&["/nowhere/in.jsonl"]);
    let directory = room.path("").to_str().unwrap().to_owned();
    annals(["import", &room.log(), &directory]).ends_with(3).says(&["directory"]);
    assert!(!room.path("log").exists(), "no log is made for nothing");
}

#[test]
fn an_empty_file_is_no_error() {
    let room = Room::new();
    let done = annals_fed(["import", &room.log(), "--json"], b"\n \n").fine().object();
    assert_eq!((&done["imported"], &done["head"]), (&json!(0), &json!(0)));
}

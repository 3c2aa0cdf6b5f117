//! Damage and crashes as `verify` and `stat` tell them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::json;

use crate::support::{Random, annals, annals_fed, command, room_with};

/// Text that stands in one event's data.
const MARK: &str = "here-is-the-mark";

#[test]
fn a_flipped_bit_is_found_and_named() {
    let room = room_with(500);
    let log = room.log();
    let marked = format!("{{\"stream\":\"s\",\"type\":\"T\",\"data\":\"{MARK}\"}}");
    annals_fed(["import", &log], marked.as_bytes()).fine();
    annals_fed(["import", &log], b"{\"stream\":\"s\",\"type\":\"T\",\"data\":1}").fine();
    annals(["verify", &log]).fine();
    let before = listing(&room.path("log"));
    let (file, offset) = flip_a_bit_of_the_mark(&room.path("log"));

    let ran = annals(["verify", &log, "--json"]).ends_with(1);
    let lines = ran.objects();
    let (summary, findings) = lines.split_last().unwrap();
    assert_eq!((&summary["kind"], &summary["ok"]), (&json!("summary"), &json!(false)));
    assert_eq!(summary["findings"], json!(findings.len()));
    let finding = &findings[0];
    assert_eq!(finding["kind"], json!("finding"));
    assert!(finding["file"].as_str().unwrap().contains(&file), "{finding}");
    let found = finding["offset"].as_u64().unwrap();
    assert!(found <= offset && offset < found + 4096, "{finding}, flipped at {offset}");
    assert!(finding["cause"].is_string());
    let plain = annals(["verify", &log]).ends_with(1).stdout;
    assert!(plain.contains("damage: ") && plain.contains(&file), "{plain}");
    assert_eq!(listing(&room.path("log")), before, "verify writes nothing");

    // Reading never takes the damage for the end of the log.
    let ran = annals(["export", &log]).ends_with(3);
    ran.says(&["damaged", &file, "annals verify"]);
}

#[test]
fn any_flipped_bit_of_a_segment_is_found_and_never_read_as_something_else() {
    const BITS: u64 = 60;
    const SEED: u64 = 7;
    let room = room_with(3_000);
    let log = room.log();
    let whole = annals(["export", &log]).fine().stdout;
    let segments: Vec<_> =
        listing(&room.path("log")).into_iter().filter(|(name, _)| name.ends_with(".seg")).collect();
    let mut random = Random(SEED);
    eprintln!("seed {SEED}, {BITS} bits");
    for _ in 0..BITS {
        let (name, _) = &segments[usize::try_from(random.below(wide(segments.len()))).unwrap()];
        let path = room.path("log").join(name);
        let before = fs::read(&path).unwrap();
        // Behind the last byte that is not zero, nothing was written yet.
        let written = before.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        let at = usize::try_from(random.below(wide(written))).unwrap();
        let bit = random.below(8);
        let mut damaged = before.clone();
        damaged[at] ^= 1 << bit;
        fs::write(&path, &damaged).unwrap();
        let verified = annals(["verify", &log]).ends_with(1);
        assert!(verified.stdout.contains(name), "{name} {at} {bit}: {}", verified.stdout);
        let exported = annals(["export", &log]);
        assert!(exported.code == 3 || exported.stdout == whole, "{name} {at} {bit}");
        fs::write(&path, &before).unwrap();
    }
}

fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap()
}

/// Names and lengths.
fn listing(directory: &Path) -> Vec<(String, u64)> {
    let mut found: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len())
        })
        .collect();
    found.sort();
    found
}

fn flip_a_bit_of_the_mark(directory: &Path) -> (String, u64) {
    for (name, _) in listing(directory) {
        let path = directory.join(&name);
        let mut bytes = fs::read(&path).unwrap();
        if let Some(offset) = bytes.windows(MARK.len()).position(|part| part == MARK.as_bytes()) {
            bytes[offset] ^= 0x10;
            fs::write(&path, bytes).unwrap();
            return (name, wide(offset));
        }
    }
    panic!("the mark is in no file of the log");
}

#[test]
fn a_killed_writer_leaves_a_log_that_verifies_and_says_so() {
    let room = room_with(5);
    let log = room.log();
    let mut writer = command().args(["demo-writer", &log]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(writer.stdout.take().unwrap());
    for _ in 0..20 {
        assert_ne!(output.read_line(&mut String::new()).unwrap(), 0);
    }
    writer.kill().unwrap();
    writer.wait().unwrap();

    let verified = annals(["verify", &log, "--json"]).fine().object();
    assert_eq!((&verified["ok"], &verified["closed_cleanly"]), (&json!(true), &json!(false)));
    let first = annals(["stat", &log, "--json"]).fine().object();
    assert_eq!(first["closed_cleanly"], json!(false));
    assert!(first["head"].as_u64().unwrap() >= 5 + 40, "{first}");
    annals(["append", &log, "s", "--type", "T"]).fine();
    let second = annals(["stat", &log, "--json"]).fine().object();
    assert_eq!(second["closed_cleanly"], json!(true));
    assert_eq!(second["head"], json!(first["head"].as_u64().unwrap() + 1));
    annals(["verify", &log]).fine();
}

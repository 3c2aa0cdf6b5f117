//! An import that is killed at random moments, and run once more: the whole file,
//! once.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Random, RealLog, Room, annals, command, parse_lines, real_log, sha256};

#[test]
fn receipt_is_there_once_after_kills_and_one_more_import() {
    let Some(real) = real_log("receipt", "receipt.jsonl") else { return };
    survive(&real, "16", 1..=8);
}

#[test]
fn gitmoji_files_are_there_once_after_kills_and_one_more_import() {
    let Some(real) = real_log("gitmoji-files", "gitmoji-files.jsonl") else { return };
    survive(&real, "7", 101..=108);
}

#[test]
fn loans_are_there_once_after_kills_and_one_more_import() {
    let Some(real) = real_log("bpi2012-loans", "bpi2012-loans.jsonl.zst") else { return };
    survive(&real, "256", 201..=202);
}

/// For each seed: imports and kills up to three times, then imports to the end.
fn survive(real: &RealLog, batch: &str, seeds: impl IntoIterator<Item = u64>) {
    let whole = full_duration(real, batch);
    for seed in seeds {
        let mut random = Random(seed);
        let room = Room::new();
        let log = room.log();
        for _ in 0..=random.below(3) {
            // Mostly before its end: what is there already makes it faster.
            let micros = u64::try_from(whole.as_micros()).unwrap() * 3 / 4;
            let delay = Duration::from_micros(random.below(micros.max(1)));
            let ended = import_and_kill(&log, &real.file, batch, delay);
            eprintln!("seed {seed}: killed after {delay:?} of {whole:?} ({ended})");
        }
        let done = annals(["import", &log, &real.file, "--json"]).fine().object();
        let (imported, passed_over) = (&done["imported"], &done["passed_over"]);
        eprintln!("seed {seed}: {passed_over} were there, {imported} came now");
        assert_eq!(
            json!(imported.as_u64().unwrap() + passed_over.as_u64().unwrap()),
            real.answers["events"],
            "seed {seed}"
        );
        check_whole(&log, real, seed);
    }
}

/// How long an import takes that nobody kills.
fn full_duration(real: &RealLog, batch: &str) -> Duration {
    let room = Room::new();
    let started = Instant::now();
    annals(["import", &room.log(), &real.file, "--batch", batch]).fine();
    started.elapsed()
}

fn import_and_kill(log: &str, file: &str, batch: &str, delay: Duration) -> &'static str {
    let mut child = command()
        .args(["import", log, file, "--batch", batch])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    thread::sleep(delay);
    child.kill().unwrap();
    match child.wait().unwrap().code() {
        None => "in the middle",
        Some(0) => "it was done",
        Some(code) => panic!("the import failed with {code}"),
    }
}

fn check_whole(log: &str, real: &RealLog, seed: u64) {
    let exported = annals(["export", log]).fine().stdout;
    let found = parse_lines(&exported);
    assert_eq!(json!(found.len()), real.answers["events"], "seed {seed}");
    let ids = found.iter().map(|event| format!("{}\n", event.id));
    let key = "sha256_of_ids_in_global_order (each id + LF)";
    assert_eq!(json!(sha256(ids)), real.answers[key], "seed {seed}");
    let given = parse_lines(&real.text);
    assert!(given.iter().zip(&found).all(|(given, found)| given.content() == found.content()));
    annals(["verify", log]).fine();
}

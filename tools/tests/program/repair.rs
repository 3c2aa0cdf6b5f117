//! Mending a log with the program: nothing without `--apply`, all of it told.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::{Room, annals, annals_fed, lines, room_with};

fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap())
    };
    fs::read_dir(directory).unwrap().map(read).collect()
}

fn change(room: &Room, name: &str, change: impl Fn(&mut Vec<u8>)) {
    let path = room.path("log").join(name);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

const SEGMENT: &str = "00000000000000000001.seg";
const INDEX: &str = "00000000000000000001.idx";

#[test]
fn a_whole_log_has_nothing_to_mend() {
    let room = room_with(50);
    let log = room.log();
    let before = files(&room.path("log"));
    let ran = annals(["repair", &log]).fine();
    assert!(ran.stdout.contains("nothing to do"), "{}", ran.stdout);
    let told = annals(["repair", &log, "--apply", "--json"]).fine().object();
    assert_eq!((&told["whole"], &told["applied"]), (&json!(true), &json!(false)));
    assert_eq!(told["kept"], json!(50));
    assert!(files(&room.path("log")) == before);
    annals(["repair", "/nowhere/log"]).ends_with(3).says(&["no log"]);
}

#[test]
fn damaged_events_are_moved_aside_with_all_behind_them_only_when_asked() {
    let room = Room::new();
    let log = room.log();
    // A log is kept up to a whole group: batches that were written together go together.
    annals_fed(["import", &log], lines(90).as_bytes()).fine();
    annals_fed(["import", &log], lines(200).as_bytes()).fine();
    let middle = annals(["export", &log]).fine().stdout;
    let wanted: Vec<_> = middle.lines().collect();
    let bytes = fs::read(room.path("log").join(SEGMENT)).unwrap();
    // In the data of event 95.
    let mark = b"{\"number\":95}";
    let at = bytes.windows(mark.len()).position(|part| part == mark).unwrap();
    change(&room, SEGMENT, |bytes| bytes[at + 3] ^= 4);
    let before = files(&room.path("log"));

    let ran = annals(["repair", &log]).ends_with(1);
    for part in ["up to position 90", "positions 91 to 200", SEGMENT, "nothing was changed"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    let planned = annals(["repair", &log, "--json"]).ends_with(1).objects();
    assert_eq!((&planned[0]["kind"], &planned[0]["step"]), (&json!("step"), &json!("quarantine")));
    assert_eq!(planned[0]["lost"]["events"], json!(110));
    let summary = planned.last().unwrap();
    assert_eq!((&summary["applied"], &summary["kept"]), (&json!(false), &json!(90)));
    assert!(files(&room.path("log")) == before, "a dry run changes nothing");

    let done = annals(["repair", &log, "--apply", "--json"]).fine().objects();
    let summary = done.last().unwrap();
    assert_eq!((&summary["applied"], &summary["whole"]), (&json!(true), &json!(true)));
    let after = files(&room.path("log"));
    let copies: Vec<_> = done.iter().filter(|line| line["kind"] == json!("copy")).collect();
    assert!(copies.iter().any(|copy| copy["copy_of"] == json!(SEGMENT)));
    for copy in copies {
        let (file, original) = (copy["file"].as_str().unwrap(), copy["copy_of"].as_str().unwrap());
        assert!(after[file] == before[original], "{file}");
    }
    annals(["verify", &log]).fine();
    let kept = annals(["export", &log]).fine().stdout;
    assert!(kept.lines().eq(wanted[..90].iter().copied()));
    annals(["repair", &log]).fine();
    // The lost lines can be imported again.
    let again = annals_fed(["import", &log, "--json"], lines(200).as_bytes()).fine().object();
    assert_eq!((&again["imported"], &again["passed_over"]), (&json!(110), &json!(90)));
}

#[test]
fn an_index_is_made_again_and_nothing_is_lost() {
    let room = room_with(300);
    let log = room.log();
    change(&room, INDEX, |bytes| bytes[100] ^= 1);
    let ran = annals(["repair", &log, "--apply"]).fine();
    assert!(ran.stdout.contains("make the index") && ran.stdout.contains("the log is whole"));
    assert_eq!(annals(["export", &log]).fine().objects().len(), 300);
    annals(["verify", &log]).fine();
}

#[test]
fn what_cannot_be_mended_is_said_and_left() {
    let room = room_with(300);
    let log = room.log();
    change(&room, SEGMENT, |bytes| bytes[..512].fill(0));
    let before = files(&room.path("log"));
    let ran = annals(["repair", &log, "--apply"]).ends_with(1);
    assert!(ran.stdout.contains("cannot mend") && ran.stdout.contains(SEGMENT), "{}", ran.stdout);
    assert!(files(&room.path("log")) == before);
    let told = annals(["repair", &log, "--json"]).ends_with(1).objects();
    assert_eq!(told[0]["step"], json!("cannot_mend"));
}

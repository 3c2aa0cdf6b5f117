//! A file that may not grow any more, as on a full disk: what was imported stays, nothing
//! is half there, and once there is room the same import goes on.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{Ran, Room, annals, lines};

/// Runs an import that may make no file larger than so many KiB. The signal that the
/// system sends besides is ignored, so that the write gets its error.
fn import_within(kibibytes: u64, log: &str, file: &str) -> Ran {
    let blocks = kibibytes * 2;
    let script =
        format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" import \"$1\" \"$2\" --json");
    Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_annals"), log, file])
        .stdin(Stdio::null())
        .output()
        .unwrap()
        .into()
}

#[test]
fn a_limit_on_file_size_is_told_and_the_same_import_goes_on_without_it() {
    let room = Room::new();
    let log = room.log();
    let file = room.write("lines.jsonl", lines(6000));
    let ran = import_within(300, &log, &file).ends_with(3);
    ran.says(&["no space"]);
    let stat = annals(["stat", &log, "--json"]).fine().object();
    let there = stat["events"].as_u64().unwrap();
    assert!((100..5000).contains(&there), "{there}");
    annals(["verify", &log]).fine();
    // Still no room: nothing changes, and reading goes on.
    import_within(300, &log, &file).ends_with(3);
    assert!(annals(["export", &log]).fine().objects().len() as u64 >= there);
    let done = annals(["import", &log, &file, "--json"]).fine().object();
    let passed_over = done["passed_over"].as_u64().unwrap();
    assert!(passed_over >= there);
    assert_eq!(done["imported"], json!(6000 - passed_over));
    assert_eq!(annals(["export", &log]).fine().objects().len(), 6000);
    annals(["verify", &log]).fine();
}

//! `annals bench`: every part comes to its end, its files can be read again, and nothing of
//! it stays on the disk.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use annals::Log;
use serde_json::Value;

use crate::support::{Room, annals, command};

const PARTS: [&str; 6] = ["append", "streams", "replay", "reads", "open", "tail"];

/// As little as can be asked for.
const TINY: [&str; 16] = [
    "--quick",
    "--rounds=2",
    "--seconds=0.01",
    "--threads=1,2",
    "--batch=1,3",
    "--payload=16,300",
    "--tickets=4",
    "--streams=20",
    "--replay-size=256K",
    "--durability=durable",
    "--durability=written",
    "--durability=buffered",
    "--json",
    "--data",
    "DATA",
    "--report",
];

fn entries(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn of_kind<'v>(lines: &'v [Value], kind: &str) -> Vec<&'v Value> {
    lines.iter().filter(|line| line["kind"] == kind).collect()
}

#[test]
fn every_part_is_measured_and_drawn_again_from_its_data() {
    let room = Room::new();
    let disk = room.path("disk");
    fs::create_dir(&disk).unwrap();
    let file = |name: &str| room.path(name).to_str().unwrap().to_owned();
    let (data, report) = (file("data.tsv"), file("report.html"));
    let mut words = vec!["bench", disk.to_str().unwrap()];
    words.extend(TINY.map(|word| if word == "DATA" { &data } else { word }));
    words.push(&report);
    let lines = annals(words).fine().says(&["written"]).objects();
    assert_eq!(entries(&disk), Vec::<PathBuf>::new());
    let (about, rows) = (of_kind(&lines, "about"), of_kind(&lines, "row"));
    assert!(about[0]["command"].as_str().unwrap().starts_with("annals bench "), "{about:?}");
    let parts: BTreeSet<_> = rows.iter().map(|row| row["part"].as_str().unwrap()).collect();
    assert_eq!(parts, BTreeSet::from(PARTS));
    for row in &rows {
        for figure in ["floor", "annals", "ratio"] {
            for of in ["median", "least", "most"] {
                assert!(row[figure][of].as_f64().unwrap() > 0.0, "{row}");
            }
        }
        assert!(row["unit"].is_string() && row["noisy"].is_boolean(), "{row}");
    }
    assert_eq!(of_kind(&lines, "summary")[0]["complete"], "yes");
    let again = annals(["bench", "--json", "--from", &data]).fine().objects();
    assert_eq!(again, lines, "to the last digit");
    let second = file("second.html");
    let told = annals(["bench", "--from", &data, "--report", &second]).fine().stdout;
    assert_eq!(fs::read_to_string(&report).unwrap(), fs::read_to_string(&second).unwrap());
    let both = annals(["bench", "--json", "--from", &data, "--from", &data]).fine().objects();
    let works = |lines: &[Value]| -> Vec<Value> {
        of_kind(lines, "row").iter().map(|row| row["threads"].clone()).collect()
    };
    assert_eq!(works(&both), works(&lines), "more rounds of the same works");
    let other = room.write("other", fs::read_to_string(&data).unwrap().replace("cores", "dice"));
    let mixed = annals(["bench", "--from", &data, &other]).ends_with(2);
    mixed.says(&["it does not go with the files before it: machine"]);
    for word in ["floor", "annals", "ratio", "spread", "p50", "p99", "Opening a log", "Medians"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    let listed = told.lines().filter(|line| line.starts_with("  ") && !line.contains("ratio"));
    assert_eq!(listed.count(), rows.len(), "{told}");
}

#[test]
fn a_part_is_one_also_without_a_directory_before_it() {
    let room = Room::new();
    let place = room.path("");
    let words = ["bench", "tail", "--quick", "--rounds=1", "--seconds=0.01", "--json"];
    let ran = command().args(words).current_dir(&place).output().unwrap();
    let ran = crate::support::Ran::from(ran).fine();
    let lines = ran.objects();
    let rows = of_kind(&lines, "row");
    assert!(rows.len() == 2 && rows.iter().all(|row| row["part"] == "tail"), "{rows:?}");
    assert_eq!(entries(&place), Vec::<PathBuf>::new());
}

/// A run that will not end by itself for a while, once it has begun to write.
fn running(disk: &Path) -> Child {
    let words = ["append", "--seconds=30", "--threads=1", "--durability=durable", "--json"];
    let child = command()
        .arg("bench")
        .arg(disk)
        .args(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let patience = Instant::now();
    while entries(disk).iter().all(|place| entries(place).is_empty()) {
        assert!(patience.elapsed() < Duration::from_secs(60), "it never begins");
        thread::sleep(Duration::from_millis(20));
    }
    child
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_it_with_what_was_measured_and_clears_up() {
    let room = Room::new();
    let child = running(&room.path(""));
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
    let ran = crate::support::Ran::from(child.wait_with_output().unwrap()).fine();
    let lines = ran.objects();
    assert_eq!(of_kind(&lines, "summary")[0]["complete"], "no, it was stopped");
    assert_eq!(entries(&room.path("")), Vec::<PathBuf>::new());
}

#[test]
fn a_kill_leaves_nothing_but_its_temporary_directory() {
    let room = Room::new();
    let mut child = running(&room.path(""));
    child.kill().unwrap();
    child.wait().unwrap();
    let left = entries(&room.path(""));
    let [place] = &left[..] else { panic!("{left:?}") };
    let name = place.file_name().unwrap().to_str().unwrap();
    assert!(place.is_dir() && name.starts_with("annals-bench-"), "{name}");
}

#[test]
fn the_process_to_be_killed_ends_with_the_one_that_started_it_and_leaves_its_log_open() {
    let room = Room::new();
    let mut child = command()
        .args(["bench-child", &room.log(), "65536", "100"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let said: Vec<_> =
        output.lines().map(Result::unwrap).take_while(|line| line != "ready").collect();
    assert_eq!(said, ["working"]);
    assert!(child.try_wait().unwrap().is_none(), "it waits for its end");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    let log = Log::open(room.log()).unwrap();
    assert!(!log.recovery().clean && log.head() > 400, "{}", log.recovery());
}

#[test]
fn a_directory_in_memory_is_told() {
    let memory = Path::new("/dev/shm");
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let tmpfs = mounts.lines().any(|line| line.contains(" /dev/shm tmpfs "));
    let Some(place) = tmpfs.then(|| tempfile::tempdir_in(memory).ok()).flatten() else {
        eprintln!("SKIPPED: there is no tmpfs at /dev/shm");
        return;
    };
    let place = place.path().to_str().unwrap();
    let words = ["bench", place, "tail", "--quick", "--rounds=1", "--seconds=0.01"];
    let told = annals(words).fine().says(&["is in memory, not on a disk"]).stdout;
    assert!(told.contains("is in memory, not on a disk"), "{told}");
    let lines = annals([&words[..], &["--json"]].concat()).fine().objects();
    assert_eq!(of_kind(&lines, "about")[0]["in_memory"], true);
}

#[test]
fn wrong_arguments_are_told_before_anything_is_measured() {
    let room = Room::new();
    let file = room.write("file", "no table\n");
    let (nowhere, directory) = (room.log(), room.path("").to_str().unwrap().to_owned());
    let inside = format!("{nowhere}/report.html");
    for (words, said) in [
        (vec![nowhere.as_str()], "there is no such directory"),
        (vec!["nothing-such"], "there is no such directory"),
        (vec![&directory, "appends"], "append, streams, replay, reads, open, tail"),
        (vec![&directory, "--seconds", "0"], "a turn longer than nothing"),
        (vec![&directory, "--payload", "16M"], "too large for an event"),
        (vec![&directory, "--batch", "1000", "--payload", "1M"], "too large for a batch"),
        (vec![&directory, "--report", &directory], "it is a directory, not a file"),
        (vec![&directory, "--data", &inside], "no such directory to write it to"),
        (vec!["--from", &file], "line 1: the header is not part, way"),
        (vec!["--from", &file, "--quick"], "--quick"),
    ] {
        let ran = annals([&["bench"], &words[..]].concat());
        assert_eq!(ran.code, 2, "{words:?}: {}", ran.stdout);
        ran.says(&[said]);
    }
    annals(["bench", "--from", &nowhere]).ends_with(3).says(&[&nowhere]);
    assert_eq!(entries(&room.path("")), [PathBuf::from(&file)]);
}

//! A tail in one process prints what an import writes in another, in order and without a
//! gap, while each of them is killed and started again.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Random, Room, annals, annals_fed, command};

const EVENTS: u64 = 260;

/// Lines with data of 4 KiB to 1 MiB each, small ones more often: several segments.
fn large_lines() -> Vec<String> {
    let mut random = Random(77);
    let line = |number: u64| {
        let bytes = (4 << 10) << random.below(9);
        let letter = char::from(b'a' + u8::try_from(number % 26).unwrap());
        let data = letter.to_string().repeat(bytes - usize::try_from(random.below(64)).unwrap());
        format!(
            "{{\"stream\":\"case-{}\",\"type\":\"Noted\",\
             \"id\":\"00000000-0000-4000-8000-{number:012x}\",\"data\":\"{data}\"}}\n",
            number % 7
        )
    };
    (1..=EVENTS).map(line).collect()
}

/// What a tail printed, line by line, until it ended or was killed: a last line that is
/// not whole was not printed.
struct Tail {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Tail {
    fn start(log: &str, after: u64) -> Self {
        let after = after.to_string();
        let arguments = ["tail", log, "--json", "--after", &after, "--idle-exit", "60"];
        let mut child = command().args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            while output.read_line(&mut line).is_ok_and(|read| read > 0) {
                if line.ends_with('\n') && sender.send(std::mem::take(&mut line)).is_err() {
                    return;
                }
                line.clear();
            }
        });
        Self { child, lines }
    }

    fn kill(mut self, printed: &mut Vec<String>) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        printed.extend(self.lines);
    }
}

fn position(line: &str) -> u64 {
    let event: Value = serde_json::from_str(line).unwrap();
    event["position"].as_u64().unwrap()
}

#[test]
fn a_tail_prints_everything_once_and_in_order_over_kills_of_both() {
    let room = Room::new();
    let log = room.log();
    let lines = large_lines();
    let file = room.write("large.jsonl", lines.concat());
    annals_fed(["import", &log, "-"], lines[0].as_bytes()).fine();
    let mut random = Random(4);
    let mut printed = Vec::new();
    let mut tail = Tail::start(&log, 0);
    let mut kills = (0, 0);
    let started = Instant::now();
    let mut writer: Option<Child> = None;
    let mut whole = false;
    while printed.len() < lines.len() {
        assert!(started.elapsed() < Duration::from_secs(300), "{} of {EVENTS}", printed.len());
        if !whole && writer.is_none() {
            let import = ["import", &log, &file, "--batch", "3"];
            let output = || Stdio::null();
            let child = command().args(import).stdout(output()).stderr(output()).spawn();
            writer = Some(child.unwrap());
        }
        thread::sleep(Duration::from_millis(random.below(120)));
        if let Some(child) = &mut writer {
            let ended = child.try_wait().unwrap();
            if ended.is_none() && kills.0 < 3 {
                child.kill().unwrap();
                child.wait().unwrap();
                kills.0 += 1;
                writer = None;
            } else if let Some(status) = ended {
                assert!(status.success());
                whole = true;
                writer = None;
            }
        }
        printed.extend(tail.lines.try_iter());
        if random.below(4) == 0 && kills.1 < 5 {
            // It goes on at its checkpoint: the last event that it printed.
            tail.kill(&mut printed);
            kills.1 += 1;
            tail = Tail::start(&log, printed.last().map_or(0, |line| position(line)));
        }
    }
    tail.kill(&mut printed);
    eprintln!("{kills:?} kills of the import and the tail");
    assert!(kills.0 > 0 && kills.1 > 0);
    assert!(printed.iter().map(|line| position(line)).eq(1..=EVENTS));
    assert_eq!(annals(["export", &log]).fine().stdout, printed.concat());
    let stat = annals(["stat", &log, "--json"]).fine().object();
    assert!(stat["segments"].as_u64().unwrap() >= 4, "{stat}");
    annals(["verify", &log]).fine();
}

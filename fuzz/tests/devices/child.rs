//! The child that uses the log, while somebody else decides how its world ends.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use annals_fuzz::real::child::ChildPlan;
use annals_fuzz::real::line::{Answer, Line};
use annals_fuzz::real::watch::Watched;

/// A line of the child, and what a counter stood at when it had been read.
pub type Stamped = (usize, String);

/// A child at work. It is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    process: Child,
    lines: Arc<AtomicUsize>,
    reader: Option<JoinHandle<Vec<Stamped>>>,
}

impl Running {
    /// Starts the child. Each of its lines is stamped with `stamp` after it was read.
    pub fn start(plan: &ChildPlan, stamp: impl Fn() -> usize + Send + 'static) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_annals-fuzz"))
            .arg("child")
            .args(plan.words())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = process.stdout.take().unwrap();
        let lines = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lines);
        let reader = std::thread::spawn(move || {
            let mut told = Vec::new();
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                told.push((stamp(), line));
                counted.fetch_add(1, Ordering::Relaxed);
            }
            told
        });
        Self { process, lines, reader: Some(reader) }
    }

    /// Waits until the child has told so many lines, has ended, or the time is over.
    pub fn await_lines(&mut self, lines: usize, time: Duration) {
        let began = Instant::now();
        while self.lines.load(Ordering::Relaxed) < lines && began.elapsed() < time {
            if self.process.try_wait().unwrap().is_some() {
                return;
            }
            sleep(Duration::from_micros(200));
        }
    }

    /// Waits for the child to end, and kills it after that time. Everything that it told.
    pub fn ended(mut self, time: Duration) -> (ExitStatus, Vec<Stamped>) {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() >= time {
                self.process.kill().unwrap();
                break self.process.wait().unwrap();
            }
            sleep(Duration::from_millis(1));
        };
        (status, self.reader.take().unwrap().join().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Has those who watch learn what a child told. Lines whose stamp is not `sure` came when
/// the disk may have been gone already: what they promise counts for nothing, what was
/// submitted and what went wrong does.
pub fn learn(watched: &mut Watched, told: &[Stamped], sure: impl Fn(usize) -> bool) {
    let mut failed = BTreeSet::new();
    for (stamp, text) in told {
        let counts = match text.parse() {
            Ok(Line::Submit(..) | Line::Broken(_)) => true,
            Ok(Line::Failed(who, Answer::Poisoned, _)) => {
                failed.insert(who);
                true
            }
            // An answer to somebody who was told before that there will be none.
            Ok(Line::Acknowledged(writer, ..)) if failed.contains(&writer.to_string()) => true,
            _ => sure(*stamp),
        };
        if counts {
            watched.feed(format!("{text}\n").as_bytes());
        }
    }
}

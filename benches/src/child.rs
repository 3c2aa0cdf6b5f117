//! What a bench does in another process: to be killed, to have its memory counted, to
//! receive what this one appends.
//!
//! A job is the rest of a command line behind [`FLAG`]; the programs of this crate give it to
//! [`serve`]. A child says what it found as one line of numbers on its standard output.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{self, Command, Stdio};

use annals::{Durability, Log, Options, Reader};

use crate::Result;
use crate::floors::baton::{Waiting, Where};
use crate::floors::map::SharedWords;
use crate::floors::offsets::Offsets;
use crate::paths;
use crate::receipt::{self, Level};
use crate::subject::Appender;
use crate::workload::Workload;

/// The first argument of a program that is to do a job.
pub const FLAG: &str = "--child";

/// What a child prints when it is set up.
const READY: &str = "ready";

/// A process that does a job. Killed when it is dropped.
#[derive(Debug)]
pub struct Child {
    process: process::Child,
    lines: BufReader<process::ChildStdout>,
}

impl Child {
    /// Starts `program` with a job.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(program: &Path, job: &[&str]) -> Result<Self> {
        let mut command = Command::new(program);
        let mut process = command.arg(FLAG).args(job).stdout(Stdio::piped()).spawn()?;
        let stdout = process.stdout.take().ok_or("a child without an output")?;
        Ok(Self { process, lines: BufReader::new(stdout) })
    }

    /// As [`start`](Self::start), and returns when it is set up.
    ///
    /// # Errors
    /// If it cannot be started, or ends before it is set up.
    pub fn start_ready(program: &Path, job: &[&str]) -> Result<Self> {
        let mut child = Self::start(program, job)?;
        let line = child.line()?;
        if line == READY { Ok(child) } else { Err(format!("a child said {line:?}").into()) }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    /// Waits for what it found.
    ///
    /// # Errors
    /// If it said anything but numbers.
    pub fn numbers(mut self) -> Result<Vec<u64>> {
        let line = self.line()?;
        if line.is_empty() {
            return Err("a child ended without an answer".into());
        }
        line.split(' ').map(|number| Ok(number.parse()?)).collect()
    }

    /// Ends it at once, as `kill -9` does.
    ///
    /// # Errors
    /// If it cannot be killed.
    pub fn kill(mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.process.kill();
        let _status = self.process.wait();
    }
}

/// Does the job that the arguments of a program name.
///
/// # Errors
/// Those of the job; if there is no such job.
pub fn serve(job: &[String]) -> Result<()> {
    let job: Vec<_> = job.iter().map(String::as_str).collect();
    match job.as_slice() {
        ["append", log, events] => append_until_killed(Path::new(log), events.parse()?),
        ["open", log] => {
            let log = Log::open(log)?;
            say(&[anonymous_bytes()?])?;
            log.close()?;
            Ok(())
        }
        ["offsets", file] => {
            let offsets = Offsets::open(Path::new(file))?;
            say(&[anonymous_bytes()?])?;
            drop(offsets);
            Ok(())
        }
        ["tail", log, level, waiting, calls] => {
            let level =
                if *level == Level::Durable.name() { Level::Durable } else { Level::Written };
            let cursor = receipt::cursor(&Reader::open(log)?, level)?;
            tell(READY)?;
            let took = receipt::tail(cursor, waiting_of(waiting), calls.parse()?, &|| false)?;
            say(&receipt::numbers(&took))
        }
        ["receive", words, waiting, calls] => {
            let words = SharedWords::map(Path::new(words))?;
            let seen = words.words().sent();
            tell(READY)?;
            let end = seen.wrapping_add(calls.parse()?);
            let waiting = waiting_of(waiting);
            let took = receipt::receive(words.words(), seen..end, waiting, Where::Elsewhere);
            say(&receipt::numbers(&took))
        }
        ["path", name, place, calls] => paths::run(name, Path::new(place), calls.parse()?),
        _ => Err(format!("no such job: {}", job.join(" ")).into()),
    }
}

/// How somebody waits, in a job.
pub const fn waiting_name(waiting: Waiting) -> &'static str {
    match waiting {
        Waiting::Spinning => "spin",
        Waiting::Parked => "park",
    }
}

fn waiting_of(name: &str) -> Waiting {
    if name == waiting_name(Waiting::Spinning) { Waiting::Spinning } else { Waiting::Parked }
}

/// Appends until it is killed; says so when so many events are appended and it goes on.
fn append_until_killed(log: &Path, events: u64) -> Result<()> {
    const BATCH: u64 = 100;
    let log = Options::new().durability(Durability::Written).open(log)?;
    let workload = Workload::new();
    let mut appender = Appender::new(&log, &workload, u64::from(process::id()));
    let mut appended = 0;
    let mut told = false;
    loop {
        appender.append(usize::try_from(BATCH)?)?;
        appended += BATCH;
        if appended >= events && !told {
            told = true;
            tell(READY)?;
        }
    }
}

fn tell(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}

fn say(numbers: &[u64]) -> Result<()> {
    tell(&numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(" "))
}

/// Anonymous memory of this process that is resident: what it took, without mapped files.
///
/// # Errors
/// Where the system does not tell it.
fn anonymous_bytes() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    Ok(kib.ok_or("no RssAnon in /proc/self/status")? << 10)
}

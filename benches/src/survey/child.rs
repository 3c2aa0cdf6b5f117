//! A process that appends to a log and is then killed, for the opening of a log that was
//! not closed.
//!
//! It is told by words: the log's directory, bytes of records to append, bytes of an event's
//! data. When all of it is durable it says so, and waits for its end: by a kill, or because
//! whoever started it is gone.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;

use super::records::{record_bytes, records, workload_for};
use super::replay::{fill, open};
use super::turns::Stop;
use crate::Result;

/// What it says while it appends, again and again, so that it can be stopped.
const WORKING: &str = "working";
/// What it says when all of it is durable.
const READY: &str = "ready";

/// It tells that it is alive after so many bytes.
const PIECE_BYTES: u64 = 32 << 20;

/// The process: appends, says when it is done, and waits.
///
/// # Errors
/// If the words are not as above, or the log fails.
pub fn run(words: &[OsString], out: &mut impl Write, input: &mut impl Read) -> Result<()> {
    let [path, bytes, payload] = words else {
        return Err("a directory, bytes to append, and bytes of an event".into());
    };
    let number = |word: &OsString| -> Result<u64> {
        Ok(word.to_str().ok_or("a number is not UTF-8")?.parse()?)
    };
    let (mut left, payload) = (number(bytes)?, usize::try_from(number(payload)?)?);
    let workload = workload_for(record_bytes(payload));
    let running = AtomicBool::new(false);
    let log = open(Path::new(path))?;
    while left > 0 {
        let now = left.min(PIECE_BYTES);
        fill(&log, &workload, payload, records(now, payload)?, Stop::of(&running))?;
        left -= now;
        writeln!(out, "{WORKING}")?;
        out.flush()?;
    }
    log.sync()?;
    writeln!(out, "{READY}")?;
    out.flush()?;
    // The other end stays open as long as the process that started this one lives.
    let _ = input.read(&mut [0])?;
    // The log is not dropped: that would close it.
    std::process::exit(0)
}

/// Lets a process append so many bytes to a log, and kills it.
pub(super) fn append_and_die(
    program: &[OsString],
    log: &Path,
    bytes: u64,
    payload: u64,
    stop: Stop<'_>,
) -> Result<()> {
    let (name, words) = program.split_first().ok_or("no program to kill was given")?;
    let mut command = Command::new(name);
    command
        .args(words)
        .arg(log)
        .args([bytes.to_string(), payload.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    // Ctrl-C on a terminal is for this process, which then ends the other one.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn()?;
    let ready = wait(&mut child, stop);
    // Also after an error: nobody is left behind.
    let killed = child.kill().and_then(|()| child.wait());
    ready?;
    killed?;
    Ok(())
}

fn wait(child: &mut Child, stop: Stop<'_>) -> Result<()> {
    let output = child.stdout.take().ok_or("the process has no output")?;
    for line in BufReader::new(output).lines() {
        stop.check()?;
        if line? == READY {
            return Ok(());
        }
    }
    Err("the process that was to be killed ended by itself".into())
}

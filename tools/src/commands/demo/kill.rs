//! A process that writes, is killed without warning, and what the log says then.

use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use annals::{Batch, Expected, Log, NewEvent, Recovery, Uuid};
use serde_json::json;

use super::tour::Tour;
use crate::error::{Answer, Failure, OfLog};
use crate::open::{Missing, with_log};
use crate::output::{Output, units};

/// Each batch writes one event to each of these: both or none must be there.
const TAKEN: &str = "till-taken";
const GIVEN: &str = "till-given";

/// The kill comes this long after the first acknowledgement, at a random moment.
const EARLIEST: Duration = Duration::from_millis(40);
const SPREAD_MILLIS: u128 = 260;

/// The writer's batches, as it was told of them.
struct Acknowledged {
    position: u64,
    taken: Uuid,
    given: Uuid,
}

/// What was found after the reopening.
struct Found {
    recovery: Recovery,
    missing: usize,
    taken: u64,
    given: u64,
}

/// The hidden command: appends durable batches of two events, and prints each one's
/// position and ids once it is acknowledged. Ends only when it is killed, or when
/// nobody reads along any more.
pub(crate) fn write_until_killed(log_path: &Path, output: &mut Output) -> Result<Answer, Failure> {
    with_log(log_path, Missing::Refuse, |log| {
        let mut batch = Batch::new();
        for number in 1_u64.. {
            let (taken, given) = (Uuid::now_v7(), Uuid::now_v7());
            let data = json!({ "number": number }).to_string();
            batch.clear();
            batch
                .write(TAKEN, Expected::Any, [NewEvent::new("Taken").id(taken).json(&data)])
                .write(GIVEN, Expected::Any, [NewEvent::new("Given").id(given).json(&data)]);
            let position = log.append(&batch).of(log_path)?.first_position();
            output.line(format_args!("{position} {taken} {given}"))?;
            output.flush()?;
        }
        Ok(Answer::Yes)
    })
}

pub(super) fn step(log_path: &Path, tour: &mut Tour<'_>) -> Result<(), Failure> {
    tour.step("Kill", "another process writes, and is killed in the middle")?;
    let acknowledged = kill_a_writer(log_path)?;
    tour.say(format_args!(
        "killed after {} of two events were acknowledged",
        units::counted(units::wide(acknowledged.len()), "durable batch")
    ))?;
    let reopening = Instant::now();
    let (found, span) = with_log(log_path, Missing::Refuse, |log| {
        let span = reopening.elapsed();
        Ok((look(log, log_path, &acknowledged)?, span))
    })?;
    let Found { recovery, missing, taken, given } = found;
    tour.say(format_args!("reopened in {}: {recovery}", units::duration(span)))?;
    let acked = units::wide(acknowledged.len());
    let more = taken.saturating_sub(acked);
    tour.say(format_args!(
        "acknowledged but missing: {missing}; whole, but killed before it could say so: {more}"
    ))?;
    tour.facts(
        "kill",
        json!({ "acknowledged": acked, "missing": missing, "unacknowledged_kept": more,
            "closed_cleanly": recovery.clean, "head": recovery.head,
            "reopen_seconds": span.as_secs_f64() }),
    )?;
    tour.check(
        !recovery.clean && missing == 0 && acked > 0,
        format!("killed and reopened: each of {} is there", batches(acked)),
    );
    tour.check(taken == given, "no batch is half there".to_owned());
    Ok(())
}

fn batches(count: u64) -> String {
    format!("{} acknowledged {}", units::count(count), if count == 1 { "batch" } else { "batches" })
}

/// Starts this program again as a writer, kills it, and returns what it had been told.
fn kill_a_writer(log_path: &Path) -> Result<Vec<Acknowledged>, Failure> {
    let program = std::env::current_exe().map_err(|error| failure("finding itself", &error))?;
    let mut child = Command::new(program)
        .arg("demo-writer")
        .arg(log_path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failure("starting a writer", &error))?;
    let lines = let_it_write(&mut child);
    // Also after an error: no writer is left behind.
    let killed = child.kill().and_then(|()| child.wait());
    let lines = lines?.join().unwrap_or_default();
    killed.map_err(|error| failure("killing the writer", &error))?;
    Ok(lines.iter().filter_map(|line| parse(line)).collect())
}

/// Returns at the moment at which to kill it; the thread ends with the writer.
fn let_it_write(child: &mut Child) -> Result<JoinHandle<Vec<String>>, Failure> {
    let ended = || Failure::Tour("the writer ended by itself".to_owned());
    let mut output = BufReader::new(child.stdout.take().ok_or_else(ended)?);
    let mut first = String::new();
    output.read_line(&mut first).map_err(|error| failure("reading from the writer", &error))?;
    if first.is_empty() {
        return Err(ended());
    }
    let reader = thread::spawn(move || {
        // What was acknowledged just before the kill is still in the pipe, and counts.
        let rest = output.lines().map_while(Result::ok);
        std::iter::once(first).chain(rest).collect()
    });
    thread::sleep(EARLIEST + random_delay());
    match child.try_wait() {
        Ok(None) => Ok(reader),
        Ok(Some(_)) => Err(ended()),
        Err(error) => Err(failure("looking after the writer", &error)),
    }
}

fn random_delay() -> Duration {
    let millis = Uuid::new_v4().as_u128() % SPREAD_MILLIS;
    Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}

/// A line of the writer; `None` for one that was cut by the kill.
fn parse(line: &str) -> Option<Acknowledged> {
    let mut words = line.split_whitespace();
    let position = words.next()?.parse().ok()?;
    let taken = Uuid::parse_str(words.next()?).ok()?;
    let given = Uuid::parse_str(words.next()?).ok()?;
    Some(Acknowledged { position, taken, given })
}

/// Looks for every batch that was acknowledged, at its position.
fn look(log: &Log, log_path: &Path, acknowledged: &[Acknowledged]) -> Result<Found, Failure> {
    let is_at = |id, position| {
        let found = log.event(id).of(log_path)?;
        Ok::<_, Failure>(found.is_some_and(|event| event.as_event().position() == position))
    };
    let mut missing = 0;
    for batch in acknowledged {
        if !is_at(batch.taken, batch.position)? || !is_at(batch.given, batch.position + 1)? {
            missing += 1;
        }
    }
    Ok(Found {
        recovery: log.recovery().clone(),
        missing,
        taken: log.version(TAKEN).of(log_path)?,
        given: log.version(GIVEN).of(log_path)?,
    })
}

fn failure(what: &str, error: &io::Error) -> Failure {
    Failure::Tour(format!("{what}: {error}"))
}

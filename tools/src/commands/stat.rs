//! `annals stat`: how much is in a log, and how it was last closed.

use std::path::Path;
use std::time::Duration;

use annals::sourcing::{SubscriptionError, SubscriptionStatus};
use annals::{Discarded, Recovery};
use serde::Serialize;

use super::subscriptions;
use crate::error::{Answer, Failure, OfLog};
use crate::open::reader;
use crate::output::style::{DIM, HEADING};
use crate::output::{Output, printable, units};

#[derive(Serialize)]
struct Stat<'a> {
    log: String,
    head: u64,
    events: u64,
    streams: u64,
    snapshots: u64,
    states: u64,
    keys: u64,
    segments: u64,
    segment_bytes: u64,
    index_runs: u64,
    index_bytes: u64,
    other_bytes: u64,
    bytes: u64,
    /// Unknown while a writer has it open.
    #[serde(flatten)]
    opened: Option<Opened<'a>>,
    writer_alive: bool,
    subscriptions: Vec<Follows>,
}

/// A subscription, or why it cannot be read.
#[derive(Serialize)]
#[serde(untagged)]
enum Follows {
    Known {
        name: String,
        checkpoint: u64,
        lag_events: u64,
        lag_seconds: f64,
        parked: usize,
        skipped: u64,
        #[serde(skip)]
        lag_time: Duration,
    },
    Unreadable {
        error: String,
    },
}

impl From<Result<SubscriptionStatus, SubscriptionError>> for Follows {
    fn from(found: Result<SubscriptionStatus, SubscriptionError>) -> Self {
        match found {
            Ok(status) => Self::Known {
                checkpoint: status.checkpoint,
                lag_events: status.lag_events,
                lag_seconds: status.lag_time.as_secs_f64(),
                parked: status.parked.len(),
                skipped: status.skipped,
                lag_time: status.lag_time,
                name: status.name,
            },
            Err(error) => Self::Unreadable { error: error.to_string() },
        }
    }
}

impl Follows {
    /// How far it is, in words.
    fn told(&self) -> String {
        let (lag, time, parked) = match self {
            Self::Unreadable { error } => return printable(error).into_owned(),
            Self::Known { lag_events, lag_time, parked, .. } => (*lag_events, *lag_time, *parked),
        };
        let mut told = match lag {
            0 => "nothing behind".to_owned(),
            _ => format!("{} behind, {}", units::counted(lag, "event"), units::span(time)),
        };
        if parked > 0 {
            told += &format!(", {} parked", units::counted(units::wide(parked), "stream"));
        }
        told
    }
}

/// What opening a log found at its end, as it is told in every command.
#[derive(Serialize)]
pub(super) struct Opened<'a> {
    closed_cleanly: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    discarded: Option<Tail<'a>>,
}

#[derive(Serialize)]
struct Tail<'a> {
    segment: u64,
    offset: u64,
    bytes: u64,
    reason: std::borrow::Cow<'a, str>,
}

impl From<&Recovery> for Opened<'_> {
    fn from(recovery: &Recovery) -> Self {
        let tail = |tail: &Discarded| Tail {
            segment: tail.segment,
            offset: tail.offset,
            bytes: tail.bytes,
            reason: tail.reason.to_string().into(),
        };
        Self { closed_cleanly: recovery.clean, discarded: recovery.discarded.as_ref().map(tail) }
    }
}

pub(crate) fn run(path: &Path, output: &mut Output) -> Result<Answer, Failure> {
    let log = reader(path)?;
    let stats = log.stats().of(path)?;
    let stat = Stat {
        log: stats.log.to_string(),
        head: stats.head,
        events: stats.events,
        streams: stats.streams,
        snapshots: stats.snapshots,
        states: stats.states,
        keys: stats.keys,
        segments: stats.segments,
        segment_bytes: stats.segment_bytes,
        index_runs: stats.index_runs,
        index_bytes: stats.index_bytes,
        other_bytes: stats.other_bytes,
        bytes: stats.segment_bytes + stats.index_bytes + stats.other_bytes,
        opened: log.recovery().map(Opened::from),
        writer_alive: log.recovery().is_none(),
        subscriptions: subscriptions::all(&log).of(path)?.into_iter().map(Follows::from).collect(),
    };
    if output.is_json() {
        output.object(&stat)?;
    } else {
        print(output, &stat, log.recovery())?;
    }
    Ok(Answer::Yes)
}

fn print(output: &mut Output, stat: &Stat<'_>, recovery: Option<&Recovery>) -> Result<(), Failure> {
    let mut row = |name: &str, value: String| {
        output.line(format_args!("{HEADING}{name:<12}{HEADING:#}{value}"))
    };
    row("log", stat.log.clone())?;
    row("head", format!("position {}", units::count(stat.head)))?;
    row("events", units::count(stat.events))?;
    row("streams", units::count(stat.streams))?;
    row("snapshots", units::count(stat.snapshots))?;
    row("states", units::count(stat.states))?;
    row("keys", units::count(stat.keys))?;
    row(
        "segments",
        format!("{:<10}{}", units::count(stat.segments), units::bytes(stat.segment_bytes)),
    )?;
    row(
        "index",
        format!("{:<10}{}", units::counted(stat.index_runs, "run"), units::bytes(stat.index_bytes)),
    )?;
    row("other", format!("{:<10}{}", "", units::bytes(stat.other_bytes)))?;
    row("in all", format!("{:<10}{}", "", units::bytes(stat.bytes)))?;
    for follows in &stat.subscriptions {
        let name = match follows {
            Follows::Known { name, .. } => format!("{}  ", printable(name)),
            Follows::Unreadable { .. } => String::new(),
        };
        row("follows", format!("{name}{DIM}{}{DIM:#}", follows.told()))?;
    }
    match recovery {
        Some(recovery) => row("last close", format!("{DIM}{recovery}{DIM:#}")),
        None => row("writer", format!("{DIM}has it open{DIM:#}")),
    }
}

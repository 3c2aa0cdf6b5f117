//! `annals import`: JSON lines, or a repository's history, into a log.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use annals::Log;
use serde::Serialize;

use crate::cli::Import;
use crate::error::{Answer, Failure};
use crate::git::History;
use crate::import::{Counts, Importer, Input, ReadAhead};
use crate::open::{Missing, with_log};
use crate::output::progress::Progress;
use crate::output::{Output, level, units};

/// What was done, for `--json`. Printed also when an error ended it.
#[derive(Serialize)]
struct Summary {
    imported: u64,
    passed_over: u64,
    batches: u64,
    /// Position of the log's last event.
    head: u64,
    seconds: f64,
    /// How safe each batch was before it counted as accepted. All that is told here is
    /// durable.
    durability: &'static str,
    /// Whether the input was read to its end.
    complete: bool,
}

pub(crate) fn run(asked: &Import, output: &mut Output) -> Result<Answer, Failure> {
    let started = Instant::now();
    let source = match &asked.git {
        Some(repository) => Source::Git(repository, History::open(repository)?),
        None => Source::Lines(Input::open(asked.file.as_deref())?),
    };
    with_log(&asked.log, Missing::Make, |log| {
        let done = append_all(log, asked, source);
        let head = log.head();
        print(output, asked, &done, head, started.elapsed())?;
        done.outcome.map(|()| Answer::Yes)
    })
}

enum Source<'a> {
    Git(&'a Path, History),
    Lines(Input),
}

/// How an import ended.
struct Done {
    counts: Counts,
    outcome: Result<(), Failure>,
    /// Bytes of the file as it is stored.
    input_bytes: u64,
    /// Commits of the history.
    commits: Option<u64>,
}

fn append_all(log: &Log, asked: &Import, source: Source<'_>) -> Done {
    let batch = usize::try_from(asked.batch).unwrap_or(usize::MAX);
    let durability = asked.durability.into();
    match source {
        Source::Git(repository, mut history) => {
            let name = repository.display().to_string();
            let progress = Progress::events(None);
            let importer = Importer::new(log, &asked.log, &name, batch).durability(durability);
            let (counts, outcome) = importer.run(&mut history, |counts| {
                progress.at(counts.imported);
            });
            Done { counts, outcome, input_bytes: 0, commits: Some(history.commits()) }
        }
        Source::Lines(input) => {
            let (name, size) = (input.name.clone(), input.size);
            let taken = std::sync::Arc::clone(&input.taken);
            let progress = Progress::bytes(size);
            let importer = Importer::new(log, &asked.log, &name, batch).durability(durability);
            let (counts, outcome) = importer.run(ReadAhead::start(input), |counts| {
                progress.at(taken.load(Ordering::Relaxed));
                progress.say(units::counted(counts.imported, "event"));
            });
            Done { counts, outcome, input_bytes: taken.load(Ordering::Relaxed), commits: None }
        }
    }
}

fn print(
    output: &mut Output,
    asked: &Import,
    done: &Done,
    head: u64,
    span: Duration,
) -> Result<(), Failure> {
    let Counts { imported, passed_over, batches } = done.counts;
    let complete = done.outcome.is_ok();
    if output.is_json() {
        let seconds = span.as_secs_f64();
        let durability = level(asked.durability.into());
        let summary =
            Summary { imported, passed_over, batches, head, seconds, durability, complete };
        return output.object(&summary).and_then(|()| output.flush());
    }
    let from = match done.commits {
        Some(commits) => format!(" from {}", units::counted(commits, "commit")),
        None => String::new(),
    };
    output.line(format_args!(
        "imported {}{from} in {}, passed over {} that were there",
        units::counted(imported, "event"),
        units::counted(batches, "batch"),
        units::count(passed_over)
    ))?;
    let bytes = if done.input_bytes > 0 {
        format!(", {} of input", units::byte_rate(done.input_bytes, span))
    } else {
        String::new()
    };
    let handled = imported + passed_over;
    output.line(format_args!(
        "{}, {}{bytes}; the log's head is {}",
        units::duration(span),
        units::rate(handled, "events", span),
        units::count(head)
    ))?;
    // Before an error is told on the other channel.
    output.flush()
}

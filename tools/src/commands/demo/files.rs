//! Folds the history of files: how one of them came to be, and which exist now.

use std::collections::BTreeSet;
use std::path::Path;

use annals::{Log, Occurred};
use serde::Deserialize;
use serde_json::json;

use super::tour::{Tour, timed};
use crate::error::{Failure, OfLog};
use crate::git::{self, DELETED, STREAM_PREFIX};
use crate::output::{printable, units};
use crate::time;

/// What all streams of files together say.
#[derive(Default)]
struct Files {
    ever: u64,
    existing: BTreeSet<Vec<u8>>,
    busiest: String,
    most_events: u64,
}

/// What one stream says.
#[derive(Default)]
struct File {
    events: u64,
    authors: BTreeSet<String>,
    first: Option<Occurred>,
    last: Option<Occurred>,
}

#[derive(Deserialize)]
struct Metadata {
    author: String,
}

pub(super) fn step(
    log: &Log,
    log_path: &Path,
    repository: &Path,
    head: &str,
    tour: &mut Tour<'_>,
) -> Result<(), Failure> {
    tour.step("Fold", "events to answers")?;
    let (file, span) = timed(|| {
        let busiest = busiest_stream(log, log_path)?;
        Ok((fold_file(log, log_path, &busiest)?, busiest))
    })?;
    let (file, busiest) = file;
    let day = |at: Option<Occurred>| {
        at.map(time::text).and_then(|text| text.get(..10).map(str::to_owned)).unwrap_or_default()
    };
    tour.say(format_args!(
        "the busiest file is {}: {} by {}, from {} to {} ({})",
        printable(busiest.strip_prefix(STREAM_PREFIX).unwrap_or(&busiest)),
        units::counted(file.events, "change"),
        units::counted(units::wide(file.authors.len()), "author"),
        day(file.first),
        day(file.last),
        units::duration(span)
    ))?;
    let (files, all_span) = timed(|| fold_all(log, log_path))?;
    let existing = units::wide(files.existing.len());
    tour.say(format_args!(
        "of {} that ever were, {} exist: their last event is not {DELETED} ({})",
        units::counted(files.ever, "file"),
        units::count(existing),
        units::duration(all_span)
    ))?;
    let known: BTreeSet<_> = git::files_in(repository, head)?.into_iter().collect();
    tour.facts(
        "fold",
        json!({ "busiest": busiest, "changes": file.events, "authors": file.authors.len(),
            "files_ever": files.ever, "files_existing": existing,
            "seconds": (span + all_span).as_secs_f64() }),
    )?;
    tour.check(
        files.existing == known,
        format!("the fold finds the {} that `git ls-tree` lists", units::counted(existing, "file")),
    );
    tour.check(
        files.busiest == busiest && files.most_events == file.events,
        "the busiest stream has as many events as its version says".to_owned(),
    );
    Ok(())
}

/// From the list of streams, whose versions are their lengths.
fn busiest_stream(log: &Log, log_path: &Path) -> Result<String, Failure> {
    let mut streams = log.streams(STREAM_PREFIX).of(log_path)?;
    let mut busiest = (0, String::new());
    while let Some(stream) = streams.next().of(log_path)? {
        if stream.version > busiest.0 {
            busiest = (stream.version, stream.name.to_owned());
        }
    }
    Ok(busiest.1)
}

fn fold_file(log: &Log, log_path: &Path, stream: &str) -> Result<File, Failure> {
    let mut file = File::default();
    let mut events = log.read(stream);
    while let Some(event) = events.next().of(log_path)? {
        file.events += 1;
        if let Ok(metadata) = serde_json::from_slice::<Metadata>(event.metadata()) {
            file.authors.insert(metadata.author);
        }
        file.first = file.first.or(event.occurred_at());
        file.last = event.occurred_at().or(file.last);
    }
    Ok(file)
}

/// From the last event of each stream, and without the list's versions: the length
/// comes from the events themselves.
fn fold_all(log: &Log, log_path: &Path) -> Result<Files, Failure> {
    let mut files = Files::default();
    let mut streams = log.streams(STREAM_PREFIX).of(log_path)?;
    while let Some(stream) = streams.next().of(log_path)? {
        files.ever += 1;
        let mut last = log.read(stream.name).backward().limit(1);
        let Some(event) = last.next().of(log_path)? else { continue };
        if event.version() > files.most_events {
            files.most_events = event.version();
            event.stream().clone_into(&mut files.busiest);
        }
        if event.event_type() != DELETED
            && let Some(path) = git::path_of(&event)
        {
            files.existing.insert(path);
        }
    }
    Ok(files)
}

//! `annals subscriptions`: how far each is, as the log knows it.

use std::path::Path;

use annals::sourcing::{SubscriptionError, SubscriptionStatus};
use annals::{Occurred, Reader};
use serde::Serialize;

use crate::error::{Answer, Failure, OfLog};
use crate::open::reader;
use crate::output::style::{HEADING, NAME};
use crate::output::{Output, note, printable, units};
use crate::time;

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    filter: &'a str,
    checkpoint: u64,
    head: u64,
    lag_events: u64,
    lag_seconds: f64,
    /// The streams.
    parked: Vec<&'a str>,
    skipped: u64,
    last_skipped: Vec<Skipped<'a>>,
}

#[derive(Serialize)]
struct Skipped<'a> {
    position: u64,
    stream: &'a str,
    reason: &'a str,
    skipped_at: String,
}

impl<'a> From<&'a SubscriptionStatus> for Row<'a> {
    fn from(status: &'a SubscriptionStatus) -> Self {
        let skipped = status.last_skipped.iter().map(|skip| Skipped {
            position: skip.position,
            stream: &skip.stream,
            reason: &skip.reason,
            skipped_at: time::text(Occurred::utc(skip.skipped_at)),
        });
        Self {
            name: &status.name,
            filter: &status.filter,
            checkpoint: status.checkpoint,
            head: status.head,
            lag_events: status.lag_events,
            lag_seconds: status.lag_time.as_secs_f64(),
            parked: status.parked.iter().map(|parked| parked.stream.as_str()).collect(),
            skipped: status.skipped,
            last_skipped: skipped.collect(),
        }
    }
}

/// All subscriptions of a log, in the order of their names; one that cannot be read does not
/// hide the others.
pub(super) fn all(
    log: &Reader,
) -> Result<Vec<Result<SubscriptionStatus, SubscriptionError>>, SubscriptionError> {
    let names = SubscriptionStatus::names(log)?;
    let found = names.iter().map(|name| SubscriptionStatus::find(log, name));
    Ok(found.filter_map(Result::transpose).collect())
}

pub(crate) fn run(path: &Path, output: &mut Output) -> Result<Answer, Failure> {
    let log = reader(path)?;
    let (found, unreadable): (Vec<_>, Vec<_>) =
        all(&log).of(path)?.into_iter().partition(Result::is_ok);
    let found: Vec<_> = found.into_iter().flatten().collect();
    if found.is_empty() && unreadable.is_empty() {
        note(format_args!("no subscriptions"));
    }
    if output.is_json() {
        found.iter().try_for_each(|status| output.object(&Row::from(status)))?;
    } else if !found.is_empty() {
        print(output, &found)?;
    }
    unreadable.into_iter().try_for_each(|error| error.map(drop).of(path))?;
    Ok(Answer::Yes)
}

const HEADINGS: [&str; 7] =
    ["name", "checkpoint", "events behind", "time behind", "parked", "skipped", "filter"];

fn cells(status: &SubscriptionStatus) -> [String; 7] {
    let behind = if status.lag_events == 0 { "-".to_owned() } else { units::span(status.lag_time) };
    [
        printable(&status.name).into_owned(),
        units::count(status.checkpoint),
        units::count(status.lag_events),
        behind,
        units::count(units::wide(status.parked.len())),
        units::count(status.skipped),
        printable(&status.filter).into_owned(),
    ]
}

fn print(output: &mut Output, found: &[SubscriptionStatus]) -> Result<(), Failure> {
    let rows: Vec<_> = found.iter().map(cells).collect();
    let mut widths = HEADINGS.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let [w0, w1, w2, w3, w4, w5, _] = widths;
    let [h0, h1, h2, h3, h4, h5, h6] = HEADINGS;
    output.line(format_args!(
        "{HEADING}{h0:<w0$}  {h1:>w1$}  {h2:>w2$}  {h3:>w3$}  {h4:>w4$}  {h5:>w5$}  {h6}{HEADING:#}"
    ))?;
    for [name, checkpoint, events, span, parked, skipped, filter] in &rows {
        output.line(format_args!(
            "{NAME}{name:<w0$}{NAME:#}  {checkpoint:>w1$}  {events:>w2$}  {span:>w3$}  \
             {parked:>w4$}  {skipped:>w5$}  {filter}"
        ))?;
    }
    Ok(())
}

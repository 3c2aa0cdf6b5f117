//! `annals demo`: a tour that does, on real input, what the log is for, and checks
//! each promise that it shows on the way.
//!
//! Each step lives in a file of its own; here is their order, and what is left at the
//! end.

mod account;
mod files;
mod kill;
mod live;
mod place;
mod shop;
mod snapshot;
mod subject;
mod tour;

use std::path::Path;

use serde_json::json;

use super::verify;
use crate::cli::Demo;
use crate::error::{Answer, Failure, OfLog};
use crate::open::{Missing, with_log};
use crate::output::{Output, units};

pub(crate) use kill::write_until_killed;
use place::Place;
use subject::Subject;
use tour::Tour;

pub(crate) fn run(asked: &Demo, output: &mut Output) -> Result<Answer, Failure> {
    let place = Place::choose(asked.dir.as_deref())?;
    let outcome = take(asked, &place, output);
    place.leave(&outcome);
    outcome
}

fn take(asked: &Demo, place: &Place, output: &mut Output) -> Result<Answer, Failure> {
    let subject = Subject::find(asked.git.as_deref())?;
    let mut tour = Tour::new(output);
    tour.begin(&format!("{}, in {}", subject.describe(), place.describe()))?;
    let log_path = place.log();
    with_log(log_path, Missing::Make, |log| {
        let imported = subject.import(log, log_path, &mut tour)?;
        imported.fold(log, log_path, &mut tour)?;
        account::step(log, log_path, &mut tour)?;
        snapshot::step(log, log_path, &mut tour)?;
        live::step(log, log_path, &mut tour)
    })?;
    kill::step(log_path, &mut tour)?;
    verify_all(log_path, &mut tour)?;
    let answer = tour.end()?;
    if let Some(hint) = place.hint() {
        tour.say(format_args!("{hint}"))?;
    }
    Ok(answer)
}

/// The last step: every byte once more, by a reader that shares nothing with what
/// wrote it but the format.
fn verify_all(log_path: &Path, tour: &mut Tour<'_>) -> Result<(), Failure> {
    tour.step("Verify", "read everything again, from the files alone")?;
    let (report, span) = tour::timed(|| verify::check(log_path).of(log_path))?;
    tour.say(format_args!(
        "{} in {}, {} in {}",
        units::counted(report.events, "event"),
        units::counted(report.streams, "stream"),
        units::bytes(report.bytes),
        units::counted(report.segments, "segment")
    ))?;
    tour.say(format_args!(
        "{}, {}, {}",
        units::duration(span),
        units::rate(report.events, "events", span),
        units::byte_rate(report.bytes, span)
    ))?;
    for finding in &report.findings {
        tour.say(format_args!("damage: {}", finding.corrupt))?;
    }
    tour.facts(
        "verify",
        json!({ "events": report.events, "streams": report.streams, "segments": report.segments,
            "bytes": report.bytes, "findings": report.findings.len(),
            "seconds": span.as_secs_f64() }),
    )?;
    tour.check(
        report.findings.is_empty(),
        "every checksum, the chain of segments, positions, versions and the index".to_owned(),
    );
    Ok(())
}

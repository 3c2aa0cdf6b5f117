//! `annals verify`: reads all of a log, checks it, and changes nothing.

use std::path::Path;
use std::time::{Duration, Instant};

use annals::io::OsStorage;
use annals::{Corrupt, Report};
use serde::Serialize;

use super::stat::Opened;
use crate::error::{Answer, Failure, OfLog};
use crate::output::progress::Progress;
use crate::output::style::{BAD, DIM, GOOD};
use crate::output::{Output, units};

/// A line of `--json`: the findings, one each, and then what was checked.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line<'a> {
    Finding {
        file: &'a str,
        segment: u64,
        offset: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        position: Option<u64>,
        cause: String,
    },
    Summary {
        ok: bool,
        events: u64,
        streams: u64,
        segments: u64,
        bytes: u64,
        findings: usize,
        seconds: f64,
        #[serde(flatten)]
        tail: Option<Opened<'a>>,
    },
}

pub(crate) fn run(path: &Path, output: &mut Output) -> Result<Answer, Failure> {
    let started = Instant::now();
    let report = check(path).of(path)?;
    let span = started.elapsed();
    let answer = if report.findings.is_empty() { Answer::Yes } else { Answer::No };
    let printed = if output.is_json() {
        print_json(output, &report, span)
    } else {
        print(output, path, &report, span)
    };
    match printed.and_then(|()| output.flush()) {
        // The answer stands, whether or not all of it was read.
        Err(failure) if failure.is_broken_pipe() => Ok(answer),
        printed => printed.map(|()| answer),
    }
}

/// Verifies the log at `path`, with a progress bar.
pub(super) fn check(path: &Path) -> annals::Result<Report> {
    let progress = Progress::bytes(Some(0));
    annals::verify(&OsStorage::new(path), &mut |done, total| {
        progress.total(total);
        progress.at(done);
    })
}

fn print_json(output: &mut Output, report: &Report, span: Duration) -> Result<(), Failure> {
    for finding in &report.findings {
        let Corrupt { file, segment, offset, position, cause } = &finding.corrupt;
        output.object(&Line::Finding {
            file,
            segment: *segment,
            offset: *offset,
            position: *position,
            cause: cause.to_string(),
        })?;
    }
    output.object(&Line::Summary {
        ok: report.findings.is_empty(),
        events: report.events,
        streams: report.streams,
        segments: report.segments,
        bytes: report.bytes,
        findings: report.findings.len(),
        seconds: span.as_secs_f64(),
        tail: report.recovery.as_ref().map(Opened::from),
    })
}

fn print(output: &mut Output, path: &Path, report: &Report, span: Duration) -> Result<(), Failure> {
    output.line(format_args!(
        "read {}: {} in {}, {}, {}",
        path.display(),
        units::counted(report.events, "event"),
        units::counted(report.streams, "stream"),
        units::counted(report.segments, "segment"),
        units::bytes(report.bytes)
    ))?;
    output.line(format_args!(
        "in {}, {}",
        units::duration(span),
        units::byte_rate(report.bytes, span)
    ))?;
    output.line(format_args!(
        "checked: every checksum; the chain of groups and segments; positions and versions \
         without a gap; the index against the events"
    ))?;
    if let Some(recovery) = &report.recovery {
        output.line(format_args!("{DIM}at the end: {recovery}{DIM:#}"))?;
    }
    for finding in &report.findings {
        output.line(format_args!("{BAD}damage{BAD:#}: {}", finding.corrupt))?;
    }
    match report.findings.len() {
        0 => output.line(format_args!("{GOOD}nothing is wrong{GOOD:#}")),
        found => {
            let found = units::counted(units::wide(found), "finding");
            output.line(format_args!(
                "{BAD}{found}{BAD:#}: nothing was changed; keep a copy of the directory, and \
                 restore the log from a copy that verifies, or see with `annals repair {}` what \
                 can be kept",
                path.display()
            ))
        }
    }
}

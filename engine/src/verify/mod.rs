//! Reading everything and writing nothing: whether a log is what was written.
//!
//! * [`segments`]: every byte of every segment
//! * [`indexes`]: every run, against what the segments say

mod indexes;
mod segments;

use crate::catalog::survey::{Survey, survey};
use crate::error::{Corrupt, Error, Result};
use crate::io::{LockError, Storage};
use crate::recovered::Recovery;
use crate::recovery::analysis::{How, analyse};
use crate::segment::ReadMode;
use segments::Checker;

/// Something that is not as it was written. The
/// [guide to recovery](crate::guide::recovery#corrupt-the-disk-is-hurt) has an example.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Where, and what was found.
    pub corrupt: Corrupt,
}

/// What [`verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Events that were read and are sound.
    pub events: u64,
    /// Streams that they are of.
    pub streams: u64,
    /// Segments that were read.
    pub segments: u64,
    /// Index files that were compared with the log.
    pub index_runs: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Everything that is wrong; empty if nothing is.
    pub findings: Vec<Finding>,
    /// What opening the log would find at its end; `None` if it would be refused. A
    /// torn tail is no damage: it was never acknowledged.
    pub recovery: Option<Recovery>,
}

/// Reads a whole log: every checksum, the chain of groups and segments, positions and
/// versions dense, unused bytes zero, indexes equal to what a full scan gives.
/// Writes nothing. `progress` is told the bytes done and the bytes in all, now and
/// then.
///
/// Takes as long as reading the log and indexing it anew, and memory for the names of
/// its streams and the index of a segment. A writer is kept out meanwhile.
///
/// # Errors
/// Damage is no error but a finding. [`Error::NotFound`] if there is no log,
/// [`Error::Locked`] while a writer has it open, [`Error::Unsupported`] for a log of a
/// later version, [`Error::Io`] if reading fails.
///
/// ```
/// use annals::io::OsStorage;
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("log");
/// annals::Log::open(&path)?.close()?;
/// let report = annals::verify(&OsStorage::new(&path), &mut |_, _| {})?;
/// assert!(report.findings.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify(storage: &dyn Storage, progress: &mut dyn FnMut(u64, u64)) -> Result<Report> {
    let log = storage.describe();
    if !storage.exists().map_err(|error| Error::io("open", &log, error))? {
        return Err(Error::NotFound { log });
    }
    let _keeps_writers_out = storage.lock_shared().map_err(|error| match error {
        LockError::Held { pid } => Error::Locked { log: log.clone(), pid },
        LockError::Io(error) => Error::io("lock", &log, error),
    })?;
    look(storage, progress)
}

/// As `verify`, by whoever keeps writers out already.
pub(crate) fn look(storage: &dyn Storage, progress: &mut dyn FnMut(u64, u64)) -> Result<Report> {
    let mut report = Report::default();
    let mut findings = Findings::default();
    let survey = match survey(storage) {
        Ok(survey) => survey,
        // Without all its segments there is nothing to walk through.
        Err(error) => {
            findings.take(Err::<(), _>(error))?;
            report.findings = findings.all;
            return Ok(report);
        }
    };
    let how = How { mode: ReadMode::Pread, strict: false, write: false };
    let mut end = None;
    match findings.take(analyse(storage, how, &|_, _| None))? {
        Some(Some(analysis)) => {
            end = Some((analysis.end.place, analysis.recovery.clean));
            report.recovery = Some(analysis.recovery);
        }
        Some(None) if survey.segments.is_empty() => {
            return Err(Error::NotFound { log: storage.describe() });
        }
        Some(None) | None => {}
    }
    check(storage, &survey, end, progress, &mut report, &mut findings)?;
    report.findings = findings.all;
    Ok(report)
}

fn check(
    storage: &dyn Storage,
    survey: &Survey,
    end: Option<(crate::place::Place, bool)>,
    progress: &mut dyn FnMut(u64, u64),
    report: &mut Report,
    findings: &mut Findings,
) -> Result<()> {
    let total = survey.segments.values().chain(survey.runs.values()).sum();
    let mut checker = Checker::new(storage, survey, end, total, progress);
    checker.run(report, findings)?;
    report.streams = checker.streams();
    let torn = end.is_some_and(|(_, clean)| !clean);
    indexes::control_file(storage, survey, torn, findings);
    Ok(())
}

/// Findings so far. The same damage may be met on two ways and is told once.
#[derive(Debug, Default)]
struct Findings {
    all: Vec<Finding>,
}

impl Findings {
    fn push(&mut self, corrupt: Corrupt) {
        let finding = Finding { corrupt };
        if !self.all.contains(&finding) {
            self.all.push(finding);
        }
    }

    /// Damage becomes a finding and `None`; other errors end the verifying.
    fn take<T>(&mut self, outcome: Result<T>) -> Result<Option<T>> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(Error::Corrupt(corrupt)) => {
                self.push(corrupt);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

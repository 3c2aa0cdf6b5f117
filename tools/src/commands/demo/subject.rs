//! What the tour is made on: a git history, or a web shop where there is none. The
//! first step, the import.

use std::path::{Path, PathBuf};
use std::time::Duration;

use annals::Log;
use serde_json::json;

use super::files;
use super::shop::{self, Totals};
use super::tour::{Tour, timed};
use crate::error::{Failure, OfLog};
use crate::git::{GitError, History};
use crate::import::{Counts, Importer};
use crate::output::progress::Progress;
use crate::output::units;

const BATCH_EVENTS: usize = 256;

/// Where the tour's events come from.
pub(super) enum Subject {
    Git {
        repository: PathBuf,
        history: Box<History>,
        /// The user named it, so that its path is worth telling.
        named: bool,
    },
    Shop {
        /// Why there is no git history to be had here.
        why: String,
    },
}

/// What was imported, for the fold to be checked against.
pub(super) enum Imported {
    Git { repository: PathBuf, head: String },
    Shop(Totals),
}

impl Subject {
    /// A repository that was named must be one; the working directory may be none.
    pub(super) fn find(named: Option<&Path>) -> Result<Self, Failure> {
        if let Some(repository) = named {
            let history = Box::new(History::open(repository)?);
            return Ok(match history.head() {
                Some(_) => Self::Git { repository: repository.to_owned(), history, named: true },
                None => Self::Shop { why: "nothing was committed there yet".to_owned() },
            });
        }
        let repository = PathBuf::from(".");
        Ok(match History::open(&repository) {
            Ok(history) if history.head().is_some() => {
                Self::Git { repository, history: Box::new(history), named: false }
            }
            Ok(_) => Self::Shop { why: "nothing was committed here yet".to_owned() },
            // In git's words: it may also be one that git does not trust.
            Err(GitError::NoRepository { message, .. }) => {
                let first = message.lines().next().unwrap_or_default();
                Self::Shop { why: first.trim_start_matches("fatal: ").to_owned() }
            }
            Err(error) => Self::Shop { why: error.to_string() },
        })
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Self::Git { named: false, .. } => "the git history of this directory".to_owned(),
            Self::Git { repository, .. } => format!("the git history of {}", repository.display()),
            Self::Shop { .. } => "a generated web shop".to_owned(),
        }
    }

    /// The first step. Says what the fold has to find.
    pub(super) fn import(
        self,
        log: &Log,
        log_path: &Path,
        tour: &mut Tour<'_>,
    ) -> Result<Imported, Failure> {
        match self {
            Self::Git { repository, mut history, .. } => {
                tour.step("Import", "one stream a file, an event per file and commit")?;
                let name = repository.display().to_string();
                let progress = Progress::events(None);
                let importer = Importer::new(log, log_path, &name, BATCH_EVENTS);
                let ((counts, outcome), span) = timed(|| {
                    Ok(importer.run(&mut *history, |counts| progress.at(counts.imported)))
                })?;
                drop(progress);
                outcome?;
                let source = units::counted(history.commits(), "commit");
                tell(log, log_path, tour, &counts, &source, span)?;
                let head = history.head().unwrap_or_default().to_owned();
                Ok(Imported::Git { repository, head })
            }
            Self::Shop { why } => {
                tour.step("Import", "one stream an order, from the click to the parcel")?;
                tour.aside(format_args!("no git history: {why}"))?;
                let (items, totals) = shop::generate();
                let importer = Importer::new(log, log_path, "the web shop", BATCH_EVENTS);
                let ((counts, outcome), span) =
                    timed(|| Ok(importer.run(items.into_iter().map(Ok), |_| ())))?;
                outcome?;
                let source = units::counted(totals.orders, "order");
                tell(log, log_path, tour, &counts, &source, span)?;
                Ok(Imported::Shop(totals))
            }
        }
    }
}

fn tell(
    log: &Log,
    log_path: &Path,
    tour: &mut Tour<'_>,
    counts: &Counts,
    source: &str,
    span: Duration,
) -> Result<(), Failure> {
    let stats = log.stats().of(log_path)?;
    tour.say(format_args!(
        "{source}: {} in {}",
        units::counted(counts.imported, "event"),
        units::counted(stats.streams, "stream")
    ))?;
    tour.say(format_args!(
        "{}, {}, {}",
        units::duration(span),
        units::rate(counts.imported, "events", span),
        match counts.batches {
            1 => "1 batch, synced to the disk".to_owned(),
            more => format!("{more} batches, all of them synced to the disk"),
        }
    ))?;
    tour.facts(
        "import",
        json!({ "events": counts.imported, "streams": stats.streams, "batches": counts.batches,
            "seconds": span.as_secs_f64() }),
    )?;
    tour.check(
        stats.events == counts.imported && log.head() == counts.imported,
        format!("the log has each of the {} once", units::counted(counts.imported, "event")),
    );
    Ok(())
}

impl Imported {
    /// The second step: folds streams, and compares with what is known otherwise.
    pub(super) fn fold(
        &self,
        log: &Log,
        log_path: &Path,
        tour: &mut Tour<'_>,
    ) -> Result<(), Failure> {
        match self {
            Self::Git { repository, head } => files::step(log, log_path, repository, head, tour),
            Self::Shop(totals) => shop::step(log, log_path, totals, tour),
        }
    }
}

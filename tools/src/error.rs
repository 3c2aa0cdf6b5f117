//! Why a command did not do what was asked: with its place, its exit code, and what
//! to do about it.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use annals::sourcing::{ProjectionError, SubscriptionError};

use crate::git::GitError;
use crate::incoming::Refusal;

/// The outcome of a command that ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    /// Damage was found, a check failed.
    No,
}

impl Answer {
    pub(crate) fn code(self) -> ExitCode {
        match self {
            Self::Yes => ExitCode::SUCCESS,
            Self::No => ExitCode::from(NO),
        }
    }
}

const NO: u8 = 1;
const USAGE: u8 = 2;
const FAILED: u8 = 3;

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The library refused, or the log is not as it should be.
    #[error("{}", of_log(log, source))]
    Log { log: String, source: annals::Error },

    /// What the log keeps of a subscription is not as it should be.
    #[error("{log}: {source}")]
    Subscription { log: String, source: SubscriptionError },

    /// One event of an import cannot be appended.
    #[error("{0}")]
    Item(#[from] Box<Refusal>),

    /// A file, a directory or standard input cannot be read.
    #[error("{name}: {source}")]
    Input { name: String, source: io::Error },

    /// A file or directory beside the log cannot be written.
    #[error("{name}: {source}")]
    Written { name: String, source: io::Error },

    /// A database that is written.
    #[error("{file}: {source}")]
    Database { file: String, source: Box<ProjectionError> },

    /// A database holds the export of another log, or of what this one does not hold any more.
    #[error("{file} holds an export of another log, or of a later state of this one: {source}")]
    OtherExport { file: String, source: annals::Error },

    /// A database has a table of the name that is wanted, and of another origin.
    #[error("{file} has a table `events` that no export made")]
    ForeignTable { file: String },

    /// The git program, or what it said.
    #[error("{0}")]
    Git(#[from] GitError),

    /// Standard output cannot be written.
    #[error("standard output: {0}")]
    Stdout(#[source] io::Error),

    /// An argument makes no sense, in a way that only the command can tell.
    #[error("{what}: {why}")]
    Usage { what: String, why: String },

    /// Something could not be measured.
    #[error("the bench cannot go on: {0}")]
    Bench(String),

    /// A part of the tour could not be run.
    #[error("the tour cannot go on: {0}")]
    Tour(String),
}

impl Failure {
    pub(crate) fn code(&self) -> ExitCode {
        if self.is_broken_pipe() {
            return ExitCode::SUCCESS;
        }
        ExitCode::from(match self {
            Self::Log { source, .. } if is_conflict(source) => NO,
            Self::Item(refusal) if refusal.is_conflict() => NO,
            Self::Usage { .. } => USAGE,
            _ => FAILED,
        })
    }

    /// Whether the reader of our output went away, as `head` does when it has enough:
    /// no reason to complain.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Stdout(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What to do about it, where that is not plain from the message.
    pub(crate) fn advice(&self) -> Option<String> {
        match self {
            Self::Log { log, source } => log_advice(log, source),
            Self::Subscription { source: SubscriptionError::Unreadable { .. }, .. } => {
                Some("use a newer version of annals".to_owned())
            }
            Self::Subscription { log, .. } => {
                Some(format!("`annals subscriptions {log}` tells how far each is"))
            }
            Self::Item(refusal) if refusal.is_conflict() => Some(
                "give the event an id of its own, or leave the line out; what was imported before \
                 it stays, and is passed over when you import again"
                    .to_owned(),
            ),
            Self::Item(_) => Some(
                "mend it and import again; what was imported before it stays, and is passed over"
                    .to_owned(),
            ),
            Self::Git(error) => Some(error.advice().to_owned()),
            Self::Input { .. } => {
                Some("check that it is there, and that you may read it".to_owned())
            }
            Self::Database { .. } => {
                Some("what was exported before is there; run it again to go on".to_owned())
            }
            Self::OtherExport { .. } | Self::ForeignTable { .. } => {
                Some("nothing was changed; export to another file".to_owned())
            }
            Self::Written { .. } => {
                Some("check that you may write there, and that there is space".to_owned())
            }
            Self::Stdout(_) => Some("free some space, or print elsewhere".to_owned()),
            Self::Usage { .. } => Some("`annals help` tells how each command is used".to_owned()),
            Self::Bench(_) | Self::Tour(_) => None,
        }
    }
}

/// The error with the log that it is about, where it does not name that itself.
fn of_log(log: &str, error: &annals::Error) -> String {
    match error {
        annals::Error::Locked { .. } | annals::Error::NotFound { .. } => error.to_string(),
        _ => format!("{log}: {error}"),
    }
}

/// Somebody else was faster, or the id is taken: the caller must decide again.
fn is_conflict(error: &annals::Error) -> bool {
    error.is_conflict() || matches!(error, annals::Error::DuplicateConflict { .. })
}

fn log_advice(log: &str, error: &annals::Error) -> Option<String> {
    use annals::Error;
    Some(match error {
        Error::WrongExpectedVersion { stream, .. } => {
            format!(
                "nothing was written; look at it with `annals read {log} {stream:?}`, decide again"
            )
        }
        Error::DuplicateConflict { .. } => {
            "nothing was written; another event needs another id".to_owned()
        }
        Error::Corrupt(_) => format!(
            "nothing was changed; `annals verify {log}` names all of the damage; restore the log \
             from a copy, or see with `annals repair {log}` what can be kept"
        ),
        Error::WouldDiscard(_) => "nothing was changed".to_owned(),
        Error::Poisoned { .. } => {
            "see to the disk, then run again: opening the log settles what was kept".to_owned()
        }
        Error::Full { .. } => "nothing is half written; free some space, then run again".to_owned(),
        Error::Locked { .. } => "wait until that process ends, or end it".to_owned(),
        Error::BeyondHead { head, .. } => format!("start after {head} or before"),
        Error::Unsupported { .. } => "use a newer version of annals".to_owned(),
        Error::NotFound { .. } => {
            "check the path; `annals import` and `annals append` make a log".to_owned()
        }
        _ => return None,
    })
}

/// Says which log an error of the library is about.
pub(crate) trait OfLog<T> {
    fn of(self, log: &Path) -> Result<T, Failure>;
}

impl<T> OfLog<T> for annals::Result<T> {
    fn of(self, log: &Path) -> Result<T, Failure> {
        self.map_err(|source| Failure::Log { log: log.display().to_string(), source })
    }
}

impl<T> OfLog<T> for Result<T, SubscriptionError> {
    fn of(self, log: &Path) -> Result<T, Failure> {
        self.map_err(|error| match error {
            SubscriptionError::Store(source) => {
                Failure::Log { log: log.display().to_string(), source }
            }
            source => Failure::Subscription { log: log.display().to_string(), source },
        })
    }
}

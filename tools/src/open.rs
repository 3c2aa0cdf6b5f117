//! Opening a log for a command: to read it beside whoever writes it, or to write it, and
//! then closing it in every case.

use std::path::Path;
use std::sync::Arc;

use annals::sourcing::Subscriptions;
use annals::{Log, Options, Reader};

use crate::error::{Failure, OfLog};

/// Whether a command may make the log that it is pointed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// A mistyped path must not leave an empty log behind.
    Refuse,
    Make,
}

/// Opens the log at `path`, runs `work` on it, and closes it, also after an error, so
/// that the next opening finds it closed. The first error is the one reported.
pub(crate) fn with_log<T>(
    path: &Path,
    missing: Missing,
    work: impl FnOnce(&Log) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let log = Options::new().create(missing == Missing::Make).open(path).of(path)?;
    let outcome = work(&log);
    let closed = log.close().of(path);
    let value = outcome?;
    closed?;
    Ok(value)
}

/// As [`with_log`] on a log that is there, with its subscriptions.
pub(crate) fn with_subscriptions<T>(
    path: &Path,
    work: impl FnOnce(&Subscriptions) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let log = Arc::new(Options::new().create(false).open(path).of(path)?);
    let outcome = work(&Subscriptions::new(log.clone()));
    let closed = Arc::into_inner(log).map_or(Ok(()), Log::close).of(path);
    let value = outcome?;
    closed?;
    Ok(value)
}

/// Opens the log at `path` for reading only: also while another process writes it, and
/// where nothing can be written.
pub(crate) fn reader(path: &Path) -> Result<Reader, Failure> {
    Reader::open(path).of(path)
}

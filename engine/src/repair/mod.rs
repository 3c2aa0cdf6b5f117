//! Mending a log that is not open: what can be done and what is lost by it, and doing it.
//!
//! * [`kept`]: up to where a log is whole
//! * [`lost`]: what stands behind that
//! * [`step`]: one thing that is done, told in full
//! * [`plan`]: all that is to be done; reads only
//! * [`copy`]: copies of everything that changes, before it changes
//! * [`apply`]: doing it
//!
//! Positions are dense and groups are chained, so nothing can be taken out of the middle
//! of a log: it is kept up to the last whole group before the damage, and the rest is
//! moved aside.

mod apply;
mod copy;
mod kept;
mod lost;
mod plan;
mod step;

use crate::error::{Error, Result};
use crate::io::{LockError, Storage, StorageLock};
use crate::verify::Report;

pub use plan::RepairPlan;
pub use step::{Lost, RepairStep};

/// What a repair did.
///
/// Returned by [`apply_repair`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repaired {
    /// What was done. More than was planned, where damage hid other damage.
    pub steps: Vec<RepairStep>,
    /// The names of the copies that were made first, in the log's directory, and of what
    /// file each is. The log never reads them; delete them when you need them no more.
    pub copies: Vec<(String, String)>,
    /// What verifying finds now. The log is whole if this has no findings.
    pub report: Report,
}

/// Finds out what repairing a log would do. Writes nothing.
///
/// Takes as long as [`verify`](crate::verify), and once more as long as reading the log.
/// Writers are kept out meanwhile.
///
/// # Errors
/// Damage is no error but a step. [`Error::NotFound`] if there is no log,
/// [`Error::Locked`] while a writer has it open, [`Error::Unsupported`] for a log of a
/// later version, [`Error::Io`] if reading fails.
///
/// ```
/// use annals::io::OsStorage;
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("log");
/// annals::Log::open(&path)?.close()?;
/// let plan = annals::plan_repair(&OsStorage::new(&path))?;
/// assert!(plan.steps.is_empty(), "nothing to do");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn plan_repair(storage: &dyn Storage) -> Result<RepairPlan> {
    let _keeps_writers_out = locked(storage, |storage| storage.lock_shared())?;
    plan::plan(storage)
}

/// Does what a plan says: first copies every file that will change or go, and makes the
/// copies durable; then takes the steps; then verifies. Blank files, which the log keeps
/// ready for later segments, go without a copy.
///
/// After a crash on the way, plan and apply again: the log is then either as damaged as
/// it was, or mended further. Needs space for the copies ([`RepairPlan::copy_bytes`]).
///
/// Positions that were lost are given again to what is appended next. That is of another
/// epoch, so a [`Checkpoint`](crate::Checkpoint) behind what was kept is refused. Programs
/// that read the log meanwhile must open it again.
///
/// # Errors
/// [`Error::Invalid`] if the log is not as it was when the plan was made, and
/// [`Error::Corrupt`] if the plan holds damage that cannot be mended: nothing is changed
/// then. [`Error::Locked`], [`Error::Io`].
pub fn apply_repair(
    storage: &dyn Storage,
    plan: &RepairPlan,
    progress: &mut dyn FnMut(&RepairStep),
) -> Result<Repaired> {
    let _keeps_others_out = locked(storage, |storage| storage.lock())?;
    if plan::plan(storage)? != *plan {
        let why = "the log is not as it was when the plan was made";
        return Err(Error::Invalid { what: "repair plan", why });
    }
    apply::apply(storage, plan.clone(), progress)
}

fn locked(
    storage: &dyn Storage,
    lock: impl FnOnce(&dyn Storage) -> Result<Box<dyn StorageLock>, LockError>,
) -> Result<Box<dyn StorageLock>> {
    let log = storage.describe();
    if !storage.exists().map_err(|error| Error::io("open", &log, error))? {
        return Err(Error::NotFound { log });
    }
    lock(storage).map_err(|error| match error {
        LockError::Held { pid } => Error::Locked { log, pid },
        LockError::Io(error) => Error::io("lock", &log, error),
    })
}

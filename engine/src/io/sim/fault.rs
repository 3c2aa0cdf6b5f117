//! Errors on order: which call is to fail, how, and how often.
//!
//! What a failed call leaves behind is done where the call is, in `storage` and
//! `handle`.

use std::fmt;
use std::io;

use super::counts::{Call, CallKind};

/// The error of every call of a process that has crashed.
///
/// ```
/// use annals::io::Storage;
/// use annals::io::sim::{Crash, Crashed, SimStorage};
/// let disk = SimStorage::new();
/// let file = disk.create("log")?;
/// disk.crash(Crash::Kill);
/// assert!(file.len().is_err_and(|error| Crashed::is_cause_of(&error)));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crashed;

impl Crashed {
    /// Whether a call failed because its process has crashed, and not for a fault
    /// or a reason of its own.
    pub fn is_cause_of(error: &io::Error) -> bool {
        error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Self>)
    }
}

impl fmt::Display for Crashed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the simulated process that made this call has crashed")
    }
}

impl std::error::Error for Crashed {}

pub(super) fn crashed() -> io::Error {
    io::Error::other(Crashed)
}

/// How a call fails.
///
/// [`Fault`] has an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The device failed (EIO). Has [`io::ErrorKind::Other`]: std has no kind of
    /// its own for it.
    Device,
    /// No space left (ENOSPC): [`io::ErrorKind::StorageFull`].
    NoSpace,
    /// Quota used up (EDQUOT): [`io::ErrorKind::QuotaExceeded`].
    Quota,
    /// The file system is read-only (EROFS): [`io::ErrorKind::ReadOnlyFilesystem`].
    ReadOnly,
    /// Too many open files (EMFILE). Has [`io::ErrorKind::Other`].
    TooManyFiles,
    /// Interrupted by a signal (EINTR): [`io::ErrorKind::Interrupted`].
    Interrupted,
    /// Any other kind.
    Kind(io::ErrorKind),
    /// A raw error of the system that the test runs on.
    Os(i32),
}

impl Failure {
    pub(super) fn error(self) -> io::Error {
        match self {
            Self::Device => io::Error::other("simulated input/output error (EIO)"),
            Self::NoSpace => io::ErrorKind::StorageFull.into(),
            Self::Quota => io::ErrorKind::QuotaExceeded.into(),
            Self::ReadOnly => io::ErrorKind::ReadOnlyFilesystem.into(),
            Self::TooManyFiles => io::Error::other("simulated lack of descriptors (EMFILE)"),
            Self::Interrupted => io::ErrorKind::Interrupted.into(),
            Self::Kind(kind) => kind.into(),
            Self::Os(code) => io::Error::from_raw_os_error(code),
        }
    }
}

/// Calls that need a descriptor and take no space.
const LOOKS: [Failure; 3] = [Failure::Device, Failure::TooManyFiles, Failure::Interrupted];

/// Calls that make a name.
const MAKES: [Failure; 6] = [
    Failure::Device,
    Failure::NoSpace,
    Failure::Quota,
    Failure::ReadOnly,
    Failure::Interrupted,
    Failure::TooManyFiles,
];

impl CallKind {
    /// What such a call can report on Linux, over all its file systems: what a sweep lets it
    /// fail with.
    ///
    /// | | for want of |
    /// |---|---|
    /// | EIO | nothing: all but mappings can report it |
    /// | ENOSPC, EDQUOT | space: what makes or changes something, and the syncs that report what was put off; removing takes space too where a file system copies what it changes |
    /// | EROFS | a file system that can be written: what changes something or opens for it; a sync, after an error that made it read-only |
    /// | EMFILE | a descriptor: what opens something, the directory for its sync and lock included |
    /// | EINTR | nothing: a signal came while it waited. Names that exist, and lengths that are asked for, are not waited for |
    /// | ENOMEM | memory: mappings. It is [`Failure::Kind`] of [`io::ErrorKind::OutOfMemory`] |
    ///
    /// A short write is a fault with [`Fault::partial`].
    ///
    /// ```
    /// use annals::io::sim::{CallKind, Failure};
    /// assert!(CallKind::Write.failures().contains(&Failure::NoSpace));
    /// assert!(!CallKind::Read.failures().contains(&Failure::NoSpace));
    /// ```
    pub const fn failures(self) -> &'static [Failure] {
        use Failure::{Device, Interrupted, NoSpace, Quota, ReadOnly, TooManyFiles};
        match self {
            Self::Exists | Self::Len => &[Device],
            Self::List | Self::Lock | Self::WriterAlive => &LOOKS,
            Self::Open => &[Device, TooManyFiles, Interrupted, ReadOnly],
            Self::Create | Self::SyncDir => &MAKES,
            Self::CreateDir | Self::Rename | Self::Remove => &[Device, NoSpace, Quota, ReadOnly],
            Self::SetLen | Self::Write | Self::SyncData | Self::SyncAll => {
                &[Device, NoSpace, Quota, ReadOnly, Interrupted]
            }
            Self::Read => &[Device, Interrupted],
            Self::Map | Self::Share => &[Failure::Kind(io::ErrorKind::OutOfMemory)],
        }
    }
}

/// Which call fails, counted from 1 and from when the fault was ordered. With a
/// [`Fault::named`] only calls on that file count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nth {
    /// The n-th call of whatever kind.
    Call(u64),
    /// The n-th call that changes something.
    Change(u64),
    /// The n-th call of this kind.
    Of(CallKind, u64),
}

/// How often a fault strikes.
///
/// [`Fault`] has an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// That one call.
    Once,
    /// That call, and every one after it that the fault would count.
    ForGood,
}

/// An error on order: the argument of [`SimStorage::fail`](super::SimStorage::fail).
///
/// ```
/// use annals::io::Storage;
/// use annals::io::sim::{CallKind, Failure, Fault, Nth, SimStorage};
/// use std::io::ErrorKind;
/// let disk = SimStorage::new();
/// let file = disk.create("log")?;
/// disk.fail(Fault::new(Nth::Of(CallKind::Write, 2), Failure::NoSpace).partial(3));
/// file.write_all_at(b"first", 0)?;
/// let second = file.write_all_at(b"second", 5);
/// assert_eq!(second.map_err(|error| error.kind()), Err(ErrorKind::StorageFull));
/// assert_eq!(disk.read_file("log").as_deref(), Some(&b"firstsec"[..]));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Fault {
    call: Nth,
    name: Option<String>,
    error: Failure,
    times: Times,
    partial: Option<u64>,
}

impl Fault {
    /// A fault that strikes once and leaves nothing done.
    pub fn new(call: Nth, error: Failure) -> Self {
        Self { call, name: None, error, times: Times::Once, partial: None }
    }

    /// Counts and strikes only calls on the file that has this name at the time.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// How often it strikes.
    pub fn times(self, times: Times) -> Self {
        Self { times, ..self }
    }

    /// A write puts its first `bytes` bytes in place before it fails. Any other
    /// call takes full effect and reports the error all the same.
    pub fn partial(self, bytes: u64) -> Self {
        Self { partial: Some(bytes), ..self }
    }

    fn counts(&self, call: &Call) -> bool {
        let kind = match self.call {
            Nth::Call(_) => true,
            Nth::Change(_) => call.kind.is_change(),
            Nth::Of(kind, _) => kind == call.kind,
        };
        let name = self.name.as_deref();
        kind && name.is_none_or(|name| *call.name == *name || call.to.as_deref() == Some(name))
    }

    fn at(&self) -> u64 {
        match self.call {
            Nth::Call(at) | Nth::Change(at) | Nth::Of(_, at) => at.max(1),
        }
    }
}

/// Why a call is refused before it does anything, and what it does all the same.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) error: io::Error,
    /// For a write, how many bytes of it happen; for any other call, that it
    /// happens.
    pub(super) partial: Option<u64>,
    /// Whether the process died in this call, so that nothing else happens.
    pub(super) dead: bool,
}

/// The faults of a disk and how far each has counted.
#[derive(Debug, Default)]
pub(super) struct Faults {
    ordered: Vec<(Fault, u64)>,
    pub(super) struck: u64,
}

impl Faults {
    pub(super) fn order(&mut self, fault: Fault) {
        self.ordered.push((fault, 0));
    }

    pub(super) fn clear(&mut self) {
        self.ordered.clear();
    }

    /// Whether a fault strikes this call. All faults count it; the one ordered
    /// first strikes.
    pub(super) fn strike(&mut self, call: &Call) -> Option<Refusal> {
        let mut refusal = None;
        for (fault, seen) in &mut self.ordered {
            if !fault.counts(call) {
                continue;
            }
            *seen += 1;
            let due = match fault.times {
                Times::Once => *seen == fault.at(),
                Times::ForGood => *seen >= fault.at(),
            };
            if due && refusal.is_none() {
                let (error, partial) = (fault.error.error(), fault.partial);
                refusal = Some(Refusal { error, partial, dead: false });
            }
        }
        self.struck += u64::from(refusal.is_some());
        refusal
    }
}

//! Options of a log.

use crate::error::{Error, Result};
use crate::limits;

/// How the bytes of the log are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Reading {
    /// Through memory mappings: no copy, no system call. An I/O error of the device
    /// under a mapping, or a file that another program cuts, ends the process with
    /// a signal.
    #[default]
    Mapped,
    /// With `pread`: a copy for every piece that is read, and every I/O error is an
    /// [`Error::Io`].
    Pread,
}

/// Who prepares space and builds indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Background {
    /// A thread of the log, asleep while nothing is appended.
    #[default]
    Thread,
    /// The appending threads themselves, when it is due. An append that needs more
    /// space or seals a segment takes longer; every run of the same program makes the
    /// same calls in the same order, which is what tests on simulated storage
    /// need.
    Inline,
}

/// Options to open a log with.
///
/// ```
/// use annals::Options;
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("log");
/// let log = Options::new().segment_bytes(8 << 20).open(&path)?;
/// log.close()?;
/// assert!(Options::new().create(false).open(&path).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Options {
    pub(crate) create: bool,
    pub(crate) segment_bytes: u64,
    pub(crate) strict: bool,
    pub(crate) reading: Reading,
    pub(crate) background: Background,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            create: true,
            segment_bytes: 64 << 20,
            strict: false,
            reading: Reading::Mapped,
            background: Background::Thread,
        }
    }

    /// Whether a log is made where there is none. Default: true. If not, opening
    /// nothing is [`Error::NotFound`].
    pub const fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// How large segments get, in bytes: from 16 KiB to 512 MiB, default 64 MiB. The
    /// first segments of a log are smaller and double up to this. A batch that is
    /// larger gets a segment of its own size. Larger segments mean fewer files and
    /// indexes to look in, and more to read after a crash: the active segment is
    /// read then. Logs may be opened with another value than before.
    pub const fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// Whether opening refuses, with [`Error::WouldDiscard`], to discard a tail that
    /// had not become durable. Default: false. A torn tail is what a crash leaves;
    /// damage to what was synced last of all looks the same, and only with this are
    /// you asked.
    pub const fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// How the log is read. Default: [`Reading::Mapped`].
    pub const fn reading(mut self, reading: Reading) -> Self {
        self.reading = reading;
        self
    }

    /// Who prepares space and builds indexes. Default: [`Background::Thread`].
    pub const fn background(mut self, background: Background) -> Self {
        self.background = background;
        self
    }

    /// Refuses what has no meaning, rather than mend it.
    pub(crate) fn check(&self) -> Result<()> {
        let allowed = limits::SEGMENT_BYTES_MIN..=limits::SEGMENT_BYTES_MAX;
        if allowed.contains(&self.segment_bytes) {
            Ok(())
        } else {
            let why = "it must be from 16 KiB to 512 MiB";
            Err(Error::Invalid { what: "segment_bytes", why })
        }
    }
}

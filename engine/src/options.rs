//! Options of a log.

use std::time::Duration;

use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::limits;
use crate::visibility::Visibility;

/// How the bytes of the log are read.
///
/// ```
/// use annals::{Options, Reading};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Options::new().reading(Reading::Pread).open(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

/// Who prepares space, builds indexes, and writes what nobody waits for. The
/// [guide to testing](crate::guide::testing#crashes) has an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Background {
    /// Two threads of the log, asleep while nothing is appended: one prepares, one writes.
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
    pub(crate) durability: Durability,
    pub(crate) flush_after: Duration,
    pub(crate) in_flight_bytes: u64,
    pub(crate) visibility: Visibility,
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
            durability: Durability::Durable,
            flush_after: Duration::from_millis(50),
            in_flight_bytes: 32 << 20,
            visibility: Visibility::Durable,
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

    /// How safe a batch is when its append is answered, unless the append says
    /// otherwise. Default: [`Durability::Durable`]. See the
    /// [guide](crate::guide::durability).
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How long after its append a batch is written and synced in the background, if
    /// nobody asked for it sooner: from 1 ms to 60 s, default 50 ms. It is what
    /// [`Durability::Written`] and [`Durability::Buffered`] can lose to a power cut,
    /// plus the time of one sync. With [`Background::Inline`] nothing happens by time:
    /// the next durable append, [`sync`](crate::Log::sync), roll or close does it.
    pub const fn flush_after(mut self, time: Duration) -> Self {
        self.flush_after = time;
        self
    }

    /// How many bytes of batches may be in memory, accepted and not yet written or, if
    /// they are to be durable, synced: from 64 KiB to 1 GiB, default 32 MiB. An append
    /// or submit beyond it waits. A single batch that is larger is taken alone.
    pub const fn in_flight_bytes(mut self, bytes: u64) -> Self {
        self.in_flight_bytes = bytes;
        self
    }

    /// What the reads of a [`Reader`](crate::Reader) in another process see. Default:
    /// [`Visibility::Durable`]. Cursors say it
    /// [for themselves](crate::CursorOptions::visibility), and a writing process
    /// always reads what it was acknowledged, whatever this says.
    pub const fn visibility(mut self, visibility: Visibility) -> Self {
        self.visibility = visibility;
        self
    }

    /// Refuses what has no meaning, rather than mend it.
    pub(crate) fn check(&self) -> Result<()> {
        let allowed = limits::SEGMENT_BYTES_MIN..=limits::SEGMENT_BYTES_MAX;
        if !allowed.contains(&self.segment_bytes) {
            let why = "it must be from 16 KiB to 512 MiB";
            return Err(Error::Invalid { what: "segment_bytes", why });
        }
        if !(Duration::from_millis(1)..=Duration::from_secs(60)).contains(&self.flush_after) {
            let why = "it must be from 1 ms to 60 s";
            return Err(Error::Invalid { what: "flush_after", why });
        }
        if !(64 << 10..=1 << 30).contains(&self.in_flight_bytes) {
            let why = "it must be from 64 KiB to 1 GiB";
            return Err(Error::Invalid { what: "in_flight_bytes", why });
        }
        Ok(())
    }
}

//! How a call fails: which errors each kind of call can report, and the text of one
//! failing call, which runs it again.

use std::fmt;
use std::str::FromStr;

use annals::Reading;
use annals::io::sim::{CallKind, Failure, Fault, Nth, Times};

/// Which calls are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those of one kind.
    Of(CallKind),
    /// All that change something: the file system turns read-only, or the device goes,
    /// at one moment.
    Change,
    /// All of them.
    Any,
}

/// The error, and how many bytes of a write happen all the same; of any other call,
/// that it happens.
pub type How = (Failure, Option<u64>);

const EIO: How = (Failure::Device, None);
const ENOSPC: How = (Failure::NoSpace, None);
const EDQUOT: How = (Failure::Quota, None);
const EROFS: How = (Failure::ReadOnly, None);
const EMFILE: How = (Failure::TooManyFiles, None);
const EINTR: How = (Failure::Interrupted, None);
/// Not one of the seven, and the only one that a mapping can report: no memory for it,
/// or too many of them.
pub const ENOMEM: How = (Failure::Kind(std::io::ErrorKind::OutOfMemory), None);

/// The error is told, and what was asked for is done: as on a network, or when the power
/// of the controller goes after the disk was reached.
const EIO_DONE: How = (Failure::Device, Some(0));

/// A call that needs a descriptor, and looks up or reads something.
const LOOKS: [How; 3] = [EIO, EMFILE, EINTR];

/// An existing file is opened for writing as for reading: a descriptor, and on a
/// read-only file system the refusal of the former. It takes no space.
const OPENS: [How; 4] = [EIO, EMFILE, EINTR, EROFS];

/// A name is made: it needs a block, an inode, a descriptor.
const MAKES: [How; 7] = [EIO, EIO_DONE, ENOSPC, EDQUOT, EROFS, EMFILE, EINTR];

/// A name is changed or goes: that takes space where the file system copies what it
/// changes, and no descriptor. Such calls are not interrupted.
const NAMES: [How; 5] = [EIO, EIO_DONE, ENOSPC, EDQUOT, EROFS];

/// A sync reports what was put off: the device's errors, and those of space that was
/// not allocated before. It needs no descriptor.
const SYNCS: [How; 6] = [EIO, EIO_DONE, ENOSPC, EDQUOT, EROFS, EINTR];

/// The directory is opened for it.
const SYNC_DIRS: [How; 7] = [EIO, EIO_DONE, ENOSPC, EDQUOT, EROFS, EINTR, EMFILE];

/// A length is changed through a descriptor.
const LENGTHS: [How; 6] = [EIO, EIO_DONE, ENOSPC, EDQUOT, EROFS, EINTR];

/// Nothing of the write happens; its first 100 bytes do, which is within a sector; 700,
/// which is past one; all of it. A descriptor is there.
const WRITES: [How; 12] = [
    EIO,
    (Failure::Device, Some(100)),
    (Failure::Device, Some(700)),
    (Failure::Device, Some(1 << 30)),
    ENOSPC,
    (Failure::NoSpace, Some(100)),
    (Failure::NoSpace, Some(700)),
    (Failure::Quota, Some(700)),
    EDQUOT,
    EROFS,
    EINTR,
    (Failure::Interrupted, Some(600)),
];

/// What a writer's calls can report, which is what `CallKind::failures` says; left out is
/// whether a writer is alive, which only readers ask.
pub const WRITER: [(Which, &[How]); 16] = [
    (Which::Of(CallKind::Write), &WRITES),
    (Which::Of(CallKind::SyncData), &SYNCS),
    (Which::Of(CallKind::SyncAll), &SYNCS),
    (Which::Of(CallKind::SyncDir), &SYNC_DIRS),
    (Which::Of(CallKind::Create), &MAKES),
    (Which::Of(CallKind::Rename), &NAMES),
    (Which::Of(CallKind::Remove), &NAMES),
    (Which::Of(CallKind::SetLen), &LENGTHS),
    (Which::Of(CallKind::Open), &OPENS),
    (Which::Of(CallKind::List), &LOOKS),
    (Which::Of(CallKind::Lock), &LOOKS),
    // A `stat` and an `fstat`: no descriptor, no space, no waiting.
    (Which::Of(CallKind::Exists), &[EIO]),
    (Which::Of(CallKind::Len), &[EIO]),
    // Made once, before anything else is there.
    (Which::Of(CallKind::CreateDir), &NAMES),
    (Which::Of(CallKind::Map), &[ENOMEM]),
    (Which::Of(CallKind::Share), &[ENOMEM]),
];

/// What reads can report: a descriptor is there, and nothing is written.
pub const READS: [(Which, &[How]); 1] = [(Which::Of(CallKind::Read), &[EIO, EINTR])];

/// The device or the file system goes at one moment and stays away.
pub const GONE: [(Which, &[How]); 1] = [(Which::Change, &[EIO, EROFS])];

/// What the calls of a reader beside a writer can report: it writes nothing.
pub const READER: [(Which, &[How]); 10] = [
    (Which::Of(CallKind::Exists), &[EIO]),
    (Which::Of(CallKind::List), &LOOKS),
    (Which::Of(CallKind::Open), &OPENS),
    (Which::Of(CallKind::Lock), &LOOKS),
    (Which::Of(CallKind::WriterAlive), &LOOKS),
    (Which::Of(CallKind::Len), &[EIO]),
    (Which::Of(CallKind::SyncData), &SYNCS),
    (Which::Of(CallKind::SyncAll), &SYNCS),
    (Which::Of(CallKind::Map), &[ENOMEM]),
    (Which::Of(CallKind::Share), &[ENOMEM]),
];

/// One failing call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strike {
    /// Which calls are counted.
    pub which: Which,
    /// The number of the first that fails, from 1.
    pub nth: u64,
    /// The error.
    pub failure: Failure,
    /// How much happens all the same.
    pub partial: Option<u64>,
    /// Once, or from there on.
    pub times: Times,
    /// How the log reads.
    pub reading: Reading,
}

impl Strike {
    /// Whether a reader that it strikes may follow what the segments prove, since it could
    /// not look at the words of the writer: it asks them again once a second.
    pub fn hides_the_words(&self) -> bool {
        matches!(self.which, Which::Of(CallKind::Open | CallKind::Share))
    }

    /// The fault to order.
    pub fn fault(&self) -> Fault {
        let nth = match self.which {
            Which::Of(kind) => Nth::Of(kind, self.nth),
            Which::Change => Nth::Change(self.nth),
            Which::Any => Nth::Call(self.nth),
        };
        let fault = Fault::new(nth, self.failure).times(self.times);
        self.partial.map_or(fault.clone(), |bytes| fault.partial(bytes))
    }
}

/// Every way of a table, with its first call.
pub fn strikes(table: &[(Which, &[How])], times: &[Times], reading: Reading) -> Vec<Strike> {
    let each = |(which, failures): &(Which, &[How])| {
        let which = *which;
        let of = |(failure, partial): &How| {
            let (failure, partial) = (*failure, *partial);
            let make = move |times: &Times| Strike {
                which,
                nth: 1,
                failure,
                partial,
                times: *times,
                reading,
            };
            times.iter().map(make).collect::<Vec<_>>()
        };
        failures.iter().flat_map(of).collect::<Vec<_>>()
    };
    table.iter().flat_map(each).collect()
}

const ERRORS: [(Failure, &str); 7] = [
    (Failure::Device, "EIO"),
    (Failure::NoSpace, "ENOSPC"),
    (Failure::Quota, "EDQUOT"),
    (Failure::ReadOnly, "EROFS"),
    (Failure::TooManyFiles, "EMFILE"),
    (Failure::Interrupted, "EINTR"),
    (Failure::Kind(std::io::ErrorKind::OutOfMemory), "ENOMEM"),
];

impl fmt::Display for Strike {
    /// As `Write.12.ENOSPC.700.once.pread`: the calls, which of them, the error, what
    /// happens all the same (`-` for nothing), how often, how the log reads.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.which {
            Which::Of(kind) => write!(out, "{kind:?}")?,
            Which::Change => out.write_str("Change")?,
            Which::Any => out.write_str("Call")?,
        }
        let error = ERRORS.iter().find(|(failure, _)| *failure == self.failure);
        write!(out, ".{}.{}.", self.nth, error.map_or("?", |(_, name)| name))?;
        match self.partial {
            Some(bytes) => write!(out, "{bytes}")?,
            None => out.write_str("-")?,
        }
        let times = if self.times == Times::Once { "once" } else { "good" };
        let reading = if self.reading == Reading::Pread { "pread" } else { "mapped" };
        write!(out, ".{times}.{reading}")
    }
}

impl FromStr for Strike {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("no failing call is written {text:?}");
        let parts: Vec<_> = text.split('.').collect();
        let [which, nth, error, partial, times, reading] = *parts else { return Err(unknown()) };
        let kind = CallKind::ALL.into_iter().find(|kind| format!("{kind:?}") == which);
        let which = match (which, kind) {
            ("Change", _) => Which::Change,
            ("Call", _) => Which::Any,
            (_, kind) => Which::Of(kind.ok_or_else(unknown)?),
        };
        let failure = ERRORS.iter().find(|(_, name)| *name == error).ok_or_else(unknown)?.0;
        let partial = match partial {
            "-" => None,
            bytes => Some(bytes.parse().map_err(|_| unknown())?),
        };
        let times = match times {
            "once" => Times::Once,
            "good" => Times::ForGood,
            _ => return Err(unknown()),
        };
        let reading = match reading {
            "mapped" => Reading::Mapped,
            "pread" => Reading::Pread,
            _ => return Err(unknown()),
        };
        let nth = nth.parse().map_err(|_| unknown())?;
        Ok(Self { which, nth, failure, partial, times, reading })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_call_is_read_back_as_it_was_written() {
        let both = [Times::Once, Times::ForGood];
        let tables =
            [strikes(&WRITER, &both, Reading::Mapped), strikes(&READER, &both, Reading::Pread)];
        for strike in tables.concat() {
            assert_eq!(strike.to_string().parse(), Ok(strike));
        }
        for wrong in ["", "Write.1", "Write.x.EIO.-.once.pread", "Wrote.1.EIO.-.once.pread"] {
            assert!(wrong.parse::<Strike>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_call_fails_with_all_that_it_can_report() {
        for (which, hows) in WRITER.iter().chain(&READS).chain(&READER) {
            let Which::Of(kind) = which else { panic!("{which:?}") };
            let can = kind.failures();
            assert!(hows.iter().all(|(failure, _)| can.contains(failure)), "{kind:?}");
            assert!(can.iter().all(|can| hows.iter().any(|(how, _)| how == can)), "{kind:?}");
        }
        let swept = |kind| {
            let mut rows = WRITER.iter().chain(&READS).chain(&READER);
            rows.any(|(which, _)| *which == Which::Of(kind))
        };
        assert!(CallKind::ALL.into_iter().all(swept));
    }
}

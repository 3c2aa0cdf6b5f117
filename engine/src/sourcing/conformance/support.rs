//! What checks are written with: short words for appends and reads, and for what was seen.

use std::fmt::{self, Debug};
use std::ops::ControlFlow;
use std::panic::Location;
use std::time::Duration;

use crate::sourcing::{Store, StoreReader, Tail};
use crate::sync::Instant;
use crate::{Batch, Committed, Error, Expected, NewEvent};

/// How long a store may take to tell of what was waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What was seen instead of what is promised, and by which line of the check.
#[derive(Debug)]
pub(super) struct Seen {
    what: String,
    at: &'static Location<'static>,
}

/// What a check comes to.
pub(super) type Verdict<T = ()> = Result<T, Seen>;

impl Seen {
    #[track_caller]
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), at: Location::caller() }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.at.file().rsplit(['/', '\\']).next().unwrap_or_default();
        write!(formatter, "{} (conformance/{file}:{})", self.what, self.at.line())
    }
}

impl From<Error> for Seen {
    #[track_caller]
    fn from(error: Error) -> Self {
        Self::new(format!("an error: {error}"))
    }
}

#[track_caller]
pub(super) fn same<T: PartialEq + Debug>(what: &str, found: T, promised: T) -> Verdict {
    if found == promised {
        return Ok(());
    }
    Err(Seen::new(format!("{what} is {found:?} and not {promised:?}")))
}

#[track_caller]
pub(super) fn holds(what: &str, does: bool) -> Verdict {
    if does { Ok(()) } else { Err(Seen::new(format!("it does not hold that {what}"))) }
}

/// The error of an append that must be refused.
#[track_caller]
pub(super) fn refused(appended: crate::Result<Committed>) -> Verdict<Error> {
    match appended {
        Ok(committed) => Err(Seen::new(format!("it was appended: {committed:?}"))),
        Err(error) => Ok(error),
    }
}

/// Events of these types, whatever the stream is.
pub(super) fn batch(stream: &str, types: &[&str]) -> Batch {
    expecting(stream, Expected::Any, types)
}

/// Events of these types, if the stream is as expected.
pub(super) fn expecting(stream: &str, expected: Expected, types: &[&str]) -> Batch {
    let mut batch = Batch::new();
    batch.write(stream, expected, types.iter().copied().map(NewEvent::new));
    batch
}

#[track_caller]
pub(super) fn append(store: &dyn Store, stream: &str, types: &[&str]) -> Verdict<Committed> {
    match store.append(&batch(stream, types)) {
        Ok(committed) => Ok(committed),
        Err(error) => Err(Seen::new(format!("an append was refused: {error}"))),
    }
}

/// An event as most checks look at it: version, position, type.
pub(super) type Line = (u64, u64, String);

pub(super) fn line(version: u64, position: u64, event_type: &str) -> Line {
    (version, position, event_type.to_owned())
}

/// What a read of a stream hands out.
#[track_caller]
pub(super) fn lines(store: &dyn StoreReader, stream: &str, from: u64) -> Verdict<Vec<Line>> {
    let mut lines = Vec::new();
    let mut foreign = None;
    store.read(stream, from, &mut |event| {
        if event.stream() != stream {
            foreign = Some(event.stream().to_owned());
        }
        lines.push(line(event.version(), event.position(), event.event_type()));
        ControlFlow::Continue(())
    })?;
    match foreign {
        Some(other) => Err(Seen::new(format!("a read of {stream:?} has events of {other:?}"))),
        None => Ok(lines),
    }
}

/// The positions that a tail hands out until it has looked at everything up to `end`.
#[track_caller]
pub(super) fn follow(tail: &mut dyn Tail, end: u64) -> Verdict<Vec<u64>> {
    let mut positions = Vec::new();
    let mut since = Instant::now();
    let mut stood_at = None;
    loop {
        let mut handed = 0;
        let said = tail.poll(3, &mut |event| {
            handed += 1;
            positions.push(event.position());
        })?;
        same("what a poll says that it handed out", said, handed)?;
        holds("a poll hands out no more than was asked for", handed <= 3)?;
        let rises = positions.is_sorted_by(|one, next| one < next);
        holds("a tail hands out each position once and in order", rises)?;
        if handed > 0 {
            (since, stood_at) = (Instant::now(), None);
            continue;
        }
        let scanned = tail.scanned_to();
        if scanned >= end {
            return Ok(positions);
        }
        holds("a poll looks at what a wait tells of", stood_at != Some(scanned))?;
        if since.elapsed() > PATIENCE {
            return Err(Seen::new(format!("a tail stays at {scanned}, the log goes to {end}")));
        }
        stood_at = tail.wait(Duration::from_millis(10))?.then_some(scanned);
    }
}

/// Waits until there is more, as long as a store may take.
#[track_caller]
pub(super) fn told(tail: &mut dyn Tail) -> Verdict {
    let since = Instant::now();
    if tail.wait(PATIENCE)? {
        return Ok(());
    }
    let waited = since.elapsed();
    Err(Seen::new(format!("a wait of {PATIENCE:?} ended after {waited:?} without anything")))
}

//! What was submitted, acknowledged and shown, kept outside the log: it decides what
//! a log may hold after a crash.
//!
//! How a log is read is in `check`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use annals::{Batch, Event, Expected, NewEvent, Uuid};

use crate::numbers::{Numbers, digest, wide};

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which of the invariants, in words.
    pub invariant: &'static str,
    /// What was seen instead.
    pub what: String,
}

impl Broken {
    /// A broken promise.
    pub fn new(invariant: &'static str, what: impl fmt::Display) -> Self {
        Self { invariant, what: what.to_string() }
    }

    /// The same with where it was seen in front.
    #[must_use]
    pub fn within(self, place: impl fmt::Display) -> Self {
        Self { what: format!("{place}: {}", self.what), ..self }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "[{}] {}", self.invariant, self.what)
    }
}

/// An event as it was submitted, or as it was read.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Told {
    /// Its stream.
    pub stream: Arc<str>,
    /// Its id.
    pub id: u128,
    /// Its data.
    pub data: Arc<[u8]>,
    /// Whether its batch ends with it.
    pub last: bool,
}

impl fmt::Debug for Told {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.last { "." } else { "" };
        write!(out, "{}:{:x}/{}{end}", self.stream, self.id & 0xFFFF_FFFF, self.data.len())
    }
}

impl Told {
    /// An event of `len` bytes of data that follow from its id, none of them 0.
    pub fn make(stream: &str, id: u128, len: usize) -> Self {
        let mut numbers = Numbers::new(digest(&id));
        let mut data = Vec::with_capacity(len + 8);
        while data.len() < len {
            data.extend(numbers.next().to_le_bytes().map(|byte| byte | 1));
        }
        data.truncate(len);
        Self { stream: stream.into(), id, data: data.into(), last: true }
    }

    /// An event as the log shows it.
    pub fn read(event: &Event<'_>) -> Self {
        Self {
            stream: event.stream().into(),
            id: event.id().as_u128(),
            data: event.data().into(),
            last: event.is_last_of_batch(),
        }
    }
}

/// The type of every event that is appended here.
pub const EVENT_TYPE: &str = "Told";

/// Everything that is known about a log from outside.
#[derive(Debug, Clone, Default)]
pub struct Oracle {
    /// What must be there: acknowledged, or seen in an open log.
    pub kept: Vec<Told>,
    /// The batch whose fate is open: submitted and not answered, or answered with
    /// an error that says so.
    pub flying: Option<Vec<Told>>,
    /// The highest position that the log has called durable.
    pub promised: u64,
}

impl Oracle {
    /// What tells this oracle from others.
    pub fn digest(&self) -> u64 {
        let ids = |told: &Vec<Told>| told.iter().map(|told| told.id).collect::<Vec<_>>();
        digest(&(ids(&self.kept), self.flying.as_ref().map(ids), self.promised))
    }

    /// Version of a stream.
    pub fn version(&self, stream: &str) -> u64 {
        wide(self.kept.iter().filter(|told| &*told.stream == stream).count())
    }

    /// Versions of all streams.
    pub fn versions(told: &[Told]) -> BTreeMap<Arc<str>, u64> {
        let mut versions = BTreeMap::new();
        for told in told {
            *versions.entry(Arc::clone(&told.stream)).or_default() += 1;
        }
        versions
    }

    /// A batch that expects every stream where it is.
    pub fn batch(&self, told: &[Told]) -> Batch {
        let mut batch = Batch::new();
        for told in told {
            let event =
                NewEvent::new(EVENT_TYPE).id(Uuid::from_u128(told.id)).data(&told.data).tag("t");
            batch.write(&told.stream, Expected::Exact(self.version(&told.stream)), [event]);
        }
        batch
    }

    /// Whether a log that was opened after a crash may hold this.
    ///
    /// # Errors
    /// If something that must be there is not, or something is there that must not
    /// be.
    pub fn admits(&self, found: &[Told]) -> Result<(), Broken> {
        if wide(found.len()) < self.promised {
            let what = format!("{} events, {} were called durable", found.len(), self.promised);
            return Err(Broken::new("9: what was delivered is there", what));
        }
        let Some(rest) = found.strip_prefix(&*self.kept) else {
            let what = format!("found {found:?}, must start with {:?}", self.kept);
            return Err(Broken::new("1: every durable record is there", what));
        };
        if rest.is_empty() || self.flying.as_deref() == Some(rest) {
            return Ok(());
        }
        let what = format!("{rest:?} after what was kept, in flight was {:?}", self.flying);
        Err(Broken::new("3, 4: nothing invented or doubled, batches whole or absent", what))
    }

    /// Takes over what an open log shows.
    ///
    /// # Errors
    /// If it may not show that.
    pub fn settle(&mut self, found: Vec<Told>) -> Result<(), Broken> {
        self.admits(&found)?;
        self.kept = found;
        self.flying = None;
        self.promised = wide(self.kept.len());
        Ok(())
    }
}

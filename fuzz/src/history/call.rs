//! What a thread asks of a log and what it is answered, as plain values, and when.
//!
//! A log is not known here.

use std::fmt;

use annals::{Durability, Expected, Visibility};

/// The streams of all histories; what names one is its place in this list.
pub const STREAMS: [&str; 4] = ["a-1", "b-1", "b-2", "c"];

/// The number of a stream that is not in the list, which no answer may name.
pub const UNKNOWN: usize = usize::MAX;

/// The streams that a batch writes or expects something of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Which stream.
    pub stream: usize,
    /// What is expected of it.
    pub expected: Expected,
    /// The ids of the events; none if it is only looked at.
    pub ids: Vec<u128>,
}

/// A batch as it was asked for. What an event holds follows from its id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// What it writes and expects.
    pub writes: Vec<Write>,
    /// Its idempotency key.
    pub key: Option<u32>,
}

impl Asked {
    /// Its events in order: stream and id.
    pub fn events(&self) -> impl Iterator<Item = (usize, u128)> {
        self.writes.iter().flat_map(|write| write.ids.iter().map(|id| (write.stream, *id)))
    }
}

/// What is asked of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// To append a batch; by a ticket that is waited for, or not.
    Append(Asked, Durability, bool),
    /// The last so many events of a stream, newest first.
    Stream(usize, u64),
    /// The version of a stream.
    Version(usize),
    /// At most so many events of the log after a position.
    All(u64, u64),
    /// Where the event with this id is.
    Event(u128),
    /// Everything that is new to this thread's cursor.
    Follow(Visibility),
    /// The last durable position.
    Head,
    /// To make everything durable.
    Sync,
}

impl Op {
    /// Whether the answer is one of a log that all threads share, at one moment. Cursors
    /// and the head lag behind that, and have conditions of their own.
    pub const fn is_of_one_moment(&self) -> bool {
        !matches!(self, Self::Follow(_) | Self::Head | Self::Sync)
    }
}

/// An event as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seen {
    /// Its position.
    pub position: u64,
    /// Its stream.
    pub stream: usize,
    /// Its version.
    pub version: u64,
    /// Its id.
    pub id: u128,
    /// Whether its batch ends with it.
    pub last: bool,
}

/// What an append was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Position of the first event; the next position if there is none.
    pub first: u64,
    /// Position of the last event; the one before `first` if there is none.
    pub last: u64,
    /// The version of each stream that was written.
    pub versions: Vec<(usize, u64)>,
    /// Whether it was there already.
    pub again: bool,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The batch is in the log; and how safe.
    Placed(Placed, Durability),
    /// A stream is not where it was expected, but at this version.
    Conflict(usize, Expected, u64),
    /// The event with this id is in the log already, here, and the batch is not.
    Partly(u128, u64),
    /// Events that were read.
    Events(Vec<Seen>),
    /// A version.
    Version(u64),
    /// Where an event is.
    Event(Option<u64>),
    /// The last durable position.
    Head(u64),
    /// Everything is durable.
    Synced,
    /// The log takes no more appends: what was asked for may have happened or not.
    Poisoned(String),
    /// Anything else, which no log should say.
    Strange(String),
}

/// Something that was asked and answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// By which thread.
    pub thread: usize,
    /// The number of the moment before it was asked, common to all threads.
    pub asked: u64,
    /// The number of the moment after the answer.
    pub answered: u64,
    /// What was asked.
    pub op: Op,
    /// What was answered.
    pub answer: Answer,
    /// The ids, in order, of a log that was opened after a crash just then: after a power
    /// cut, or a kill.
    pub crashed: Option<(Crashed, Vec<u128>)>,
}

/// How a copy of the disk was left before it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crashed {
    /// Nothing that was not synced survived.
    Cut,
    /// Everything that was written survived.
    Kill,
}

/// What several threads asked of one log, and what the log held at the end.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The seed that it was made from.
    pub seed: u64,
    /// All calls, in the order in which they were asked.
    pub calls: Vec<Call>,
    /// All events of the log, read when all threads were done.
    pub log: Vec<Seen>,
}

impl fmt::Display for History {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "history of seed {}, {} calls", self.seed, self.calls.len())?;
        let shown = self.calls.len().min(200);
        for call in self.calls.iter().take(shown) {
            writeln!(out, "  {call}")?;
        }
        if shown < self.calls.len() {
            writeln!(out, "  ... {} more", self.calls.len() - shown)?;
        }
        let log: Vec<_> = self.log.iter().take(shown).map(Short).collect();
        writeln!(out, "  the log at the end: {log:?}")
    }
}

/// An event in few characters.
struct Short<'a>(&'a Seen);

impl fmt::Debug for Short<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seen { position, stream, version, id, last } = self.0;
        let end = if *last { "." } else { "" };
        write!(out, "{position}:{}@{version}#{id:x}{end}", name(*stream))
    }
}

/// The name of a stream.
pub fn name(stream: usize) -> &'static str {
    STREAMS.get(stream).copied().unwrap_or("?")
}

impl fmt::Display for Call {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { thread, asked, answered, op, answer, crashed } = self;
        write!(out, "[{asked:>3} {answered:>3}] thread {thread}: ")?;
        match op {
            Op::Append(asked, level, ticket) => {
                write!(out, "append {level:?}{}", if *ticket { " by ticket" } else { "" })?;
                for Write { stream, expected, ids } in &asked.writes {
                    write!(out, " {}[{expected}]{ids:x?}", name(*stream))?;
                }
                asked.key.iter().try_for_each(|key| write!(out, " key {key}"))?;
            }
            Op::Stream(stream, last) => write!(out, "last {last} of {}", name(*stream))?,
            Op::Version(stream) => write!(out, "version of {}", name(*stream))?,
            op => write!(out, "{op:x?}")?,
        }
        match answer {
            Answer::Events(events) => {
                write!(out, " -> {:?}", events.iter().map(Short).collect::<Vec<_>>())?;
            }
            answer => write!(out, " -> {answer:x?}")?,
        }
        crashed.iter().try_for_each(|(how, ids)| write!(out, "; {how:?} then: {ids:x?}"))
    }
}

//! What a log held at the end, to be asked by position, stream, id and key: all that a call
//! may have been answered must fit some part of it that begins at its start.

use std::collections::HashMap;

use super::call::{Answer, Asked, Call, Op, Placed, STREAMS, Seen};
use crate::numbers::{narrow, wide};
use crate::oracle::Broken;

/// An answer that fits no state that the log was ever in.
pub fn wrong(what: impl std::fmt::Display) -> Broken {
    Broken::new("an answer is that of the log at one moment", what)
}

/// The log, and what the keys came to.
#[derive(Debug)]
pub struct Held<'a> {
    log: &'a [Seen],
    /// First and last position of each event's batch.
    batches: Vec<(u64, u64)>,
    /// Positions of the events of each stream.
    streams: [Vec<u64>; STREAMS.len()],
    ids: HashMap<u128, u64>,
    keys: HashMap<u32, Outcome>,
}

/// What the batch with a key came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// First position.
    pub first: u64,
    /// Last position; before `first` if it has no events.
    pub last: u64,
    /// The key came with these events, and not later.
    pub with_events: bool,
}

impl<'a> Held<'a> {
    /// Of the log that was read at the end, and the calls that led to it.
    ///
    /// # Errors
    /// If positions or versions are not dense, an id or a key is there twice, or a batch is
    /// not whole.
    pub fn new(log: &'a [Seen], calls: &[Call]) -> Result<Self, Broken> {
        let streams = STREAMS.map(|_| Vec::new());
        let ids = HashMap::with_capacity(log.len());
        let mut held = Self { log, batches: Vec::new(), streams, ids, keys: HashMap::new() };
        let mut first = 1;
        for (position, seen) in (1..).zip(log) {
            let bad = |what: &str| Err(wrong(format!("{what}: {seen:?} at position {position}")));
            let Some(stream) = held.streams.get_mut(seen.stream) else {
                return bad("a stream that nobody wrote");
            };
            stream.push(position);
            if seen.position != position || seen.version != wide(stream.len()) {
                return bad("positions and versions are not dense");
            }
            if held.ids.insert(seen.id, position).is_some() {
                return bad("an event is there twice");
            }
            if seen.last {
                held.batches.extend((first..=position).map(|_| (first, position)));
                first = position + 1;
            }
        }
        if held.batches.len() != log.len() {
            return Err(wrong("the log ends within a batch"));
        }
        held.learn_keys(calls)?;
        Ok(held)
    }

    /// Each key has one outcome: that of the batch that brought it.
    fn learn_keys(&mut self, calls: &[Call]) -> Result<(), Broken> {
        for again in [false, true] {
            for call in calls {
                let (Op::Append(Asked { key: Some(key), .. }, ..), Answer::Placed(placed, _)) =
                    (&call.op, &call.answer)
                else {
                    continue;
                };
                if placed.again != again {
                    continue;
                }
                let Placed { first, last, .. } = *placed;
                let outcome = Outcome { first, last, with_events: !again };
                let known = *self.keys.entry(*key).or_insert(outcome);
                if (known.first, known.last) != (first, last) {
                    return Err(wrong(format!("a key with two outcomes, {known:?}: {call}")));
                }
            }
        }
        Ok(())
    }

    /// How many events there are.
    pub fn len(&self) -> u64 {
        wide(self.log.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// The event at a position.
    pub fn at(&self, position: u64) -> Option<&'a Seen> {
        self.log.get(narrow(position.checked_sub(1)?))
    }

    /// The events after a position, at most so many.
    pub fn after(&self, position: u64, count: usize) -> &'a [Seen] {
        let rest = self.log.get(narrow(position)..).unwrap_or_default();
        rest.get(..count.min(rest.len())).unwrap_or_default()
    }

    /// First and last position of the batch that holds this position.
    pub fn batch_of(&self, position: u64) -> Option<(u64, u64)> {
        self.batches.get(narrow(position.checked_sub(1)?)).copied()
    }

    /// Whether the log can end there: not within a batch.
    pub fn is_an_end(&self, position: u64) -> bool {
        position == 0 || self.batch_of(position).is_some_and(|(_, last)| last == position)
    }

    /// Where the event of this stream and version is.
    pub fn version_at(&self, stream: usize, version: u64) -> Option<u64> {
        self.streams.get(stream)?.get(narrow(version.checked_sub(1)?)).copied()
    }

    /// The version of a stream in a log that ends there.
    pub fn version_until(&self, stream: usize, end: u64) -> u64 {
        let of_stream = self.streams.get(stream).map(Vec::as_slice).unwrap_or_default();
        wide(of_stream.partition_point(|position| *position <= end))
    }

    /// Where the event with this id is.
    pub fn id(&self, id: u128) -> Option<u64> {
        self.ids.get(&id).copied()
    }

    /// What the batch with this key came to.
    pub fn key(&self, key: u32) -> Option<Outcome> {
        self.keys.get(&key).copied()
    }

    /// Whether the events of a batch stand at these positions and nothing else does.
    pub fn holds(&self, asked: &Asked, first: u64, last: u64) -> bool {
        let there = self.after(first.saturating_sub(1), narrow(last + 1 - first));
        there.iter().map(|seen| (seen.stream, seen.id)).eq(asked.events())
    }

    /// Whether the versions of an answer are those of the events at its positions.
    pub fn has_versions(&self, placed: &Placed) -> bool {
        let events =
            self.after(placed.first.saturating_sub(1), narrow(placed.last + 1 - placed.first));
        let mut versions: Vec<(usize, u64)> = Vec::new();
        for seen in events {
            versions.retain(|(stream, _)| *stream != seen.stream);
            versions.push((seen.stream, seen.version));
        }
        versions.sort_unstable();
        versions == placed.versions
    }
}

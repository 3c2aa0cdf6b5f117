//! The log as one thread would see it: what each call is answered in which state.
//!
//! A sequential specification in a few lines, without any of the engine's ideas of how to
//! get there.

use std::collections::BTreeMap;

use annals::Durability;

use super::call::{Answer, Asked, Op, Placed, Seen};
use crate::numbers::{narrow, wide};

/// The state of a log.
#[derive(Debug, Clone, Default)]
pub struct Spec {
    events: Vec<Seen>,
    /// What the batch with each key came to: first and last position.
    keys: BTreeMap<u32, (u64, u64)>,
}

impl Spec {
    /// What the log answers in this state, which is the one after it then.
    pub fn answer(&mut self, op: &Op) -> Answer {
        match op {
            Op::Append(asked, level, _) => self.append(asked, *level),
            Op::Stream(stream, last) => {
                let of_stream = self.events.iter().rev().filter(|seen| seen.stream == *stream);
                Answer::Events(of_stream.take(narrow(*last)).copied().collect())
            }
            Op::Version(stream) => Answer::Version(self.version(*stream)),
            Op::All(after, limit) => {
                let after = self.events.iter().skip(narrow(*after));
                Answer::Events(after.take(narrow(*limit)).copied().collect())
            }
            Op::Event(id) => Answer::Event(self.find(*id)),
            Op::Follow(_) | Op::Head | Op::Sync => Answer::Strange("not of one moment".to_owned()),
        }
    }

    /// Whether the log may answer so in this state; if it may, the state is that after it.
    pub fn allows(&mut self, op: &Op, answer: &Answer) -> bool {
        match (self.answer(op), answer) {
            // It may be safer than asked.
            (Answer::Placed(placed, asked), Answer::Placed(answered, level)) => {
                placed == *answered && *level >= asked
            }
            // Any event that is there already may be named.
            (Answer::Partly(..), Answer::Partly(id, position)) => {
                let Op::Append(asked, ..) = op else { return false };
                let asks = asked.events().any(|(_, asked)| asked == *id);
                asks && self.find(*id) == Some(*position)
            }
            (expected, answer) => expected == *answer,
        }
    }

    fn version(&self, stream: usize) -> u64 {
        wide(self.events.iter().filter(|seen| seen.stream == stream).count())
    }

    fn find(&self, id: u128) -> Option<u64> {
        self.events.iter().find(|seen| seen.id == id).map(|seen| seen.position)
    }

    fn append(&mut self, asked: &Asked, level: Durability) -> Answer {
        if let Some((first, last)) = asked.key.and_then(|key| self.keys.get(&key).copied()) {
            return Answer::Placed(self.outcome(first, last), level);
        }
        let mut found = asked.events().filter_map(|(_, id)| Some((id, self.find(id)?)));
        if let Some((id, first)) = found.next() {
            let there = self.events.iter().skip(narrow(first).saturating_sub(1));
            let there = there.map(|seen| (seen.stream, seen.id));
            let count = asked.events().count();
            if !there.take(count).eq(asked.events()) {
                return Answer::Partly(id, first);
            }
            return Answer::Placed(self.keyed(asked, first, count, true), level);
        }
        for write in &asked.writes {
            let actual = self.version(write.stream);
            if !write.expected.allows(actual) {
                return Answer::Conflict(write.stream, write.expected, actual);
            }
        }
        let first = wide(self.events.len()) + 1;
        let count = asked.events().count();
        for (index, (stream, id)) in asked.events().enumerate() {
            let (position, version) = (wide(self.events.len()) + 1, self.version(stream) + 1);
            self.events.push(Seen { position, stream, version, id, last: index + 1 == count });
        }
        Answer::Placed(self.keyed(asked, first, count, false), level)
    }

    /// The outcome of a batch that lies here, which its key stands for from now on.
    fn keyed(&mut self, asked: &Asked, first: u64, count: usize, again: bool) -> Placed {
        let last = first + wide(count) - 1;
        if let Some(key) = asked.key {
            self.keys.insert(key, (first, last));
        }
        Placed { again, ..self.outcome(first, last) }
    }

    /// What the batch at these positions is answered when it comes again.
    fn outcome(&self, first: u64, last: u64) -> Placed {
        let events = self.events.iter().filter(|seen| (first..=last).contains(&seen.position));
        let versions: BTreeMap<_, _> = events.map(|seen| (seen.stream, seen.version)).collect();
        Placed { first, last, versions: versions.into_iter().collect(), again: true }
    }
}

//! Answers that no log gives, put into a history that happened: what checks must refuse.

use super::call::{Answer, Call, History, Op, Placed, Seen};
use super::held::Held;
use crate::numbers::{Numbers, narrow, wide};

/// What is changed in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bend {
    /// Two appends, one after the other, change their times.
    Swapped,
    /// A read is without the last event that was acknowledged before it.
    Stale,
    /// A read shows an event that was asked for after it.
    Early,
    /// The last batch that was acknowledged is not in the log.
    Lost,
    /// A conflict names a version that is over.
    OldConflict,
    /// An event that was acknowledged is not found by its id.
    Forgotten,
}

/// All of them.
pub const BENDS: [Bend; 6] =
    [Bend::Swapped, Bend::Stale, Bend::Early, Bend::Lost, Bend::OldConflict, Bend::Forgotten];

/// A history that cannot have happened; `None` if there is no place in it for this.
pub fn bend(history: &History, bend: Bend, seed: u64) -> Option<History> {
    let held = Held::new(&history.log, &history.calls).ok()?;
    let mut bent = history.clone();
    if bend == Bend::Swapped {
        swap(&mut bent)?;
        return Some(bent);
    }
    if bend == Bend::Lost {
        let last = *history.log.last()?;
        let whose = placer(history, &last)?;
        let Answer::Placed(Placed { first, .. }, _) = &whose.answer else { return None };
        bent.log.truncate(narrow(first - 1));
        return Some(bent);
    }
    let count = bent.calls.len();
    let from = narrow(Numbers::new(seed).below(wide(count)));
    for index in (from..count).chain(0..from) {
        let call = bent.calls.get_mut(index)?;
        if let Some(answer) = bent_answer(history, &held, call, bend) {
            call.answer = answer;
            call.crashed = None;
            return Some(bent);
        }
    }
    None
}

/// The call that placed an event, and was told so.
fn placer<'a>(history: &'a History, seen: &Seen) -> Option<&'a Call> {
    let placed = |call: &&Call| match &call.answer {
        Answer::Placed(placed, _) => {
            !placed.again && (placed.first..=placed.last).contains(&seen.position)
        }
        _ => false,
    };
    history.calls.iter().find(placed)
}

fn bent_answer(history: &History, held: &Held<'_>, call: &Call, bend: Bend) -> Option<Answer> {
    let was_there = |stream: usize, version: u64| {
        let seen = held.at(held.version_at(stream, version)?)?;
        placer(history, seen).filter(|placer| placer.answered < call.asked)
    };
    let came_later = |stream: usize, version: u64| {
        let seen = held.at(held.version_at(stream, version)?)?;
        placer(history, seen).filter(|placer| placer.asked > call.answered).map(|_| seen)
    };
    match (bend, &call.op, &call.answer) {
        (Bend::Stale, Op::Version(stream), Answer::Version(version)) => {
            was_there(*stream, *version).map(|_| Answer::Version(version - 1))
        }
        (Bend::Stale, Op::Stream(..), Answer::Events(events)) => {
            let (newest, rest) = events.split_first()?;
            was_there(newest.stream, newest.version).map(|_| Answer::Events(rest.to_vec()))
        }
        (Bend::Early, Op::Version(stream), Answer::Version(version)) => {
            came_later(*stream, version + 1).map(|_| Answer::Version(version + 1))
        }
        (Bend::Early, Op::Stream(stream, u64::MAX), Answer::Events(events)) => {
            let version = events.first().map_or(0, |seen| seen.version);
            let later = came_later(*stream, version + 1)?;
            Some(Answer::Events([&[*later], &events[..]].concat()))
        }
        (Bend::OldConflict, Op::Append(..), Answer::Conflict(stream, expected, actual)) => {
            let old = actual.checked_sub(1).filter(|old| !expected.allows(*old))?;
            was_there(*stream, *actual).map(|_| Answer::Conflict(*stream, *expected, old))
        }
        (Bend::Forgotten, Op::Event(_), Answer::Event(Some(position))) => {
            let seen = held.at(*position)?;
            was_there(seen.stream, seen.version).map(|_| Answer::Event(None))
        }
        _ => None,
    }
}

/// Two appends of which one was answered before the other was asked change places.
fn swap(history: &mut History) -> Option<()> {
    let fresh = |call: &Call| matches!(&call.answer, Answer::Placed(placed, _) if !placed.again && placed.first <= placed.last);
    let appends: Vec<_> =
        history.calls.iter().enumerate().filter(|(_, call)| fresh(call)).collect();
    let (one, other) = appends.iter().enumerate().find_map(|(at, (one, before))| {
        let (other, _) =
            appends.get(at + 1..)?.iter().find(|(_, call)| before.answered < call.asked)?;
        Some((*one, *other))
    })?;
    let first = history.calls.get(one)?.clone();
    let second = history.calls.get(other)?.clone();
    let times = |of: &Call, with: &Call| Call {
        thread: with.thread,
        asked: with.asked,
        answered: with.answered,
        crashed: None,
        ..of.clone()
    };
    *history.calls.get_mut(one)? = times(&second, &first);
    *history.calls.get_mut(other)? = times(&first, &second);
    Some(())
}

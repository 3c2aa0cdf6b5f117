//! Which states of the log an answer can be of: a range of its ends.
//!
//! All states of a log are beginnings of the log at the end. So an answer that is true in
//! some state is true from one end of the log up to another.

use annals::Visibility;

use super::call::{Answer, Asked, Call, Op, Placed, Seen};
use super::held::{Held, Outcome, wrong};
use crate::numbers::{narrow, wide};
use crate::oracle::Broken;

/// The ends of the log that fit an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The log ends here at the least when the call is done.
    pub from: u64,
    /// The log ends here at the most when the call takes effect.
    pub to: u64,
    /// The answer is of what the writer has placed, not of what reads see.
    pub placed: bool,
}

/// Any state.
const ANY: Window = Window { from: 0, to: u64::MAX, placed: false };

impl Window {
    fn exactly(held: &Held<'_>, end: u64) -> Result<Self, Broken> {
        if !held.is_an_end(end) {
            return Err(wrong(format!("a log that ends within a batch, at {end}")));
        }
        Ok(Self { from: end, to: end, placed: false })
    }

    /// Before anything of the batch that holds this position is there.
    fn before(self, held: &Held<'_>, position: Option<u64>) -> Self {
        let first = position.and_then(|position| held.batch_of(position)).map(|(first, _)| first);
        let to = first.map_or(u64::MAX, |first| first.saturating_sub(1));
        Self { to: self.to.min(to), ..self }
    }

    /// With all of the batch that holds this position.
    fn with(self, held: &Held<'_>, position: u64) -> Self {
        let last = held.batch_of(position).map_or(position, |(_, last)| last);
        Self { from: self.from.max(last), ..self }
    }

    /// While a stream was at this version.
    fn of_version(held: &Held<'_>, stream: usize, version: u64) -> Result<Self, Broken> {
        let at = held.version_at(stream, version);
        if version > 0 && at.is_none() {
            return Err(wrong(format!("version {version}, which never was")));
        }
        let window = at.map_or(ANY, |at| ANY.with(held, at));
        Ok(window.before(held, held.version_at(stream, version + 1)))
    }
}

/// Which ends of the log fit a call that all threads see at one moment.
///
/// # Errors
/// If none does, for what was answered never was so.
pub fn of(held: &Held<'_>, call: &Call) -> Result<Window, Broken> {
    let window = match (&call.op, &call.answer) {
        (Op::Append(asked, level, _), Answer::Placed(placed, reached)) => {
            if reached < level {
                return Err(Broken::new("an answer is at least as safe as asked", call));
            }
            return of_placed(held, asked, placed).map(|window| Window { placed: true, ..window });
        }
        (Op::Append(asked, ..), Answer::Conflict(stream, expected, actual)) => {
            let is_asked =
                |write: &super::call::Write| write.stream == *stream && write.expected == *expected;
            if !asked.writes.iter().any(is_asked) || expected.allows(*actual) {
                return Err(wrong("a conflict that is none"));
            }
            // Ids and keys are looked at before expectations.
            let window = Window::of_version(held, *stream, *actual)?;
            let window =
                asked.events().fold(window, |window, (_, id)| window.before(held, held.id(id)));
            Window { placed: true, ..before_key(held, asked, window) }
        }
        (Op::Append(asked, ..), Answer::Partly(id, position)) => {
            let whole = held.holds(asked, *position, position + wide(asked.events().count()) - 1);
            let asks = asked.events().any(|(_, asked)| asked == *id);
            if held.id(*id) != Some(*position) || !asks || whole {
                return Err(wrong("a duplicate that is none"));
            }
            let window = before_key(held, asked, ANY.with(held, *position));
            Window { placed: true, ..window }
        }
        (Op::Stream(stream, last), Answer::Events(events)) => {
            of_stream(held, *stream, *last, events)?
        }
        (Op::Version(stream), Answer::Version(version)) => {
            Window::of_version(held, *stream, *version)?
        }
        (Op::All(after, limit), Answer::Events(events)) => of_all(held, *after, *limit, events)?,
        (Op::Event(id), Answer::Event(position)) => match position {
            Some(at) if held.id(*id) == Some(*at) => ANY.with(held, *at),
            Some(_) => return Err(wrong("an event that is not there")),
            None => ANY.before(held, held.id(*id)),
        },
        // What it may have done is bounded by nothing.
        (_, Answer::Poisoned(_)) => return Ok(ANY),
        _ => return Err(wrong("no answer to this question")),
    };
    if window.from > window.to {
        return Err(wrong(format!("the log was never so: {window:?}")));
    }
    Ok(window)
}

fn before_key(held: &Held<'_>, asked: &Asked, window: Window) -> Window {
    let Some(key) = asked.key.and_then(|key| held.key(key)) else { return window };
    let Outcome { first, last, with_events: true } = key else { return window };
    // A key without events takes no position: it is there from some moment on at that end.
    let to = if first > last { last } else { first.saturating_sub(1) };
    Window { to: window.to.min(to), ..window }
}

fn of_placed(held: &Held<'_>, asked: &Asked, placed: &Placed) -> Result<Window, Broken> {
    let Placed { first, last, again, .. } = *placed;
    if first == 0 || last + 1 < first || last > held.len() {
        return Err(wrong("positions that are not in the log"));
    }
    if !held.has_versions(placed) {
        return Err(wrong("versions that are not in the log"));
    }
    let holds = held.holds(asked, first, last);
    if again {
        let key = asked.key.and_then(|key| held.key(key));
        let known = key.is_some_and(|key| (key.first, key.last) == (first, last));
        if !(known || holds && first <= last) {
            return Err(wrong("it is not there, and said to be there already"));
        }
        return Ok(ANY.with(held, last));
    }
    if !holds {
        return Err(wrong("it is not where it was placed"));
    }
    let end = first - 1;
    for write in &asked.writes {
        let actual = held.version_until(write.stream, end);
        if !write.expected.allows(actual) {
            return Err(wrong(format!("placed where {} was at {actual}", write.stream)));
        }
    }
    if first > last {
        return Window::exactly(held, end);
    }
    if held.batch_of(first) != Some((first, last)) {
        return Err(wrong("a batch that is not one"));
    }
    Ok(Window { from: last, to: end, placed: true })
}

fn of_stream(held: &Held<'_>, stream: usize, last: u64, events: &[Seen]) -> Result<Window, Broken> {
    let version = events.first().map_or(0, |seen| seen.version);
    let there = |seen: &Seen| held.at(seen.position) == Some(seen) && seen.stream == stream;
    let dense = (1..=version).rev().take(narrow(last));
    if !events.iter().all(there) || !events.iter().map(|seen| seen.version).eq(dense) {
        return Err(wrong("a stream that never was so"));
    }
    Window::of_version(held, stream, version)
}

fn of_all(held: &Held<'_>, after: u64, limit: u64, events: &[Seen]) -> Result<Window, Broken> {
    if events != held.after(after, events.len()) {
        return Err(wrong("a log that never was so"));
    }
    let end = after + wide(events.len());
    match wide(events.len()) {
        0 => Ok(Window { to: after, ..ANY }),
        count if count < limit => Window::exactly(held, end),
        _ => Ok(ANY.with(held, end)),
    }
}

/// Whether what a cursor handed out goes on where it was; returns where it is then.
///
/// # Errors
/// If it does not, or ends within a batch.
pub fn follow(
    held: &Held<'_>,
    place: u64,
    visibility: Visibility,
    events: &[Seen],
) -> Result<u64, Broken> {
    let end = place + wide(events.len());
    if events != held.after(place, events.len()) || !held.is_an_end(end) {
        let what = format!("{visibility:?} after {place}: {events:?}");
        return Err(Broken::new("a cursor hands out every event once, in order", what));
    }
    Ok(end)
}

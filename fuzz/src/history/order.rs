//! Whether a history of any length can have happened, in time that grows with its length.
//!
//! Positions say in which order batches were committed, so there is nothing to search: the
//! states of a log follow each other in one row, and each answer is true in a range of them
//! ([`super::window`]). A history is linearizable if and only if each call can be
//! given a state of its range so that a call that was asked after another one was answered
//! gets no earlier state than that one. That is so if the highest lower end of what was
//! answered before a call is not above its upper end.
//!
//! What cursors see is weaker, and has conditions of its own: one of visibility *durable*
//! that is read until it has no more has handed out all that was durable by its call, which
//! is what had been acknowledged as durable, or placed before a `sync` that succeeded, or
//! handed out by another such cursor, or said by the head. The same for *written*, with
//! what was acknowledged as written or better. Both hand out each event once, in order, in
//! whole batches, and nothing before it was asked for.

use std::collections::HashMap;

use annals::{Durability, Visibility};

use super::call::{Answer, Call, Crashed, History, Op};
use super::held::{Held, wrong};
use super::window::{self, Window};
use crate::numbers::{narrow, wide};
use crate::oracle::Broken;

/// How far the log is known to be at a moment, from what was answered before it.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// Placed by the writer.
    placed: u64,
    /// Seen by reads of this process.
    seen: u64,
    /// Written, and so seen by cursors that ask for it.
    written: u64,
    /// Durable, and so seen by all cursors.
    durable: u64,
    /// A write or a sync has failed, and somebody was told.
    poisoned: bool,
}

/// What was checked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Checked {
    /// How many calls.
    pub calls: u64,
    /// How many events the log holds.
    pub events: u64,
    /// How many copies of the disk were crashed on the way.
    pub crashed: u64,
}

/// Whether a history can have happened.
///
/// # Errors
/// The first call that shows that it cannot.
pub fn check(history: &History) -> Result<Checked, Broken> {
    let held = Held::new(&history.log, &history.calls)?;
    let moments = history.calls.iter().map(|call| call.answered + 1).max().unwrap_or(0);
    let mut row: Vec<Option<&Call>> = vec![None; narrow(moments)];
    for call in &history.calls {
        for moment in [call.asked, call.answered] {
            let free = row.get_mut(narrow(moment)).filter(|place| place.is_none());
            *free.ok_or_else(|| wrong("two things at one moment"))? = Some(call);
        }
    }
    let (asked, cursors) = (HashMap::new(), HashMap::new());
    let mut sweep = Sweep { held: &held, known: Known::default(), asked, cursors };
    let mut checked = Checked { calls: wide(history.calls.len()), events: held.len(), crashed: 0 };
    for (moment, call) in (0..).zip(row) {
        let Some(call) = call else { continue };
        if call.asked == moment {
            sweep.asked.insert(call.thread, sweep.known);
        } else {
            sweep.answered(call).map_err(|broken| broken.within(call))?;
            checked.crashed += u64::from(call.crashed.is_some());
        }
    }
    sweep.all_there()?;
    Ok(checked)
}

struct Sweep<'a> {
    held: &'a Held<'a>,
    known: Known,
    /// What was known when a thread asked what it asks now.
    asked: HashMap<usize, Known>,
    /// Where each thread's cursors are.
    cursors: HashMap<(usize, Visibility), u64>,
}

impl Sweep<'_> {
    fn answered(&mut self, call: &Call) -> Result<(), Broken> {
        let before = self.asked.get(&call.thread).copied().unwrap_or_default();
        match (&call.op, &call.answer) {
            (_, Answer::Poisoned(_)) => self.known.poisoned = true,
            (Op::Append(..) | Op::Sync, Answer::Placed(..) | Answer::Synced) if before.poisoned => {
                return Err(Broken::new("12: no Ok after a failed write or sync", call));
            }
            (Op::Sync, Answer::Synced) => self.is_durable(before.placed),
            (Op::Head, Answer::Head(head)) => {
                if *head < before.durable || !self.held.is_an_end(*head) {
                    return Err(lags(*head, before.durable));
                }
                self.is_durable(*head);
            }
            (Op::Follow(visibility), Answer::Events(events)) => {
                let place = self.cursors.entry((call.thread, *visibility)).or_default();
                *place = window::follow(self.held, *place, *visibility, events)?;
                let place = *place;
                self.followed(*visibility, before, place)?;
            }
            (Op::Append(..), Answer::Placed(placed, level)) => {
                self.fits(window::of(self.held, call)?, before)?;
                if *level == Durability::Durable {
                    self.is_durable(placed.last);
                } else if *level == Durability::Written {
                    self.is_written(placed.last);
                }
            }
            _ => self.fits(window::of(self.held, call)?, before)?,
        }
        self.survived(call)
    }

    /// Whether an answer can be of a state that comes no earlier than what was known before.
    fn fits(&mut self, window: Window, before: Known) -> Result<(), Broken> {
        let Window { from, to, placed } = window;
        let least = if placed { before.placed } else { before.seen };
        if least > to {
            let what = format!("the log had got to {least}, and this was so up to {to}");
            return Err(Broken::new("an answer is not older than one before it", what));
        }
        self.known.placed = self.known.placed.max(from);
        self.known.seen = self.known.seen.max(from);
        Ok(())
    }

    fn followed(
        &mut self,
        visibility: Visibility,
        before: Known,
        place: u64,
    ) -> Result<(), Broken> {
        let durable = visibility == Visibility::Durable;
        let least = if durable { before.durable } else { before.written };
        if place < least {
            return Err(lags(place, least));
        }
        if durable {
            self.is_durable(place);
        } else {
            self.is_written(place);
        }
        Ok(())
    }

    fn is_written(&mut self, end: u64) {
        self.known.placed = self.known.placed.max(end);
        self.known.written = self.known.written.max(end);
    }

    fn is_durable(&mut self, end: u64) {
        self.is_written(end);
        self.known.durable = self.known.durable.max(end);
        self.known.seen = self.known.seen.max(end);
    }

    /// Whether a copy of the disk that was crashed after the answer holds what was promised.
    fn survived(&self, call: &Call) -> Result<(), Broken> {
        let Some((how, ids)) = &call.crashed else { return Ok(()) };
        let least = match how {
            Crashed::Cut => self.known.durable,
            Crashed::Kill => self.known.written,
        };
        if wide(ids.len()) < least {
            let what = format!("{} events, {least} were promised", ids.len());
            return Err(Broken::new("1: every durable record is there", what));
        }
        let there = self.held.after(0, ids.len()).iter().map(|seen| &seen.id);
        if !there.zip(ids).all(|(one, other)| one == other) {
            return Err(Broken::new("2: what was recovered is a prefix of commit order", call));
        }
        Ok(())
    }

    /// The log was read at the end: all that was known by then must be there.
    fn all_there(&self) -> Result<(), Broken> {
        let (there, known) = (self.held.len(), self.known);
        let least = known.seen.max(known.durable);
        if there < least { Err(lags(there, least)) } else { Ok(()) }
    }
}

fn lags(end: u64, least: u64) -> Broken {
    let what = format!("up to {end}, when it was known to be at {least}");
    Broken::new("what was acknowledged is seen", what)
}

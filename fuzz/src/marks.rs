//! What cursors keep outside the log of where they are, and whether a log takes it
//! back when it should.

use std::sync::Arc;

use annals::{Checkpoint, CursorOptions, Error, Log, Reader, Start, Visibility};

use crate::numbers::{narrow, wide};
use crate::oracle::{Broken, Oracle};
use crate::told::Told;

/// A checkpoint, and what its reader had seen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mark {
    /// As the cursor gave it.
    pub checkpoint: Checkpoint,
    /// The reader saw what is durable, or what is written.
    pub visibility: Visibility,
    /// The ids of all events up to there.
    pub seen: Arc<[u128]>,
    /// Some of it was lost: so many events were not.
    pub lost: Option<u64>,
}

impl Mark {
    /// The log shows this: what the reader saw beyond it is gone for good, even if
    /// the same is appended again.
    pub fn lose(&mut self, found: &[Told]) {
        let ids = found.iter().map(|told| told.id);
        let common = wide(self.seen.iter().zip(ids).take_while(|(seen, id)| **seen == *id).count());
        if self.lost.is_some() || common < wide(self.seen.len()) {
            self.lost = Some(common.min(self.lost.unwrap_or(u64::MAX)));
        }
    }

    /// Whether a log goes on from here if all of it is there, and refuses to if not.
    ///
    /// # Errors
    /// If it does otherwise.
    pub fn holds(&self, log: &Reader) -> Result<(), Broken> {
        const INVARIANT: &str = "8: a checkpoint is refused if what it stands for was lost";
        let options = CursorOptions::new().visibility(self.visibility);
        let cursor = log.cursor_with(Start::Checkpoint(self.checkpoint), &options);
        let wrong = |answer: &dyn std::fmt::Debug| {
            Err(Broken::new(INVARIANT, format!("{self:?} is answered with {answer:?}")))
        };
        match (cursor, self.lost) {
            (Ok(cursor), None) if cursor.position() == self.checkpoint.position => Ok(()),
            (Err(Error::Diverged { same_until, .. }), Some(common)) if same_until <= common => {
                Ok(())
            }
            (Ok(cursor), _) => wrong(&cursor.position()),
            (Err(error), _) => wrong(&error),
        }
    }
}

/// Two readers go on from where they were, to the end: one sees what is durable, the
/// other what is written. Returns where that is.
///
/// # Errors
/// If what is delivered is not what was placed, in order, or something is missing.
pub fn read_on(log: &Log, oracle: &Oracle) -> Result<Vec<Mark>, Broken> {
    let durable = oracle.events_of(oracle.durable);
    let written = oracle.events_of(oracle.written.max(oracle.durable));
    Ok(vec![
        tail(log, oracle, Visibility::Durable, durable)?,
        tail(log, oracle, Visibility::Written, written)?,
    ])
}

/// Goes on with one reader, which must get to `least` events.
fn tail(log: &Log, oracle: &Oracle, visibility: Visibility, least: u64) -> Result<Mark, Broken> {
    let failed = |error| Broken::new("1: every durable record can be read", error);
    let before = oracle.marks.iter().find(|mark| mark.visibility == visibility);
    // Who is told that something was lost starts again.
    let before = before.filter(|mark| mark.lost.is_none());
    let start = before.map_or(Start::Beginning, |mark| Start::Checkpoint(mark.checkpoint));
    let options = CursorOptions::new().visibility(visibility);
    let mut cursor = log.cursor_with(start, &options).map_err(failed)?;
    let placed: Vec<_> = oracle.events().collect();
    let mut seen: Vec<u128> = before.map_or_else(Vec::new, |mark| mark.seen.to_vec());
    loop {
        let events = cursor.poll(2).map_err(failed)?;
        if events.is_empty() {
            break;
        }
        for event in events.iter() {
            if placed.get(seen.len()) != Some(&&Told::read(&event)) {
                let what = format!("{event:?} as number {}", seen.len());
                return Err(Broken::new("9: a cursor delivers what was committed", what));
            }
            seen.push(event.id().as_u128());
        }
    }
    if seen.len() < narrow(least) || cursor.position() != wide(seen.len()) {
        let what = format!("{} events of {least} by {visibility:?}", seen.len());
        return Err(Broken::new("9: a cursor delivers everything", what));
    }
    let checkpoint = cursor.checkpoint().map_err(failed)?;
    Ok(Mark { checkpoint, visibility, seen: seen.into(), lost: None })
}

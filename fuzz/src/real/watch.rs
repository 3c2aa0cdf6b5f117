//! What is known of a log from outside the process that writes it, and what must hold
//! of the log when that process was crashed.
//!
//! Contents, snapshots and order are judged by the same [`Oracle`] as on the simulated
//! disk, checkpoints by the same [`Mark`]s, and the log is read by the same `check`;
//! here is what only several writers in another process need: which batches there may
//! be, in which order they turned out, and at which positions they were acknowledged.
//! How a crashed log is opened and looked at is in [`recover`](super::recover).

use std::collections::{BTreeMap, BTreeSet};

use annals::{Checkpoint, Durability, Reader, Visibility};

use super::line::{Answer, Line};
use super::work::{PARENT, Work};
use crate::check::{agrees, read_all};
use crate::marks::Mark;
use crate::numbers::{narrow, wide};
use crate::oracle::{Broken, End, Oracle};
use crate::told::{Shown, Told};

/// How many checkpoints are kept; the oldest go first.
const MARKS: usize = 24;

const ACKNOWLEDGED: &str = "1: what was acknowledged is there";
const DELIVERED: &str = "9: what was delivered is there";
const INVENTED: &str = "3: nothing invented or doubled";
const WHOLE: &str = "2, 4: a prefix of what was submitted, in whole batches";

/// What a batch was acknowledged with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Answered {
    first: u64,
    last: u64,
}

/// Everything that is known of the log in one directory.
#[derive(Debug, Clone)]
pub struct Watched {
    seed: u64,
    /// The life whose lines come in.
    life: u32,
    /// A line that is not whole yet.
    begun: Vec<u8>,
    /// Everything up to the last crash that was looked at; all of it is durable.
    oracle: Oracle,
    /// The last number that each writer submitted, by life.
    submitted: BTreeMap<(u32, u16), u32>,
    /// The last line was about this one.
    submits: Option<Work>,
    answered: BTreeMap<Work, Answered>,
    /// By position, the id of an event that was delivered.
    delivered: BTreeMap<u64, u128>,
    /// The newest checkpoints of this life, with the id of the event there.
    kept: BTreeMap<&'static str, (Visibility, u128, Checkpoint)>,
    /// So many events are durable.
    durable: u64,
    /// So many events are written.
    written: u64,
    /// Who was told that the log takes no more appends.
    poisoned: BTreeSet<u16>,
    /// What was wrong with a line.
    broken: Option<Broken>,
    /// The first error that was told.
    first_error: Option<String>,
    /// Counts.
    pub counts: Counts,
}

/// How much was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Batches that were submitted.
    pub submitted: u64,
    /// Batches that were acknowledged.
    pub acknowledged: u64,
    /// Events that cursors have delivered.
    pub delivered: u64,
    /// Times that the log was opened.
    pub opened: u64,
    /// Errors that were told.
    pub errors: u64,
    /// Events that were found after crashes.
    pub found: u64,
    /// Batches that were neither acknowledged nor found.
    pub lost: u64,
    /// Tails that were cut after crashes.
    pub torn: u64,
}

impl Counts {
    /// What came since.
    #[must_use]
    pub const fn since(&self, before: &Self) -> Self {
        Self {
            submitted: self.submitted - before.submitted,
            acknowledged: self.acknowledged - before.acknowledged,
            delivered: self.delivered - before.delivered,
            opened: self.opened - before.opened,
            errors: self.errors - before.errors,
            found: self.found - before.found,
            lost: self.lost - before.lost,
            torn: self.torn - before.torn,
        }
    }
}

impl Watched {
    /// Of a log that does not exist yet.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            life: 1,
            begun: Vec::new(),
            oracle: Oracle::default(),
            submitted: BTreeMap::new(),
            submits: None,
            answered: BTreeMap::new(),
            delivered: BTreeMap::new(),
            kept: BTreeMap::new(),
            durable: 0,
            written: 0,
            poisoned: BTreeSet::new(),
            broken: None,
            first_error: None,
            counts: Counts::default(),
        }
    }

    /// Number of the life whose lines come in, for the next child.
    pub const fn life(&self) -> u32 {
        self.life
    }

    /// The batch that was told last, if it is about to be submitted.
    pub const fn submits(&self) -> Option<Work> {
        self.submits
    }

    /// The first error that a child told.
    pub fn first_error(&self) -> Option<&str> {
        self.first_error.as_deref()
    }

    /// So many events are known to be durable.
    pub const fn durable(&self) -> u64 {
        self.durable
    }

    /// Takes in what a child has written, in pieces of any size. A last line without an
    /// end counts for nothing.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.begun.extend_from_slice(bytes);
        while let Some(end) = self.begun.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.begun.drain(..=end).collect();
            let text = String::from_utf8_lossy(&line);
            match text.trim_end().parse() {
                Ok(line) => self.line(&line),
                Err(error) => self.breaks("the child is understood", error),
            }
        }
    }

    fn breaks(&mut self, invariant: &'static str, what: impl std::fmt::Display) {
        let life = self.life;
        self.broken
            .get_or_insert_with(|| Broken::new(invariant, what).within(format!("life {life}")));
    }

    /// Takes in a fact.
    pub fn line(&mut self, line: &Line) {
        self.submits = None;
        match line {
            Line::Open(head) => self.opened(*head),
            Line::Submit(writer, number) => {
                let (seed, life) = (self.seed, self.life);
                self.submits = Some(Work { seed, life, writer: *writer, number: *number });
                let last = self.submitted.entry((life, *writer)).or_default();
                if *number > *last {
                    *last = *number;
                    self.counts.submitted += 1;
                }
            }
            Line::Acknowledged(writer, number, first, level) => {
                self.acknowledged(*writer, *number, *first, *level);
            }
            Line::Delivered(visibility, position, id) => {
                self.delivered(*visibility, *position, *id);
            }
            Line::Kept(visibility, id, checkpoint) => {
                let name = if *visibility == Visibility::Written { "written" } else { "durable" };
                self.kept.insert(name, (*visibility, *id, *checkpoint));
            }
            Line::Synced(head) => self.is_durable(*head),
            Line::Failed(who, answer, _) => {
                self.counts.errors += 1;
                self.first_error.get_or_insert_with(|| line.to_string());
                if let (Ok(writer), Answer::Poisoned) = (who.parse(), answer) {
                    self.poisoned.insert(writer);
                }
                if *answer == Answer::Corrupt {
                    self.breaks("13: what a crash leaves is no damage", line);
                }
            }
            Line::Broken(text) => self.breaks("seen by the child itself", text),
            Line::Closed => {
                let last = self.answered.values().map(|answered| answered.last).max();
                self.is_durable(last.unwrap_or(0));
            }
        }
    }

    fn is_durable(&mut self, position: u64) {
        self.durable = self.durable.max(position);
        self.written = self.written.max(self.durable);
    }

    fn opened(&mut self, head: u64) {
        self.counts.opened += 1;
        if head < self.durable {
            let what = format!("head {head}, {} were promised", self.durable);
            self.breaks(ACKNOWLEDGED, what);
        }
        self.is_durable(head);
    }

    fn acknowledged(&mut self, writer: u16, number: u32, first: u64, level: Durability) {
        let work = Work { seed: self.seed, life: self.life, writer, number };
        let events = wide(work.entry(0).events.len());
        let answered = Answered { first, last: first + events - 1 };
        if self.submitted.get(&(self.life, writer)).is_none_or(|last| *last < number) {
            self.breaks("the child is understood", format!("{work:?} was not submitted"));
        }
        if self.poisoned.contains(&writer) {
            self.breaks("12: after a failed write no later Ok", format!("{work:?}: {first}"));
        }
        let other = self.answered.insert(work, answered);
        if other.is_some_and(|other| other != answered) {
            self.breaks(INVENTED, format!("{work:?}: {other:?}, then {answered:?}"));
        }
        self.counts.acknowledged += u64::from(other.is_none());
        match level {
            Durability::Buffered => {}
            Durability::Written => self.written = self.written.max(answered.last),
            _ => self.is_durable(answered.last),
        }
    }

    /// A cursor, of the child or of another process, has delivered everything up to that
    /// event.
    pub fn delivered(&mut self, visibility: Visibility, position: u64, id: u128) {
        let other = self.delivered.insert(position, id);
        if other.is_some_and(|other| other != id) {
            self.breaks(DELIVERED, format!("{position} was {other:x?}, then {id:x}"));
        }
        self.counts.delivered += 1;
        if visibility == Visibility::Written {
            self.written = self.written.max(position);
        } else {
            self.is_durable(position);
        }
    }

    /// So many events must be there after that end.
    const fn floor(&self, end: End) -> u64 {
        match end {
            End::Kill => self.written,
            End::Cut => self.durable,
        }
    }

    /// A life is over, and nobody looks: the next child opens what it left.
    pub fn pass(&mut self, end: End) {
        let floor = self.floor(end);
        self.written = floor;
        self.answered.retain(|_, answered| answered.last <= floor);
        self.delivered.retain(|position, _| *position <= floor);
        if end == End::Cut {
            // Whether what they stand for was lost is not found out.
            self.kept.clear();
        }
        self.next_life();
    }

    fn next_life(&mut self) {
        self.begun.clear();
        self.poisoned.clear();
        self.life += 1;
    }

    /// What must hold of a log that was opened after that end, and has not been appended
    /// to since. Then the next life begins.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn after(&mut self, end: End, log: &Reader) -> Result<Shown, Broken> {
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        let shown = read_all(log)?;
        let mut oracle = self.placed(end, &shown)?;
        let held = oracle.admits(&shown, end)?;
        self.are_where_they_were(&shown)?;
        oracle.marks.extend(self.marks(&shown));
        let older = oracle.marks.len().saturating_sub(MARKS);
        oracle.marks.drain(..older);
        let mut settled = oracle.settled(&shown, &held);
        settled.marks.iter().try_for_each(|mark| mark.holds(log))?;
        agrees(log, &shown)?;
        let found = wide(shown.events.len() - narrow(self.oracle.promised));
        let kept = settled.entries.len() - self.oracle.entries.len();
        let submitted: u64 = self.submitted.values().map(|last| u64::from(*last)).sum();
        self.counts.found += found;
        self.counts.lost += submitted.saturating_sub(wide(kept));
        settled.durable = settled.entries.len();
        settled.written = settled.durable;
        (self.durable, self.written) = (settled.promised, settled.promised);
        self.oracle = settled;
        self.submitted.clear();
        self.answered.clear();
        self.delivered.clear();
        self.kept.clear();
        self.next_life();
        Ok(shown)
    }

    /// The oracle's knowledge, with the batches since the last look in the order in which
    /// they turned out to be. Their contents are what they must be, not what was found.
    fn placed(&self, end: End, shown: &Shown) -> Result<Oracle, Broken> {
        let mut oracle = self.oracle.clone();
        let mut versions = Oracle::versions(&oracle.events().cloned().collect::<Vec<_>>());
        let mut last: BTreeMap<(u32, u16), u32> = BTreeMap::new();
        let new = shown.events.get(narrow(oracle.promised)..).unwrap_or_default();
        let floor = self.floor(end);
        let mut events = oracle.promised;
        let mut rest = new;
        while let Some(first) = rest.first() {
            let work = self.work_of(first)?;
            if last.keys().any(|(life, _)| *life > work.life) {
                return Err(Broken::new(WHOLE, format!("{work:?} after batches of a later life")));
            }
            let number = last.entry((work.life, work.writer)).or_default();
            *number += 1;
            if work.number != *number {
                let what = format!("{work:?} stands where its number {number} must be");
                return Err(Broken::new(WHOLE, what));
            }
            let own = versions.get(&*work.own_stream()).copied().unwrap_or(0);
            let entry = work.entry(own);
            let (batch, after) = rest.split_at(entry.events.len().min(rest.len()));
            if batch != &*entry.events {
                let what = format!("{work:?}: found {batch:?}, must be {entry:?}");
                return Err(Broken::new(WHOLE, what));
            }
            for told in batch {
                *versions.entry(told.stream.clone()).or_default() += 1;
            }
            events += wide(batch.len());
            rest = after;
            oracle.entries.push(entry);
            if events <= floor {
                oracle.durable = oracle.entries.len();
            }
        }
        (oracle.written, oracle.promised, oracle.shown) = (oracle.durable, floor, floor);
        Ok(oracle)
    }

    /// The batch that an event is of, if such a one was submitted.
    fn work_of(&self, told: &Told) -> Result<Work, Broken> {
        let (work, _) = Work::of(told.id, self.seed)
            .ok_or_else(|| Broken::new(INVENTED, format!("{told:?}")))?;
        let submitted = self.submitted.get(&(work.life, work.writer));
        if submitted.is_none_or(|last| *last < work.number) {
            let what = format!("{work:?} was not submitted, or is doubled");
            return Err(Broken::new(INVENTED, what));
        }
        Ok(work)
    }

    /// What was acknowledged or delivered stands at the position that was told then, if
    /// anything does.
    fn are_where_they_were(&self, shown: &Shown) -> Result<(), Broken> {
        let at = |position: u64| shown.events.get(narrow(position.checked_sub(1)?));
        for (work, answered) in &self.answered {
            let Some(told) = at(answered.first) else { continue };
            if told.id != work.id(0) {
                let what = format!("{work:?} was {answered:?}, there is {told:?}");
                return Err(Broken::new(ACKNOWLEDGED, what));
            }
        }
        for (position, id) in &self.delivered {
            if at(*position).is_some_and(|told| told.id != *id) {
                let what = format!("{id:x} was {position}, there is {:?}", at(*position));
                return Err(Broken::new(DELIVERED, what));
            }
        }
        Ok(())
    }

    /// The checkpoints of this life. Up to the event that each was made after, its
    /// reader has seen what is there now, as far as that goes.
    fn marks(&self, shown: &Shown) -> Vec<Mark> {
        let mark = |(visibility, id, checkpoint): &(Visibility, u128, Checkpoint)| {
            let ids = shown.events.iter().map(|told| told.id);
            let len = narrow(checkpoint.position);
            let mut seen: Vec<_> = ids.take(len).collect();
            // What is gone was something, and nothing that will ever be there again.
            seen.resize(len, u128::MAX);
            if let Some(last) = seen.last_mut() {
                *last = *id;
            }
            Mark { checkpoint: *checkpoint, visibility: *visibility, seen: seen.into(), lost: None }
        };
        self.kept.values().map(mark).collect()
    }

    /// A reader in another process keeps this, after the event with that id.
    pub fn keeps(&mut self, visibility: Visibility, id: u128, checkpoint: Checkpoint) {
        let name =
            if visibility == Visibility::Written { "outside, written" } else { "outside, durable" };
        self.kept.insert(name, (visibility, id, checkpoint));
    }

    /// All batches that are there, in order, since the last look.
    pub const fn oracle(&self) -> &Oracle {
        &self.oracle
    }

    /// The next batch that the parent itself appends, when nothing else runs.
    pub fn probe(&self) -> Work {
        let own = format!("own-{PARENT}");
        let number = u32::try_from(self.oracle.version(&own)).unwrap_or(u32::MAX).saturating_add(1);
        Work { seed: self.seed, life: self.life, writer: PARENT, number }
    }

    /// The parent's batch was acknowledged as durable.
    pub fn probed(&mut self, work: Work) {
        let own = self.oracle.version(&work.own_stream());
        self.oracle.place_durable(work.entry(own));
        (self.durable, self.written) = (self.oracle.promised, self.oracle.promised);
    }
}

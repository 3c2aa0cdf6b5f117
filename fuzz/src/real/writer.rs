//! One writer of a child: batches one after the other and by tickets, alone on its own
//! stream and beside others on a shared one, with expectations that hold and some that
//! must not, and what it appended before once more.

use std::time::Duration;

use annals::{Committed, Durability, Error, Expected, Log, Ticket};

use super::child::{ChildPlan, Teller};
use super::line::Line;
use super::work::{SHARED, Work};

/// One writer. Whether all its batches were appended.
pub(super) fn write(
    plan: &ChildPlan,
    log: &Log,
    teller: &Teller<'_>,
    writer: u16,
    done: u32,
    limit: u32,
) -> bool {
    let work = Work { seed: plan.seed, life: plan.life, writer, number: done };
    let own_version = match log.version(&work.own_stream()) {
        Ok(version) => version,
        Err(error) => {
            teller.failed(&writer, &error);
            return false;
        }
    };
    let mut writer = Writer { plan, log, teller, work, own_version, last: 0 };
    if let Err(error) = writer.known_from_before() {
        teller.failed(&writer.work.writer, &error);
    }
    while writer.work.number < limit && !teller.ended() {
        writer.work.number += 1;
        if let Err(error) = writer.turn(limit) {
            teller.failed(&writer.work.writer, &error);
            writer.after_failure(&error);
            return false;
        }
    }
    true
}

struct Writer<'a, 'out> {
    plan: &'a ChildPlan,
    log: &'a Log,
    teller: &'a Teller<'out>,
    /// The batch that is being appended, or was last.
    work: Work,
    /// Version of the writer's own stream before that batch.
    own_version: u64,
    /// The last position that this writer was acknowledged.
    last: u64,
}

/// How often what found no space or no file is tried again.
const TRIES: u32 = 20;

impl Writer<'_, '_> {
    fn level(&self) -> Durability {
        self.plan.level.unwrap_or_else(|| match self.work.numbers(1).below(8) {
            0 => Durability::Buffered,
            1..=3 => Durability::Written,
            _ => Durability::Durable,
        })
    }

    /// Appends the batch, or several by tickets, and now and then does something else.
    fn turn(&mut self, limit: u32) -> annals::Result<()> {
        let mut numbers = self.work.numbers(2);
        match numbers.below(32) {
            0..=3 => {
                let count = 2 + u32::try_from(numbers.below(5)).unwrap_or(0);
                let last = self.work.number.saturating_add(count - 1).min(limit);
                return self.by_tickets(last);
            }
            4 => self.refused()?,
            5 => {
                self.log.sync()?;
                let head = self.log.head();
                if head < self.last {
                    self.broken(format!("head {head} after a sync, not {}", self.last));
                }
                self.teller.tell(&Line::Synced(head));
            }
            _ => {}
        }
        self.append()?;
        if numbers.below(32) == 0 {
            self.again()?;
        }
        self.own_version += self.work.own_events();
        Ok(())
    }

    /// What the writer appended before this opening is known again, by ids and by key.
    fn known_from_before(&self) -> annals::Result<()> {
        let events = self.log.read(&self.work.own_stream()).backward().limit(24).collect()?;
        let mut keyed = false;
        for (place, event) in events.iter().enumerate() {
            let event = event.as_event();
            let Some((work, index)) = Work::of(event.id().as_u128(), self.plan.seed) else {
                self.broken(format!("{event:?} was never appended"));
                continue;
            };
            // Those of the shared stream come first in a batch.
            let before =
                (event.version() + work.shared_events()).saturating_sub(1 + u64::from(index));
            let entry = work.entry(before);
            let mut batches = Vec::new();
            if place == 0 {
                batches.push(entry.expecting(|_| Expected::Any));
            }
            if !keyed {
                batches.extend(entry.other_with_key());
                keyed = entry.key.is_some();
            }
            let first = event.position() - u64::from(index);
            for batch in batches {
                let committed = self.log.append(&batch)?;
                if !committed.is_deduplicated() || committed.first_position() != first {
                    self.broken(format!("{work:?} at {first} is not known: {committed:?}"));
                }
            }
        }
        Ok(())
    }

    fn append(&mut self) -> annals::Result<()> {
        let level = self.level();
        let mut batch = self.batch(0)?;
        self.teller.tell(&Line::Submit(self.work.writer, self.work.number));
        for turn in 1.. {
            match self.log.append_with(&batch, level) {
                Ok(committed) => {
                    self.acknowledged(self.work, &committed, level);
                    break;
                }
                Err(error) => self.tried(&error, turn)?,
            }
            batch = self.batch(turn)?;
        }
        Ok(())
    }

    /// The batch expects its own stream exactly where it is. Of the shared one it does so
    /// in every other batch, and for the first tries, since others append to it.
    fn batch(&self, turn: u32) -> annals::Result<annals::Batch> {
        let shared = if self.work.number.is_multiple_of(2) && turn < 8 {
            Expected::Exact(self.log.version(SHARED)?)
        } else {
            Expected::Any
        };
        let own = Expected::Exact(self.own_version);
        let entry = self.work.entry(self.own_version);
        Ok(entry.expecting(|stream| if stream == SHARED { shared } else { own }))
    }

    /// Whether it can be tried again after this error.
    fn tried(&self, error: &Error, turn: u32) -> annals::Result<()> {
        let conflict = matches!(error,
            Error::WrongExpectedVersion { stream, .. } if stream == SHARED);
        if conflict {
            return Ok(());
        }
        let harmless = matches!(error, Error::Full { .. } | Error::Io { .. });
        if !harmless || turn >= TRIES {
            return Err(error.clone());
        }
        if !self.teller.failed(&self.work.writer, error) {
            return Err(Error::Closed);
        }
        std::thread::sleep(Duration::from_millis(1));
        Ok(())
    }

    fn acknowledged(&mut self, work: Work, committed: &Committed, least: Durability) {
        if committed.is_deduplicated() {
            self.broken(format!("{work:?} was there before it was appended"));
        }
        if committed.durability() < least {
            self.broken(format!("{work:?} is {:?}, not {least:?}", committed.durability()));
        }
        let (first, level) = (committed.first_position(), committed.durability());
        self.last = self.last.max(committed.last_position());
        self.teller.tell(&Line::Acknowledged(work.writer, work.number, first, level));
    }

    fn broken(&self, text: String) {
        self.teller.tell(&Line::Broken(text));
    }

    /// Submits all batches up to that number before it waits for the first.
    fn by_tickets(&mut self, last: u32) -> annals::Result<()> {
        let mut tickets: Vec<(Work, Durability, Ticket)> = Vec::new();
        let mut outcome = Ok(());
        loop {
            let level = self.level();
            self.teller.tell(&Line::Submit(self.work.writer, self.work.number));
            // Tried again while what is before it is in flight: `Any` for the shared
            // stream, since nothing is known of it.
            match self.batch(8).and_then(|batch| self.log.submit_with(&batch, level)) {
                Ok(ticket) => tickets.push((self.work, level, ticket)),
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
            self.own_version += self.work.own_events();
            if self.work.number >= last {
                break;
            }
            self.work.number += 1;
        }
        for (work, level, ticket) in tickets {
            match ticket.wait() {
                Ok(committed) => self.acknowledged(work, &committed, level),
                Err(error) => outcome = Err(error),
            }
        }
        outcome
    }

    /// An append with a wrong expectation of its own stream must be refused.
    fn refused(&self) -> annals::Result<()> {
        if self.work.own_events() == 0 {
            return Ok(());
        }
        let wrong = Expected::Exact(self.own_version + 1);
        let entry = self.work.entry(self.own_version);
        let batch = entry.expecting(|stream| if stream == SHARED { Expected::Any } else { wrong });
        match self.log.append(&batch) {
            Err(Error::WrongExpectedVersion { actual, .. }) if actual == self.own_version => Ok(()),
            Err(error @ (Error::Poisoned { .. } | Error::Full { .. } | Error::Io { .. })) => {
                Err(error)
            }
            other => {
                self.broken(format!("{:?}, expected {wrong}: {other:?}", self.work));
                Ok(())
            }
        }
    }

    /// The same batch again is answered with the first outcome.
    fn again(&self) -> annals::Result<()> {
        let level = Durability::Written;
        let batch = self.work.entry(self.own_version).expecting(|_| Expected::Any);
        let committed = self.log.append_with(&batch, level)?;
        if !committed.is_deduplicated() {
            self.broken(format!("{:?} is in the log twice", self.work));
        }
        // Its level is that of the second time, which is no less.
        let (first, level) = (committed.first_position(), committed.durability());
        self.teller.tell(&Line::Acknowledged(self.work.writer, self.work.number, first, level));
        Ok(())
    }

    /// After a failed write or sync there is no `Ok` any more.
    fn after_failure(&mut self, error: &Error) {
        if !matches!(error, Error::Poisoned { .. }) {
            return;
        }
        for _ in 0..3 {
            self.work.number = self.work.number.saturating_add(1);
            self.teller.tell(&Line::Submit(self.work.writer, self.work.number));
            let batch = self.work.entry(0).expecting(|_| Expected::Any);
            for level in [Durability::Buffered, Durability::Durable] {
                match self.log.append_with(&batch, level) {
                    Err(Error::Poisoned { .. }) => {}
                    other => self.broken(format!("after {error}: an append gives {other:?}")),
                }
            }
            if self.log.sync().is_ok() {
                self.broken(format!("after {error}: a sync succeeds"));
            }
        }
    }
}

//! A program that uses a log in a real directory, to be crashed at any moment.
//!
//! Writers with a stream of their own and one that they share append at all levels,
//! alone and by tickets; cursors of both visibilities follow; the log is synced, closed
//! and opened now and then. What happens is told line by line, see [`line`](super::line).

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use annals::planted::Bug;
use annals::{
    Background, Committed, CursorOptions, Durability, Error, Expected, Log, Options, Reading,
    Start, Ticket, Visibility,
};

use super::line::{Answer, Line};
use super::work::{SHARED, Work};
use crate::bugs::bug_named;

/// What a child does.
#[derive(Debug, Clone)]
pub struct ChildPlan {
    /// The log's directory.
    pub directory: PathBuf,
    /// Everything that is appended follows from it.
    pub seed: u64,
    /// Which child in this directory it is.
    pub life: u32,
    /// How many threads append.
    pub writers: u16,
    /// So many batches of each writer, then the log is closed and the child ends.
    pub batches: u32,
    /// The level of every append, or a mix.
    pub level: Option<Durability>,
    /// Option of the log.
    pub segment_bytes: u64,
    /// Nothing in the background.
    pub inline: bool,
    /// Read with `pread`.
    pub pread: bool,
    /// Two cursors follow.
    pub tail: bool,
    /// Closed and opened after so many batches of each writer; 0 for never.
    pub reopen_every: u32,
    /// A fault to plant.
    pub bug: Option<Bug>,
}

impl ChildPlan {
    /// Two writers that go on until they are killed, in a directory.
    pub fn new(directory: impl Into<PathBuf>, seed: u64, life: u32) -> Self {
        Self {
            directory: directory.into(),
            seed,
            life,
            writers: 2,
            batches: u32::MAX,
            level: None,
            segment_bytes: 64 << 10,
            inline: false,
            pread: false,
            tail: false,
            reopen_every: 0,
            bug: None,
        }
    }

    /// The plan that is written so: see [`words`](Self::words).
    ///
    /// # Errors
    /// The word that is not understood.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut plan = Self::new(words.next().ok_or("no directory")?, 1, 1);
        while let Some(word) = words.next() {
            match &*word {
                "--inline" => plan.inline = true,
                "--pread" => plan.pread = true,
                "--tail" => plan.tail = true,
                _ => {
                    let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
                    plan.set(&word, &value)?;
                }
            }
        }
        Ok(plan)
    }

    fn set(&mut self, word: &str, value: &str) -> Result<(), String> {
        let wrong = || format!("{word} {value}: not understood");
        let number = || value.parse::<u32>().map_err(|_| wrong());
        match word {
            "--seed" => self.seed = value.parse().map_err(|_| wrong())?,
            "--life" => self.life = number()?,
            "--writers" => self.writers = value.parse().map_err(|_| wrong())?,
            "--events" => self.batches = number()?,
            "--segment-bytes" => self.segment_bytes = value.parse().map_err(|_| wrong())?,
            "--reopen-every" => self.reopen_every = number()?,
            "--level" => {
                let found = LEVELS.iter().find(|(name, _)| *name == value);
                self.level = found.ok_or_else(wrong)?.1;
            }
            "--plant" => self.bug = Some(bug_named(value).ok_or_else(wrong)?),
            _ => return Err(format!("{word} is not known")),
        }
        Ok(())
    }

    /// The words that [`parse`](Self::parse) reads.
    pub fn words(&self) -> Vec<String> {
        let mut words = vec![self.directory.display().to_string()];
        let level = LEVELS.iter().find(|(_, level)| *level == self.level);
        let mut push = |word: &str, value: &dyn fmt::Display| {
            words.extend([word.to_owned(), value.to_string()]);
        };
        push("--seed", &self.seed);
        push("--life", &self.life);
        push("--writers", &self.writers);
        push("--events", &self.batches);
        push("--level", &level.map_or("mixed", |(name, _)| *name));
        push("--segment-bytes", &self.segment_bytes);
        push("--reopen-every", &self.reopen_every);
        if let Some(bug) = self.bug {
            push("--plant", &format!("{bug:?}"));
        }
        let flags = [(self.inline, "--inline"), (self.pread, "--pread"), (self.tail, "--tail")];
        words.extend(flags.iter().filter(|(set, _)| *set).map(|(_, word)| (*word).to_owned()));
        words
    }

    /// The options of its log.
    pub fn options(&self) -> Options {
        let background = if self.inline { Background::Inline } else { Background::Thread };
        let reading = if self.pread { Reading::Pread } else { Reading::Mapped };
        let flush_after = Duration::from_millis(2 + u64::from(self.life) % 20);
        Options::new()
            .background(background)
            .reading(reading)
            .segment_bytes(self.segment_bytes)
            .flush_after(flush_after)
    }
}

const LEVELS: [(&str, Option<Durability>); 4] = [
    ("durable", Some(Durability::Durable)),
    ("written", Some(Durability::Written)),
    ("buffered", Some(Durability::Buffered)),
    ("mixed", None),
];

/// Where facts are told. When nobody listens any more, everything ends.
struct Teller<'a> {
    out: Mutex<&'a mut (dyn Write + Send)>,
    ended: AtomicBool,
}

impl Teller<'_> {
    /// Whether somebody listens.
    fn tell(&self, line: &Line) -> bool {
        let text = format!("{line}\n");
        let told = self
            .out
            .lock()
            .is_ok_and(|mut out| out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok());
        if !told {
            self.ended.store(true, Ordering::Relaxed);
        }
        told
    }

    fn failed(&self, who: &dyn fmt::Display, error: &Error) -> bool {
        self.tell(&Line::Failed(who.to_string(), Answer::of(error), error.to_string()))
    }

    fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

/// Uses the log until it is killed, nobody listens, the log fails or everything that
/// was asked for is done.
pub fn run(plan: &ChildPlan, out: &mut (impl Write + Send)) {
    #[cfg(debug_assertions)]
    annals::planted::plant_process(plan.bug);
    let teller = Teller { out: Mutex::new(out), ended: AtomicBool::new(false) };
    let mut done = 0;
    while done < plan.batches && !teller.ended() {
        let limit = match plan.reopen_every {
            0 => plan.batches,
            every => done.saturating_add(every).min(plan.batches),
        };
        if !round(plan, &teller, done, limit) {
            return;
        }
        done = limit;
    }
}

/// From an opening of the log to its closing. Whether it goes on after that.
fn round(plan: &ChildPlan, teller: &Teller<'_>, done: u32, limit: u32) -> bool {
    let log = match plan.options().open(&plan.directory) {
        Ok(log) => log,
        Err(error) => {
            teller.failed(&"open", &error);
            return false;
        }
    };
    teller.tell(&Line::Open(log.head()));
    let over = AtomicBool::new(false);
    let whole = std::thread::scope(|scope| {
        if plan.tail {
            for visibility in [Visibility::Durable, Visibility::Written] {
                let (log, over) = (&log, &over);
                scope.spawn(move || follow(log, teller, visibility, over));
            }
        }
        let whole = if plan.writers == 1 {
            // No thread of its own: system calls are counted by thread.
            write(plan, &log, teller, 1, done, limit)
        } else {
            let writers: Vec<_> = (1..=plan.writers)
                .map(|writer| {
                    let log = &log;
                    scope.spawn(move || write(plan, log, teller, writer, done, limit))
                })
                .collect();
            writers.into_iter().fold(true, |whole, thread| thread.join().unwrap_or(false) && whole)
        };
        over.store(true, Ordering::Relaxed);
        whole
    });
    match log.close() {
        Ok(()) => teller.tell(&Line::Closed) && whole,
        Err(error) => {
            teller.failed(&"close", &error);
            false
        }
    }
}

/// A cursor that follows the log and tells how far it came.
fn follow(log: &Log, teller: &Teller<'_>, visibility: Visibility, over: &AtomicBool) {
    let followed = || -> annals::Result<()> {
        let options = CursorOptions::new().visibility(visibility);
        let mut cursor = log.cursor_with(Start::Beginning, &options)?;
        for turn in 0_u32.. {
            if over.load(Ordering::Relaxed) || teller.ended() {
                break;
            }
            let from = cursor.position();
            let events = cursor.wait(Duration::from_millis(20))?;
            let mut id = 0;
            for (expected, event) in (from + 1..).zip(events.iter()) {
                id = event.id().as_u128();
                if event.position() != expected {
                    let text = format!("{visibility:?}: {event:?} delivered for {expected}");
                    teller.tell(&Line::Broken(text));
                }
            }
            if !events.is_empty() {
                teller.tell(&Line::Delivered(visibility, cursor.position(), id));
            }
            if !events.is_empty() && turn % 4 == 0 {
                teller.tell(&Line::Kept(visibility, id, cursor.checkpoint()?));
            }
        }
        Ok(())
    };
    if let Err(error) = followed() {
        teller.failed(&"tail", &error);
    }
}

/// One writer. Whether all its batches were appended.
fn write(
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
    let mut writer = Writer { plan, log, teller, work, own_version };
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
                self.teller.tell(&Line::Synced(self.log.head()));
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

    fn append(&self) -> annals::Result<()> {
        let level = self.level();
        self.teller.tell(&Line::Submit(self.work.writer, self.work.number));
        for turn in 0.. {
            match self.log.append_with(&self.batch(turn)?, level) {
                Ok(committed) => {
                    self.acknowledged(self.work, &committed, level);
                    break;
                }
                Err(error) => self.tried(&error, turn)?,
            }
        }
        Ok(())
    }

    /// The batch expects its own stream exactly where it is. Of the shared one it does so
    /// in every other batch, and for the first tries, since others append to it.
    fn batch(&self, turn: u32) -> annals::Result<annals::Batch> {
        let shared = if self.work.number % 2 == 0 && turn < 8 {
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

    fn acknowledged(&self, work: Work, committed: &Committed, least: Durability) {
        if committed.is_deduplicated() {
            self.broken(format!("{work:?} was there before it was appended"));
        }
        if committed.durability() < least {
            self.broken(format!("{work:?} is {:?}, not {least:?}", committed.durability()));
        }
        let (first, level) = (committed.first_position(), committed.durability());
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

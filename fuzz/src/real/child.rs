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
    Background, CursorOptions, Durability, Error, Log, Options, Reading, Start, Visibility,
};

use super::line::{Answer, Line};
use super::writer::write;
use crate::bugs::{CAN_PLANT, bug_named};

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
    /// How long it waits after each promise that it tells, in microseconds: who listens
    /// can note when it was told, before anything else happens.
    pub pause: u32,
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
            pause: 0,
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
            "--pause" => self.pause = number()?,
            "--level" => {
                let found = LEVELS.iter().find(|(name, _)| *name == value);
                self.level = found.ok_or_else(wrong)?.1;
            }
            "--plant" if !CAN_PLANT => return Err("nothing can be planted here".to_owned()),
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
        push("--pause", &self.pause);
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
pub(super) struct Teller<'a> {
    out: Mutex<&'a mut (dyn Write + Send)>,
    ended: AtomicBool,
    pause: Duration,
}

impl Teller<'_> {
    /// Whether somebody listens.
    pub(super) fn tell(&self, line: &Line) -> bool {
        let text = format!("{line}\n");
        let told = self
            .out
            .lock()
            .is_ok_and(|mut out| out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok());
        if !told {
            self.ended.store(true, Ordering::Relaxed);
        }
        if !self.pause.is_zero() && !matches!(line, Line::Submit(..)) {
            std::thread::sleep(self.pause);
        }
        told
    }

    pub(super) fn failed(&self, who: &dyn fmt::Display, error: &Error) -> bool {
        self.tell(&Line::Failed(who.to_string(), Answer::of(error), error.to_string()))
    }

    pub(super) fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

/// Uses the log until it is killed, nobody listens, the log fails or everything that
/// was asked for is done.
pub fn run(plan: &ChildPlan, out: &mut (impl Write + Send)) {
    #[cfg(debug_assertions)]
    plan.bug.into_iter().for_each(annals::planted::plant_process);
    let pause = Duration::from_micros(plan.pause.into());
    let teller = Teller { out: Mutex::new(out), ended: AtomicBool::new(false), pause };
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
            let mut whole = true;
            for thread in writers {
                whole &= thread.join().unwrap_or_else(|_panic| {
                    teller.tell(&Line::Broken("a writer panics".to_owned()));
                    false
                });
            }
            whole
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

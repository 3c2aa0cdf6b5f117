//! Which floor stands beside which use of annals, and what annals is to reach there.
//!
//! * [`table`]: every row as data
//! * [`bar`]: the bars, and how far they are met
//! * `append`, `early`, `replay`, `streams`, `open`, `latency`, `space`: the families of rows
//! * `full`: appends to the floor that keeps what annals keeps, for several of them

mod append;
pub mod bar;
mod early;
mod full;
mod latency;
mod open;
mod replay;
mod space;
mod streams;
pub mod table;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use append::{annals_work, floor_work};
pub use bar::{Bar, Verdict};
pub use replay::{annals_replay, floor_replay};
pub use table::{ROWS, Row};

use crate::Result;
use crate::measure::{Contest, Pairs, Turn, Until};
use crate::workload::Workload;

/// Events in a batch of the rows with batches, and in those of the log that w4 replays.
pub const BATCH_EVENTS: usize = 100;

/// Bytes of the file that a durable floor writes to, over and over: as many as a full
/// segment of annals has.
pub const DEVICE_BYTES: u64 = 64 << 20;

/// Tickets in flight in w2t, and what its floor writes at a time.
pub const TICKETS: usize = 4096;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Pairs of turns that count.
    pub rounds: usize,
    /// Length of a turn that ends by time.
    pub turn: Duration,
    /// Bytes that the floor of the replay walks over.
    pub replay_bytes: u64,
    /// Events of a turn that stays within what the log has prepared.
    pub burst_events: u64,
    /// Events that come before such turns, so that segments have their full size.
    pub warm_events: u64,
    /// Length of a turn that has to be sustained.
    pub sustained: Duration,
    /// Streams of the rows with many.
    pub streams: usize,
    /// Events of each of them.
    pub per_stream: usize,
    /// Bytes of the floor's file beside the log that is opened.
    pub open_bytes: u64,
    /// Events that a process appends before it is killed.
    pub killed_events: u64,
}

impl Size {
    /// What figures are taken with.
    pub const FULL: Self = Self {
        rounds: 5,
        turn: Duration::from_secs(2),
        replay_bytes: 1 << 30,
        burst_events: 100_000,
        warm_events: 400_000,
        sustained: Duration::from_secs(30),
        streams: 100_000,
        per_stream: 10,
        open_bytes: 1 << 30,
        killed_events: 90_000,
    };

    /// For a look, not for a figure.
    pub const QUICK: Self = Self {
        rounds: 3,
        turn: Duration::from_millis(500),
        replay_bytes: 128 << 20,
        sustained: Duration::from_secs(3),
        open_bytes: 128 << 20,
        ..Self::FULL
    };

    /// The least with which every row runs.
    pub const LEAST: Self = Self {
        rounds: 1,
        turn: Duration::from_millis(20),
        replay_bytes: 1 << 20,
        burst_events: 200,
        warm_events: 100,
        sustained: Duration::from_millis(50),
        streams: 200,
        per_stream: 10,
        open_bytes: 1 << 20,
        killed_events: 1000,
    };
}

/// What a row is measured with.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'p> {
    /// Where floor and log are written.
    pub directory: &'p Path,
    /// The events of the rows that do not need streams of their own.
    pub workload: &'p Workload,
    /// How much.
    pub size: Size,
    /// A program that does jobs: see [`child`](crate::child).
    pub program: &'p Path,
}

impl Setting<'_> {
    fn floor(&self) -> PathBuf {
        self.directory.join("floor")
    }

    fn full(&self) -> PathBuf {
        self.directory.join("full")
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }
}

/// One side of a row: does its turn.
pub type Side<'s> = Box<dyn FnMut(Until) -> Result<Turn> + 's>;

/// What is done in turns.
pub struct Sides<'s> {
    /// Events of one call.
    pub events: u64,
    /// When a turn of the table ends.
    pub until: Until,
    /// The floor.
    pub floor: Side<'s>,
    /// The floor that keeps what annals keeps, where there is one.
    pub full: Option<Side<'s>>,
    /// annals.
    pub annals: Side<'s>,
    /// Another use of annals that a bar is given in.
    pub beside: Option<Side<'s>>,
    /// Pairs of turns, where they are fewer than elsewhere.
    pub most_rounds: usize,
}

impl fmt::Debug for Sides<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sides").field("until", &self.until).finish_non_exhaustive()
    }
}

impl<'s> Sides<'s> {
    fn new(
        events: u64,
        until: Until,
        floor: impl FnMut(Until) -> Result<Turn> + 's,
        annals: impl FnMut(Until) -> Result<Turn> + 's,
    ) -> Self {
        let (floor, annals) = (Box::new(floor), Box::new(annals));
        Self { events, until, floor, full: None, annals, beside: None, most_rounds: usize::MAX }
    }

    /// With the floor that keeps what annals keeps.
    fn with_full(self, full: impl FnMut(Until) -> Result<Turn> + 's) -> Self {
        Self { full: Some(Box::new(full)), ..self }
    }

    fn pairs(&mut self, rounds: usize) -> Result<Pairs> {
        let until = self.until;
        let turn = |side: &mut Side<'s>| side(until);
        let mut full = self.full.as_mut().map(|side| || turn(side));
        let mut beside = self.beside.as_mut().map(|side| || turn(side));
        let contest = Contest {
            floor: &mut || turn(&mut self.floor),
            full: full.as_mut().map(|full| full as _),
            annals: &mut || turn(&mut self.annals),
            beside: beside.as_mut().map(|beside| beside as _),
        };
        Pairs::run(rounds.min(self.most_rounds), contest)
    }
}

/// Gets the sides of a row once they are set up.
pub type Use<'u> = dyn FnMut(&mut Sides<'_>) -> Result<()> + 'u;

impl Row {
    /// Measures it, in a directory of its own below that of the setting, which is gone
    /// afterwards.
    ///
    /// # Errors
    /// If the disk or the log fails.
    pub fn run(&self, setting: Setting<'_>) -> Result<Pairs> {
        let mut pairs = Pairs::default();
        self.with(setting, &mut |sides| {
            pairs = sides.pairs(setting.size.rounds)?;
            Ok(())
        })?;
        Ok(pairs)
    }

    /// Sets it up in a directory of its own below that of the setting, hands out its sides, and
    /// removes everything.
    ///
    /// # Errors
    /// If the disk or the log fails; those of `each`.
    pub fn with(&self, setting: Setting<'_>, each: &mut Use<'_>) -> Result<()> {
        let place =
            tempfile::Builder::new().prefix("annals-bench-").tempdir_in(setting.directory)?;
        let setting = Setting { directory: place.path(), ..setting };
        (self.set_up)(setting, each)?;
        place.close()?;
        Ok(())
    }
}

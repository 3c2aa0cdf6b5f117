//! Reading a log from a process that does not write it: beside a live writer, or
//! without one.
//!
//! * [`origin`]: from what the log's end is known
//! * [`build`]: the view of the log, made anew and taken further
//! * [`horizon`]: how far readers may go, and waiting
//!
//! Nothing of the log is written. Beside a writer the control file says how far it is.
//! Without one the end is found as recovery finds it, and synced before it is served.

mod build;
mod horizon;
mod origin;
#[cfg(feature = "async")]
mod waiters;

use std::sync::Arc;
use std::time::Duration;

use crate::catalog::Catalog;
use crate::catalog::runs::Filling;
use crate::catalog::source::SharedTable;
use crate::error::{Error, Result};
use crate::io::Storage;
use crate::place::Place;
use crate::record::walk::Walk;
use crate::recovered::Recovery;
use crate::segment::{ReadMode, Segment};
use crate::sync::{Instant, Mutex};
use crate::visibility::Visibility;
use origin::Origin;

/// How often it is looked for a writer that died, came, or made its files again.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How often the segments are asked beside a writer whose file is not there.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// A log that another process may be writing.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) catalog: Arc<Catalog>,
    /// What opening found at the log's end; unknown beside a writer.
    pub(crate) recovery: Option<Recovery>,
    /// What reads that are no cursors see.
    visibility: Visibility,
    state: Mutex<State>,
    #[cfg(feature = "async")]
    waiters: waiters::Waiters,
    /// For the thread that wakes futures.
    #[cfg(feature = "async")]
    this: std::sync::Weak<Self>,
}

/// What is known of the log now.
#[derive(Debug)]
struct State {
    origin: Origin,
    looked: Instant,
    /// Counts up when the log was looked at anew, since another writer opened it: what
    /// was read before may be there no more.
    life: u64,
    active: Active,
    /// The durable and the written end, when the origin last said them.
    seen: [End; 2],
}

impl State {
    fn new(origin: Origin, active: Active, life: u64) -> Self {
        let seen = [Visibility::Durable, Visibility::Written].map(|level| origin.end(level));
        Self { origin, looked: Instant::now(), life, active, seen }
    }

    /// The durable and the written end. While another writer sets the words that are mapped
    /// here, they are what they were before: what it says belongs to another life.
    fn ends(&mut self) -> [End; 2] {
        if let Origin::Control(view, said) = &self.origin {
            // In this order: the written end is at least as far as the durable one.
            let now = [Visibility::Durable, Visibility::Written].map(|level| view.end(level));
            if view.said().is_some_and(|still| still.epoch == said.epoch) {
                self.seen = now;
            }
        }
        self.seen
    }
}

/// The segment that is written to, and how far its table is filled.
#[derive(Debug)]
struct Active {
    segment: Arc<Segment>,
    first_position: u64,
    previous_crc: u32,
    table: SharedTable,
    walk: Walk,
    filling: Filling,
}

/// A place and the position of the last event before it.
type End = (Place, u64);

impl Follower {
    /// Opens a log for reading. Beside a live writer this reads the headers of two
    /// segments; without one, what opening for writing would read.
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        mode: ReadMode,
        visibility: Visibility,
    ) -> Result<Arc<Self>> {
        let log = storage.describe();
        if !storage.exists().map_err(|error| Error::io("open", &log, error))? {
            return Err(Error::NotFound { log });
        }
        let found = origin::find(&*storage, mode, None, origin::PATIENCE)?
            .ok_or(Error::NotFound { log })?;
        let built = build::build(&*storage, mode, found)?;
        let recovery = built.recovery;
        let catalog = Catalog::new(storage, built.log, mode, built.view, true);
        let state = State::new(built.origin, built.active, 1);
        let catalog = Arc::new(catalog);
        let state = Mutex::new(state);
        #[cfg(feature = "async")]
        let made = Arc::new_cyclic(|this| Self {
            catalog,
            recovery: recovery.clone(),
            visibility,
            state,
            waiters: waiters::Waiters::default(),
            this: this.clone(),
        });
        #[cfg(not(feature = "async"))]
        let made = Arc::new(Self { catalog, recovery, visibility, state });
        Ok(made)
    }

    /// Whether somebody has the log open for writing.
    pub(crate) fn writer_is_alive(&self) -> Result<bool> {
        let storage = &*self.catalog.storage;
        storage.writer_alive().map_err(|error| Error::io("lock", &storage.describe(), error))
    }
}

//! Applies events to tables, so many in one SQL transaction, with the checkpoint in it.

use std::sync::Arc;
use std::time::Duration;

use super::super::error::with_causes;
use super::super::watch::Teller;
use super::super::{Progress, ProjectionError, ProjectionWatch, Result};
use super::backend::{SqlDatabase, refused};
use super::books::{self, Stage};
use super::tables::Tables;
use crate::planted::{self, Bug};
use crate::sourcing::{StoreReader, Tail};
use crate::sync::Instant;
use crate::{Checkpoint, Error, Event, Filter, OwnedEvent, Start};

/// How long it is at most until a running projector asks whether to go on; and how often one
/// that finds nothing to apply writes down how far it has looked.
const ASK_AFTER: Duration = Duration::from_millis(100);

/// With so many bytes of events a transaction is large enough: they are held in memory.
const TRANSACTION_BYTES: usize = 4 << 20;

/// How many events are taken at a time, until it is seen how large they are.
const POLL_EVENTS: usize = 64;

/// Tables that are made from events. [`SqlProjector`] runs one and has an example.
///
/// Its statements go into the transaction that it is handed, and nowhere else: then each event
/// is in the tables exactly once, whatever is killed or fails.
pub trait SqlProjection<D: SqlDatabase> {
    /// Why an event cannot be applied. The database's own refusal is one.
    type Error: Into<Box<dyn std::error::Error + Send + Sync>>;

    /// Its name: of one projection in the database.
    const NAME: &'static str;

    /// The number of the tables' shape, and of what [`apply`](Self::apply) does: to be raised when
    /// either changes. Then they are [rebuilt](SqlProjector::rebuild).
    const SCHEMA: u32;

    /// The tables that it makes: names of lower-case letters, digits and `_`, up to 40 bytes.
    const TABLES: &'static [&'static str];

    /// Which events it is made from. Default: all of them. With another one the tables are to
    /// be [rebuilt](SqlProjector::rebuild).
    fn filter(&self) -> Filter {
        Filter::new()
    }

    /// Makes the tables and their indexes, with the names that `tables` gives.
    ///
    /// # Errors
    /// Its own. Nothing was made, then.
    fn create(
        &mut self,
        transaction: &mut D::Transaction<'_>,
        tables: &Tables,
    ) -> std::result::Result<(), Self::Error>;

    /// Applies one event, all parts of it if it is upcast to several.
    ///
    /// It is called again for the same event, with the tables as they were, if the transaction
    /// cannot be committed.
    ///
    /// # Errors
    /// Its own. The transaction is rolled back, what came before the event is applied again,
    /// and the projector stops before the event, unless it turns out that the connection was lost.
    fn apply(
        &mut self,
        transaction: &mut D::Transaction<'_>,
        tables: &Tables,
        event: &Event<'_>,
    ) -> std::result::Result<(), Self::Error>;

    /// Applies the events of one transaction. One after the other, unless it is written
    /// otherwise: to send fewer statements, as a server at the end of a wire wants it.
    ///
    /// # Errors
    /// Its own, with the index of the event that cannot be applied.
    fn apply_all(
        &mut self,
        transaction: &mut D::Transaction<'_>,
        tables: &Tables,
        events: &[Event<'_>],
    ) -> std::result::Result<(), (usize, Self::Error)> {
        for (index, event) in events.iter().enumerate() {
            self.apply(transaction, tables, event).map_err(|error| (index, error))?;
        }
        Ok(())
    }
}

/// An [`SqlProjection`] at work, in the process that writes the log or in another one.
///
/// It applies some events in one SQL transaction, and writes in the same transaction up to where
/// that goes. Killed wherever it may be, it goes on there: each event is in the tables
/// exactly once. A second projector of the same projection, in whatever process, waits for the
/// first one's transaction, sees how far that went, and applies nothing twice.
///
/// The events of one batch may come in two transactions. `Sqlite` and `Postgres` have examples.
///
/// # When the projection changes
///
/// [`rebuild`](Self::rebuild) makes the next generation of its tables beside the live one, which
/// goes on, and [`switch`](Self::switch) puts it in its place, in one transaction.
#[derive(Debug)]
pub struct SqlProjector<D: SqlDatabase, P> {
    pub(super) store: Arc<dyn StoreReader>,
    pub(super) database: D,
    pub(super) projection: P,
    pub(super) filter: Filter,
    pub(super) name: &'static str,
    pub(super) tables: Tables,
    /// Up to where its generation is, as far as it knows.
    pub(super) checkpoint: Checkpoint,
    pub(super) tail: Option<Box<dyn Tail>>,
    pub(super) transaction_events: usize,
    /// When it wrote last how far it is.
    pub(super) written: Instant,
    pub(super) teller: Teller,
}

/// What a projection says of an event that it cannot apply.
type Refused = Box<dyn std::error::Error + Send + Sync>;

/// What came of a transaction.
enum Applied {
    /// It is committed.
    All,
    /// Somebody else has moved on: nothing was applied, and this is where to go on.
    Elsewhere(Checkpoint),
    /// This event of it cannot be applied; nothing of it is.
    Not(usize, Refused),
}

/// What came of a step.
enum Step {
    Events(u64),
    /// There may be more.
    Again,
    /// This is the end for now.
    End,
}

impl<D: SqlDatabase, P: SqlProjection<D>> SqlProjector<D, P> {
    /// How many events are applied in one transaction, at most. Default: 500; 0 is taken for 1. With
    /// 4 MiB of events it ends in any case.
    /// More are quicker, and what reads the tables then waits longer at a time, in SQLite
    /// for each other too.
    #[must_use]
    pub const fn transaction_events(mut self, events: usize) -> Self {
        self.transaction_events = if events == 0 { 1 } else { events };
        self
    }

    /// The database, to ask questions on the same connection.
    pub const fn database(&mut self) -> &mut D {
        &mut self.database
    }

    /// The tables that it applies to.
    pub const fn tables(&self) -> &Tables {
        &self.tables
    }

    /// How far it is, for other threads.
    pub fn watch(&self) -> ProjectionWatch {
        self.teller.watch()
    }

    /// How far it is, and how far there is to go. Reads one event.
    ///
    /// # Errors
    /// What the store says.
    pub fn progress(&self) -> Result<Progress> {
        Progress::at(&*self.store, self.checkpoint.position)
    }

    /// Applies what is there now. Returns how many events that were.
    ///
    /// # Errors
    /// [`ProjectionError::Stopped`] if one cannot be applied, [`ProjectionError::Ahead`],
    /// [`ProjectionError::Replaced`], [`ProjectionError::Sql`], and what the store says. It may be
    /// called again after any.
    pub fn catch_up(&mut self) -> Result<u64> {
        let mut applied = 0;
        loop {
            match self.told(Duration::ZERO)? {
                Step::Events(count) => applied += count,
                Step::Again => {}
                Step::End => return Ok(applied),
            }
        }
    }

    /// As [`catch_up`](Self::catch_up), and goes on with what comes, for as long as `go_on` says:
    /// it is asked again and again, ten times a second or more often.
    ///
    /// # Errors
    /// Those of [`catch_up`](Self::catch_up), and those of [`Tail::wait`].
    pub fn run(&mut self, mut go_on: impl FnMut() -> bool) -> Result<()> {
        while go_on() {
            if let Step::End = self.told(ASK_AFTER)?
                && let Some(tail) = &mut self.tail
            {
                tail.wait(ASK_AFTER)?;
            }
        }
        Ok(())
    }

    fn told(&mut self, idle: Duration) -> Result<Step> {
        let outcome = self.step(idle);
        match &outcome {
            Ok(_) => self.teller.at(self.checkpoint.position),
            Err(error) => self.teller.stopped(error),
        }
        outcome
    }

    /// One transaction. If there is nothing to apply, only how far it has looked is written, not
    /// more often than once in the time `idle`.
    fn step(&mut self, idle: Duration) -> Result<Step> {
        let mut tail = match self.tail.take() {
            Some(tail) => tail,
            None => self.tail_at(self.checkpoint)?,
        };
        let events = self.taken(&mut *tail)?;
        let nothing = events.is_empty();
        let idling = nothing && Instant::now().saturating_duration_since(self.written) < idle;
        if idling || (nothing && tail.scanned_to() == self.checkpoint.position) {
            self.tail = Some(tail);
            return Ok(Step::End);
        }
        let to = tail.checkpoint()?;
        match self.apply(&events, to)? {
            Applied::All => self.tail = Some(tail),
            Applied::Elsewhere(checkpoint) => {
                self.checkpoint = checkpoint;
                return Ok(Step::Again);
            }
            Applied::Not(index, refused) => return self.stop(&events, index, refused),
        }
        if nothing {
            return Ok(Step::End);
        }
        Ok(Step::Events(u64::try_from(events.len()).unwrap_or_default()))
    }

    /// The events of one transaction: as many as there may be, and are there, and not many
    /// more bytes than there may be.
    fn taken(&self, tail: &mut dyn Tail) -> Result<Vec<OwnedEvent>> {
        let (mut events, mut bytes) = (Vec::new(), 0);
        while bytes < TRANSACTION_BYTES && events.len() < self.transaction_events {
            let most = POLL_EVENTS.min(self.transaction_events - events.len());
            let count = tail
                .poll(most, &mut |event| {
                    bytes += event.data().len() + event.metadata().len();
                    events.push(event.to_owned());
                })
                .map_err(|error| ahead(self.name, error))?;
            if count == 0 {
                break;
            }
        }
        Ok(events)
    }

    fn apply(&mut self, events: &[OwnedEvent], to: Checkpoint) -> Result<Applied> {
        let generation = self.tables.generation();
        if planted::active(Bug::CheckpointOutsideTransaction) {
            let mut apart = self.database.begin().map_err(refused::<D>)?;
            books::move_to::<D>(&mut apart, self.name, generation, &to)?;
            D::commit(apart).map_err(refused::<D>)?;
            self.checkpoint = to;
        }
        let mut transaction = self.database.begin().map_err(refused::<D>)?;
        let row = books::one::<D>(&mut transaction, self.name, generation)?;
        let Some(row) = row.filter(|row| row.stage != Stage::Retired) else {
            return Err(ProjectionError::Replaced { name: self.name.to_owned(), generation });
        };
        if row.checkpoint != self.checkpoint {
            return Ok(Applied::Elsewhere(row.checkpoint));
        }
        let lent: Vec<Event<'_>> = events.iter().map(OwnedEvent::as_event).collect();
        if let Err((index, error)) =
            self.projection.apply_all(&mut transaction, &self.tables, &lent)
        {
            return Ok(Applied::Not(index, error.into()));
        }
        books::move_to::<D>(&mut transaction, self.name, generation, &to)?;
        D::commit(transaction).map_err(refused::<D>)?;
        (self.checkpoint, self.written) = (to, Instant::now());
        Ok(Applied::All)
    }

    /// Applies what comes before an event that cannot be, so that this is where it stops.
    fn stop(&mut self, events: &[OwnedEvent], index: usize, refused: Refused) -> Result<Step> {
        let retryable = refused.downcast_ref().is_some_and(D::is_retryable);
        if retryable || self.database.is_lost() {
            // That is no fault of the event.
            let source = Arc::from(refused);
            return Err(ProjectionError::Sql { database: D::NAME, retryable, source });
        }
        let (before, rest) = events.split_at_checked(index).unwrap_or((&[], events));
        if let Some(last) = before.last() {
            let position = last.as_event().position();
            let to = self.store.tail(Start::After(position), &self.filter)?.checkpoint()?;
            if let Applied::Elsewhere(checkpoint) = self.apply(before, to)? {
                self.checkpoint = checkpoint;
                return Ok(Step::Again);
            }
        }
        let Some(failed) = rest.first() else { return Ok(Step::Again) };
        self.teller.at(self.checkpoint.position);
        Err(ProjectionError::stopped(self.name, &failed.as_event(), with_causes(&*refused)))
    }

    pub(super) fn tail_at(&self, checkpoint: Checkpoint) -> Result<Box<dyn Tail>> {
        tail_at(&*self.store, self.name, checkpoint, &self.filter)
    }
}

pub(super) fn tail_at(
    store: &dyn StoreReader,
    name: &str,
    checkpoint: Checkpoint,
    filter: &Filter,
) -> Result<Box<dyn Tail>> {
    store.tail(Start::Checkpoint(checkpoint), filter).map_err(|error| ahead(name, error))
}

/// An older copy of the log, or another one, is told as what it is.
fn ahead(name: &str, source: Error) -> ProjectionError {
    match source {
        Error::BeyondHead { .. } | Error::Diverged { .. } => {
            ProjectionError::Ahead { name: name.to_owned(), source }
        }
        other => other.into(),
    }
}

//! Generations of a projection's tables: the first one, the next one built beside it, the switch.

use std::sync::Arc;

use super::super::watch::Teller;
use super::super::{ProjectionError, Result};
use super::backend::{Backend, SqlDatabase, refused};
use super::books::{self, Generation, Shape, Stage};
use super::projector::{SqlProjection, SqlProjector, tail_at};
use super::tables::{self, Tables};
use crate::sourcing::StoreReader;
use crate::sync::Instant;
use crate::{Filter, Start};

/// How many events are applied in one transaction, unless said otherwise.
const TRANSACTION_EVENTS: usize = 500;

impl<D: SqlDatabase, P: SqlProjection<D>> SqlProjector<D, P> {
    /// Goes on with the live tables; the first time it makes them, as generation 1, and starts
    /// before the first event.
    ///
    /// # Errors
    /// [`ProjectionError::OtherShape`] if they were made with another schema number or filter,
    /// [`ProjectionError::Ahead`] if the log does not hold what they do,
    /// [`ProjectionError::Table`], [`ProjectionError::Sql`], and what the store says.
    pub fn open(store: Arc<dyn StoreReader>, mut database: D, projection: P) -> Result<Self> {
        tables::check(P::TABLES)?;
        let mut projection = projection;
        let filter = projection.filter();
        let shape = Shape::of(P::SCHEMA, &filter);
        let mut transaction = database.begin().map_err(refused::<D>)?;
        let all = settle::<D>(&mut transaction, P::NAME)?;
        let generation = match all.iter().find(|one| one.stage == Stage::Live) {
            Some(live) if live.shape == shape => live.clone(),
            Some(live) => {
                return Err(ProjectionError::OtherShape {
                    name: P::NAME.to_owned(),
                    stored: live.shape.describe(),
                    given: shape.describe(),
                });
            }
            None => {
                let next = next(&*store, &all, Stage::Live, shape, P::TABLES)?;
                make::<D, P>(&mut transaction, &mut projection, &next)?;
                tables::show::<D>(&mut transaction, next.number, P::TABLES)?;
                next
            }
        };
        D::commit(transaction).map_err(refused::<D>)?;
        Self::of(store, database, projection, filter, &generation)
    }

    /// Builds the next generation of its tables beside the live one, from the first event on:
    /// [`catch_up`](Self::catch_up) applies to it, and [`switch`](Self::switch) puts it in the
    /// live one's place. Goes on with one that was begun with the same schema number and filter
    /// and not finished, and drops one that was begun with others.
    ///
    /// The program that has the live one open goes on with it meanwhile. Where there is no live
    /// one, what is built becomes it with the switch.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), without
    /// [`OtherShape`](ProjectionError::OtherShape).
    pub fn rebuild(store: Arc<dyn StoreReader>, mut database: D, projection: P) -> Result<Self> {
        tables::check(P::TABLES)?;
        let mut projection = projection;
        let filter = projection.filter();
        let shape = Shape::of(P::SCHEMA, &filter);
        let mut transaction = database.begin().map_err(refused::<D>)?;
        let all = settle::<D>(&mut transaction, P::NAME)?;
        let mut begun = None;
        for building in all.iter().filter(|one| one.stage == Stage::Building) {
            let fits = tail_at(&*store, P::NAME, building.checkpoint, &filter).is_ok();
            if building.shape == shape && fits {
                begun = Some(building.clone());
            } else {
                drop_one::<D>(&mut transaction, P::NAME, building)?;
            }
        }
        let generation = match begun {
            Some(begun) => begun,
            None => {
                let next = next(&*store, &all, Stage::Building, shape, P::TABLES)?;
                make::<D, P>(&mut transaction, &mut projection, &next)?;
                next
            }
        };
        D::commit(transaction).map_err(refused::<D>)?;
        Self::of(store, database, projection, filter, &generation)
    }

    /// Puts what was [rebuilt](Self::rebuild) in the place of the live tables, in one
    /// transaction: whoever asks sees all of the old ones or all of the new ones. What is there
    /// now is applied first. Then the old tables are dropped; what is killed in between is
    /// cleared away by the next opening. Does nothing if it is the live one.
    ///
    /// The old generation's projector ends with [`ProjectionError::Replaced`]. In PostgreSQL
    /// the views are made anew: rights that were granted on them are to be granted again, and a
    /// view of your own on them is in the way.
    ///
    /// # Errors
    /// Those of [`catch_up`](Self::catch_up); [`ProjectionError::NotCaughtUp`] if the live one
    /// has applied more meanwhile, with nothing changed: try again.
    pub fn switch(&mut self) -> Result<()> {
        self.catch_up()?;
        let own = self.tables.generation();
        let mut transaction = self.database.begin().map_err(refused::<D>)?;
        let all = books::generations::<D>(&mut transaction, self.name)?;
        let Some(built) = all.iter().find(|one| one.number == own) else {
            return Err(ProjectionError::Replaced { name: self.name.to_owned(), generation: own });
        };
        match built.stage {
            Stage::Live => return Ok(()),
            Stage::Retired => {
                let name = self.name.to_owned();
                return Err(ProjectionError::Replaced { name, generation: own });
            }
            Stage::Building => {}
        }
        for live in all.iter().filter(|one| one.stage == Stage::Live) {
            // What the log does not hold cannot be caught up with, and is why it was rebuilt.
            let in_log = tail_at(&*self.store, self.name, live.checkpoint, &Filter::new()).is_ok();
            let (position, live_at) = (built.checkpoint.position, live.checkpoint.position);
            if in_log && position < live_at {
                let name = self.name.to_owned();
                return Err(ProjectionError::NotCaughtUp { name, position, live: live_at });
            }
            tables::hide::<D>(&mut transaction, &live.tables())?;
            books::stage::<D>(&mut transaction, self.name, live.number, Stage::Retired)?;
        }
        tables::show::<D>(&mut transaction, own, P::TABLES)?;
        books::stage::<D>(&mut transaction, self.name, own, Stage::Live)?;
        D::commit(transaction).map_err(refused::<D>)?;

        let mut transaction = self.database.begin().map_err(refused::<D>)?;
        settle::<D>(&mut transaction, self.name)?;
        D::commit(transaction).map_err(refused::<D>)
    }

    fn of(
        store: Arc<dyn StoreReader>,
        database: D,
        projection: P,
        filter: Filter,
        generation: &Generation,
    ) -> Result<Self> {
        let checkpoint = generation.checkpoint;
        let tail = tail_at(&*store, P::NAME, checkpoint, &filter)?;
        let teller = Teller::default();
        teller.at(checkpoint.position);
        Ok(Self {
            store,
            database,
            projection,
            filter,
            name: P::NAME,
            tables: Tables::of(generation.number),
            checkpoint,
            tail: Some(tail),
            transaction_events: TRANSACTION_EVENTS,
            written: Instant::now(),
            teller,
        })
    }
}

/// Makes the books if they are not there, and clears away what a switch left. Returns the rest.
fn settle<D: Backend>(transaction: &mut D::Transaction<'_>, name: &str) -> Result<Vec<Generation>> {
    D::alone(transaction).map_err(refused::<D>)?;
    books::make::<D>(transaction)?;
    let mut all = books::generations::<D>(transaction, name)?;
    for retired in all.iter().filter(|one| one.stage == Stage::Retired) {
        drop_one::<D>(transaction, name, retired)?;
    }
    all.retain(|one| one.stage != Stage::Retired);
    Ok(all)
}

fn drop_one<D: Backend>(
    transaction: &mut D::Transaction<'_>,
    name: &str,
    generation: &Generation,
) -> Result<()> {
    tables::drop_all::<D>(transaction, generation.number, &generation.tables())?;
    books::remove::<D>(transaction, name, generation.number)
}

/// The generation after these, before the first event.
fn next(
    store: &dyn StoreReader,
    all: &[Generation],
    stage: Stage,
    shape: Shape,
    tables: &[&str],
) -> Result<Generation> {
    let last = all.last().map_or(0, |one| one.number);
    // The log's identity is in it from the beginning.
    let checkpoint = store.tail(Start::Beginning, &Filter::new())?.checkpoint()?;
    Ok(Generation {
        number: last.saturating_add(1),
        stage,
        shape,
        tables: tables.iter().map(|&table| table.to_owned()).collect(),
        checkpoint,
    })
}

fn make<D: SqlDatabase, P: SqlProjection<D>>(
    transaction: &mut D::Transaction<'_>,
    projection: &mut P,
    generation: &Generation,
) -> Result<()> {
    let made = projection.create(transaction, &Tables::of(generation.number));
    made.map_err(|error| ProjectionError::Sql {
        database: D::NAME,
        retryable: false,
        source: Arc::from(error.into()),
    })?;
    books::add::<D>(transaction, P::NAME, generation)
}

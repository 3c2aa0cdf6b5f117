//! Checkpoints of programs that follow a log on their own, in a database.

use super::super::ProjectionError;
use super::backend::{SqlDatabase, Value, refused};
use crate::sourcing::CheckpointStore;
use crate::sync::Mutex;
use crate::{Checkpoint, Error, Result};

const MAKE: &str =
    "CREATE TABLE IF NOT EXISTS annals_checkpoints (name TEXT PRIMARY KEY, place TEXT NOT NULL)";
const LOAD: &str = "SELECT place FROM annals_checkpoints WHERE name = $1";
const SAVE: &str = "INSERT INTO annals_checkpoints (name, place) VALUES ($1, $2) \
                    ON CONFLICT (name) DO UPDATE SET place = excluded.place";

/// Checkpoints as rows of a table, `annals_checkpoints`, on a connection of their own: for a
/// [`Follower`](crate::sourcing::Follower).
///
/// Who keeps what it does in the same database saves the checkpoint in the same transaction, with
/// [`save_in`](Self::save_in); or uses an [`SqlProjector`](crate::sourcing::SqlProjector), which
/// does that and more.
#[derive(Debug)]
pub struct SqlCheckpoints<D> {
    database: Mutex<D>,
}

impl<D: SqlDatabase> SqlCheckpoints<D> {
    /// In this database. The table is made if it is not there.
    ///
    /// # Errors
    /// [`ProjectionError::Sql`].
    pub fn new(mut database: D) -> std::result::Result<Self, ProjectionError> {
        let mut transaction = database.begin().map_err(refused::<D>)?;
        Self::prepare_in(&mut transaction)?;
        D::commit(transaction).map_err(refused::<D>)?;
        Ok(Self { database: Mutex::new(database) })
    }

    /// Makes the table if it is not there, in a transaction of the caller's.
    ///
    /// # Errors
    /// [`ProjectionError::Sql`].
    pub fn prepare_in(
        transaction: &mut D::Transaction<'_>,
    ) -> std::result::Result<(), ProjectionError> {
        D::alone(transaction).map_err(refused::<D>)?;
        D::execute(transaction, MAKE, &[]).map_err(refused::<D>)
    }

    /// What was saved last under a name, as a transaction of the caller's sees it.
    ///
    /// # Errors
    /// [`ProjectionError::Sql`]; [`ProjectionError::Unreadable`] for what is no checkpoint.
    pub fn load_in(
        transaction: &mut D::Transaction<'_>,
        name: &str,
    ) -> std::result::Result<Option<Checkpoint>, ProjectionError> {
        let rows =
            D::query(transaction, LOAD, &[Value::Text(name.to_owned())]).map_err(refused::<D>)?;
        let Some(row) = rows.first() else { return Ok(None) };
        let place = match row.first() {
            Some(Value::Text(place)) => place.parse().ok(),
            _ => None,
        };
        place.map(Some).ok_or_else(|| ProjectionError::Unreadable {
            name: name.to_owned(),
            why: "its row holds no checkpoint".to_owned(),
        })
    }

    /// Saves a checkpoint in a transaction of the caller's: it is there if what else is done in
    /// that is, and only then.
    ///
    /// # Errors
    /// [`ProjectionError::Sql`].
    pub fn save_in(
        transaction: &mut D::Transaction<'_>,
        name: &str,
        checkpoint: &Checkpoint,
    ) -> std::result::Result<(), ProjectionError> {
        let values = [Value::Text(name.to_owned()), Value::Text(checkpoint.to_string())];
        D::execute(transaction, SAVE, &values).map_err(refused::<D>)
    }

    /// What the store's trait can say of it.
    fn plain(error: ProjectionError) -> Error {
        match error {
            ProjectionError::Store(error) => error,
            ProjectionError::Sql { database, retryable, source } => {
                Error::Store { store: database.to_owned(), retryable, source }
            }
            _ => Error::Invalid { what: "checkpoint", why: "the row holds no checkpoint" },
        }
    }
}

impl<D: SqlDatabase> CheckpointStore for SqlCheckpoints<D> {
    fn load(&self, name: &str) -> Result<Option<Checkpoint>> {
        let mut database = self.database.lock();
        let mut transaction =
            database.begin_reading().map_err(refused::<D>).map_err(Self::plain)?;
        Self::load_in(&mut transaction, name).map_err(Self::plain)
    }

    fn save(&self, name: &str, checkpoint: &Checkpoint) -> Result<()> {
        let mut database = self.database.lock();
        let mut transaction = database.begin().map_err(refused::<D>).map_err(Self::plain)?;
        Self::save_in(&mut transaction, name, checkpoint).map_err(Self::plain)?;
        D::commit(transaction).map_err(refused::<D>).map_err(Self::plain)
    }
}

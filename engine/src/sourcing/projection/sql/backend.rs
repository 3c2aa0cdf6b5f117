//! What is asked of a database: transactions, and statements with texts and whole numbers.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use super::super::{ProjectionError, Result};
use super::books;
use crate::Checkpoint;
use crate::sync::Instant;

/// How often the database is asked while somebody waits.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// A value in a statement or an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// No value.
    Null,
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
}

/// A row of an answer.
pub(crate) type Row = Vec<Value>;

/// What both databases do. Statements have their values as `$1`, `$2` and so on, in the order
/// in which they stand there first.
pub trait Backend: Debug + Send {
    /// A transaction, as handlers get it. Dropped, it is rolled back.
    type Transaction<'t>
    where
        Self: 't;

    /// What the database says when it refuses.
    type Refusal: std::error::Error + Send + Sync + 'static;

    /// The database, for messages.
    const NAME: &'static str;

    /// What makes a question lock the rows that it finds.
    const LOCKING: &'static str;

    /// Begins a transaction that writes: it sees what is committed, and what it locks nobody
    /// else changes.
    fn begin(&mut self) -> std::result::Result<Self::Transaction<'_>, Self::Refusal>;

    /// Begins one that reads.
    fn begin_reading(&mut self) -> std::result::Result<Self::Transaction<'_>, Self::Refusal>;

    /// Commits.
    fn commit(transaction: Self::Transaction<'_>) -> std::result::Result<(), Self::Refusal>;

    /// Keeps others from this place until the transaction ends. The first thing in one that
    /// makes tables.
    fn alone(transaction: &mut Self::Transaction<'_>) -> std::result::Result<(), Self::Refusal>;

    /// Whether there is a table or view with this name where names are looked for first.
    fn is_there(
        transaction: &mut Self::Transaction<'_>,
        name: &str,
    ) -> std::result::Result<bool, Self::Refusal>;

    /// Runs a statement.
    fn execute(
        transaction: &mut Self::Transaction<'_>,
        sql: &str,
        values: &[Value],
    ) -> std::result::Result<(), Self::Refusal>;

    /// Asks for rows.
    fn query(
        transaction: &mut Self::Transaction<'_>,
        sql: &str,
        values: &[Value],
    ) -> std::result::Result<Vec<Row>, Self::Refusal>;

    /// Whether the connection was lost, so that a failure says nothing of what was asked. Asks
    /// the server.
    fn is_lost(&mut self) -> bool;

    /// Whether the same may succeed later.
    fn is_retryable(refusal: &Self::Refusal) -> bool;
}

/// A refusal with the database's name.
pub(in crate::sourcing::projection) fn refused<D: Backend + ?Sized>(
    refusal: D::Refusal,
) -> ProjectionError {
    let retryable = D::is_retryable(&refusal);
    ProjectionError::Sql { database: D::NAME, retryable, source: Arc::new(refusal) }
}

/// A database that projections are kept in: `Sqlite` or `Postgres`. Others cannot be added from
/// outside.
pub trait SqlDatabase: Backend {
    /// Up to where the live tables of a projection are applied; `None` if there are none. For
    /// who reads the tables, on a connection of its own, in whatever process.
    ///
    /// # Errors
    /// [`ProjectionError::Sql`], [`ProjectionError::Unreadable`].
    fn applied(&mut self, name: &str) -> Result<Option<Checkpoint>> {
        let mut transaction = self.begin_reading().map_err(refused::<Self>)?;
        books::live::<Self>(&mut transaction, name)
    }

    /// Waits until everything up to a position is applied to the live tables of a projection,
    /// so that a program that appended reads its own writes. Returns whether it is. It asks the
    /// database 200 times a second: in the projector's process a
    /// [`ProjectionWatch`](crate::sourcing::ProjectionWatch) is cheaper.
    ///
    /// # Errors
    /// Those of [`applied`](Self::applied).
    fn wait_for(&mut self, name: &str, position: u64, timeout: Duration) -> Result<bool> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            if self.applied(name)?.is_some_and(|applied| applied.position >= position) {
                return Ok(true);
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(false);
            }
            crate::sync::thread::sleep(ASK_EVERY);
        }
    }
}

//! SQLite.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, params_from_iter};

use super::sql::{Backend, Row, SqlCheckpoints, SqlDatabase, Value};
use super::{ProjectionError, Result};

/// A SQLite database that projections are kept in. (Feature `sqlite`.)
///
/// The connection is `rusqlite`'s, which is re-exported as
/// [`sourcing::rusqlite`](crate::sourcing::rusqlite). Whatever its journal and synchronous modes
/// are, tables and checkpoint are written together; they say how much of both a power cut may
/// take back, which is then applied again.
///
/// ```
/// use std::sync::Arc;
/// use annals::sourcing::rusqlite::{self, Transaction};
/// use annals::sourcing::{SqlDatabase, SqlProjection, SqlProjector, Sqlite, Tables};
/// use annals::{Batch, Event, Expected, Filter, Log, NewEvent};
///
/// /// The step that each order is at.
/// struct Orders;
///
/// impl SqlProjection<Sqlite> for Orders {
///     type Error = rusqlite::Error;
///     const NAME: &'static str = "orders";
///     const SCHEMA: u32 = 1;
///     const TABLES: &'static [&'static str] = &["orders"];
///
///     fn filter(&self) -> Filter {
///         Filter::new().category("order")
///     }
///
///     fn create(&mut self, sql: &mut Transaction<'_>, tables: &Tables) -> rusqlite::Result<()> {
///         let orders = tables.name("orders");
///         sql.execute_batch(&format!("CREATE TABLE {orders} (id TEXT PRIMARY KEY, step TEXT)"))
///     }
///
///     fn apply(
///         &mut self,
///         sql: &mut Transaction<'_>,
///         tables: &Tables,
///         event: &Event<'_>,
///     ) -> rusqlite::Result<()> {
///         let orders = tables.name("orders");
///         sql.prepare_cached(&format!("INSERT OR REPLACE INTO {orders} VALUES (?, ?)"))?
///             .execute([event.stream(), event.event_type()])?;
///         Ok(())
///     }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("log");
/// # let file = directory.path().join("shop.db");
/// let log = Arc::new(Log::open(path)?);
/// let steps = ["Placed", "Paid"].map(NewEvent::new);
/// log.append(Batch::new().write("order-1", Expected::NoStream, steps))?;
///
/// let mut orders = SqlProjector::open(log.clone(), Sqlite::open(&file)?, Orders)?;
/// assert_eq!(orders.catch_up()?, 2);
///
/// // Who asks, anywhere, asks the view `orders`.
/// let mut asking = Sqlite::open(&file)?;
/// let question = "SELECT step FROM orders WHERE id = 'order-1'";
/// let step: String = asking.connection().query_row(question, [], |row| row.get(0))?;
/// assert_eq!(step, "Paid");
/// assert_eq!(asking.applied("orders")?.map(|applied| applied.position), Some(2));
///
/// // The same tables made anew beside them, and put in their place.
/// let mut rebuilt = SqlProjector::rebuild(log.clone(), Sqlite::open(&file)?, Orders)?;
/// rebuilt.switch()?;
/// assert_eq!(rebuilt.tables().name("orders"), "orders__g2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
}

/// Checkpoints in a SQLite database. (Feature `sqlite`.)
///
/// ```
/// use annals::sourcing::{Follower, Sqlite, SqliteCheckpoints};
/// use annals::{Batch, Expected, Filter, Log, NewEvent, Reader, Start};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("log");
/// # let file = directory.path().join("places.db");
/// let log = Log::open(&path)?;
/// log.append(Batch::new().write("order-1", Expected::Any, [NewEvent::new("Placed")]))?;
///
/// let reader = Reader::open(&path)?;
/// for expected in [1, 0] {
///     let kept = SqliteCheckpoints::new(Sqlite::open(&file)?)?;
///     let mut follower = Follower::open(&reader, "mail", &Filter::new(), Start::Beginning, kept)?;
///     assert_eq!(follower.poll(100, &mut |_event| {})?, expected);
///     follower.save()?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type SqliteCheckpoints = SqlCheckpoints<Sqlite>;

impl Sqlite {
    /// Opens a file, which is made if it is not there, with a write-ahead log: others read
    /// while it writes. It waits for other writers for 5 s.
    ///
    /// # Errors
    /// [`ProjectionError::Sql`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let refused = |error| super::sql::refused::<Self>(error);
        let connection = Connection::open(path).map_err(refused)?;
        connection.pragma_update(None, "journal_mode", "wal").map_err(refused)?;
        Ok(Self::new(connection))
    }

    /// On this connection, as it is.
    pub const fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// The connection.
    pub const fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl SqlDatabase for Sqlite {}

fn param(value: &Value) -> rusqlite::types::Value {
    match value {
        Value::Null => rusqlite::types::Value::Null,
        Value::Text(text) => rusqlite::types::Value::Text(text.clone()),
        Value::Number(number) => rusqlite::types::Value::Integer(*number),
    }
}

impl Backend for Sqlite {
    type Transaction<'t> = Transaction<'t>;
    type Refusal = rusqlite::Error;
    const NAME: &'static str = "SQLite";
    // One transaction at a time writes.
    const LOCKING: &'static str = "";

    fn begin(&mut self) -> rusqlite::Result<Transaction<'_>> {
        // Immediate: what it reads nobody changes before it writes.
        Transaction::new(&mut self.connection, TransactionBehavior::Immediate)
    }

    fn begin_reading(&mut self) -> rusqlite::Result<Transaction<'_>> {
        Transaction::new(&mut self.connection, TransactionBehavior::Deferred)
    }

    fn commit(transaction: Transaction<'_>) -> rusqlite::Result<()> {
        transaction.commit()
    }

    fn alone(_: &mut Transaction<'_>) -> rusqlite::Result<()> {
        Ok(())
    }

    fn is_there(transaction: &mut Transaction<'_>, name: &str) -> rusqlite::Result<bool> {
        let sql = "SELECT 1 FROM sqlite_master WHERE name = $1";
        transaction.prepare_cached(sql)?.exists([name])
    }

    fn execute(
        transaction: &mut Transaction<'_>,
        sql: &str,
        values: &[Value],
    ) -> rusqlite::Result<()> {
        let mut statement = transaction.prepare_cached(sql)?;
        statement.execute(params_from_iter(values.iter().map(param))).map(drop)
    }

    fn query(
        transaction: &mut Transaction<'_>,
        sql: &str,
        values: &[Value],
    ) -> rusqlite::Result<Vec<Row>> {
        let mut statement = transaction.prepare_cached(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query(params_from_iter(values.iter().map(param)))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let values = (0..columns).map(|column| {
                Ok(match row.get_ref(column)? {
                    ValueRef::Integer(number) => Value::Number(number),
                    ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into()),
                    _ => Value::Null,
                })
            });
            found.push(values.collect::<rusqlite::Result<_>>()?);
        }
        Ok(found)
    }

    fn is_lost(&mut self) -> bool {
        false
    }

    fn is_retryable(refusal: &rusqlite::Error) -> bool {
        let code = refusal.sqlite_error_code();
        matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
    }
}

impl From<rusqlite::Error> for ProjectionError {
    fn from(error: rusqlite::Error) -> Self {
        super::sql::refused::<Sqlite>(error)
    }
}

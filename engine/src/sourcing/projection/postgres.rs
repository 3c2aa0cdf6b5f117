//! PostgreSQL.

use std::fmt;
use std::time::Duration;

use postgres::error::SqlState;
use postgres::types::{ToSql, Type};
use postgres::{Client, IsolationLevel, NoTls, Transaction};

use super::sql::{Backend, Row, SqlCheckpoints, SqlDatabase, Value};
use super::{ProjectionError, Result};

/// Within what time a server that is there answers.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// A PostgreSQL database that projections are kept in. (Feature `postgres`.)
///
/// The client is that of the crate `postgres`, which is re-exported as
/// [`sourcing::postgres`](crate::sourcing::postgres): connect with it as your server wants it,
/// with TLS for instance. What `synchronous_commit` says counts for tables and checkpoint
/// alike: both are there, or neither.
///
/// A client whose connection was lost says so from then on; open a projector on a new one.
///
/// ```no_run
/// use std::sync::Arc;
/// use annals::sourcing::postgres::{self, Transaction};
/// use annals::sourcing::{Postgres, SqlProjection, SqlProjector, Tables};
/// use annals::{Event, Reader};
///
/// /// How many events there are of each type.
/// struct Types;
///
/// impl SqlProjection<Postgres> for Types {
///     type Error = postgres::Error;
///     const NAME: &'static str = "types";
///     const SCHEMA: u32 = 1;
///     const TABLES: &'static [&'static str] = &["types"];
///
///     fn create(&mut self, sql: &mut Transaction<'_>, tables: &Tables) -> Result<(), postgres::Error> {
///         let types = tables.name("types");
///         sql.batch_execute(&format!("CREATE TABLE {types} (type TEXT PRIMARY KEY, events BIGINT)"))
///     }
///
///     fn apply(
///         &mut self,
///         sql: &mut Transaction<'_>,
///         tables: &Tables,
///         event: &Event<'_>,
///     ) -> Result<(), postgres::Error> {
///         let types = tables.name("types");
///         let insert = format!(
///             "INSERT INTO {types} VALUES ($1, 1) \
///              ON CONFLICT (type) DO UPDATE SET events = {types}.events + 1"
///         );
///         sql.execute(&insert, &[&event.event_type()]).map(drop)
///     }
/// }
///
/// let reader = Arc::new(Reader::open("shop.log")?);
/// let database = Postgres::connect("host=/run/postgresql user=shop dbname=shop")?;
/// SqlProjector::open(reader, database, Types)?.run(|| true)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Postgres {
    client: Client,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Postgres").finish_non_exhaustive()
    }
}

/// Checkpoints in a PostgreSQL database. (Feature `postgres`.) Used as `SqliteCheckpoints`.
pub type PostgresCheckpoints = SqlCheckpoints<Postgres>;

impl Postgres {
    /// Connects without TLS: over a socket of the same machine. `config` is as
    /// [`postgres::Config`] wants it: `"host=/run/postgresql user=shop dbname=shop"`.
    ///
    /// # Errors
    /// [`ProjectionError::Sql`].
    pub fn connect(config: &str) -> Result<Self> {
        Ok(Self::new(Client::connect(config, NoTls)?))
    }

    /// With this client.
    pub const fn new(client: Client) -> Self {
        Self { client }
    }

    /// The client.
    pub const fn client(&mut self) -> &mut Client {
        &mut self.client
    }
}

impl SqlDatabase for Postgres {}

fn param(value: &Value) -> &(dyn ToSql + Sync) {
    match value {
        Value::Text(text) => text,
        Value::Number(number) => number,
        Value::Null => &None::<String>,
    }
}

fn params(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(param).collect()
}

impl Backend for Postgres {
    type Transaction<'t> = Transaction<'t>;
    type Refusal = postgres::Error;
    const NAME: &'static str = "PostgreSQL";
    const LOCKING: &'static str = " FOR UPDATE";

    fn begin(&mut self) -> std::result::Result<Transaction<'_>, postgres::Error> {
        // Who waited for a row's lock sees what was committed there meanwhile. With a stricter
        // level it would be refused.
        self.client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start()
    }

    fn begin_reading(&mut self) -> std::result::Result<Transaction<'_>, postgres::Error> {
        self.begin()
    }

    fn commit(transaction: Transaction<'_>) -> std::result::Result<(), postgres::Error> {
        transaction.commit()
    }

    fn alone(transaction: &mut Transaction<'_>) -> std::result::Result<(), postgres::Error> {
        // `CREATE TABLE IF NOT EXISTS` fails if two do it at once. The number is this crate's.
        let own = "SELECT pg_advisory_xact_lock(hashtext('annals'))";
        transaction.batch_execute(own)
    }

    fn is_there(
        transaction: &mut Transaction<'_>,
        name: &str,
    ) -> std::result::Result<bool, postgres::Error> {
        let row = transaction.query_one("SELECT to_regclass($1::text) IS NOT NULL", &[&name])?;
        row.try_get(0)
    }

    fn execute(
        transaction: &mut Transaction<'_>,
        sql: &str,
        values: &[Value],
    ) -> std::result::Result<(), postgres::Error> {
        transaction.execute(sql, &params(values)).map(drop)
    }

    fn query(
        transaction: &mut Transaction<'_>,
        sql: &str,
        values: &[Value],
    ) -> std::result::Result<Vec<Row>, postgres::Error> {
        let rows = transaction.query(sql, &params(values))?;
        let values = rows.iter().map(|row| {
            let columns = row.columns().iter().enumerate().map(|(at, column)| {
                Ok(match *column.type_() {
                    Type::INT8 => row.try_get::<_, Option<i64>>(at)?.map(Value::Number),
                    Type::TEXT => row.try_get::<_, Option<String>>(at)?.map(Value::Text),
                    _ => None,
                }
                .unwrap_or(Value::Null))
            });
            columns.collect()
        });
        values.collect()
    }

    fn is_lost(&mut self) -> bool {
        self.client.is_valid(ANSWERS_WITHIN).is_err()
    }

    fn is_retryable(refusal: &postgres::Error) -> bool {
        let retried = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        refusal.code().is_some_and(|code| retried.contains(code))
    }
}

impl From<postgres::Error> for ProjectionError {
    fn from(error: postgres::Error) -> Self {
        super::sql::refused::<Postgres>(error)
    }
}

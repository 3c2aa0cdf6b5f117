//! Projections: what the events come to, kept for questions. In memory, with the state in the
//! log; in SQLite and PostgreSQL, with the checkpoint in the same SQL transaction.
//!
//! * [`memory`]: folds a value, and saves it as a named state
//! * [`watch`]: how far a projector is, for other threads; [`progress`]: how far there is to go
//! * [`sql`]: what both databases share: projectors, generations, bookkeeping, checkpoints
//! * [`sqlite`], [`postgres`]: the two databases
//! * [`error`]

mod error;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod progress;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
mod watch;

pub use self::error::ProjectionError;
pub use self::memory::{MemoryProjector, Projection, ProjectionView};
#[cfg(feature = "postgres")]
pub use self::postgres::{Postgres, PostgresCheckpoints};
pub use self::progress::Progress;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use self::sql::{SqlCheckpoints, SqlDatabase, SqlProjection, SqlProjector, Tables};
#[cfg(feature = "sqlite")]
pub use self::sqlite::{Sqlite, SqliteCheckpoints};
pub use self::watch::ProjectionWatch;

type Result<T> = std::result::Result<T, ProjectionError>;

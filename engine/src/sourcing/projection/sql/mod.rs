//! Projections into SQL: what SQLite and PostgreSQL share.
//!
//! * [`backend`]: what is asked of a database
//! * [`tables`]: names of tables, generation by generation, and the views before them
//! * [`books`]: which generations there are, and how far each is: the rows that hold it
//! * [`projector`]: applies events; [`generations`]: opens, rebuilds, switches
//! * [`checkpoints`]: checkpoints of other programs

mod backend;
mod books;
mod checkpoints;
mod generations;
mod projector;
mod tables;

pub use self::backend::SqlDatabase;
pub(super) use self::backend::{Backend, Row, Value, refused};
pub use self::checkpoints::SqlCheckpoints;
pub use self::projector::{SqlProjection, SqlProjector};
pub use self::tables::Tables;

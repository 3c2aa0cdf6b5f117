//! Both databases under one name, for tests that are the same on both.

use std::path::PathBuf;

use annals::sourcing::{Postgres, SqlDatabase, Sqlite};

use crate::server::new_database;

/// A place for a database that tests are run on.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    File(PathBuf),
    Server(String),
}

/// A database that tests are run on.
pub(crate) trait Testable: SqlDatabase + 'static {
    /// A new, empty one; `None` where there is none to be had.
    fn new_place(directory: &tempfile::TempDir) -> Option<Place>;

    /// A connection.
    fn connect(place: &Place) -> Self;

    /// Runs a statement with texts, `$1` and so on, in a transaction.
    fn run(
        transaction: &mut Self::Transaction<'_>,
        sql: &str,
        values: &[&str],
    ) -> Result<(), String>;

    /// Asks for a number.
    fn number(&mut self, sql: &str) -> Option<i64>;

    /// Asks for pairs of a text and a number.
    fn pairs(&mut self, sql: &str) -> Vec<(String, i64)>;
}

impl Testable for Sqlite {
    fn new_place(directory: &tempfile::TempDir) -> Option<Place> {
        Some(Place::File(directory.path().join("projected.db")))
    }

    fn connect(place: &Place) -> Self {
        let Place::File(path) = place else { panic!("{place:?}") };
        Self::open(path).unwrap()
    }

    fn run(
        transaction: &mut Self::Transaction<'_>,
        sql: &str,
        values: &[&str],
    ) -> Result<(), String> {
        let mut statement = transaction.prepare_cached(sql).map_err(|error| error.to_string())?;
        let values = annals::sourcing::rusqlite::params_from_iter(values);
        statement.execute(values).map(drop).map_err(|error| error.to_string())
    }

    fn number(&mut self, sql: &str) -> Option<i64> {
        self.connection().query_row(sql, [], |row| row.get(0)).ok()
    }

    fn pairs(&mut self, sql: &str) -> Vec<(String, i64)> {
        let mut statement = self.connection().prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }
}

impl Testable for Postgres {
    fn new_place(_: &tempfile::TempDir) -> Option<Place> {
        new_database().map(Place::Server)
    }

    fn connect(place: &Place) -> Self {
        let Place::Server(config) = place else { panic!("{place:?}") };
        Self::connect(config).unwrap()
    }

    fn run(
        transaction: &mut Self::Transaction<'_>,
        sql: &str,
        values: &[&str],
    ) -> Result<(), String> {
        let values: Vec<&(dyn annals::sourcing::postgres::types::ToSql + Sync)> =
            values.iter().map(|value| value as _).collect();
        transaction.execute(sql, &values).map(drop).map_err(|error| error.to_string())
    }

    fn number(&mut self, sql: &str) -> Option<i64> {
        self.client().query_one(sql, &[]).ok().map(|row| row.get(0))
    }

    fn pairs(&mut self, sql: &str) -> Vec<(String, i64)> {
        let rows = self.client().query(sql, &[]).unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }
}

/// The same test on both.
macro_rules! on_both {
    ($($name:ident;)*) => {
        mod sqlite {
            $(#[test] fn $name() { super::$name::<annals::sourcing::Sqlite>(); })*
        }
        mod postgres {
            $(#[test] fn $name() { super::$name::<annals::sourcing::Postgres>(); })*
        }
    };
}
pub(crate) use on_both;

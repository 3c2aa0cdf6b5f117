//! Names of a projection's tables, generation by generation, and the views before them.

use super::super::{ProjectionError, Result};
use super::backend::{Backend, refused};

/// Between a table's name and its generation.
const GENERATION: &str = "__g";

/// Longest name of a table, in bytes: with its generation it is within the 63 of PostgreSQL.
const NAME_BYTES: usize = 40;

/// The names that the tables of one generation have in the database.
///
/// The table that a projection calls `orders` is `orders__g1` in the first generation and
/// `orders__g2` in the second, and `orders` is a view of the live one. So who asks questions
/// asks `orders`, and a rebuild builds beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    generation: u64,
}

impl Tables {
    pub(super) const fn of(generation: u64) -> Self {
        Self { generation }
    }

    /// The name of a table in the database: to be put into statements as it is. Of a name
    /// that is not in [`TABLES`](super::SqlProjection::TABLES) too; but then it is nobody's, and
    /// neither seen nor dropped.
    pub fn name(&self, table: &str) -> String {
        format!("{table}{GENERATION}{}", self.generation)
    }

    /// The generation: 1 for the tables that were made first.
    pub const fn generation(&self) -> u64 {
        self.generation
    }
}

/// What can stand in a statement without quotes, and is told from a generation's name.
pub(super) fn check(names: &[&str]) -> Result<()> {
    for name in names {
        let plain = name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let why = if !plain || !name.starts_with(|first: char| first.is_ascii_lowercase()) {
            "it is of lower-case letters, digits and `_`, and starts with a letter"
        } else if name.len() > NAME_BYTES {
            "it has more than 40 bytes"
        } else if name.contains(GENERATION) {
            "`__g` stands before generations"
        } else {
            continue;
        };
        return Err(ProjectionError::Table { table: (*name).to_owned(), why });
    }
    Ok(())
}

/// Makes `orders` a view of this generation's `orders`. The views of an earlier one are gone.
pub(super) fn show<D: Backend + ?Sized>(
    transaction: &mut D::Transaction<'_>,
    generation: u64,
    names: &[&str],
) -> Result<()> {
    for name in names {
        let table = Tables::of(generation).name(name);
        let sql = format!("CREATE VIEW {name} AS SELECT * FROM {table}");
        D::execute(transaction, &sql, &[]).map_err(refused::<D>)?;
    }
    Ok(())
}

pub(super) fn hide<D: Backend + ?Sized>(
    transaction: &mut D::Transaction<'_>,
    names: &[&str],
) -> Result<()> {
    for name in names {
        let sql = format!("DROP VIEW IF EXISTS {name}");
        D::execute(transaction, &sql, &[]).map_err(refused::<D>)?;
    }
    Ok(())
}

pub(super) fn drop_all<D: Backend + ?Sized>(
    transaction: &mut D::Transaction<'_>,
    generation: u64,
    names: &[&str],
) -> Result<()> {
    for name in names {
        let sql = format!("DROP TABLE IF EXISTS {}", Tables::of(generation).name(name));
        D::execute(transaction, &sql, &[]).map_err(refused::<D>)?;
    }
    Ok(())
}

//! The rows that hold which generations of a projection there are, and how far each is.
//!
//! A row's checkpoint is written in the transaction that applies the events before it, and read
//! again, under a lock, at the beginning of each: so two projectors of one generation apply
//! nothing twice, and whatever is killed, the tables are what the row says.

use super::super::{ProjectionError, Result};
use super::backend::{Backend, Row, Value, refused};
use crate::{Checkpoint, Filter};

/// Its home; its columns are in [`Generation`].
const TABLE: &str = "annals_projections";

const MAKE: &str = "CREATE TABLE IF NOT EXISTS annals_projections (
    name TEXT NOT NULL,
    generation BIGINT NOT NULL,
    stage TEXT NOT NULL,
    schema_number BIGINT NOT NULL,
    filter TEXT NOT NULL,
    tables TEXT NOT NULL,
    place TEXT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (name, generation))";

const COLUMNS: &str = "generation, stage, schema_number, filter, tables, place";

/// What a generation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is what questions are answered from.
    Live,
    /// It is built beside the live one.
    Building,
    /// Another one took its place; its tables are to be dropped.
    Retired,
}

impl Stage {
    const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Building => "building",
            Self::Retired => "retired",
        }
    }
}

/// What a generation was made with: another number or filter makes other tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) schema: u32,
    pub(super) filter: String,
}

impl Shape {
    pub(super) fn of(schema: u32, filter: &Filter) -> Self {
        Self { schema, filter: filter.to_string() }
    }

    pub(super) fn describe(&self) -> String {
        format!("schema {} and filter {}", self.schema, self.filter)
    }
}

/// A generation, as its row says.
#[derive(Debug, Clone)]
pub(super) struct Generation {
    pub(super) number: u64,
    pub(super) stage: Stage,
    pub(super) shape: Shape,
    /// The tables' names, as the projection calls them.
    pub(super) tables: Vec<String>,
    pub(super) checkpoint: Checkpoint,
}

impl Generation {
    pub(super) fn tables(&self) -> Vec<&str> {
        self.tables.iter().map(String::as_str).collect()
    }
}

fn number(value: u64) -> Value {
    Value::Number(i64::try_from(value).unwrap_or(i64::MAX))
}

fn text(value: impl ToString) -> Value {
    Value::Text(value.to_string())
}

/// Makes the table, if it is not there. To be alone first.
pub(super) fn make<D: Backend + ?Sized>(transaction: &mut D::Transaction<'_>) -> Result<()> {
    D::execute(transaction, MAKE, &[]).map_err(refused::<D>)
}

/// All generations of a projection, from the first on, locked until the transaction ends.
pub(super) fn generations<D: Backend + ?Sized>(
    transaction: &mut D::Transaction<'_>,
    name: &str,
) -> Result<Vec<Generation>> {
    let sql =
        format!("SELECT {COLUMNS} FROM {TABLE} WHERE name = $1 ORDER BY generation{}", D::LOCKING);
    let rows = D::query(transaction, &sql, &[text(name)]).map_err(refused::<D>)?;
    rows.into_iter().map(|row| generation(name, row)).collect()
}

/// One generation, locked until the transaction ends; `None` if its row is gone.
pub(super) fn one<D: Backend + ?Sized>(
    transaction: &mut D::Transaction<'_>,
    name: &str,
    wanted: u64,
) -> Result<Option<Generation>> {
    let sql =
        format!("SELECT {COLUMNS} FROM {TABLE} WHERE name = $1 AND generation = $2{}", D::LOCKING);
    let rows = D::query(transaction, &sql, &[text(name), number(wanted)]).map_err(refused::<D>)?;
    rows.into_iter().next().map(|row| generation(name, row)).transpose()
}

/// Up to where the live generation is, without a lock.
pub(super) fn live<D: Backend + ?Sized>(
    transaction: &mut D::Transaction<'_>,
    name: &str,
) -> Result<Option<Checkpoint>> {
    if !D::is_there(transaction, TABLE).map_err(refused::<D>)? {
        return Ok(None);
    }
    let sql = format!("SELECT {COLUMNS} FROM {TABLE} WHERE name = $1 AND stage = $2");
    let values = [text(name), text(Stage::Live.word())];
    let rows = D::query(transaction, &sql, &values).map_err(refused::<D>)?;
    let row = rows.into_iter().next().map(|row| generation(name, row)).transpose()?;
    Ok(row.map(|generation| generation.checkpoint))
}

pub(super) fn add<D: Backend + ?Sized>(
    transaction: &mut D::Transaction<'_>,
    name: &str,
    generation: &Generation,
) -> Result<()> {
    let sql = format!(
        "INSERT INTO {TABLE} (name, {COLUMNS}, position) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
    );
    let values = [
        text(name),
        number(generation.number),
        text(generation.stage.word()),
        number(generation.shape.schema.into()),
        text(&generation.shape.filter),
        text(generation.tables.join(" ")),
        text(generation.checkpoint),
        number(generation.checkpoint.position),
    ];
    D::execute(transaction, &sql, &values).map_err(refused::<D>)
}

pub(super) fn move_to<D: Backend + ?Sized>(
    transaction: &mut D::Transaction<'_>,
    name: &str,
    generation: u64,
    checkpoint: &Checkpoint,
) -> Result<()> {
    let sql =
        format!("UPDATE {TABLE} SET place = $1, position = $2 WHERE name = $3 AND generation = $4");
    let values = [text(checkpoint), number(checkpoint.position), text(name), number(generation)];
    D::execute(transaction, &sql, &values).map_err(refused::<D>)
}

pub(super) fn stage<D: Backend + ?Sized>(
    transaction: &mut D::Transaction<'_>,
    name: &str,
    generation: u64,
    stage: Stage,
) -> Result<()> {
    let sql = format!("UPDATE {TABLE} SET stage = $1 WHERE name = $2 AND generation = $3");
    let values = [text(stage.word()), text(name), number(generation)];
    D::execute(transaction, &sql, &values).map_err(refused::<D>)
}

pub(super) fn remove<D: Backend + ?Sized>(
    transaction: &mut D::Transaction<'_>,
    name: &str,
    generation: u64,
) -> Result<()> {
    let sql = format!("DELETE FROM {TABLE} WHERE name = $1 AND generation = $2");
    D::execute(transaction, &sql, &[text(name), number(generation)]).map_err(refused::<D>)
}

fn generation(name: &str, row: Row) -> Result<Generation> {
    let read = || {
        let [
            Value::Number(number),
            Value::Text(stage),
            Value::Number(schema),
            Value::Text(filter),
            Value::Text(tables),
            Value::Text(place),
        ] = <[Value; 6]>::try_from(row).ok()?
        else {
            return None;
        };
        let stages = [Stage::Live, Stage::Building, Stage::Retired];
        Some(Generation {
            number: u64::try_from(number).ok()?,
            stage: stages.into_iter().find(|known| known.word() == stage)?,
            shape: Shape { schema: u32::try_from(schema).ok()?, filter },
            tables: tables.split_whitespace().map(str::to_owned).collect(),
            checkpoint: place.parse().ok()?,
        })
    };
    read().ok_or_else(|| ProjectionError::Unreadable {
        name: name.to_owned(),
        why: format!("a row of {TABLE} is not as this version writes it"),
    })
}

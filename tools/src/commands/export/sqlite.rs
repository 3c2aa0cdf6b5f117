//! `annals export --sqlite`: events as rows of a table, for questions in SQL. Each run adds
//! what is new.
//!
//! The checkpoint is saved in the transaction that adds the rows: wherever it is cut off, the
//! next run goes on behind the last row. It is not made by a projector, whose tables are views
//! of generations: here nothing is ever rebuilt, and a table is what a user looks for.

use std::path::Path;

use annals::sourcing::rusqlite::types::{ToSqlOutput, ValueRef};
use annals::sourcing::rusqlite::{self, Connection, Transaction, TransactionBehavior, params};
use annals::sourcing::{ProjectionError, SqliteCheckpoints, StoreReader, Tail};
use annals::{Checkpoint, Event, Filter, Occurred, OwnedEvent, Reader, Start};
use serde::Serialize;

use crate::error::{Answer, Failure, OfLog};
use crate::json;
use crate::open::reader;
use crate::output::progress::Progress;
use crate::output::{Output, units};
use crate::time;

/// Rows in one transaction: so many that its sync counts little.
const TRANSACTION_EVENTS: usize = 5_000;

/// The name of the checkpoint in the file.
const NAME: &str = "annals export";

/// `data` and `metadata` have no type: JSON stands there as text, anything else as a blob.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS events (
    position INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    category TEXT NOT NULL,
    version INTEGER NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    schema INTEGER NOT NULL,
    time TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    data,
    metadata,
    tags TEXT,
    caused_by TEXT,
    correlation TEXT,
    content_type TEXT
)";

/// Made when the rows are there, which is quicker than before.
const INDEXES: &str = "
CREATE UNIQUE INDEX IF NOT EXISTS events_by_stream ON events (stream, version);
CREATE UNIQUE INDEX IF NOT EXISTS events_by_id ON events (id);
CREATE INDEX IF NOT EXISTS events_by_type ON events (type, position);
CREATE INDEX IF NOT EXISTS events_by_category ON events (category, position);
CREATE INDEX IF NOT EXISTS events_by_correlation ON events (correlation) WHERE correlation IS NOT NULL;
CREATE INDEX IF NOT EXISTS events_by_cause ON events (caused_by) WHERE caused_by IS NOT NULL;
";

const INSERT: &str = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// What was done, for `--json`.
#[derive(Serialize)]
struct Summary {
    exported: u64,
    /// How many rows the table has now.
    rows: u64,
    /// Up to where it goes.
    position: u64,
}

/// A database and the log that it is filled from.
struct Filling<'a> {
    path: &'a Path,
    file: &'a Path,
    log: Reader,
    database: Connection,
}

pub(super) fn run(path: &Path, file: &Path, output: &mut Output) -> Result<Answer, Failure> {
    let log = reader(path)?;
    let database = Connection::open(file).map_err(|error| of_file(file, error))?;
    let mut filling = Filling { path, file, log, database };
    filling.prepare()?;
    let exported = filling.fill()?;
    filling.database.execute_batch(INDEXES).map_err(|error| of_file(file, error))?;
    let position = filling.reached()?.map_or(0, |reached| reached.position);
    let rows = "SELECT COUNT(*) FROM events";
    let rows = filling.database.query_row(rows, [], |row| row.get::<_, i64>(0));
    let rows = rows.map_err(|error| of_file(file, error))?.unsigned_abs();
    let summary = Summary { exported, rows, position };
    if output.is_json() {
        output.object(&summary)?;
    } else {
        output.line(format_args!(
            "exported {} to the table `events` of {}, which has {} now, up to position {}",
            units::counted(summary.exported, "event"),
            file.display(),
            units::counted(summary.rows, "row"),
            units::count(position)
        ))?;
    }
    Ok(Answer::Yes)
}

fn of_file(file: &Path, error: impl Into<ProjectionError>) -> Failure {
    Failure::Database { file: file.display().to_string(), source: Box::new(error.into()) }
}

impl Filling<'_> {
    fn begin(&mut self) -> Result<Transaction<'_>, Failure> {
        Transaction::new(&mut self.database, TransactionBehavior::Immediate)
            .map_err(|error| of_file(self.file, error))
    }

    /// Makes the tables, unless one of another origin is in the way.
    fn prepare(&mut self) -> Result<(), Failure> {
        let file = self.file;
        // The log's identity is in it from the beginning.
        let beginning = self.log.cursor(Start::Beginning).of(self.path)?;
        let beginning = beginning.checkpoint().of(self.path)?;
        let mut transaction = self.begin()?;
        let prepared = (|| {
            SqliteCheckpoints::prepare_in(&mut transaction)?;
            if SqliteCheckpoints::load_in(&mut transaction, NAME)?.is_none() {
                let there = "SELECT 1 FROM sqlite_schema WHERE name = 'events'";
                if transaction.prepare(there)?.exists([])? {
                    return Ok(false);
                }
                transaction.execute_batch(TABLE)?;
                SqliteCheckpoints::save_in(&mut transaction, NAME, &beginning)?;
            }
            transaction.commit()?;
            Ok::<_, ProjectionError>(true)
        })();
        match prepared.map_err(|error| of_file(file, error))? {
            true => Ok(()),
            false => Err(Failure::ForeignTable { file: file.display().to_string() }),
        }
    }

    /// Up to where the rows go.
    fn reached(&mut self) -> Result<Option<Checkpoint>, Failure> {
        let file = self.file;
        let mut transaction = self.begin()?;
        SqliteCheckpoints::load_in(&mut transaction, NAME).map_err(|error| of_file(file, error))
    }

    /// Adds what is there now.
    fn fill(&mut self) -> Result<u64, Failure> {
        let head = self.log.head().of(self.path)?;
        let progress = Progress::events(Some(head));
        let (mut exported, mut reached) = (0, None);
        let mut tail: Option<Box<dyn Tail>> = None;
        loop {
            let from = match &mut tail {
                Some(tail) => tail,
                None => {
                    reached = self.reached()?;
                    tail.insert(self.tail_at(reached)?)
                }
            };
            if from.scanned_to() >= head {
                return Ok(exported);
            }
            let mut events = Vec::new();
            from.poll(TRANSACTION_EVENTS, &mut |event| events.push(event.to_owned()))
                .of(self.path)?;
            let to = from.checkpoint().of(self.path)?;
            if self.add(&events, reached, &to)? {
                exported += u64::try_from(events.len()).unwrap_or_default();
                reached = Some(to);
                progress.at(to.position);
            } else {
                tail = None;
            }
        }
    }

    fn tail_at(&self, reached: Option<Checkpoint>) -> Result<Box<dyn Tail>, Failure> {
        let start = reached.map_or(Start::Beginning, Start::Checkpoint);
        self.log.tail(start, &Filter::new()).map_err(|source| match source {
            annals::Error::Diverged { .. } | annals::Error::BeyondHead { .. } => {
                Failure::OtherExport { file: self.file.display().to_string(), source }
            }
            _ => Failure::Log { log: self.path.display().to_string(), source },
        })
    }

    /// Adds rows, unless somebody else has added some since.
    fn add(
        &mut self,
        events: &[OwnedEvent],
        reached: Option<Checkpoint>,
        to: &Checkpoint,
    ) -> Result<bool, Failure> {
        let file = self.file;
        let mut transaction = self.begin()?;
        let added = (|| {
            if SqliteCheckpoints::load_in(&mut transaction, NAME)? != reached {
                return Ok(false);
            }
            for event in events {
                insert(&transaction, &event.as_event())?;
            }
            SqliteCheckpoints::save_in(&mut transaction, NAME, to)?;
            transaction.commit()?;
            Ok::<_, ProjectionError>(true)
        })();
        added.map_err(|error| of_file(file, error))
    }
}

fn insert(transaction: &Transaction<'_>, event: &Event<'_>) -> rusqlite::Result<()> {
    let stream = event.stream();
    let recorded = Occurred::utc(event.recorded_at());
    let tags: Vec<&str> = event.tags().collect();
    let tags = (!tags.is_empty()).then(|| serde_json::Value::from(tags).to_string());
    transaction
        .prepare_cached(INSERT)?
        .execute(params![
            number(event.position()),
            stream,
            stream.split('-').next().unwrap_or_default(),
            number(event.version()),
            event.id().to_string(),
            event.event_type(),
            event.schema(),
            time::text(event.occurred_at().unwrap_or(recorded)),
            time::text(recorded),
            value(event.data()),
            value(event.metadata()),
            tags,
            event.caused_by(),
            event.correlation(),
            event.content_type(),
        ])
        .map(drop)
}

/// JSON as text, so that `data->>'$.total'` finds what is in it; anything else as it is.
fn value(bytes: &[u8]) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match json::is_json(bytes) {
        _ if bytes.is_empty() => ValueRef::Null,
        true => ValueRef::Text(bytes),
        false => ValueRef::Blob(bytes),
    })
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

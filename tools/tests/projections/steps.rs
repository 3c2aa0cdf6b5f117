//! A projection for the tests: how many events each stream has, and a line for each event, so
//! that what is applied twice or not at all is seen.

use std::path::Path;
use std::sync::Arc;

use annals::sourcing::{self, SqlProjection, SqlProjector, Tables};
use annals::{Batch, Durability, Event, Expected, Filter, Log, NewEvent};

use crate::databases::{Place, Testable};

/// It counts by a factor, so that another shape has other answers.
#[derive(Debug, Clone)]
pub(crate) struct Steps<const SCHEMA: u32 = 1> {
    pub(crate) filter: Filter,
    /// Events of this type cannot be applied.
    pub(crate) refuses: &'static str,
    /// Before each event.
    pub(crate) before: fn(&Event<'_>),
}

impl<const SCHEMA: u32> Default for Steps<SCHEMA> {
    fn default() -> Self {
        Self { filter: Filter::new().category("order"), refuses: "", before: |_| {} }
    }
}

impl<D: Testable, const SCHEMA: u32> SqlProjection<D> for Steps<SCHEMA> {
    type Error = String;
    const NAME: &'static str = "steps";
    const SCHEMA: u32 = SCHEMA;
    const TABLES: &'static [&'static str] = &["steps", "lines"];

    fn filter(&self) -> Filter {
        self.filter.clone()
    }

    fn create(&mut self, sql: &mut D::Transaction<'_>, tables: &Tables) -> Result<(), String> {
        let (steps, lines) = (tables.name("steps"), tables.name("lines"));
        D::run(sql, &format!("CREATE TABLE {steps} (stream TEXT PRIMARY KEY, n BIGINT)"), &[])?;
        D::run(sql, &format!("CREATE TABLE {lines} (id TEXT)"), &[])
    }

    fn apply(
        &mut self,
        sql: &mut D::Transaction<'_>,
        tables: &Tables,
        event: &Event<'_>,
    ) -> Result<(), String> {
        (self.before)(event);
        let (steps, lines) = (tables.name("steps"), tables.name("lines"));
        let line = event.position().to_string();
        D::run(sql, &format!("INSERT INTO {lines} VALUES ($1)"), &[&line])?;
        if event.event_type() == self.refuses {
            return Err(format!("what is {:?}?", self.refuses));
        }
        let upsert = format!(
            "INSERT INTO {steps} VALUES ($1, {SCHEMA}) \
             ON CONFLICT (stream) DO UPDATE SET n = {steps}.n + {SCHEMA}"
        );
        D::run(sql, &upsert, &[event.stream()])
    }
}

pub(crate) type Projector<D, const SCHEMA: u32 = 1> = SqlProjector<D, Steps<SCHEMA>>;

/// A room with a log and a place for a database; `None` where there is none.
pub(crate) struct Room {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) place: Place,
}

impl Room {
    pub(crate) fn new<D: Testable>() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let place = D::new_place(&directory)?;
        Some(Self { directory, place })
    }

    pub(crate) fn log(&self) -> Arc<Log> {
        Arc::new(Log::open(self.directory.path().join("log")).unwrap())
    }

    pub(crate) fn open<D: Testable>(&self, store: Arc<dyn sourcing::StoreReader>) -> Projector<D> {
        SqlProjector::open(store, D::connect(&self.place), Steps::default()).unwrap()
    }
}

/// Appends an event to each of these streams, durably. Returns the last position.
pub(crate) fn append(log: &Log, event_type: &str, streams: &[&str]) -> u64 {
    let mut batch = Batch::new();
    for stream in streams {
        batch.write(stream, Expected::Any, [NewEvent::new(event_type)]);
    }
    log.append(&batch).unwrap().last_position()
}

/// So many events of 7 orders, with some of other streams between them.
pub(crate) fn append_many(log: &Log, count: u64) {
    for n in 0..count {
        let mut batch = Batch::new();
        batch.write(&format!("order-{}", n % 7), Expected::Any, [NewEvent::new("T")]);
        if n % 10 == 0 {
            batch.write("stock", Expected::Any, [NewEvent::new("T")]);
        }
        log.append_with(&batch, Durability::Buffered).unwrap();
    }
    log.sync().unwrap();
}

/// Every event of the orders is in the tables once, as the log says.
pub(crate) fn check<D: Testable>(log: &Log, database: &mut D, factor: i64) {
    let mut expected = Vec::new();
    let mut streams = log.streams("order-").unwrap();
    while let Some(stream) = streams.next().unwrap() {
        expected.push((stream.name.to_owned(), i64::try_from(stream.version).unwrap() * factor));
    }
    let events: i64 = expected.iter().map(|(_, n)| n / factor).sum();
    assert_eq!(database.pairs("SELECT stream, n FROM steps ORDER BY stream"), expected);
    assert_eq!(database.number("SELECT COUNT(*) FROM lines"), Some(events));
    assert_eq!(database.number("SELECT COUNT(DISTINCT id) FROM lines"), Some(events));
}

/// A copy of a log's files, as a backup makes it while nobody writes.
pub(crate) fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

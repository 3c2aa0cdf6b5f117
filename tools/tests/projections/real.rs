//! Real event logs as projections: in memory, in SQLite and in PostgreSQL, each killed in the
//! middle, they come to what other programs counted.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use annals::sourcing::{
    MemoryProjector, Postgres, Projection, SqlProjection, SqlProjector, Sqlite, Tables,
};
use annals::{Event, Log, Reader};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::databases::{Place, Testable};
use crate::steps::Room;
use crate::support::{RealLog, annals, real_log};

/// What is known of one stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Case {
    events: u64,
    last_type: String,
    /// What a loan came to, and how much was asked for.
    outcome: String,
    amount: u64,
}

impl Case {
    fn apply(&mut self, event: &Event<'_>) -> Result<(), String> {
        self.events += 1;
        event.event_type().clone_into(&mut self.last_type);
        match event.event_type() {
            "A_APPROVED" => self.outcome = "approved".to_owned(),
            "A_DECLINED" => self.outcome = "declined".to_owned(),
            "A_CANCELLED" => self.outcome = "cancelled".to_owned(),
            _ if self.outcome.is_empty() => self.outcome = "open".to_owned(),
            _ => {}
        }
        // The first event of a case has it.
        if event.version() == 1 {
            let data: Value = serde_json::from_slice(event.data()).map_err(text)?;
            let amount = data["case"]["AMOUNT_REQ"].as_str().map(str::parse);
            self.amount = amount.transpose().map_err(text)?.unwrap_or_default();
        }
        Ok(())
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}

/// The cases, and how many events there are of each type.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Known {
    cases: BTreeMap<String, Case>,
    types: BTreeMap<String, u64>,
}

/// Events before this instant alone, if it is given; recorded later, as an import does.
#[derive(Debug, Clone, Copy, Default)]
struct Cases {
    before: Option<i64>,
    slow: bool,
}

impl Projection for Cases {
    type State = Known;
    type Error = String;
    const NAME: &'static str = "cases";
    const SCHEMA: u32 = 1;

    fn apply(&self, known: &mut Known, event: &Event<'_>) -> Result<(), String> {
        if self.slow && event.position().is_multiple_of(500) {
            std::thread::sleep(PAUSE);
        }
        let at = event.occurred_at().map(|occurred| occurred.at.as_nanos());
        if self.before.is_some_and(|before| at.is_some_and(|at| at >= before)) {
            return Ok(());
        }
        *known.types.entry(event.event_type().to_owned()).or_default() += 1;
        known.cases.entry(event.stream().to_owned()).or_default().apply(event)
    }
}

impl<D: Testable> SqlProjection<D> for Cases {
    type Error = String;
    const NAME: &'static str = "cases";
    const SCHEMA: u32 = 1;
    const TABLES: &'static [&'static str] = &["cases", "types"];

    fn create(&mut self, sql: &mut D::Transaction<'_>, tables: &Tables) -> Result<(), String> {
        let (cases, types) = (tables.name("cases"), tables.name("types"));
        let columns = "stream TEXT PRIMARY KEY, events BIGINT, last_type TEXT, outcome TEXT, \
                       amount BIGINT";
        D::run(sql, &format!("CREATE TABLE {cases} ({columns})"), &[])?;
        D::run(sql, &format!("CREATE TABLE {types} (type TEXT PRIMARY KEY, events BIGINT)"), &[])
    }

    fn apply(
        &mut self,
        sql: &mut D::Transaction<'_>,
        tables: &Tables,
        event: &Event<'_>,
    ) -> Result<(), String> {
        SqlProjection::<D>::apply_all(self, sql, tables, &[*event]).map_err(|(_, error)| error)
    }

    /// One statement for each stream and type that the transaction has.
    fn apply_all(
        &mut self,
        sql: &mut D::Transaction<'_>,
        tables: &Tables,
        events: &[Event<'_>],
    ) -> Result<(), (usize, String)> {
        if self.slow {
            std::thread::sleep(PAUSE);
        }
        let (mut cases, mut types) = (BTreeMap::<&str, Case>::new(), BTreeMap::<&str, u64>::new());
        for (index, event) in events.iter().enumerate() {
            *types.entry(event.event_type()).or_default() += 1;
            let case = cases.entry(event.stream()).or_default();
            case.apply(event).map_err(|error| (index, error))?;
        }
        write(&cases, &types, |statement, values| {
            let statement = statement
                .replace("CASES", &tables.name("cases"))
                .replace("TYPES", &tables.name("types"));
            D::run(sql, &statement, values)
        })
        .map_err(|error| (0, error))
    }
}

/// Adds what a transaction brings to what is there. Where it says nothing of an outcome, the one
/// that is there stays.
fn write(
    cases: &BTreeMap<&str, Case>,
    types: &BTreeMap<&str, u64>,
    mut run: impl FnMut(&str, &[&str]) -> Result<(), String>,
) -> Result<(), String> {
    for (stream, case) in cases {
        let Case { events, last_type, outcome, amount } = case;
        let statement = format!(
            "INSERT INTO CASES VALUES ($1, {events}, $2, $3, {amount}) \
             ON CONFLICT (stream) DO UPDATE SET events = CASES.events + {events}, \
             last_type = excluded.last_type, outcome = CASE excluded.outcome \
             WHEN 'open' THEN CASES.outcome ELSE excluded.outcome END"
        );
        run(&statement, &[stream, last_type, outcome])?;
    }
    for (event_type, events) in types {
        let statement = format!(
            "INSERT INTO TYPES VALUES ($1, {events}) \
             ON CONFLICT (type) DO UPDATE SET events = TYPES.events + {events}"
        );
        run(&statement, &[event_type])?;
    }
    Ok(())
}

/// The answers from tables, in the form of the known ones.
fn answers<D: Testable>(database: &mut D) -> Value {
    let mut group = |what: &str, by: &str, table: &str| -> BTreeMap<String, i64> {
        let sql = format!("SELECT {by}, CAST({what} AS BIGINT) FROM {table} GROUP BY {by}");
        database.pairs(&sql).into_iter().collect()
    };
    json!({
        "types": group("SUM(events)", "type", "types"),
        "last": group("COUNT(*)", "last_type", "cases"),
        "outcomes": group("COUNT(*)", "outcome", "cases"),
        "sums": group("SUM(amount)", "outcome", "cases"),
        "longest": database.pairs(
            "SELECT stream, events FROM cases ORDER BY events DESC, stream LIMIT 5"
        ),
    })
}

/// The same from a value in memory.
fn answers_of(known: &Known) -> Value {
    let mut longest: Vec<_> = known.cases.iter().map(|(name, case)| (name, case.events)).collect();
    longest.sort_by_key(|(name, events)| (std::cmp::Reverse(*events), *name));
    longest.truncate(5);
    let (mut last, mut outcomes, mut sums) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for case in known.cases.values() {
        *last.entry(&case.last_type).or_insert(0) += 1;
        *outcomes.entry(&case.outcome).or_insert(0) += 1;
        *sums.entry(&case.outcome).or_insert(0) += case.amount;
    }
    json!({
        "types": known.types, "last": last, "outcomes": outcomes, "sums": sums,
        "longest": longest,
    })
}

/// What other programs found.
fn known(real: &RealLog) -> Value {
    let outcomes = "applications_by_outcome (last of A_APPROVED/A_DECLINED/A_CANCELLED, else open)";
    let open =
        |value: &Value, otherwise: Value| if value.is_null() { otherwise } else { value.clone() };
    json!({
        "types": real.answers["count_by_type"],
        "last": real.answers["streams_by_last_type"],
        // In the other logs nothing is decided.
        "outcomes": open(&real.answers[outcomes], json!({ "open": real.answers["streams"] })),
        "sums": open(&real.answers["sum_of_amount_requested_by_outcome"], json!({ "open": 0 })),
        "longest": real.answers["longest_streams"],
    })
}

/// How long who is to be killed waits between some events and the next.
const PAUSE: Duration = Duration::from_millis(10);

const LOG: &str = "ANNALS_REAL_LOG";
const PLACE: &str = "ANNALS_REAL_PLACE";

#[test]
fn a_child_of_the_test_of_real_logs() {
    let Some(log) = std::env::var_os(LOG) else { return };
    let place = std::env::var(PLACE).unwrap();
    let cases = Cases { slow: true, ..Cases::default() };
    let reader = || Arc::new(Reader::open(&log).unwrap());
    if place == "memory" {
        // The writer is the one that saves.
        let log = Arc::new(Log::open(&log).unwrap());
        let mut cases = MemoryProjector::open(log, cases).unwrap();
        cases = cases.save_every(2_000, Duration::MAX);
        cases.catch_up().unwrap();
    } else if let Some(path) = place.strip_prefix("file:") {
        let database = <Sqlite as Testable>::connect(&Place::File(path.into()));
        SqlProjector::open(reader(), database, cases).unwrap().catch_up().unwrap();
    } else {
        let database = <Postgres as Testable>::connect(&Place::Server(place));
        SqlProjector::open(reader(), database, cases).unwrap().catch_up().unwrap();
    }
    std::thread::sleep(Duration::from_secs(60));
}

/// Lets a child begin, and kills it when `there` says so.
fn kill_in_the_middle(log: &Path, place: &str, mut there: impl FnMut() -> bool) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["real::a_child_of_the_test_of_real_logs", "--exact", "--nocapture"])
        .env(LOG, log)
        .env(PLACE, place)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !there() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    assert!(child.wait().unwrap().code().is_none());
}

/// Killed in the middle, gone on with in this process, asked.
fn in_tables<D: Testable>(room: &Room, log: &Path, head: u64) -> Value {
    let place = match &room.place {
        Place::File(path) => format!("file:{}", path.display()),
        Place::Server(config) => config.clone(),
    };
    let mut asking = D::connect(&room.place);
    kill_in_the_middle(log, &place, || {
        asking.applied("cases").unwrap().is_some_and(|applied| applied.position > head / 20)
    });
    let reader = Arc::new(Reader::open(log).unwrap());
    let database = D::connect(&room.place);
    let mut projector = SqlProjector::open(reader, database, Cases::default()).unwrap();
    projector = projector.transaction_events(20_000);
    let applied = projector.catch_up().unwrap();
    assert!(applied > 0 && applied < head, "{applied} of {head}");
    answers(&mut asking)
}

fn in_memory(log: &Path, head: u64) -> Value {
    let reader = Reader::open(log).unwrap();
    kill_in_the_middle(log, "memory", || reader.state("$projection/cases", 1).unwrap().is_some());
    let log = Arc::new(Log::open(log).unwrap());
    let mut cases = MemoryProjector::open(log, Cases::default()).unwrap();
    cases = cases.save_every(u64::MAX, Duration::MAX);
    let applied = cases.catch_up().unwrap();
    assert!(applied > 0 && applied < head, "{applied} of {head}");
    cases.view().read(answers_of)
}

/// Imports it, and projects it three times.
fn project(real: &RealLog) -> Option<(Room, std::path::PathBuf)> {
    let room = Room::new::<Sqlite>()?;
    let log = room.directory.path().join("log");
    let path = log.to_str().unwrap();
    annals(["import", path, &real.file, "--durability", "buffered"]).fine();
    let (head, known) = (real.answers["events"].as_u64().unwrap(), known(real));
    assert_eq!(in_tables::<Sqlite>(&room, &log, head), known);
    if let Some(server) = Room::new::<Postgres>() {
        assert_eq!(in_tables::<Postgres>(&server, &log, head), known);
    }
    assert_eq!(in_memory(&log, head), known);
    Some((room, log))
}

#[test]
fn receipt_comes_to_what_is_known() {
    let Some(real) = real_log("receipt", "receipt.jsonl") else { return };
    project(&real);
}

#[test]
fn loans_come_to_what_is_known() {
    let Some(real) = real_log("bpi2012-loans", "bpi2012-loans.jsonl.zst") else { return };
    let Some((_room, log)) = project(&real) else { return };
    // As of the turn of the year.
    let reader = Arc::new(Reader::open(&log).unwrap());
    let before = Cases { before: Some(1_325_376_000_000_000_000), slow: false };
    let mut cases = MemoryProjector::follow(reader, Elsewhere(before)).unwrap();
    cases.catch_up().unwrap();
    let found = cases.view().read(|known| {
        json!({
            "events": known.types.values().sum::<u64>(),
            "streams": known.cases.len(),
            "outcomes": answers_of(known)["outcomes"],
        })
    });
    assert_eq!(found, real.answers["as_of_2012-01-01T00:00:00Z"]);
}

/// Under another name, since what is saved under the first one is of all events.
struct Elsewhere(Cases);

impl Projection for Elsewhere {
    type State = Known;
    type Error = String;
    const NAME: &'static str = "cases before 2012";
    const SCHEMA: u32 = 1;

    fn apply(&self, known: &mut Known, event: &Event<'_>) -> Result<(), String> {
        Projection::apply(&self.0, known, event)
    }
}

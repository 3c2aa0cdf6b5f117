//! SQLite, compiled in (rusqlite, bundled).
//!
//! One table of events by position with an index on the stream (a table's row number is part
//! of each of its indexes, so the index is stream and position). Write-ahead log; a durable
//! commit (`synchronous=FULL`) appends the changed pages to it and calls `fsync`, not
//! `fdatasync`: the bundled build is not told that there is one, and is left as its users
//! get it (`LIBSQLITE3_FLAGS=-DHAVE_FDATASYNC=1` while it is built tells it). With
//! `synchronous=OFF` a commit only writes. One connection behind a lock of the bench: SQLite
//! has one writer anyway, and threads that wait for a lock get it sooner than ones that poll
//! a busy database.
//!
//! Chosen: exclusive locking (no shared memory), checkpoints at 64 MiB of log instead of
//! 4 MiB, a cache of 64 MiB, reads through a mapping, statements kept prepared.
//!
//! Less than annals: no ids checked, no versions; SQLite sums the frames of its log, not the
//! pages of the database.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use annals_benches::Result;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior};

use crate::store::{Appender, Durability, Event, Rival, Setup, Store};

pub(super) const RIVAL: Rival = Rival {
    name: "sqlite",
    package: "rusqlite",
    durable: "appends the changed pages to its log, one fsync a commit; commits wait for each \
              other",
    early: &[(Durability::Written, "appends the changed pages to its log")],
    checksum: "of its log, after a crash only",
    streams: "an index on the column",
    less: "no ids, no versions",
    without: &[],
    open,
};

const SETTINGS: &str = "
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA wal_autocheckpoint = 16384;
    PRAGMA cache_size = -65536;
    PRAGMA mmap_size = 17179869184;
    CREATE TABLE IF NOT EXISTS events (
        position INTEGER PRIMARY KEY, id BLOB, stream TEXT, kind TEXT, data BLOB
    );
    CREATE INDEX IF NOT EXISTS streams ON events (stream);
";

const INSERT: &str = "INSERT INTO events (id, stream, kind, data) VALUES (?, ?, ?, ?)";
const ALL: &str = "SELECT id, stream, kind, data FROM events ORDER BY position";
const STREAM: &str = "SELECT id, stream, kind, data FROM events WHERE stream = ? ORDER BY position";
const LAST: &str = "SELECT position FROM events WHERE stream = ? ORDER BY position DESC LIMIT 1";

fn open(directory: &Path, setup: Setup) -> Result<Box<dyn Store>> {
    std::fs::create_dir_all(directory)?;
    let connection = Connection::open(directory.join("events.sqlite"))?;
    connection.execute_batch(SETTINGS)?;
    let durable = setup.durability == Durability::Durable;
    connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "OFF" })?;
    Ok(Box::new(Sqlite(Mutex::new(connection))))
}

struct Sqlite(Mutex<Connection>);

impl Sqlite {
    fn hold(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hand_out(row: &Row<'_>, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
    let id: [u8; 16] = row.get_ref(0)?.as_blob()?.try_into()?;
    let (stream, kind) = (row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?);
    let ValueRef::Blob(data) = row.get_ref(3)? else { return Err("data is no blob".into()) };
    each(Event { id: u128::from_le_bytes(id), stream, kind, data });
    Ok(())
}

fn insert(transaction: &Transaction<'_>, event: &Event<'_>) -> Result<()> {
    let mut statement = transaction.prepare_cached(INSERT)?;
    statement.execute((event.id.to_le_bytes(), event.stream, event.kind, event.data))?;
    Ok(())
}

impl Store for Sqlite {
    fn appender(&self) -> Result<Box<dyn Appender + '_>> {
        Ok(Box::new(Append(self)))
    }

    fn replay(&self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let connection = self.hold();
        let mut statement = connection.prepare_cached(ALL)?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            hand_out(row, each)?;
        }
        Ok(())
    }

    fn read_stream(&self, stream: &str, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let connection = self.hold();
        let mut statement = connection.prepare_cached(STREAM)?;
        let mut rows = statement.query([stream])?;
        while let Some(row) = rows.next()? {
            hand_out(row, each)?;
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        let connection = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        connection.close().map_err(|(_, error)| error.into())
    }
}

struct Append<'s>(&'s Sqlite);

impl Appender for Append<'_> {
    fn append(&mut self, events: &[Event<'_>]) -> Result<()> {
        let mut connection = self.0.hold();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for event in events {
            insert(&transaction, event)?;
        }
        Ok(transaction.commit()?)
    }

    fn append_expected(&mut self, event: &Event<'_>) -> Result<()> {
        let mut connection = self.0.hold();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let last = transaction
            .prepare_cached(LAST)?
            .query_row([event.stream], |row| row.get::<_, i64>(0))
            .optional()?;
        std::hint::black_box(last);
        insert(&transaction, event)?;
        Ok(transaction.commit()?)
    }
}

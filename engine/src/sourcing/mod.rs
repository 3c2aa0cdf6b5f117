//! What event-sourced programs need around the log. (Feature `sourcing`.)
//!
//! It stands on what every program can use, through one small trait, [`Store`], which a log
//! implements: the same program can later stand on another engine.
//!
//! | to | see |
//! |---|---|
//! | state the events' names, change them later | [`event_types!`](crate::event_types), [`EventEnum`], [`Upcasters`], [`Codec`] |
//! | decide and keep state | [`Aggregate`], [`Repository`], [`Context`], [`SnapshotPolicy`], [`Snapshotter`] |
//! | decide with the help of others, which is awaited | `AsyncHandler`, `AsyncRepository` (feature `async`) |
//! | test an aggregate | `Fixture` (feature `sim`) |
//! | handle events as they come | [`Subscription`], [`Consumer`] |
//! | fold states by key and emit events | [`Processing`] |
//! | keep what events come to, for questions | [`Projection`], [`MemoryProjector`]; `SqlProjection`, `SqlProjector` (features `sqlite`, `postgres`) |
//! | lead something through several steps, with deadlines and undoing | [`Process`], [`ProcessManager`] |
//! | follow from other processes | [`Follower`], [`CheckpointStore`] |
//! | name a stream by category and id | [`StreamName`] |
//! | stand on another engine | [`Store`], `conformance` (feature `conformance`) |
//!
//! # A bank account
//!
//! What happens to it, what can be asked of it, and what it answers:
//!
//! ```
//! # use annals::sourcing::{Aggregate, event_types};
//! # use serde::{Deserialize, Serialize};
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! enum AccountEvent {
//!     Opened { owner: String },
//!     PaidIn { cents: u64 },
//!     PaidOut { cents: u64 },
//! }
//! event_types! {
//!     AccountEvent { Opened = "account-opened", PaidIn = "paid-in", PaidOut = "paid-out" }
//! }
//!
//! enum Command {
//!     Open { owner: String },
//!     PayIn { cents: u64 },
//!     PayOut { cents: u64 },
//! }
//!
//! #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
//! struct Account {
//!     cents: u64,
//! }
//!
//! impl Aggregate for Account {
//!     type Command = Command;
//!     type Event = AccountEvent;
//!     type Error = &'static str;
//!     const CATEGORY: &'static str = "account";
//!     const SNAPSHOT_SCHEMA: u32 = 1;
//!
//!     fn handle(&self, command: &Command) -> Result<Vec<AccountEvent>, &'static str> {
//!         Ok(vec![match command {
//!             Command::Open { owner } => AccountEvent::Opened { owner: owner.clone() },
//!             Command::PayIn { cents } => AccountEvent::PaidIn { cents: *cents },
//!             Command::PayOut { cents } if *cents > self.cents => return Err("too little"),
//!             Command::PayOut { cents } => AccountEvent::PaidOut { cents: *cents },
//!         }])
//!     }
//!
//!     fn apply(&mut self, event: &AccountEvent) {
//!         match event {
//!             AccountEvent::Opened { .. } => {}
//!             AccountEvent::PaidIn { cents } => self.cents += cents,
//!             AccountEvent::PaidOut { cents } => self.cents -= cents,
//!         }
//!     }
//! }
//!
//! // Its test (features `sourcing` and `sim`):
//! # #[cfg(feature = "sim")]
//! use annals::sourcing::Fixture;
//! # #[cfg(feature = "sim")]
//! Fixture::<Account>::given([AccountEvent::PaidIn { cents: 500 }])
//!     .when(Command::PayOut { cents: 300 })
//!     .then_events([AccountEvent::PaidOut { cents: 300 }])
//!     .when(Command::PayOut { cents: 201 })
//!     .then_error("too little")
//!     .then_state(Account { cents: 200 });
//!
//! // The program:
//! use annals::sourcing::{EventEnum, Repository};
//! use annals::{CursorOptions, Log, Start};
//! use std::sync::Arc;
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! let log = Arc::new(Log::open(path)?);
//! let accounts = Repository::<Account>::new(log.clone());
//! accounts.save(17, Command::Open { owner: "Ann".to_owned() })?;
//! accounts.update(17, Command::PayIn { cents: 500 })?;
//!
//! // A projection: what the bank holds, over all accounts.
//! let mut bank = Account::default();
//! let options = CursorOptions::new().filter(Repository::<Account>::filter());
//! let mut cursor = log.cursor_with(Start::Beginning, &options)?;
//! for stored in &cursor.poll(100)? {
//!     for part in AccountEvent::decode(&stored)? {
//!         bank.apply(&part.event);
//!     }
//! }
//! assert_eq!(bank.cents, 500);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What happens when the code changes and the events do not is told by the
//! [guide to evolution](crate::guide::evolution).
//!
//! # The store
//!
//! All of it asks a [`Store`] alone, which a program can ask too:
//!
//! ```
//! use std::ops::ControlFlow;
//! use std::sync::Arc;
//! use annals::sourcing::Store;
//! use annals::{Batch, Expected, Log, NewEvent};
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! let store: Arc<dyn Store> = Arc::new(Log::open(path)?);
//! let steps = ["Opened", "Closed"].map(NewEvent::new);
//! store.append(Batch::new().write("case-7", Expected::NoStream, steps))?;
//!
//! let mut types = Vec::new();
//! store.read("case-7", 1, &mut |event| {
//!     types.push(event.event_type().to_owned());
//!     ControlFlow::Continue(())
//! })?;
//! assert_eq!(types, ["Opened", "Closed"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod aggregate;
mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod events;
#[cfg(feature = "sim")]
mod fixture;
mod follower;
mod process;
mod processing;
mod projection;
mod step;
mod store;
mod stream;
mod subscription;

pub use self::aggregate::{
    Aggregate, AsOf, Context, Repository, RepositoryError, SnapshotPolicy, Snapshotter,
    SnapshotterStatus, Versioned,
};
#[cfg(feature = "async")]
pub use self::aggregate::{AsyncHandler, AsyncRepository};
pub use self::clock::{Clock, ManualClock, SystemClock};
#[cfg(feature = "postcard")]
pub use self::events::Postcard;
pub use self::events::{
    Codec, CodecError, DecodeError, DecodeFault, EncodeError, EventEnum, EventType, Json, Part,
    Parts, Place, RawEvent, Upcasters,
};
#[cfg(feature = "sim")]
pub use self::fixture::{Fixture, Then};
pub use self::follower::{CheckpointStore, FileCheckpoints, Follower};
pub use self::process::{Deadline, Outputs, Process, ProcessManager};
pub use self::processing::{Processing, Processor};
pub use self::projection::{
    MemoryProjector, Progress, Projection, ProjectionError, ProjectionView, ProjectionWatch,
};
#[cfg(feature = "postgres")]
pub use self::projection::{Postgres, PostgresCheckpoints};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use self::projection::{SqlCheckpoints, SqlDatabase, SqlProjection, SqlProjector, Tables};
#[cfg(feature = "sqlite")]
pub use self::projection::{Sqlite, SqliteCheckpoints};
#[cfg(feature = "async")]
pub use self::store::Appending;
pub use self::store::{Store, StoreReader, Tail, Visit};
pub use self::stream::StreamName;
pub use self::subscription::{
    Consumer, Delivery, Nack, OnFailure, ParkedStream, Skip, Subscription, SubscriptionError,
    SubscriptionOptions, SubscriptionStatus, Subscriptions, partition_of,
};
pub use crate::event_types;
/// The crate that PostgreSQL is spoken to with. (Feature `postgres`.)
#[cfg(feature = "postgres")]
pub use postgres;
/// The crate that SQLite is spoken to with. (Feature `sqlite`.)
#[cfg(feature = "sqlite")]
pub use rusqlite;

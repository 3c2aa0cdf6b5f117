//! annals: an embedded, append-only event log. What SQLite is to tables, annals is to
//! event streams.
//!
//! A program links it and appends events to streams, with optimistic concurrency; reads
//! streams and the whole log back; and tails one gapless log in commit order. There is
//! no server. A log is a directory, written by one process at a time and read by any number
//! of threads and processes.
//!
//! ```
//! use annals::{Batch, Expected, Log, NewEvent, Start};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("shop");
//! let log = Log::open(path)?;
//!
//! let placed = NewEvent::new("OrderPlaced").json(r#"{"total":12}"#);
//! let committed = log.append(Batch::new().write("order-17", Expected::NoStream, [placed]))?;
//! assert_eq!(committed.version("order-17"), Some(1));
//!
//! let mut cursor = log.cursor(Start::Beginning)?;
//! for event in &cursor.poll(100)? {
//!     println!("{} {} {}", event.position(), event.stream(), event.event_type());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to begin
//!
//! The [`guide`] goes through it by subject, with programs that run: [appending](guide::appending),
//! [reading](guide::reading), [tailing](guide::tailing), [durability](guide::durability),
//! [recovery](guide::recovery), [testing](guide::testing) your own program,
//! [sourcing](guide::sourcing) events, [evolution](guide::evolution) of code whose events stay.
//!
//! # Where to look
//!
//! | to | see |
//! |---|---|
//! | open and close a log | [`Log::open`], [`Options`], [`Log::close`] |
//! | append | [`Batch`], [`NewEvent`], [`Expected`], [`Log::append`], [`Committed`] |
//! | append once, whatever is tried again | [`NewEvent::id`], [`Batch::once`] |
//! | say how safe it must be, and wait for it later | [`Durability`], [`Log::submit`], [`Ticket`], [`Log::sync`] |
//! | read | [`Log::read`](Reader::read), [`Log::read_all`](Reader::read_all), [`Log::event`](Reader::event), [`Event`] |
//! | read and follow by category, type, tag and other keys | [`Filter`] |
//! | keep folded state | [`Batch::snapshot`], [`Log::load`](Reader::load), [`Batch::state`], [`Log::state`](Reader::state) |
//! | follow | [`Log::cursor`](Reader::cursor), [`Cursor`], [`Start`], [`Checkpoint`] |
//! | read from another process | [`Reader`] |
//! | know what a crash did | [`Log::recovery`], [`Recovery`], [`Options::strict`] |
//! | watch a running log | [`Log::stats`](Reader::stats), [`observe`] (features `metrics`, `tracing`) |
//! | check a log | [`verify`] |
//! | mend what is damaged | [`plan_repair`], [`apply_repair`] |
//! | source events: typed events, aggregates, snapshots | `sourcing` (feature `sourcing`) |
//! | test your own program's faults | `io::sim` (feature `sim`) |
//!
//! # What is promised
//!
//! * A batch is all or nothing, over any number of streams, for every reader, before and
//!   after any crash.
//! * [`Log::append`] returns when the batch is durable, synced to the device, unless you ask
//!   for [less](Durability). Nothing is called durable before its sync succeeded, and no
//!   failed sync is tried again.
//! * Positions are dense, in commit order, and published in that order: a reader that
//!   has seen 1020 has seen everything below it.
//! * An id is in a log once, for ever, and so is a key: the same batch again returns the
//!   first outcome.
//! * A cursor delivers every event after its start exactly once, in order, in this process
//!   or another one.
//! * Every record that is read has its checksum checked, every time. Damage is an
//!   error, never a shorter log.
//! * Reads never block appends.
//!
//! What is *not* promised is in DESIGN.md, with the format byte by byte: a device that lies
//! about flush, a network file system, the loss of the only copy, forgery.
//!
//! The price of a durable append alone is one write and one sync; appends from several
//! threads, and tickets of one, share a sync.
//!
//! # Features
//!
//! * `async`: [`Ticket`] is a future, and cursors can be awaited, by any runtime; with
//!   `sourcing`, commands of aggregates too.
//! * `sim`: the simulated storage, `io::sim`.
//! * `sourcing`: what event-sourced programs need around the log, `sourcing`; `postcard` adds
//!   a codec of events to it, `conformance` the checks that another engine under it must pass.
//! * `sqlite`, `postgres`: projections into these databases; `sqlite` compiles SQLite in, which
//!   needs a C compiler.
//! * `metrics`, `tracing`: what the log tells of itself, see [`observe`].
//! * `planted`: deliberate faults that prove the tests; inert without debug assertions.
//!   Not for programs.

// The guide names what these features add. CI builds the documentation with them.
#![cfg_attr(
    not(all(feature = "async", feature = "sim", feature = "sourcing")),
    allow(rustdoc::broken_intra_doc_links)
)]

pub mod guide;
pub mod io;
pub mod limits;
pub mod observe;
#[cfg(feature = "planted")]
pub mod planted;
#[cfg(feature = "sourcing")]
pub mod sourcing;

mod batch;
mod catalog;
mod category;
mod checkpoint;
mod commit;
mod committed;
mod control;
mod cursor;
mod durability;
mod error;
mod event;
mod expected;
mod filter;
mod follower;
mod horizon;
mod log;
mod names;
mod options;
mod place;
#[cfg(not(feature = "planted"))]
mod planted;
mod read;
mod reader;
mod record;
mod recovered;
mod recovery;
mod repair;
mod segment;
mod snapshot;
mod stats;
mod sync;
mod tail;
mod time;
mod verify;
mod visibility;
mod watermark;

pub use batch::{Batch, EventPlace, NewEvent, NewSnapshot, SnapshotPlace};
pub use checkpoint::{Checkpoint, NotACheckpoint};
pub use commit::Ticket;
pub use committed::Committed;
pub use cursor::{Cursor, CursorOptions, Start};
pub use durability::Durability;
pub use error::{Corrupt, Damage, Difference, Error, Result};
pub use event::{Event, OwnedEvent, Tags};
pub use expected::Expected;
pub use filter::Filter;
pub use log::Log;
pub use options::{Background, Options, Reading};
pub use read::{Events, EventsIter, Loaded, LogRead, StreamInfo, StreamRead, Streams};
pub use reader::Reader;
pub use recovered::{Discarded, Recovery, TailReason};
pub use repair::{Lost, RepairPlan, RepairStep, Repaired, apply_repair, plan_repair};
pub use snapshot::Snapshot;
pub use stats::Stats;
#[cfg(shuttle)]
pub use sync::model;
pub use time::{Occurred, Timestamp};
pub use uuid::Uuid;
pub use verify::{Finding, Report, verify};
pub use visibility::Visibility;

//! When an event is safe: three levels, tickets, and what each costs.
//!
//! # Three levels
//!
//! | [`Durability`](crate::Durability) | answered when | a killed process | a power cut | costs, alone |
//! |---|---|---|---|---|
//! | `Durable`, the default | synced to the device | keeps it | keeps it | one write, one sync |
//! | `Written` | handed to the operating system | keeps it | may take it | one write |
//! | `Buffered` | it has its place, in memory | may take it | may take it | no call of the system |
//!
//! What is lost is lost from some place on, in whole batches: never a hole, never half a
//! batch. Whatever is not durable is written and synced in the background, at most
//! [`flush_after`](crate::Options::flush_after) later: 50 ms unless you say otherwise.
//!
//! The level is the log's ([`Options::durability`](crate::Options::durability)) or the
//! append's ([`append_with`](crate::Log::append_with)). The answer says what was reached.
//!
//! ```
//! use annals::{Batch, Durability, Expected, Log, NewEvent};
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! let log = Log::open(path)?;
//! let mut clicks = Batch::new();
//! clicks.write("clicks", Expected::Any, [NewEvent::new("Clicked")]);
//! let committed = log.append_with(&clicks, Durability::Buffered)?;
//! assert_eq!(committed.durability(), Durability::Buffered);
//! // This program reads its own writes at once.
//! assert_eq!(log.version("clicks")?, 1);
//!
//! // A durable append makes everything before it durable as well: order is order.
//! let mut order = Batch::new();
//! order.write("order-17", Expected::NoStream, [NewEvent::new("OrderPlaced")]);
//! log.append(&order)?;
//! assert_eq!(log.head(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Nothing is called durable before its sync succeeded. What fails in the background is
//! told by the next append, by [`sync`](crate::Log::sync) and by
//! [`close`](crate::Log::close).
//!
//! # `sync`: now
//!
//! ```
//! use annals::{Batch, Durability, Expected, Log, NewEvent, Options};
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! let log = Options::new().durability(Durability::Buffered).open(path)?;
//! for _ in 0..1000 {
//!     log.append(Batch::new().write("import", Expected::Any, [NewEvent::new("Read")]))?;
//! }
//! log.sync()?;
//! assert_eq!(log.head(), 1000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Tickets: many in flight, from one thread
//!
//! [`submit`](crate::Log::submit) gives a batch its place and returns at once. The
//! [`Ticket`](crate::Ticket) tells later whether it became as safe as was asked for; with the
//! feature `async` it is a future. So one thread can have hundreds of durable batches in
//! flight, and they share syncs.
//!
//! ```
//! use annals::{Batch, Expected, Log, NewEvent};
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! let log = Log::open(path)?;
//! let mut tickets = Vec::new();
//! for n in 0..200_u64 {
//!     let mut batch = Batch::new();
//!     // Each expects what the one before it leaves, though that is not durable yet.
//!     batch.write("counter", Expected::Exact(n), [NewEvent::new("Counted")]);
//!     tickets.push(log.submit(&batch)?);
//! }
//! for ticket in tickets {
//!     ticket.wait()?;
//! }
//! assert_eq!(log.version("counter")?, 200);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A ticket that is dropped commits all the same. Memory is bounded:
//! [`in_flight_bytes`](crate::Options::in_flight_bytes). An answer that rests on a batch in
//! flight, such as a conflict with it, waits until that batch is settled: if the batch is
//! lost, the conflict would have been a lie.
//!
//! # Who sees what, and when
//!
//! | | in the writing process | in another one |
//! |---|---|---|
//! | reads, `load`, `version`, by id | as soon as it was answered | when durable; when written, by [`Options::visibility`](crate::Options::visibility) |
//! | cursors | when durable; when written, by [`CursorOptions::visibility`](crate::CursorOptions::visibility) | the same |
//!
//! Reading an event that is only buffered writes its group first.
//!
//! # What it costs
//!
//! * The device's sync is the price of a durable append. Threads that append at the same
//!   time share it, without a timer: while one group syncs, the next fills.
//! * A batch of many events costs one write and one sync like a batch of one.
//! * [`Options::background`](crate::Options::background) with
//!   [`Inline`](crate::Background::Inline) starts no thread: then nothing is written by
//!   time, and what is not durable waits for the next durable append, `sync`, roll or close.
//!
//! # What no level covers
//!
//! A device that reports a flush as done and loses it, a network file system, and the loss
//! of the only copy. A disk that is full is told before a number is used
//! ([`Full`](crate::Error::Full)).

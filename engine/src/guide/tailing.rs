//! Following the log: every event after a start, exactly once, in commit order.
//!
//! # The loop
//!
//! A [`Cursor`](crate::Cursor) is a place in the log. Catching up with what is there and
//! following what comes are the same loop: ask, handle, ask again.
//!
//! ```
//! use std::time::Duration;
//! use annals::{Batch, Expected, Log, NewEvent, Start};
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! let log = Log::open(path)?;
//! log.append(Batch::new().write("a", Expected::Any, ["One", "Two"].map(NewEvent::new)))?;
//!
//! let mut cursor = log.cursor(Start::Beginning)?;
//! let mut seen = Vec::new();
//! while seen.len() < 2 {
//!     // Returns as soon as there is something, with none when the time is up.
//!     for event in &cursor.wait(Duration::from_secs(1))? {
//!         seen.push(event.position());
//!     }
//! }
//! assert_eq!(seen, [1, 2]);
//! // `poll` never waits: none means that this is the end for now.
//! assert!(cursor.poll(100)?.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A cursor never hands out what is not durable, unless
//! [asked to](crate::CursorOptions::visibility); never a gap, never one event twice, never
//! one after a later one. A poller of a database that has seen number 1020 may find 1010
//! later. That cannot happen here: positions are published in order.
//!
//! # After a restart
//!
//! A cursor's place is in memory. What you keep decides what happens after a crash:
//!
//! * keep it **after** handling: an event may be handled twice,
//! * keep it **before**: an event may be lost,
//! * keep it **together with** what handling did, in one transaction or one batch: neither.
//!
//! A position alone can lie: where a power cut took a tail that a reader had been shown
//! before it was durable, or a copy of the log was restored, other events get the same
//! positions. A [`Checkpoint`](crate::Checkpoint) also names the log and the epoch, and a
//! cursor that starts at one that does not fit is refused.
//!
//! ```
//! use annals::{Batch, Checkpoint, Error, Expected, Log, NewEvent, Start};
//!
//! fn start(kept: &std::path::Path) -> Result<Start, Box<dyn std::error::Error>> {
//!     match std::fs::read_to_string(kept) {
//!         Ok(text) => Ok(Start::Checkpoint(text.parse::<Checkpoint>()?)),
//!         Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Start::Beginning),
//!         Err(error) => Err(error.into()),
//!     }
//! }
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("log");
//! # let kept = directory.path().join("place");
//! let log = Log::open(path)?;
//! log.append(Batch::new().write("a", Expected::Any, ["One", "Two"].map(NewEvent::new)))?;
//! for expected in [2, 0] {
//!     let mut cursor = match log.cursor(start(&kept)?) {
//!         // What was seen is not in this log. This much of it is.
//!         Err(Error::Diverged { same_until, .. }) => log.cursor(Start::After(same_until))?,
//!         other => other?,
//!     };
//!     let events = cursor.poll(100)?;
//!     assert_eq!(events.len(), expected);
//!     // Under another name first: a file that is half written is no place.
//!     let half = kept.with_extension("half");
//!     std::fs::write(&half, cursor.checkpoint()?.to_string())?;
//!     std::fs::rename(&half, &kept)?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Only some events
//!
//! With a [filter](crate::Filter) a cursor finds what matches by the indexes, and
//! [`scanned_to`](crate::Cursor::scanned_to) says how far it has looked, also when nothing
//! matched. A checkpoint keeps that: a consumer of rare events need not look at everything
//! again after each restart.
//!
//! ```
//! use annals::{Batch, CursorOptions, Expected, Filter, Log, NewEvent, Start};
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! let log = Log::open(path)?;
//! for stream in ["order-1", "stock-1", "stock-2", "stock-3"] {
//!     log.append(Batch::new().write(stream, Expected::Any, [NewEvent::new("Happened")]))?;
//! }
//! let orders = CursorOptions::new().filter(Filter::new().category("order"));
//! let mut cursor = log.cursor_with(Start::Beginning, &orders)?;
//! while !cursor.poll(100)?.is_empty() {}
//! assert_eq!((cursor.position(), cursor.scanned_to()), (1, 4));
//! assert_eq!(cursor.checkpoint()?.position, 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A projection that keeps its state in the log
//!
//! State and place in one record: a [named state](crate::Batch::state) holds the totals, and
//! its number says up to which position they are. After a crash the two still agree.
//!
//! ```
//! use annals::{Batch, Expected, Log, NewEvent, NewSnapshot, Result, Start};
//!
//! fn catch_up(log: &Log) -> Result<u64> {
//!     let state = log.state("orders-counted", 1)?;
//!     let (mut count, after) = match &state {
//!         Some(state) => {
//!             let text = std::str::from_utf8(state.data()).unwrap_or("0");
//!             (text.parse::<u64>().unwrap_or(0), state.version())
//!         }
//!         None => (0, 0),
//!     };
//!     let mut cursor = log.cursor(Start::After(after))?;
//!     loop {
//!         let events = cursor.poll(1000)?;
//!         if events.is_empty() {
//!             return Ok(count);
//!         }
//!         let placed = events.iter().filter(|event| event.event_type() == "OrderPlaced");
//!         count += placed.count() as u64;
//!         let text = count.to_string();
//!         let state = NewSnapshot::new(1).data(text.as_bytes());
//!         log.append(Batch::new().state("orders-counted", cursor.scanned_to(), state))?;
//!     }
//! }
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! let log = Log::open(path)?;
//! for expected in 1..=3 {
//!     let stream = format!("order-{expected}");
//!     let placed = NewEvent::new("OrderPlaced");
//!     log.append(Batch::new().write(&stream, Expected::NoStream, [placed]))?;
//!     assert_eq!(catch_up(&log)?, expected);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Where handling an event appends events, name the batch after the event with
//! [`once`](crate::Batch::once): then doing it twice does it once.
//!
//! # From another process
//!
//! A [`Reader`](crate::Reader) opens the log beside its writer. It writes nothing to the log,
//! costs the writer next to nothing, and gives the same promises. When the writer dies it
//! makes durable what it serves; when another one opens the log it goes on by itself.
//!
//! ```
//! use std::time::Duration;
//! use annals::{Batch, Expected, Log, NewEvent, Reader, Start};
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! # let log = Log::open(path)?;
//! # log.append(Batch::new().write("a", Expected::Any, [NewEvent::new("Happened")]))?;
//! // In another process than the one that writes:
//! let reader = Reader::open(path)?;
//! let mut cursor = reader.cursor(Start::Beginning)?;
//! let events = cursor.wait(Duration::from_secs(1))?;
//! assert_eq!(events.len(), 1);
//! assert_eq!(reader.version("a")?, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Three things differ. Its reads see what is durable, or written if
//! [`Options::visibility`](crate::Options::visibility) says so, and not what is only in the writer's
//! memory. A closed log is no error for it: it waits for the next writer. And a cursor that
//! was shown events before they were durable, which a power cut then took, is told
//! [`Diverged`](crate::Error::Diverged) by its next call.
//!
//! # Awaited
//!
//! With the feature `async` a cursor can be awaited, by any runtime:
//! [`Cursor::next`](crate::Cursor::next). Dropping the future loses nothing.
//!
//! ```
//! # #[cfg(feature = "async")] {
//! use annals::{Batch, Expected, Log, NewEvent, Start};
//! # fn block_on<T>(future: impl Future<Output = T>) -> T {
//! #     let mut future = std::pin::pin!(future);
//! #     let mut context = std::task::Context::from_waker(std::task::Waker::noop());
//! #     loop {
//! #         if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
//! #             return value;
//! #         }
//! #         std::thread::yield_now();
//! #     }
//! # }
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! let log = Log::open(path)?;
//! block_on(async {
//!     let mut batch = Batch::new();
//!     batch.write("a", Expected::Any, [NewEvent::new("Happened")]);
//!     // A ticket can be awaited too.
//!     log.submit(&batch)?.await?;
//!
//!     let mut cursor = log.cursor(Start::Beginning)?;
//!     let events = cursor.next(100).await?;
//!     assert_eq!(events.len(), 1);
//!     Ok::<(), annals::Error>(())
//! })?;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Several consumers
//!
//! Each has a cursor of its own, in a thread or a process of its own; cursors share nothing
//! but the mapped log. A cursor is `Send`, and is asked by one thread at a time.

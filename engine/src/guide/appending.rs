//! Writing: batches, expectations, ids and keys, and what can go wrong.
//!
//! # A batch
//!
//! What one [`append`](crate::Log::append) commits is a [`Batch`](crate::Batch): events of
//! one stream or several, all or nothing. Each event has a type, which is a text of your
//! own, and data in whatever encoding you like.
//!
//! ```
//! use annals::{Batch, Expected, Log, NewEvent};
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! let log = Log::open(path)?;
//! let placed = NewEvent::new("OrderPlaced")
//!     .json(r#"{"total":12}"#)
//!     .tag("customer:9")
//!     .metadata(br#"{"user":"ann"}"#);
//! let mut batch = Batch::new();
//! batch
//!     .write("order-17", Expected::NoStream, [placed])
//!     .write("stock-4", Expected::Any, [NewEvent::new("Reserved").data(b"\x02")])
//!     .expect("customer-9", Expected::Any);
//! let committed = log.append(&batch)?;
//!
//! assert_eq!(committed.positions(), 1..=2);
//! assert_eq!(committed.version("order-17"), Some(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`NewEvent`](crate::NewEvent) borrows what it is given;
//! [`write`](crate::Batch::write) encodes it once, in the form that goes to the disk, and
//! computes its checksum, before any lock is taken. A batch that is used again and again
//! keeps its memory with [`clear`](crate::Batch::clear).
//!
//! # Expectations
//!
//! Every write says what it relies on. There is no default, since "I do not care" is a
//! decision too.
//!
//! | [`Expected`](crate::Expected) | the stream must |
//! |---|---|
//! | `Any` | be anywhere |
//! | `NoStream` | have no event: the same as `Exact(0)` |
//! | `Exists` | have an event |
//! | `Exact(version)` | have this as its last version |
//!
//! [`Batch::expect`](crate::Batch::expect) says the same of a stream that the batch does not
//! write: a decision that rests on three streams can name all three. If one expectation does
//! not hold, nothing is written and no number is used.
//!
//! # Conflicts: read again, decide again
//!
//! Two programs may decide on the same version. One of them wins; the other is told, and is
//! right to look again. This is the whole loop:
//!
//! ```
//! use annals::{Batch, Expected, Log, NewEvent, Result};
//!
//! /// The balance, and the version that it holds for.
//! fn balance(log: &Log, account: &str) -> Result<(i64, u64)> {
//!     let (mut sum, mut version) = (0, 0);
//!     let mut events = log.read(account);
//!     while let Some(event) = events.next()? {
//!         let text = std::str::from_utf8(event.data()).unwrap_or("0");
//!         sum += text.parse::<i64>().unwrap_or(0);
//!         version = event.version();
//!     }
//!     Ok((sum, version))
//! }
//!
//! /// `false` if there is not enough.
//! fn withdraw(log: &Log, account: &str, amount: i64) -> Result<bool> {
//!     loop {
//!         let (sum, version) = balance(log, account)?;
//!         if sum < amount {
//!             return Ok(false);
//!         }
//!         let text = (-amount).to_string();
//!         let mut batch = Batch::new();
//!         batch.write(account, Expected::Exact(version), [NewEvent::new("Moved").json(&text)]);
//!         match log.append(&batch) {
//!             Ok(_) => return Ok(true),
//!             // Somebody was faster: what was read no longer holds.
//!             Err(error) if error.is_conflict() => {}
//!             Err(error) => return Err(error),
//!         }
//!     }
//! }
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! let log = Log::open(path)?;
//! let paid_in = NewEvent::new("Moved").json("100");
//! log.append(Batch::new().write("account-1", Expected::NoStream, [paid_in]))?;
//! let done: usize = std::thread::scope(|scope| {
//!     let threads: Vec<_> =
//!         (0..4).map(|_| scope.spawn(|| withdraw(&log, "account-1", 30))).collect();
//!     threads.into_iter().filter_map(|thread| thread.join().ok()?.ok()).filter(|done| *done).count()
//! });
//! assert_eq!((done, balance(&log, "account-1")?.0), (3, 10));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Ids: the same batch again
//!
//! Every event has an [`id`](crate::NewEvent::id), unique in its log for ever. Without one it
//! gets a random UUID when it is added to the batch, not when it is appended: so a batch
//! that is appended a second time, since nobody knows what became of the first, is
//! recognised and commits once.
//!
//! Give ids of your own where the same event may come again from another run of the
//! program, such as from an import or a request that is retried.
//!
//! ```
//! use annals::{Batch, Error, Expected, Log, NewEvent, Uuid};
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! let log = Log::open(path)?;
//! let batch_of = |total: &'static str| {
//!     let id = Uuid::from_u128(0x7001);
//!     let mut batch = Batch::new();
//!     batch.write("order-17", Expected::NoStream, [NewEvent::new("Placed").id(id).json(total)]);
//!     batch
//! };
//! let first = log.append(&batch_of("12"))?;
//! let again = log.append(&batch_of("12"))?;
//! // The ids are looked at before the expectations: it is a repetition, not a conflict.
//! assert!(again.is_deduplicated() && again.positions() == first.positions());
//!
//! // Other content under a known id is an error of its own, and nothing is written.
//! let other = log.append(&batch_of("99"));
//! assert!(matches!(other, Err(Error::DuplicateConflict { position: 1, .. })));
//! assert!(log.contains(Uuid::from_u128(0x7001))?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What is compared is stream, type, schema, data and tags, in the batch's order.
//!
//! # Keys: handle each message once
//!
//! A program that handles messages from elsewhere may see one twice, and decide something
//! else the second time, with other ids. [`Batch::once`](crate::Batch::once) names the
//! batch after the message: the first batch with a key commits, also one without events;
//! with the same key again the first outcome comes back, whatever the batch says.
//!
//! ```
//! use annals::{Batch, Expected, Log, NewEvent};
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! let log = Log::open(path)?;
//! let handle = |message: &str| {
//!     let mut batch = Batch::new();
//!     batch
//!         .once(&format!("billing/{message}"))
//!         .write("invoice-3", Expected::Any, [NewEvent::new("Billed").caused_by(message)]);
//!     log.append(&batch)
//! };
//! assert!(!handle("message-77")?.is_deduplicated());
//! assert!(handle("message-77")?.is_deduplicated());
//! assert_eq!(log.version("invoice-3")?, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//!
//! They are constants in [`limits`](crate::limits). What is over one is noted when it is added
//! to the batch, and told by [`Batch::check`](crate::Batch::check) and by the append:
//!
//! ```
//! use annals::{Batch, Error, Expected, NewEvent, limits};
//! let name = "x".repeat(limits::STREAM_NAME_BYTES + 1);
//! let mut batch = Batch::new();
//! batch.write(&name, Expected::Any, [NewEvent::new("Happened")]);
//! assert!(matches!(batch.check(), Err(Error::TooLarge { size: 513, limit: 512, .. })));
//! ```
//!
//! # What can go wrong
//!
//! After an error of an append nothing of the batch is there and no number was used, except
//! after `Poisoned`, where it is not known yet.
//!
//! | [`Error`](crate::Error) | what it says | what helps |
//! |---|---|---|
//! | `WrongExpectedVersion` | somebody was faster | read, decide, append again: the loop above |
//! | `DuplicateConflict` | known ids, but another batch | find out who uses the ids twice |
//! | `SnapshotAhead` | a snapshot says more than its stream holds | fold again |
//! | `TooLarge`, `Invalid` | the batch can never be appended | change it |
//! | `Full` | no space | make space; the same call works then, without reopening |
//! | `Poisoned` | a write or sync failed | open the log again, append the same batch again: [`recovery`](super::recovery) |
//! | `Closed`, `Forked` | this handle is of no use any more | |
//! | `Corrupt`, `Io` | the disk is hurt, or refuses to be read | [`recovery`](super::recovery) |
//!
//! [`Error::is_conflict`](crate::Error::is_conflict) and
//! [`Error::is_retryable`](crate::Error::is_retryable) tell the two cases in which the same
//! program goes on.
//!
//! # Faster
//!
//! A durable append alone waits for one write and one sync of the device. Threads that
//! append at the same time share syncs. One thread shares them with itself by
//! [`submit`](crate::Log::submit), and can ask for less than durable: see
//! [`durability`](super::durability).

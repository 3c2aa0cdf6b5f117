//! Showing your own program a crash: the simulated disk (feature `sim`).
//!
//! What a program does after a power cut is rarely tested, since cutting the power is a
//! nuisance. [`SimStorage`](crate::io::sim::SimStorage) is a disk in memory that keeps what
//! is written apart from what is durable. The log on it is the same code as on a real disk.
//!
//! ```toml
//! [dev-dependencies]
//! annals = { version = "0.1", features = ["sim"] }
//! ```
//!
//! # A test
//!
//! Write your program against a [`Log`](crate::Log) that is handed in, and open that log on
//! whatever storage the test likes.
//!
//! ```
//! use std::sync::Arc;
//! use annals::io::sim::{LoseAll, SimStorage};
//! use annals::{Batch, Expected, Log, NewEvent, Options, Result};
//!
//! /// The program under test.
//! fn place_order(log: &Log, order: &str) -> Result<()> {
//!     let mut batch = Batch::new();
//!     batch.write(order, Expected::NoStream, [NewEvent::new("OrderPlaced")]);
//!     log.append(&batch).map(drop)
//! }
//!
//! let disk = SimStorage::new();
//! let log = Options::new().open_on(Arc::new(disk.clone()))?;
//! place_order(&log, "order-1")?;
//! disk.power_cut(LoseAll);
//! drop(log);
//!
//! let log = Options::new().open_on(Arc::new(disk.clone()))?;
//! assert_eq!(log.version("order-1")?, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Crashes
//!
//! | call | what is left |
//! |---|---|
//! | [`kill`](crate::io::sim::SimStorage::kill) | all that is written: the process died, the system did not |
//! | [`power_cut`](crate::io::sim::SimStorage::power_cut) | what is durable, and of the rest what a [`Fate`](crate::io::sim::Fate) leaves: [`LoseAll`](crate::io::sim::LoseAll), [`KeepAll`](crate::io::sim::KeepAll), [`Mask`](crate::io::sim::Mask), [`Seeded`](crate::io::sim::Seeded), or a closure |
//! | [`crash_at`](crate::io::sim::SimStorage::crash_at) | the process dies at its n-th change of the disk |
//!
//! The handle that crashes goes on to the next life. All clones of the old one are dead, and
//! so is everything that was opened through them.
//!
//! To be sure, crash everywhere: let the program die at its first change of the disk, then at
//! its second, and so on, until it comes through.
//!
//! ```
//! use std::sync::Arc;
//! use annals::io::sim::{Seeded, SimStorage};
//! use annals::{Background, Batch, Expected, Log, NewEvent, Options, Result};
//!
//! // With a background thread no two runs make the same calls in the same order.
//! let open = |disk: &SimStorage| {
//!     Options::new().background(Background::Inline).open_on(Arc::new(disk.clone()))
//! };
//! let transfer = |log: &Log| -> Result<()> {
//!     let mut batch = Batch::new();
//!     batch
//!         .write("account-1", Expected::NoStream, [NewEvent::new("PaidOut").json("5")])
//!         .write("account-2", Expected::NoStream, [NewEvent::new("PaidIn").json("5")]);
//!     log.append(&batch).map(drop)
//! };
//! let mut crashes = 0;
//! loop {
//!     let disk = SimStorage::new();
//!     disk.set_seed(crashes);
//!     disk.crash_at(crashes + 1);
//!     let outcome = open(&disk).and_then(|log| {
//!         transfer(&log)?;
//!         log.close()
//!     });
//!     disk.power_cut(Seeded::new(crashes));
//!
//!     let log = open(&disk)?;
//!     // The money is never on its way, and never lost once that was acknowledged.
//!     assert_eq!(log.version("account-1")?, log.version("account-2")?);
//!     if outcome.is_ok() {
//!         assert_eq!(log.version("account-1")?, 1);
//!         break;
//!     }
//!     crashes += 1;
//! }
//! assert!(crashes > 5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The [module](crate::io::sim) shows how to look at *every* state that a crash can leave.
//!
//! # Failing calls and full disks
//!
//! ```
//! use std::sync::Arc;
//! use annals::io::sim::{CallKind, Failure, Fault, Nth, SimStorage, Times};
//! use annals::{Batch, Error, Expected, NewEvent, Options};
//!
//! let disk = SimStorage::new();
//! let log = Options::new().open_on(Arc::new(disk.clone()))?;
//! let mut batch = Batch::new();
//! batch.write("a", Expected::NoStream, [NewEvent::new("Happened").data(&[7; 1 << 20])]);
//!
//! // A disk without space, which then gets some.
//! disk.set_capacity(Some(disk.allocated()));
//! assert!(matches!(log.append(&batch), Err(Error::Full { .. })));
//! disk.set_capacity(None);
//! log.append(&batch)?;
//!
//! // A device that fails every write from now on.
//! let fault = Fault::new(Nth::Of(CallKind::Write, 1), Failure::Device).times(Times::ForGood);
//! disk.fail(fault);
//! let mut more = Batch::new();
//! more.write("a", Expected::Exact(1), [NewEvent::new("Happened")]);
//! assert!(matches!(log.append(&more), Err(Error::Poisoned { .. })));
//! assert_eq!(log.version("a")?, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Other processes and the clock
//!
//! [`another_process`](crate::io::sim::SimStorage::another_process) gives a handle for a reader
//! that lives and dies by itself. [`set_now`](crate::io::sim::SimStorage::set_now) moves the
//! clock, [`set_seed`](crate::io::sim::SimStorage::set_seed) makes random numbers the same in
//! every run.
//!
//! ```
//! use std::sync::Arc;
//! use annals::io::sim::SimStorage;
//! use annals::{Batch, Expected, NewEvent, Options, Start};
//!
//! let disk = SimStorage::new();
//! disk.set_now(1_700_000_000_000_000_000);
//! let log = Options::new().open_on(Arc::new(disk.clone()))?;
//! let reader = Options::new().open_reader_on(Arc::new(disk.another_process()))?;
//! let mut cursor = reader.cursor(Start::Beginning)?;
//! log.append(Batch::new().write("a", Expected::Any, [NewEvent::new("Happened")]))?;
//! let events = cursor.poll(10)?;
//! let recorded = events.get(0).map(|event| event.recorded_at().as_nanos());
//! assert!(recorded >= Some(1_700_000_000_000_000_000));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Without a simulation
//!
//! A test that only needs a log opens one in a temporary directory and lets that be removed
//! with it.

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
//! # With an oracle
//!
//! The crashes above are one for each run. To look at many crashes of one run, watch it from
//! outside: a hook is shown the disk before each change, copies of it are crashed, and
//! what the program was told decides what must be there.
//!
//! ```
//! use std::sync::atomic::{AtomicU64, Ordering};
//! use std::sync::{Arc, Mutex};
//! use annals::io::sim::{Seeded, SimStorage};
//! use annals::{Background, Batch, Expected, Log, NewEvent, Options, Result};
//!
//! let open = |disk: &SimStorage| {
//!     Options::new().background(Background::Inline).open_on(Arc::new(disk.clone()))
//! };
//! let disk = SimStorage::new();
//! let log = open(&disk)?;
//!
//! // What the program was told, and what was found to be otherwise.
//! let told = Arc::new(AtomicU64::new(0));
//! let broken = Arc::new(Mutex::new(Vec::new()));
//! let (known, found) = (Arc::clone(&told), Arc::clone(&broken));
//! disk.on_call(move |call, disk| {
//!     for seed in 0..4 {
//!         let after = disk.fork();
//!         after.power_cut(Seeded::new(seed));
//!         let version = open(&after).and_then(|log| log.version("order-1"));
//!         let least = known.load(Ordering::SeqCst);
//!         // Everything acknowledged, and at most the one that is on its way.
//!         let right = version.as_ref().is_ok_and(|version| (least..=least + 1).contains(version));
//!         if let (false, Ok(mut found)) = (right, found.lock()) {
//!             found.push(format!("{call:?}, seed {seed}: {version:?}, told {least}"));
//!         }
//!     }
//! });
//! for version in 0..10 {
//!     let mut batch = Batch::new();
//!     batch.write("order-1", Expected::Exact(version), [NewEvent::new("Changed")]);
//!     log.append(&batch)?;
//!     told.store(version + 1, Ordering::SeqCst);
//! }
//! disk.clear_hook();
//! assert!(broken.lock().is_ok_and(|broken| broken.is_empty()), "{broken:?}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The [module](crate::io::sim) shows how to look at *every* state that a crash can leave.
//!
//! # Every call that can fail
//!
//! [`CallKind::failures`](crate::io::sim::CallKind::failures) says what each kind of call can
//! report: EIO, ENOSPC, EDQUOT, EROFS, EMFILE, EINTR;
//! [`Fault::partial`](crate::io::sim::Fault::partial) makes a write a short one. What a
//! program was told must hold afterwards. What it was not told it can ask for again: ids say
//! whether it is there.
//!
//! ```
//! use std::sync::Arc;
//! use annals::io::sim::{CallKind, Fault, LoseAll, Nth, SimStorage};
//! use annals::{Background, Batch, Expected, Log, NewEvent, Options, Result, Uuid};
//!
//! let open = |disk: &SimStorage| {
//!     Options::new().background(Background::Inline).open_on(Arc::new(disk.clone()))
//! };
//! let place_order = |log: &Log| -> Result<()> {
//!     let event = NewEvent::new("OrderPlaced").id(Uuid::from_u128(17));
//!     log.append(Batch::new().write("order-1", Expected::Any, [event])).map(drop)
//! };
//! let mut runs = 0;
//! for kind in CallKind::ALL {
//!     for failure in kind.failures() {
//!         for nth in 1.. {
//!             let disk = SimStorage::new();
//!             disk.fail(Fault::new(Nth::Of(kind, nth), *failure));
//!             let outcome = open(&disk).and_then(|log| place_order(&log));
//!             if disk.faults_struck() == 0 {
//!                 break;
//!             }
//!             runs += 1;
//!             disk.clear_faults();
//!             disk.power_cut(LoseAll);
//!             let log = open(&disk)?;
//!             assert!(outcome.is_err() || log.version("order-1")? == 1, "{kind:?} {nth}");
//!             place_order(&log)?;
//!             assert_eq!(log.version("order-1")?, 1);
//!         }
//!     }
//! }
//! assert!(runs > 100);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
//! # Without a crash
//!
//! A test that only needs a log takes [`Log::temporary`](crate::Log::temporary): a log in memory
//! that is gone with it. For an aggregate (feature `sourcing`) there is
//! `sourcing::Fixture`: given these events, when this command, then those events, on such a
//! log; it also checks that snapshots change nothing. Without the feature `sim` a log in a
//! temporary directory does as well.

//! After a crash: what is there, what was cut, and what is damage.
//!
//! # Opening is recovery
//!
//! There is nothing to call. [`Log::open`](crate::Log::open) finds where the log ends, makes
//! durable what it keeps, and only then serves it. [`Log::recovery`](crate::Log::recovery)
//! says what it found.
//!
//! | what happened | what is there |
//! |---|---|
//! | the process was killed, panicked, or forgot to close | everything that was written |
//! | the power went | every durable batch; of the rest a beginning, in whole batches |
//! | the log was closed | everything; opening reads no record |
//!
//! ```
//! use std::sync::Arc;
//! use annals::io::sim::{LoseAll, SimStorage};
//! use annals::{Batch, Durability, Expected, NewEvent, Options};
//!
//! // A disk in memory whose power can be cut: see the guide to testing.
//! let disk = SimStorage::new();
//! let log = Options::new().open_on(Arc::new(disk.clone()))?;
//! let mut safe = Batch::new();
//! safe.write("a", Expected::Any, [NewEvent::new("Durable")]);
//! log.append(&safe)?;
//! let mut fast = Batch::new();
//! fast.write("a", Expected::Any, [NewEvent::new("Written")]);
//! log.append_with(&fast, Durability::Written)?;
//! disk.power_cut(LoseAll);
//! drop(log);
//!
//! let log = Options::new().open_on(Arc::new(disk.clone()))?;
//! let recovery = log.recovery();
//! assert!(!recovery.clean);
//! assert!((1..=2).contains(&recovery.head));
//! println!("{recovery}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A torn tail, or damage?
//!
//! After a power cut the end of the log may hold half a write. That is no damage: nobody was
//! told that it is durable. It is cut, and
//! [`Recovery::discarded`](crate::Recovery::discarded) says where, how much, and why.
//!
//! Damage to what *was* durable is another thing, and is refused:
//! [`Error::Corrupt`](crate::Error::Corrupt), with file, offset and cause. The log tells the
//! two apart by evidence: every group of batches notes what was durable when it was written,
//! and a witness of the durable end is kept apart from the tail.
//!
//! One case is left: damage to what was synced last of all, after the last witness. It looks
//! like a torn tail and is reported as discarded. With
//! [`Options::strict`](crate::Options::strict) nothing is cut without asking you: the open is
//! [`WouldDiscard`](crate::Error::WouldDiscard), and says what would go.
//!
//! # `Poisoned`: a write or a sync failed
//!
//! After a failed sync the operating system may count lost pages as clean, so a second sync
//! would succeed and save nothing. So nothing is tried again. Every waiter of that group and
//! every later append gets [`Error::Poisoned`](crate::Error::Poisoned); what was durable
//! stays readable. Opening the log again settles what became of the group, and appending the
//! very same batch again is safe: its ids tell.
//!
//! ```
//! use std::sync::Arc;
//! use annals::io::sim::{CallKind, Failure, Fault, Nth, SimStorage};
//! use annals::{Batch, Error, Expected, NewEvent, Options};
//!
//! let disk = SimStorage::new();
//! let log = Options::new().open_on(Arc::new(disk.clone()))?;
//! let mut batch = Batch::new();
//! batch.write("order-17", Expected::NoStream, [NewEvent::new("OrderPlaced")]);
//!
//! disk.fail(Fault::new(Nth::Of(CallKind::SyncData, 1), Failure::Device));
//! assert!(matches!(log.append(&batch), Err(Error::Poisoned { .. })));
//! disk.clear_faults();
//! assert!(matches!(log.append(&batch), Err(Error::Poisoned { .. })));
//! drop(log);
//!
//! let log = Options::new().open_on(Arc::new(disk.clone()))?;
//! // Either it commits now, or it turns out to have been kept: it is there once.
//! let committed = log.append(&batch)?;
//! println!("there already: {}", committed.is_deduplicated());
//! assert_eq!(log.version("order-17")?, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # `Full`: no space
//!
//! Space is made before a number is used. So a full disk refuses an append, with
//! [`Error::Full`](crate::Error::Full), and nothing else happens: reads go on, and once there
//! is space the same append works, without reopening.
//!
//! # `Corrupt`: the disk is hurt
//!
//! Nothing was changed and nothing is guessed. The error names file, offset and what was
//! found. The rest of the log may still be readable: damage in one place is met when that
//! place is read. [`verify`](crate::verify) reads everything, writes nothing and lists all that
//! is wrong.
//!
//! ```
//! use std::sync::Arc;
//! use annals::io::sim::SimStorage;
//! use annals::{Batch, Expected, NewEvent, Options, verify};
//!
//! let disk = SimStorage::new();
//! let log = Options::new().open_on(Arc::new(disk.clone()))?;
//! log.append(Batch::new().write("a", Expected::Any, [NewEvent::new("Happened").data(b"1234")]))?;
//! log.close()?;
//! let report = verify(&disk, &mut |_done, _of| {})?;
//! assert!(report.findings.is_empty() && report.events == 1);
//!
//! let segment = "00000000000000000001.seg";
//! let bytes = disk.read_file(segment).ok_or("no segment")?;
//! let at = bytes.windows(4).position(|part| part == b"1234").ok_or("no data")?;
//! disk.flip_bit(segment, at as u64 * 8);
//! let report = verify(&disk, &mut |_done, _of| {})?;
//! for finding in &report.findings {
//!     println!("{}", finding.corrupt);
//! }
//! assert!(!report.findings.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What can be mended, and what is lost by that, is told by
//! [`plan_repair`](crate::plan_repair), which writes nothing;
//! [`apply_repair`](crate::apply_repair) does it, after it has copied every file that will
//! change. The log is kept up to the last whole group before the damage, and the rest is moved
//! aside.
//!
//! Indexes, the control file and everything else but the segments are derived. If they are
//! missing, stale or damaged they are made again from the log.
//!
//! # `Locked`
//!
//! One process writes. A second one is told [`Locked`](crate::Error::Locked), with the
//! process id of the holder where the system tells it. The lock is the system's, so a
//! process that died holds none. A [`Reader`](crate::Reader) that opens a log without a
//! writer keeps writers out while it looks for the end; try again.

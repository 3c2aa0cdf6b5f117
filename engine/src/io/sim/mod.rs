//! A simulated disk (feature `sim`): in memory, deterministic, able to crash, lose,
//! tear and fail.
//!
//! A program that stores its data through [`Storage`](crate::io::Storage) can be
//! run on a [`SimStorage`] and be shown every state that a crash can leave
//! behind. The log itself is tested so; so can be programs built on it.
//!
//! # What it keeps apart
//!
//! *Written* is what reads return: the page cache. *Durable* is what a power cut
//! cannot take away. Between the two are the pending [`Unit`]s: each version of
//! each 512-byte sector, each change of a length, each created, renamed or removed
//! name. `sync_data` and `sync_all` make the units of one file durable, `sync_dir`
//! those of the names. A file whose name is not durable can vanish although its
//! data was synced, and a name can be durable while the data under it is not.
//!
//! Two crashes end the life of a process. [`Crash::Kill`] takes the process and
//! leaves what is written, still pending. [`Crash::PowerCut`] asks a [`Fate`] about
//! each pending unit: keep, lose, tear, or garble. [`LoseAll`], [`KeepAll`],
//! [`Mask`] and [`Seeded`] are there; a closure is a fate too.
//!
//! ```
//! use annals::io::Storage;
//! use annals::io::sim::{LoseAll, SimStorage};
//!
//! let disk = SimStorage::new();
//! let file = disk.create("journal")?;
//! disk.sync_dir()?;
//! file.write_all_at(b"safe", 0)?;
//! file.sync_data()?;
//! file.write_all_at(b", not safe", 4)?;
//!
//! disk.kill();
//! assert_eq!(disk.read_file("journal").as_deref(), Some(&b"safe, not safe"[..]));
//! disk.power_cut(LoseAll);
//! assert_eq!(disk.read_file("journal").as_deref(), Some(&b"safe"[..]));
//! assert!(file.len().is_err(), "handles of the old life are dead");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Exploring every crash
//!
//! [`SimStorage::on_call`] shows a hook each state-changing call before it happens,
//! [`SimStorage::fork`] copies the disk at a cost that does not depend on its size,
//! and [`Mask`] names every subset of the pending units.
//! [`SimStorage::fingerprint`] tells states apart, so that equal ones are looked
//! at once.
//!
//! ```
//! use annals::io::Storage;
//! use annals::io::sim::{Mask, SimStorage};
//! use std::collections::BTreeSet;
//! use std::sync::{Arc, Mutex};
//!
//! let disk = SimStorage::new();
//! let states = Arc::new(Mutex::new(BTreeSet::new()));
//! let seen = states.clone();
//! disk.on_call(move |_call, disk| {
//!     let pending = disk.pending_units().len();
//!     assert!(pending <= 6, "sample instead");
//!     for mask in 0..1 << pending {
//!         let crashed = disk.fork();
//!         crashed.power_cut(Mask(mask));
//!         // Here the program under test opens `crashed` and checks its promises.
//!         if let Ok(mut states) = seen.lock() {
//!             states.insert(crashed.fingerprint());
//!         }
//!     }
//! });
//! // Replacing a file, with a sync forgotten.
//! disk.write_file("settings", b"old");
//! disk.create("settings.new")?.write_all_at(b"new", 0)?;
//! disk.rename("settings.new", "settings")?;
//! disk.sync_dir()?;
//! disk.clear_hook();
//! assert_eq!(states.lock().map(|states| states.len()).ok(), Some(7));
//! // One of them is an empty file under the name of the old one.
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Lives
//!
//! Give the program clones of the handle and crash the one you kept: that one goes
//! on to the next life, all clones, files and locks of the old one are dead, and
//! threads that the program left behind can do no harm. [`SimStorage::crash_at`]
//! lets the process die at a chosen call instead.
//!
//! [`SimStorage::another_process`] gives a handle for one more process on the same
//! disk, which lives and dies by itself: a reader beside the writer.
//!
//! # Shared words
//!
//! [`share`](crate::io::StorageFile::share) shows the written bytes of the file as
//! words, the same to all processes, to reads and to forks. Loads and stores are no
//! calls: they are not counted, not shown to the hook, and cannot fail. A killed
//! process leaves its stores written. They are no units either: a power cut takes them
//! back, also if the file was synced, unless a later write of the same sector carried
//! them along or [`SimStorage::write_back`] kept them: who explores what a crash can
//! leave looks at both. Waits sleep in real time, and end by a wake of
//! their word, by their timeout, or by the death of their process. The words of a dead
//! process can be loaded, and that is all.
//!
//! # Errors
//!
//! [`SimStorage::fail`] orders errors at chosen calls, [`SimStorage::set_capacity`]
//! makes the disk small, [`SimStorage::set_read_only`] makes it read-only. After a
//! failed sync the units that were pending stay readable and count as clean: a
//! later sync succeeds and does not make them durable, unless they were written
//! again. That is what Linux does, and why a failed sync must not be retried.
//!
//! [`CallKind::failures`] says what each kind of call can report. A sweep takes every call,
//! every error, once and for good, and asks after each what is left:
//!
//! ```
//! use annals::io::Storage;
//! use annals::io::sim::{CallKind, Fault, KeepAll, LoseAll, Nth, SimStorage, Times};
//! use std::io::{ErrorKind, Result};
//!
//! /// The program under test: a file is replaced, and is the old one or the new one.
//! fn replace(disk: &SimStorage, new: &[u8]) -> Result<()> {
//!     let file = disk.create("settings.new")?;
//!     file.write_all_at(new, 0)?;
//!     file.sync_all()?;
//!     disk.rename("settings.new", "settings")?;
//!     disk.sync_dir()
//! }
//!
//! let mut runs = 0;
//! for kind in CallKind::ALL {
//!     for failure in kind.failures() {
//!         for times in [Times::Once, Times::ForGood] {
//!             for nth in 1.. {
//!                 let disk = SimStorage::new();
//!                 disk.write_file("settings", b"old");
//!                 disk.fail(Fault::new(Nth::Of(kind, nth), *failure).times(times));
//!                 let outcome = replace(&disk, b"new");
//!                 if disk.faults_struck() == 0 {
//!                     // The program makes no such call any more.
//!                     assert!(outcome.is_ok());
//!                     break;
//!                 }
//!                 runs += 1;
//!                 let (lost, kept) = (disk.fork(), disk.fork());
//!                 lost.power_cut(LoseAll);
//!                 kept.power_cut(KeepAll);
//!                 for after in [disk, lost, kept] {
//!                     let left = after.read_file("settings");
//!                     // What it said stands; what it did not say may be either.
//!                     let old = outcome.is_err() && left.as_deref() == Some(b"old");
//!                     assert!(old || left.as_deref() == Some(b"new"), "{kind:?} {nth} {left:?}");
//!                 }
//!             }
//!         }
//!     }
//! }
//! assert!(runs > 40);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! The [guide](crate::guide::testing) does the same with programs that embed a log.
//!
//! # What holds
//!
//! The same calls with the same seeds, faults and crashes give the same bytes, numbers and
//! times, in every run and on every system. A power cut never takes what was synced, never
//! leaves what was not written, and mixes nothing of two files. A call that was refused by a
//! fault without [`partial`](Fault::partial) has changed nothing, but for a sync, which spoils
//! what was pending. What a test does behind the program's back is no call: it is not
//! counted and not shown to the hook.
//!
//! # What it costs
//!
//! A call takes a lock and some microseconds at most; a write copies the pages of 4 KiB that
//! a fork still shares; a mapping copies the file. A fork costs the same for every size.
//! Memory is what is written, once for each version of a sector that is pending. The
//! log's own sweep runs a program of some 800 calls in 3 ms, and looks at about
//! 6,000 crashed disks a second on each core.
//!
//! # What is simplified
//!
//! A removed file gives its space back at once. A failed sync keeps the written
//! data readable; some file systems drop it. Units are sectors: a program that
//! wants to be proof against any torn byte also runs with [`Verdict::Tear`]. A cut
//! and an extension after it reach the disk in that order. Calls of several threads
//! are taken one by one, and each is whole. There is one directory, without links,
//! permissions or times. Sectors have 512 bytes. Bytes do not rot by themselves:
//! [`SimStorage::flip_bit`] and [`SimStorage::write_file`] do that.

mod control;
mod counts;
mod directory;
mod disk;
mod fate;
mod fault;
mod handle;
mod inode;
mod numbers;
mod pages;
mod process;
mod state;
mod storage;
mod units;
mod words;

use std::fmt;
use std::sync::Arc;

use crate::sync::{AtomicU64, Ordering};
use process::Life;
use state::Shared;

pub use counts::{Call, CallKind, Counts};
pub use fate::{Crash, Fate, KeepAll, LoseAll, Mask, Seeded};
pub use fault::{Crashed, Failure, Fault, Nth, Times};
pub use units::{SECTOR_BYTES, Unit, UnitKind, Verdict};

/// A simulated disk with one directory, as one simulated process sees it.
///
/// A clone is another handle of the same disk and the same life;
/// [`fork`](Self::fork) makes another disk. See the [module](self) for a guide.
pub struct SimStorage {
    shared: Arc<Shared>,
    /// The process that this handle belongs to.
    process: usize,
    /// Which of its lives; only [`crash`](Self::crash) and [`rejoin`](Self::rejoin)
    /// move it, and only for this handle.
    life: AtomicU64,
}

impl SimStorage {
    fn of_life(shared: Arc<Shared>, life: Life) -> Self {
        Self { shared, process: life.process, life: AtomicU64::new(life.number) }
    }

    fn life(&self) -> Life {
        Life { process: self.process, number: self.life.load(Ordering::Acquire) }
    }

    fn set_life(&self, life: Life) {
        self.life.store(life.number, Ordering::Release);
    }
}

impl Clone for SimStorage {
    fn clone(&self) -> Self {
        Self::of_life(self.shared.clone(), self.life())
    }
}

impl Default for SimStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SimStorage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SimStorage").field("life", &self.life()).finish_non_exhaustive()
    }
}

//! What a test does to a disk behind the back of the program: crashes, forks,
//! faults, counters, damage.
//!
//! None of these calls is counted, shown to the hook, or subject to faults, and all
//! work on handles of past lives too.

use std::ops::Range;
use std::sync::Arc;

use super::SimStorage;
use super::counts::{Call, Counts};
use super::fate::{Crash, Fate};
use super::fault::Fault;
use super::numbers::Draws;
use super::process::{Life, Stop};
use super::state::Shared;
use super::units::Unit;

/// Crashes and forks.
impl SimStorage {
    /// Ends the life of the process that this handle belongs to; if the power goes,
    /// those of all processes. From then on its locks are free, and all its open files
    /// and handles of the disk fail with [`Crashed`](super::Crashed), except the handle
    /// that this is called on: that one belongs to the next life. Mappings stay
    /// readable, as the copies that they are; stores to shared words do nothing, and
    /// who waits on one stops waiting. Faults, capacity and the hook stay; a crash on
    /// order does not.
    pub fn crash(&self, crash: Crash<'_>) {
        let (life, disk) = {
            let mut state = self.shared.state.lock();
            let only = matches!(crash, Crash::Kill).then_some(self.process);
            state.end_life(only);
            (state.processes.present(self.process), state.disk.clone())
        };
        if let Crash::PowerCut(fate) = crash {
            // The chooser is the caller's code, and may look at the disk.
            let mut after = disk;
            Arc::make_mut(&mut after).power_cut(fate);
            self.shared.state.lock().disk = after;
        }
        self.shared.woken.notify_all();
        self.set_life(life);
    }

    /// [`crash`](Self::crash) with [`Crash::Kill`].
    pub fn kill(&self) {
        self.crash(Crash::Kill);
    }

    /// [`crash`](Self::crash) with [`Crash::PowerCut`].
    pub fn power_cut(&self, mut fate: impl Fate) {
        self.crash(Crash::PowerCut(&mut fate));
    }

    /// Makes this handle one of the present life of its process, after another handle
    /// crashed that or the power went.
    pub fn rejoin(&self) {
        let life = self.shared.state.lock().processes.present(self.process);
        self.set_life(life);
    }

    /// A handle for one more process on the same disk: with an id of its own, nothing
    /// open and no lock. Its clones belong to it. Locks exclude each other between
    /// processes as within one, shared words are shared, a [`kill`](Self::kill) of one
    /// leaves the others alive, and a power cut takes all of them. Disk, hook, faults,
    /// clock, random numbers and counters are common to all; a crash on order is its
    /// own.
    ///
    /// ```
    /// use annals::io::Storage;
    /// use annals::io::sim::SimStorage;
    /// let writer = SimStorage::new();
    /// let reader = writer.another_process();
    /// let lock = writer.lock();
    /// assert!(lock.is_ok() && reader.lock().is_err() && reader.writer_alive()?);
    /// writer.kill();
    /// assert!(!reader.writer_alive()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn another_process(&self) -> Self {
        let life = self.shared.state.lock().processes.add();
        Self::of_life(self.shared.clone(), life)
    }

    /// Another disk with the same content, written, durable and pending, in the
    /// hands of no process: no file is open, the lock is free, no fault and no crash
    /// is on order, no hook is set, the counters are at 0. Clock, capacity and
    /// random numbers go on from where they are. The cost does not depend on the
    /// content: pages are shared until one side changes them.
    pub fn fork(&self) -> Self {
        Self::of_life(Arc::new(self.shared.fork(self.process)), Life::FIRST)
    }

    /// All that is written and not durable, in the order in which it was written.
    pub fn pending_units(&self) -> Vec<Unit> {
        let disk = self.shared.state.lock().disk.clone();
        disk.units()
    }

    /// A digest of what reads, lists and power cuts of this disk can show: equal for
    /// disks that cannot be told apart. Holes count as zeros; clock, capacity,
    /// random numbers and open files do not count.
    pub fn fingerprint(&self) -> u128 {
        let disk = self.shared.state.lock().disk.clone();
        disk.fingerprint()
    }

    /// Lets the process of this handle die at its `nth` state-changing call from now,
    /// counted from 1: that call and all after it fail with [`Crashed`](super::Crashed) and
    /// change nothing, until [`crash`](Self::crash) starts the next life.
    pub fn crash_at(&self, nth: u64) {
        self.stop_at(Stop { calls: nth.max(1), within: None });
    }

    /// As [`crash_at`](Self::crash_at), but dies within the call: of a write, the
    /// first `bytes` bytes happen; any other call happens, and nobody is told.
    pub fn crash_within(&self, nth: u64, bytes: u64) {
        self.stop_at(Stop { calls: nth.max(1), within: Some(bytes) });
    }

    fn stop_at(&self, stop: Stop) {
        self.shared.state.lock().processes.stop_at(self.process, stop);
    }

    /// How many state-changing calls there were, by all processes: the number of the
    /// last one.
    pub fn changes(&self) -> u64 {
        self.shared.state.lock().changes
    }

    /// Has `hook` called before every state-changing call, in the thread that makes
    /// it and with nothing locked: it may fork, crash, or wait. It sees the disk
    /// as it is before the call, with a handle of the process that makes it. State-changing calls made by the hook itself come
    /// to it as well.
    pub fn on_call(&self, hook: impl Fn(&Call, &SimStorage) + Send + Sync + 'static) {
        *self.shared.hook.write() = Some(Arc::new(hook));
    }

    /// Ends [`on_call`](Self::on_call).
    pub fn clear_hook(&self) {
        *self.shared.hook.write() = None;
    }
}

/// Faults, space, clock and identity.
impl SimStorage {
    /// Orders an error. Several can be on order; a crash does not end them.
    pub fn fail(&self, fault: Fault) {
        self.shared.state.lock().faults.order(fault);
    }

    /// Takes back all errors on order, those that strike for good included.
    pub fn clear_faults(&self) {
        self.shared.state.lock().faults.clear();
    }

    /// How many calls were struck by a fault: tells a sweep when it is past the
    /// last call.
    pub fn faults_struck(&self) -> u64 {
        self.shared.state.lock().faults.struck
    }

    /// Limits the disk to so many bytes of file data, in whole sectors. Beyond it,
    /// writes put in place what fits and fail with
    /// [`std::io::ErrorKind::StorageFull`]. Overwriting what is no hole takes no
    /// space, nor does extending a file without writing.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.shared.state.lock().capacity = bytes;
    }

    /// How many bytes of the capacity are taken, by all files that have a name.
    pub fn allocated(&self) -> u64 {
        self.shared.state.lock().disk.allocated()
    }

    /// Makes the file system read-only, or writable again. Changes and opening for
    /// writing fail with [`std::io::ErrorKind::ReadOnlyFilesystem`]; syncs work.
    pub fn set_read_only(&self, read_only: bool) {
        self.shared.state.lock().read_only = read_only;
    }

    /// Sets the clock, in nanoseconds since 1970-01-01 UTC; it may go backwards. Each
    /// reading moves it on by one microsecond.
    pub fn set_now(&self, nanos: i64) {
        self.shared.state.lock().now = nanos;
    }

    /// Starts another sequence of random numbers. The numbers of one seed never
    /// repeat, also across crashes.
    pub fn set_seed(&self, seed: u64) {
        self.shared.state.lock().draws = Draws::new(seed);
    }

    /// Sets the process id of this handle's process, as a fork of it would find it
    /// changed.
    pub fn set_process_id(&self, process_id: u32) {
        self.shared.state.lock().processes.set_id(self.process, process_id);
    }
}

/// Counters.
impl SimStorage {
    /// The calls made so far, by all lives of all processes.
    pub fn counts(&self) -> Counts {
        self.shared.ledger.lock().total
    }

    /// The calls made on the file while it had this name.
    pub fn counts_of(&self, name: &str) -> Counts {
        self.shared.ledger.lock().by_name.get(name).copied().unwrap_or_default()
    }

    /// Sets all counters to 0 and forgets the trace.
    pub fn reset_counts(&self) {
        let mut ledger = self.shared.ledger.lock();
        let tracing = ledger.tracing;
        *ledger = super::counts::Ledger { tracing, ..Default::default() };
    }

    /// Records from now on which bytes are read, or stops doing so.
    pub fn trace_reads(&self, on: bool) {
        self.shared.ledger.lock().tracing = on;
    }

    /// The bytes that reads returned and slices of mappings showed while tracing was
    /// on, in the order of the calls.
    pub fn reads_of(&self, name: &str) -> Vec<Range<u64>> {
        self.shared.ledger.lock().reads.get(name).cloned().unwrap_or_default()
    }
}

/// Looking at files, and damaging them.
impl SimStorage {
    /// What reads of the file return.
    pub fn read_file(&self, name: &str) -> Option<Vec<u8>> {
        let disk = self.shared.state.lock().disk.clone();
        let inode = disk.inode(disk.find(name).ok()?).ok()?;
        Some(inode.written().to_vec(u64::MAX))
    }

    /// What the file would be after a power cut that loses all that is pending.
    pub fn read_durable(&self, name: &str) -> Option<Vec<u8>> {
        let disk = self.shared.state.lock().disk.clone();
        Some(disk.find_durable(name)?.durable().to_vec(u64::MAX))
    }

    /// Makes the shared words of the file durable as they are now, with the sectors that
    /// they lie in, as the system may do at any moment. Without this, a power cut takes
    /// them back. `false` if there is no such file.
    pub fn write_back(&self, name: &str) -> bool {
        self.shared.state.lock().disk_mut().write_back(name)
    }

    /// All names, in alphabetical order.
    pub fn file_names(&self) -> Vec<String> {
        let disk = self.shared.state.lock().disk.clone();
        disk.list().into_iter().map(|entry| entry.name).collect()
    }

    /// Puts a file in place, durable, name and content, as if it had always been so.
    /// Open files that have this name see it.
    pub fn write_file(&self, name: &str, bytes: &[u8]) {
        self.shared.state.lock().disk_mut().put_file(&name.into(), bytes);
    }

    /// Turns one bit over, in what is written and in what is durable. Bit 0 is the
    /// lowest of the first byte. `false` if there is no such bit.
    pub fn flip_bit(&self, name: &str, bit: u64) -> bool {
        self.shared.state.lock().disk_mut().flip(name, bit)
    }

    /// Takes a name away, as if it had never been. `false` if there is none.
    pub fn remove_file(&self, name: &str) -> bool {
        self.shared.state.lock().disk_mut().take(name)
    }

    /// Puts a name in place that stands for no file: a directory, a link, a pipe.
    pub fn put_other(&self, name: &str) {
        self.shared.state.lock().disk_mut().put_other(&name.into());
    }
}

/// Making handles.
impl SimStorage {
    /// An empty disk whose directory is there.
    pub fn new() -> Self {
        Self::of_life(Arc::new(Shared::new(true)), Life::FIRST)
    }

    /// A disk whose directory is yet to be created, with
    /// [`create_dir`](crate::io::Storage::create_dir).
    pub fn missing() -> Self {
        Self::of_life(Arc::new(Shared::new(false)), Life::FIRST)
    }
}

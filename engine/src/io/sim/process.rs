//! The processes that use one disk: which life each is in, what it has open, when it
//! is to die, and who holds the lock.
//!
//! Only bookkeeping: what a call does to the disk is in `storage` and `handle`.

use std::collections::BTreeMap;

use super::directory::InodeId;

/// One life of one process: what a handle belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    /// Which process, counted from 0.
    pub(super) process: usize,
    /// How often that process has died before.
    pub(super) number: u64,
}

impl Life {
    /// The life that a disk begins with.
    pub(super) const FIRST: Self = Self { process: 0, number: 0 };
}

/// The process is to die at a state-changing call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop {
    /// How many such calls until then, that one included.
    pub(super) calls: u64,
    /// Whether that call still happens, for a write how many bytes of it.
    pub(super) within: Option<u64>,
}

#[derive(Debug)]
struct Process {
    /// Handles of other lives are dead.
    life: u64,
    stop: Option<Stop>,
    stopped: bool,
    id: u32,
    /// How many handles of this life each file has.
    open: BTreeMap<InodeId, u64>,
}

impl Process {
    fn new(id: u32) -> Self {
        Self { life: 0, stop: None, stopped: false, id, open: BTreeMap::new() }
    }
}

/// One lock that is held.
#[derive(Debug)]
struct Held {
    number: u64,
    process: usize,
    /// The process id when it was taken.
    id: u32,
    shared: bool,
}

#[derive(Debug)]
pub(super) struct Processes {
    all: Vec<Process>,
    /// One writer's, or any number of readers'.
    locks: Vec<Held>,
    last_lock: u64,
}

impl Processes {
    /// One process, with this id.
    pub(super) fn new(id: u32) -> Self {
        Self { all: vec![Process::new(id)], locks: Vec::new(), last_lock: 0 }
    }

    /// One more process, with an id that no other has.
    pub(super) fn add(&mut self) -> Life {
        let last = self.all.iter().map(|process| process.id).max().unwrap_or(0);
        self.all.push(Process::new(last.saturating_add(1)));
        Life { process: self.all.len() - 1, number: 0 }
    }

    /// The life that this process is in now.
    pub(super) fn present(&self, process: usize) -> Life {
        Life { process, number: self.all.get(process).map_or(0, |process| process.life) }
    }

    pub(super) fn alive(&self, life: Life) -> bool {
        let process = self.all.get(life.process);
        process.is_some_and(|process| process.life == life.number && !process.stopped)
    }

    pub(super) fn id(&self, process: usize) -> u32 {
        self.all.get(process).map_or(0, |process| process.id)
    }

    pub(super) fn set_id(&mut self, process: usize, id: u32) {
        if let Some(process) = self.all.get_mut(process) {
            process.id = id;
        }
    }

    /// Orders the death of a process.
    pub(super) fn stop_at(&mut self, process: usize, stop: Stop) {
        if let Some(process) = self.all.get_mut(process) {
            process.stop = Some(stop);
        }
    }

    /// Counts a state-changing call. If the process dies of it, it gives its locks
    /// back at once.
    pub(super) fn dies_at_call(&mut self, life: Life) -> Option<Stop> {
        let process = self.all.get_mut(life.process)?;
        let stop = process.stop.as_mut()?;
        stop.calls = stop.calls.saturating_sub(1);
        let due = (stop.calls == 0).then_some(*stop)?;
        process.stopped = true;
        self.locks.retain(|held| held.process != life.process);
        Some(due)
    }

    /// Ends the life of one process. Files, locks and a stop on order go with it.
    pub(super) fn end(&mut self, process: usize) {
        self.locks.retain(|held| held.process != process);
        if let Some(process) = self.all.get_mut(process) {
            let life = process.life + 1;
            *process = Process { life, ..Process::new(process.id) };
        }
    }

    /// Ends the lives of all processes.
    pub(super) fn end_all(&mut self) {
        for process in 0..self.all.len() {
            self.end(process);
        }
    }

    pub(super) fn opened(&mut self, process: usize, inode: InodeId) {
        if let Some(process) = self.all.get_mut(process) {
            *process.open.entry(inode).or_default() += 1;
        }
    }

    /// Whether that was the last handle that any process has of the file. A handle of
    /// a past life counts for nothing.
    pub(super) fn closed(&mut self, life: Life, inode: InodeId) -> bool {
        let process = self.all.get_mut(life.process);
        let Some(process) = process.filter(|process| process.life == life.number) else {
            return false;
        };
        if let Some(handles) = process.open.get_mut(&inode) {
            *handles = handles.saturating_sub(1);
        }
        process.open.retain(|_, handles| *handles > 0);
        !self.is_open(inode)
    }

    pub(super) fn is_open(&self, inode: InodeId) -> bool {
        self.all.iter().any(|process| process.open.contains_key(&inode))
    }

    /// Takes the lock, of one kind or the other, and gives its number; or tells who
    /// holds one that excludes it.
    pub(super) fn lock(&mut self, process: usize, shared: bool) -> Result<u64, u32> {
        if let Some(held) = self.locks.iter().find(|held| !(shared && held.shared)) {
            return Err(held.id);
        }
        self.last_lock += 1;
        let (number, id) = (self.last_lock, self.id(process));
        self.locks.push(Held { number, process, id, shared });
        Ok(number)
    }

    /// Gives a lock back. After a crash it is gone already.
    pub(super) fn unlock(&mut self, number: u64) {
        self.locks.retain(|held| held.number != number);
    }

    pub(super) fn writer_alive(&self) -> bool {
        self.locks.iter().any(|held| !held.shared)
    }
}

//! What all handles of one disk share: the disk, the processes that may use it, and
//! the gate that every call passes.
//!
//! The gate decides whether a call happens: is its process alive, is it the call at
//! which the process dies, has a fault been ordered. What the call then does to the
//! disk is in `storage` and `handle`.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::SimStorage;
use super::counts::{Call, CallKind, Ledger};
use super::directory::InodeId;
use super::disk::Disk;
use super::fault::{Faults, Refusal, crashed};
use super::numbers::{Draws, index};
use super::process::{Life, Processes};
use crate::sync::{Condvar, Mutex, MutexGuard, brief};

/// What a hook is.
pub(super) type Hook = dyn Fn(&Call, &SimStorage) + Send + Sync;

/// The first instant of the simulated clock: 2025-01-01 00:00:00 UTC.
const FIRST_NOW: i64 = 1_735_689_600_000_000_000;

/// How far the clock goes on with each reading.
const TICK_NANOS: i64 = 1_000;

/// Locks are taken in the order of the fields; hooks are called with none held.
pub(super) struct Shared {
    pub(super) hook: brief::RwLock<Option<Arc<Hook>>>,
    pub(super) state: Mutex<State>,
    pub(super) ledger: brief::Mutex<Ledger>,
    /// Told of each wake of a shared word and of each death: of changes of `state`.
    pub(super) woken: Condvar,
}

/// One word of one file.
pub(super) type Word = (InodeId, usize);

#[derive(Debug)]
pub(super) struct State {
    /// Shared with forks until one of them writes.
    pub(super) disk: Arc<Disk>,
    pub(super) processes: Processes,
    pub(super) faults: Faults,
    pub(super) capacity: Option<u64>,
    pub(super) read_only: bool,
    /// How many state-changing calls there were.
    pub(super) changes: u64,
    pub(super) now: i64,
    pub(super) draws: Draws,
    /// How often each shared word was woken.
    wakes: BTreeMap<Word, u64>,
}

impl Shared {
    pub(super) fn new(exists: bool) -> Self {
        Self::with(State {
            disk: Arc::new(Disk::new(exists)),
            processes: Processes::new(1),
            faults: Faults::default(),
            capacity: None,
            read_only: false,
            changes: 0,
            now: FIRST_NOW,
            draws: Draws::new(0),
            wakes: BTreeMap::new(),
        })
    }

    fn with(state: State) -> Self {
        let (hook, ledger) = (brief::RwLock::new(None), brief::Mutex::new(Ledger::default()));
        Self { hook, state: Mutex::new(state), ledger, woken: Condvar::new() }
    }

    /// The same disk in the hands of nobody, for a process with the id of this one:
    /// nothing open, nothing ordered.
    pub(super) fn fork(&self, process: usize) -> Self {
        let state = self.state.lock();
        Self::with(State {
            disk: state.disk.clone(),
            processes: Processes::new(state.processes.id(process)),
            faults: Faults::default(),
            draws: state.draws.clone(),
            wakes: BTreeMap::new(),
            ..*state
        })
    }

    /// The gate. Shows a state-changing call to the hook, counts it, and says
    /// whether it is to fail.
    pub(super) fn enter(
        self: &Arc<Self>,
        life: Life,
        call: &mut Call,
    ) -> io::Result<(MutexGuard<'_, State>, Option<Refusal>)> {
        if call.kind.is_change() {
            {
                let mut state = self.state.lock();
                state.check_alive(life)?;
                state.changes += 1;
                call.number = state.changes;
            }
            let hook = self.hook.read().clone();
            if let Some(hook) = hook {
                hook(call, &SimStorage::of_life(self.clone(), life));
            }
        }
        let mut state = self.state.lock();
        // Again: the hook may have crashed the disk.
        state.check_alive(life)?;
        self.ledger.lock().called(call);
        let refusal = state.refuse(life, call);
        if refusal.as_ref().is_some_and(|refusal| refusal.dead) {
            self.woken.notify_all();
        }
        Ok((state, refusal))
    }
}

impl State {
    pub(super) fn check_alive(&self, life: Life) -> io::Result<()> {
        if self.processes.alive(life) { Ok(()) } else { Err(crashed()) }
    }

    fn refuse(&mut self, life: Life, call: &Call) -> Option<Refusal> {
        if call.kind.is_change()
            && let Some(stop) = self.processes.dies_at_call(life)
        {
            return Some(Refusal { error: crashed(), partial: stop.within, dead: true });
        }
        if let Some(refusal) = self.faults.strike(call) {
            return Some(refusal);
        }
        let sync = matches!(call.kind, CallKind::SyncData | CallKind::SyncAll | CallKind::SyncDir);
        // As on a real one, a directory that is there need not be created.
        let idle = call.kind == CallKind::CreateDir && self.disk.exists;
        (self.read_only && call.kind.is_change() && !sync && !idle).then(|| Refusal {
            error: io::ErrorKind::ReadOnlyFilesystem.into(),
            partial: None,
            dead: false,
        })
    }

    /// The disk, for changing it: a copy of its own if forks still share it.
    pub(super) fn disk_mut(&mut self) -> &mut Disk {
        Arc::make_mut(&mut self.disk)
    }

    /// How many bytes of disk can still be taken.
    pub(super) fn space(&self) -> u64 {
        let left = |capacity: u64| capacity.saturating_sub(self.disk.allocated());
        self.capacity.map_or(u64::MAX, left)
    }

    /// Ends the life of one process, or of all: the disk stays.
    pub(super) fn end_life(&mut self, process: Option<usize>) {
        match process {
            Some(process) => self.processes.end(process),
            None => self.processes.end_all(),
        }
        self.draws.next_life();
        self.prune();
    }

    pub(super) fn opened(&mut self, life: Life, inode: InodeId) {
        self.processes.opened(life.process, inode);
    }

    pub(super) fn closed(&mut self, life: Life, inode: InodeId) {
        if self.processes.closed(life, inode) {
            self.prune_unless_named(inode);
        }
    }

    pub(super) fn wakes_of(&self, word: Word) -> u64 {
        self.wakes.get(&word).copied().unwrap_or(0)
    }

    pub(super) fn wake(&mut self, word: Word) {
        *self.wakes.entry(word).or_default() += 1;
    }

    /// Drops what nothing leads to any more, if `inode` may be that: looked at only
    /// then, since a look at all names costs more than a call.
    fn prune_unless_named(&mut self, inode: InodeId) {
        let named = self
            .disk
            .inode(inode)
            .is_ok_and(|found| self.disk.find(&found.name).is_ok_and(|by_name| by_name == inode));
        if !named {
            self.prune();
        }
    }

    pub(super) fn prune(&mut self) {
        let Self { disk, processes, .. } = self;
        Arc::make_mut(disk).prune(|inode| processes.is_open(inode));
    }

    pub(super) fn tick(&mut self) -> i64 {
        let now = self.now;
        self.now = now.saturating_add(TICK_NANOS);
        now
    }

    /// Writes what fits and what the refusal lets through; says how much that was,
    /// and whether it was all.
    pub(super) fn write(
        &mut self,
        inode: InodeId,
        data: &[u8],
        offset: u64,
        refusal: Option<Refusal>,
    ) -> (usize, io::Result<()>) {
        let allowed = match &refusal {
            None => data.len(),
            Some(refusal) => index(refusal.partial.unwrap_or(0)).min(data.len()),
        };
        let space = self.space();
        let part = data.get(..allowed).unwrap_or(data);
        let written = match self.disk_mut().write(inode, part, offset, space) {
            Ok(written) => written,
            Err(error) => return (0, Err(error)),
        };
        let result = match refusal {
            Some(refusal) => Err(refusal.error),
            None if written < data.len() => Err(io::ErrorKind::StorageFull.into()),
            None => Ok(()),
        };
        (written, result)
    }

    /// Carries out a call that is no write: as refused, if it is. `spoil` is what a
    /// failure leaves behind.
    pub(super) fn carry_out<T>(
        &mut self,
        refusal: Option<Refusal>,
        apply: impl FnOnce(&mut Self) -> io::Result<T>,
        spoil: impl FnOnce(&mut Self),
    ) -> io::Result<T> {
        let Some(refusal) = refusal else { return apply(self) };
        if refusal.partial.is_some() {
            apply(self)?;
        } else if !refusal.dead {
            spoil(self);
        }
        Err(refusal.error)
    }
}

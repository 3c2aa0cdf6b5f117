//! Open files, mappings and the lock: what a simulated process holds.
//!
//! Each carries the life that it was made in, and is dead when that is over.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::counts::{Call, CallKind};
use super::directory::InodeId;
use super::fault::Refusal;
use super::numbers::count;
use super::process::Life;
use super::state::{Shared, State};
use super::words::SimWords;
use crate::io::{Mapping, SharedWords, StorageFile, StorageLock};
use crate::sync::MutexGuard;

/// One open file.
pub(super) struct SimFile {
    shared: Arc<Shared>,
    life: Life,
    inode: InodeId,
    write: bool,
}

impl SimFile {
    /// A handle on a file that [`State::opened`] was told of.
    pub(super) fn new(shared: Arc<Shared>, life: Life, inode: InodeId, write: bool) -> Arc<Self> {
        Arc::new(Self { shared, life, inode, write })
    }

    fn enter(
        &self,
        kind: CallKind,
        offset: u64,
        len: u64,
    ) -> io::Result<(Call, MutexGuard<'_, State>, Option<Refusal>)> {
        let name = {
            let state = self.shared.state.lock();
            state.check_alive(self.life)?;
            state.disk.inode(self.inode)?.name.clone()
        };
        let mut call = Call { number: 0, kind, name, to: None, offset, len };
        let (state, refusal) = self.shared.enter(self.life, &mut call)?;
        Ok((call, state, refusal))
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.write { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }

    fn sync(&self, kind: CallKind) -> io::Result<()> {
        let (_, mut state, refusal) = self.enter(kind, 0, 0)?;
        state.carry_out(
            refusal,
            |state| state.disk_mut().sync(self.inode),
            |state| state.disk_mut().fail_sync(self.inode),
        )
    }
}

impl fmt::Debug for SimFile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { life, inode, write, shared: _ } = self;
        let mut out = out.debug_struct("SimFile");
        out.field("life", life).field("inode", inode).field("write", write).finish_non_exhaustive()
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.shared.state.lock().closed(self.life, self.inode);
    }
}

impl StorageFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        let (_, mut state, refusal) = self.enter(CallKind::Len, 0, 0)?;
        let apply = |state: &mut State| Ok(state.disk.inode(self.inode)?.written().len());
        state.carry_out(refusal, apply, |_| {})
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let (_, mut state, refusal) = self.enter(CallKind::SetLen, 0, len)?;
        state.carry_out(refusal, |state| state.disk_mut().set_len(self.inode, len), |_| {})
    }

    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        let (call, mut state, refusal) = self.enter(CallKind::Write, offset, count(data.len()))?;
        let (written, result) = state.write(self.inode, data, offset, refusal);
        self.shared.ledger.lock().wrote(&call.name, written);
        result
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let (call, mut state, refusal) = self.enter(CallKind::Read, offset, count(buffer.len()))?;
        let apply =
            |state: &mut State| Ok(state.disk.inode(self.inode)?.written().read(buffer, offset));
        let read = state.carry_out(refusal, apply, |_| {})?;
        self.shared.ledger.lock().read(&call.name, offset, read);
        Ok(read)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync(CallKind::SyncData)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync(CallKind::SyncAll)
    }

    fn map(&self, len: u64) -> io::Result<Arc<dyn Mapping>> {
        let (call, mut state, refusal) = self.enter(CallKind::Map, 0, len)?;
        let apply = |state: &mut State| {
            let written = state.disk.inode(self.inode)?.written();
            if len == 0 || len > written.len() {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            Ok(written.to_vec(len))
        };
        let bytes = state.carry_out(refusal, apply, |_| {})?;
        Ok(Arc::new(SimMapping { shared: self.shared.clone(), name: call.name, bytes }))
    }

    fn share(&self, words: usize, write: bool) -> io::Result<Arc<dyn SharedWords>> {
        let len = count(words).saturating_mul(8);
        let (_, mut state, refusal) = self.enter(CallKind::Share, 0, len)?;
        let apply = |state: &mut State| {
            let there = state.disk.inode(self.inode)?.written().len();
            if len == 0 || len > there || (write && !self.write) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            Ok(())
        };
        state.carry_out(refusal, apply, |_| {})?;
        state.opened(self.life, self.inode);
        Ok(SimWords::new(self.shared.clone(), self.life, self.inode, words, write))
    }
}

/// A copy of the first bytes of a file, as they were when it was mapped. Stays
/// readable after a crash, as the copy that it is.
struct SimMapping {
    shared: Arc<Shared>,
    name: Arc<str>,
    bytes: Vec<u8>,
}

impl fmt::Debug for SimMapping {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = out.debug_struct("SimMapping");
        out.field("name", &self.name).field("len", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl Mapping for SimMapping {
    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn slice(&self, range: Range<usize>) -> Option<&[u8]> {
        let start = count(range.start);
        let bytes = self.bytes.get(range)?;
        self.shared.ledger.lock().sliced(&self.name, start, bytes.len());
        Some(bytes)
    }

    fn is_live(&self) -> bool {
        false
    }
}

/// The writer's lock or a reader's.
pub(super) struct SimLock {
    pub(super) shared: Arc<Shared>,
    pub(super) number: u64,
}

impl fmt::Debug for SimLock {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SimLock").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.shared.state.lock().processes.unlock(self.number);
    }
}

impl StorageLock for SimLock {}

//! The simulated disk seen through the seam: [`Storage`] for [`SimStorage`].
//!
//! What a test does to the disk behind the back of the program is in `control`.

use std::io;
use std::sync::Arc;

use super::SimStorage;
use super::counts::{Call, CallKind};
use super::fault::Refusal;
use super::handle::{SimFile, SimLock};
use super::state::State;
use crate::io::{Entry, EntryKind, LockError, Storage, StorageFile, StorageLock};
use crate::sync::MutexGuard;

/// Refuses what the real storage refuses: names that lead out of the directory.
fn check_name(name: &str) -> io::Result<()> {
    let plain =
        !name.is_empty() && !name.contains(['/', '\\', '\0']) && name != "." && name != "..";
    if plain {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file name"))
    }
}

impl SimStorage {
    fn enter(&self, call: Call) -> io::Result<(MutexGuard<'_, State>, Option<Refusal>)> {
        let mut call = call;
        self.shared.enter(self.life(), &mut call)
    }

    /// As [`enter`](Self::enter), for calls that need the directory.
    fn enter_there(&self, call: Call) -> io::Result<(MutexGuard<'_, State>, Option<Refusal>)> {
        let (state, refusal) = self.enter(call)?;
        if state.disk.exists || refusal.is_some() {
            Ok((state, refusal))
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }
}

impl SimStorage {
    fn take_lock(&self, shared: bool) -> Result<Box<dyn StorageLock>, LockError> {
        let (mut state, refusal) =
            self.enter_there(Call::new(CallKind::Lock, "")).map_err(LockError::Io)?;
        // A lock cannot be had in part: an error that was ordered stands alone.
        if let Some(refusal) = refusal {
            return Err(LockError::Io(refusal.error));
        }
        match state.processes.lock(self.process, shared) {
            Ok(number) => Ok(Box::new(SimLock { shared: self.shared.clone(), number })),
            Err(pid) => Err(LockError::Held { pid: Some(pid) }),
        }
    }
}

impl Storage for SimStorage {
    fn describe(&self) -> String {
        "simulated disk".to_owned()
    }

    fn exists(&self) -> io::Result<bool> {
        let (mut state, refusal) = self.enter(Call::new(CallKind::Exists, ""))?;
        state.carry_out(refusal, |state| Ok(state.disk.exists), |_| {})
    }

    fn create_dir(&self) -> io::Result<()> {
        let (mut state, refusal) = self.enter(Call::new(CallKind::CreateDir, ""))?;
        let apply = |state: &mut State| {
            state.disk_mut().exists = true;
            Ok(())
        };
        state.carry_out(refusal, apply, |_| {})
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        let (mut state, refusal) = self.enter_there(Call::new(CallKind::List, ""))?;
        state.carry_out(refusal, |state| Ok(state.disk.list()), |_| {})
    }

    fn open(&self, name: &str, write: bool) -> io::Result<Arc<dyn StorageFile>> {
        check_name(name)?;
        let (mut state, refusal) = self.enter_there(Call::new(CallKind::Open, name))?;
        let apply = |state: &mut State| {
            let id = state.disk.find(name)?;
            if state.disk.inode(id)?.kind == EntryKind::Other {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
            }
            if write && state.read_only {
                return Err(io::ErrorKind::ReadOnlyFilesystem.into());
            }
            Ok(id)
        };
        let id = state.carry_out(refusal, apply, |_| {})?;
        let life = state.processes.present(self.process);
        state.opened(life, id);
        Ok(SimFile::new(self.shared.clone(), life, id, write))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        check_name(name)?;
        let call = Call::new(CallKind::Create, name);
        let shown = call.name.clone();
        let (mut state, refusal) = self.enter_there(call)?;
        let id = state.carry_out(refusal, |state| state.disk_mut().create(&shown), |_| {})?;
        let life = state.processes.present(self.process);
        state.opened(life, id);
        Ok(SimFile::new(self.shared.clone(), life, id, true))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        check_name(from)?;
        check_name(to)?;
        let to: Arc<str> = to.into();
        let call = Call { to: Some(to.clone()), ..Call::new(CallKind::Rename, from) };
        let from = call.name.clone();
        let (mut state, refusal) = self.enter_there(call)?;
        state.carry_out(refusal, |state| state.disk_mut().rename(&from, &to), |_| {})
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        check_name(name)?;
        let call = Call::new(CallKind::Remove, name);
        let name = call.name.clone();
        let (mut state, refusal) = self.enter_there(call)?;
        state.carry_out(refusal, |state| state.disk_mut().remove(&name), |_| {})
    }

    fn sync_dir(&self) -> io::Result<()> {
        let (mut state, refusal) = self.enter_there(Call::new(CallKind::SyncDir, ""))?;
        let apply = |state: &mut State| {
            state.disk_mut().sync_dir();
            state.prune();
            Ok(())
        };
        state.carry_out(refusal, apply, |state| state.disk_mut().fail_sync_dir())
    }

    fn lock(&self) -> Result<Box<dyn StorageLock>, LockError> {
        self.take_lock(false)
    }

    fn lock_shared(&self) -> Result<Box<dyn StorageLock>, LockError> {
        self.take_lock(true)
    }

    fn writer_alive(&self) -> io::Result<bool> {
        let (mut state, refusal) = self.enter_there(Call::new(CallKind::WriterAlive, ""))?;
        state.carry_out(refusal, |state| Ok(state.processes.writer_alive()), |_| {})
    }

    fn now(&self) -> i64 {
        self.shared.state.lock().tick()
    }

    fn random(&self) -> u128 {
        self.shared.state.lock().draws.draw()
    }

    fn process_id(&self) -> u32 {
        self.shared.state.lock().processes.id(self.process)
    }
}

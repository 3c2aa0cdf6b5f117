//! The whole disk: names and files put together, without processes, faults or
//! counters.
//!
//! Plain data: a clone is another disk. Calls here never fail for a simulated
//! fault; who may call is decided in `state`.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::directory::{Directory, InodeId};
use super::fate::Fate;
use super::inode::Inode;
use super::numbers::{Digest, count};
use super::units::{Unit, Verdict};
use crate::io::{Entry, EntryKind};

/// Where a unit came from.
#[derive(Clone, Copy)]
enum Origin {
    Directory,
    File(InodeId),
}

#[derive(Debug, Clone)]
pub(super) struct Disk {
    /// Whether the directory itself is there.
    pub(super) exists: bool,
    directory: Directory,
    inodes: BTreeMap<InodeId, Arc<Inode>>,
    last_inode: InodeId,
    /// How many pending changes were ever made: gives units their order.
    order: u64,
}

impl Disk {
    pub(super) fn new(exists: bool) -> Self {
        let (directory, inodes) = (Directory::default(), BTreeMap::new());
        Self { exists, directory, inodes, last_inode: 0, order: 0 }
    }

    pub(super) fn find(&self, name: &str) -> io::Result<InodeId> {
        self.directory.get(name).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn find_durable(&self, name: &str) -> Option<&Inode> {
        self.inode(self.directory.durable(name)?).ok()
    }

    pub(super) fn inode(&self, id: InodeId) -> io::Result<&Inode> {
        self.inodes.get(&id).map(|inode| &**inode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn inode_mut(&mut self, id: InodeId) -> io::Result<(&mut Inode, &mut u64)> {
        let inode = self.inodes.get_mut(&id).ok_or(io::ErrorKind::NotFound)?;
        Ok((Arc::make_mut(inode), &mut self.order))
    }

    pub(super) fn list(&self) -> Vec<Entry> {
        let entries = self.directory.written().filter_map(|(name, id)| {
            let inode = self.inode(id).ok()?;
            let (name, len) = (name.to_string(), inode.written().len());
            Some(Entry { name, kind: inode.kind, len })
        });
        entries.collect()
    }

    fn add(&mut self, name: &Arc<str>, kind: EntryKind) -> InodeId {
        self.last_inode += 1;
        self.inodes.insert(self.last_inode, Arc::new(Inode::new(name.clone(), kind)));
        self.last_inode
    }

    pub(super) fn create(&mut self, name: &Arc<str>) -> io::Result<InodeId> {
        if self.directory.get(name).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let id = self.add(name, EntryKind::File);
        self.directory.create(name.clone(), id, &mut self.order);
        Ok(id)
    }

    pub(super) fn rename(&mut self, from: &Arc<str>, to: &Arc<str>) -> io::Result<()> {
        let id = self.find(from)?;
        if from == to {
            return Ok(());
        }
        self.refuse_other(to)?;
        self.directory.rename(from.clone(), to.clone(), id, &mut self.order);
        self.inode_mut(id)?.0.name = to.clone();
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &Arc<str>) -> io::Result<()> {
        let id = self.find(name)?;
        self.refuse_other(name)?;
        self.directory.remove(name.clone(), id, &mut self.order);
        Ok(())
    }

    /// What is no file is neither replaced nor removed, as with a directory.
    fn refuse_other(&self, name: &str) -> io::Result<()> {
        let found = self.directory.get(name).map(|id| self.inode(id)).transpose()?;
        match found {
            Some(inode) if inode.kind == EntryKind::Other => {
                Err(io::ErrorKind::IsADirectory.into())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn sync_dir(&mut self) {
        self.directory.sync();
    }

    pub(super) fn fail_sync_dir(&mut self) {
        self.directory.fail_sync();
    }

    /// Writes as much of `data` as fits into `space` bytes of fresh disk; returns
    /// how many bytes that was.
    pub(super) fn write(
        &mut self,
        id: InodeId,
        data: &[u8],
        offset: u64,
        space: u64,
    ) -> io::Result<usize> {
        let (inode, order) = self.inode_mut(id)?;
        let fitting = inode.written().fitting(offset, data.len(), space);
        inode.write(data.get(..fitting).unwrap_or(data), offset, order);
        Ok(fitting)
    }

    /// Stores a word, without a unit: see [`Inode::store`].
    pub(super) fn store(&mut self, id: InodeId, index: u64, value: u64) {
        if let Ok((inode, _)) = self.inode_mut(id) {
            inode.store(index, value);
        }
    }

    pub(super) fn set_len(&mut self, id: InodeId, len: u64) -> io::Result<()> {
        let (inode, order) = self.inode_mut(id)?;
        inode.set_len(len, order);
        Ok(())
    }

    pub(super) fn sync(&mut self, id: InodeId) -> io::Result<()> {
        self.inode_mut(id)?.0.sync();
        Ok(())
    }

    pub(super) fn fail_sync(&mut self, id: InodeId) {
        if let Ok((inode, _)) = self.inode_mut(id) {
            inode.fail_sync();
        }
    }

    /// How many bytes of disk the named files take.
    pub(super) fn allocated(&self) -> u64 {
        let files = self.directory.written().filter_map(|(_, id)| self.inode(id).ok());
        files.map(|inode| inode.written().allocated()).sum()
    }

    /// Drops files that no name and no outcome of a power cut leads to, unless
    /// `open` says that a handle does.
    pub(super) fn prune(&mut self, open: impl Fn(InodeId) -> bool) {
        let reachable: std::collections::BTreeSet<_> = self.directory.reachable().collect();
        self.inodes.retain(|id, _| reachable.contains(id) || open(*id));
    }

    /// Puts a file in place, durable, keeping the identity of one that is there.
    pub(super) fn put_file(&mut self, name: &Arc<str>, bytes: &[u8]) {
        let there = self.directory.get(name).or_else(|| self.directory.durable(name));
        let file = there.filter(|id| self.inode(*id).is_ok_and(|it| it.kind == EntryKind::File));
        let id = file.unwrap_or_else(|| self.add(name, EntryKind::File));
        self.directory.put(name, id);
        if let Ok((inode, _)) = self.inode_mut(id) {
            inode.replace(bytes);
        }
    }

    pub(super) fn put_other(&mut self, name: &Arc<str>) {
        let id = self.add(name, EntryKind::Other);
        self.directory.put(name, id);
    }

    /// Makes the stored words of a file durable. `false` if there is no such file.
    pub(super) fn write_back(&mut self, name: &str) -> bool {
        let Ok(id) = self.find(name) else { return false };
        self.inode_mut(id).map(|(inode, _)| inode.write_back()).is_ok()
    }

    pub(super) fn take(&mut self, name: &str) -> bool {
        self.directory.take(name)
    }

    pub(super) fn flip(&mut self, name: &str, bit: u64) -> bool {
        let Ok(id) = self.find(name) else { return false };
        self.inode_mut(id).is_ok_and(|(inode, _)| inode.flip(bit))
    }

    /// Files that a power cut can leave, each once, in an order that follows from
    /// names alone and not from how the files were numbered.
    fn reachable(&self) -> Vec<InodeId> {
        let mut seen = std::collections::BTreeSet::new();
        self.directory.reachable().filter(|id| seen.insert(*id)).collect()
    }

    fn origins(&self) -> Vec<(u64, Origin, Unit)> {
        let names = self.directory.units().map(|(order, unit)| (order, Origin::Directory, unit));
        let mut units: Vec<_> = names.collect();
        for id in self.reachable() {
            let Ok(inode) = self.inode(id) else { continue };
            units.extend(inode.units().map(|(order, unit)| (order, Origin::File(id), unit)));
        }
        units.sort_by_key(|(order, _, _)| *order);
        units
    }

    /// All that is pending, in the order in which it was written.
    pub(super) fn units(&self) -> Vec<Unit> {
        self.origins().into_iter().map(|(_, _, unit)| unit).collect()
    }

    /// The power goes: what `fate` keeps is durable, the rest has never been.
    pub(super) fn power_cut(&mut self, fate: &mut dyn Fate) {
        let mut of_names = Vec::new();
        let volatile = self.inodes.iter().filter(|(_, inode)| inode.is_volatile());
        let mut of_files: BTreeMap<InodeId, Vec<Verdict>> =
            volatile.map(|(id, _)| (*id, Vec::new())).collect();
        for (place, (_, origin, unit)) in self.origins().iter().enumerate() {
            let verdict = fate.decide(place, unit);
            match origin {
                Origin::Directory => of_names.push(verdict),
                Origin::File(id) => of_files.entry(*id).or_default().push(verdict),
            }
        }
        self.directory.power_cut(&of_names);
        self.prune(|_| false);
        for (id, verdicts) in of_files {
            // A file that no name leads to any more is gone, whatever of it was kept.
            if let Ok((inode, _)) = self.inode_mut(id) {
                inode.power_cut(&verdicts);
            }
        }
        let names: Vec<_> = self.directory.written().map(|(name, id)| (name.clone(), id)).collect();
        for (name, id) in names {
            if self.inode(id).is_ok_and(|inode| inode.name != name)
                && let Ok((inode, _)) = self.inode_mut(id)
            {
                inode.name = name;
            }
        }
    }

    /// A digest of all that decides what reads, lists and power cuts can show.
    pub(super) fn fingerprint(&self) -> u128 {
        let reachable = self.reachable();
        let places: BTreeMap<InodeId, u64> =
            reachable.iter().enumerate().map(|(place, id)| (*id, count(place) + 1)).collect();
        let mut digest = Digest::new();
        digest.word(u64::from(self.exists));
        self.directory.describe(|word, name, id| {
            digest.bytes(word.as_bytes());
            digest.bytes(name.as_bytes());
            digest.word(places.get(&id).copied().unwrap_or(0));
        });
        for inode in reachable.iter().filter_map(|id| self.inode(*id).ok()) {
            inode.digest(&mut digest);
        }
        digest.finish()
    }
}

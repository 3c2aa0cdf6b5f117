//! Calls, how often each was made, and which bytes were read.
//!
//! Only bookkeeping: whether a call succeeds is decided in `state` and `fault`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::numbers::count;

/// The kinds of calls of [`Storage`](crate::io::Storage) and
/// [`StorageFile`](crate::io::StorageFile). Clock, randomness and process id are
/// not among them: they cannot fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// [`Storage::exists`](crate::io::Storage::exists).
    Exists,
    /// [`Storage::create_dir`](crate::io::Storage::create_dir).
    CreateDir,
    /// [`Storage::list`](crate::io::Storage::list).
    List,
    /// [`Storage::open`](crate::io::Storage::open).
    Open,
    /// [`Storage::create`](crate::io::Storage::create).
    Create,
    /// [`Storage::rename`](crate::io::Storage::rename).
    Rename,
    /// [`Storage::remove`](crate::io::Storage::remove).
    Remove,
    /// [`Storage::sync_dir`](crate::io::Storage::sync_dir).
    SyncDir,
    /// [`Storage::lock`](crate::io::Storage::lock) and
    /// [`Storage::lock_shared`](crate::io::Storage::lock_shared).
    Lock,
    /// [`Storage::writer_alive`](crate::io::Storage::writer_alive).
    WriterAlive,
    /// [`StorageFile::len`](crate::io::StorageFile::len).
    Len,
    /// [`StorageFile::set_len`](crate::io::StorageFile::set_len).
    SetLen,
    /// [`StorageFile::write_all_at`](crate::io::StorageFile::write_all_at).
    Write,
    /// [`StorageFile::read_at`](crate::io::StorageFile::read_at).
    Read,
    /// [`StorageFile::sync_data`](crate::io::StorageFile::sync_data).
    SyncData,
    /// [`StorageFile::sync_all`](crate::io::StorageFile::sync_all).
    SyncAll,
    /// [`StorageFile::map`](crate::io::StorageFile::map).
    Map,
    /// [`StorageFile::share`](crate::io::StorageFile::share). What is then done with the
    /// words is no call.
    Share,
}

impl CallKind {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Exists,
        Self::CreateDir,
        Self::List,
        Self::Open,
        Self::Create,
        Self::Rename,
        Self::Remove,
        Self::SyncDir,
        Self::Lock,
        Self::WriterAlive,
        Self::Len,
        Self::SetLen,
        Self::Write,
        Self::Read,
        Self::SyncData,
        Self::SyncAll,
        Self::Map,
        Self::Share,
    ];

    /// Whether such a call can change what is written or what is durable.
    pub fn is_change(self) -> bool {
        match self {
            Self::CreateDir
            | Self::Create
            | Self::Rename
            | Self::Remove
            | Self::SyncDir
            | Self::SetLen
            | Self::Write
            | Self::SyncData
            | Self::SyncAll => true,
            Self::Exists
            | Self::List
            | Self::Open
            | Self::Lock
            | Self::WriterAlive
            | Self::Len
            | Self::Read
            | Self::Map
            | Self::Share => false,
        }
    }
}

/// One call, as a hook sees it.
///
/// Shown to the hook of [`SimStorage::on_call`](super::SimStorage::on_call): the
/// [module](super#exploring-every-crash) has an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Which state-changing call of this disk it is, counted from 1; 0 for a call
    /// that changes nothing.
    pub number: u64,
    /// What is called.
    pub kind: CallKind,
    /// The file's present name; empty for calls on the directory.
    pub name: Arc<str>,
    /// The new name, for a rename.
    pub to: Option<Arc<str>>,
    /// Where in the file, for a read or a write.
    pub offset: u64,
    /// How many bytes are to be read, written, mapped or shared, or the length to be
    /// set.
    pub len: u64,
}

impl Call {
    pub(super) fn new(kind: CallKind, name: &str) -> Self {
        Self { number: 0, kind, name: name.into(), to: None, offset: 0, len: 0 }
    }
}

/// How often what was called: of a whole disk, or of one file under one name.
/// Failed calls count; bytes count when they were moved.
///
/// ```
/// use annals::io::Storage;
/// use annals::io::sim::SimStorage;
/// let disk = SimStorage::new();
/// disk.create("notes")?.write_all_at(b"four", 0)?;
/// assert_eq!((disk.counts().write, disk.counts().bytes_written), (1, 4));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Questions whether the directory is there.
    pub exists: u64,
    /// Creations of the directory.
    pub create_dir: u64,
    /// Lists of all names.
    pub list: u64,
    /// Files opened.
    pub open: u64,
    /// Files created.
    pub create: u64,
    /// Renames, counted under the old name.
    pub rename: u64,
    /// Removals.
    pub remove: u64,
    /// Syncs of the directory.
    pub sync_dir: u64,
    /// Attempts to take the lock, of either kind.
    pub lock: u64,
    /// Questions whether a writer is alive.
    pub writer_alive: u64,
    /// Questions for a length.
    pub len: u64,
    /// Lengths set.
    pub set_len: u64,
    /// Writes.
    pub write: u64,
    /// Reads.
    pub read: u64,
    /// Syncs of data.
    pub sync_data: u64,
    /// Syncs of data and length.
    pub sync_all: u64,
    /// Mappings made.
    pub map: u64,
    /// Mappings of shared words made.
    pub share: u64,
    /// Calls of [`Mapping::slice`](crate::io::Mapping::slice) that gave bytes.
    pub slice: u64,
    /// Bytes that reads returned.
    pub bytes_read: u64,
    /// Bytes that writes put in place, those of failed writes included.
    pub bytes_written: u64,
    /// Bytes that slices of mappings showed.
    pub bytes_sliced: u64,
    /// The largest buffer that a read was to fill, in bytes: the memory that somebody took
    /// because a file said so.
    pub largest_read: u64,
}

impl Counts {
    /// How often calls of this kind were made.
    pub fn of(&self, kind: CallKind) -> u64 {
        let mut copy = *self;
        *copy.field(kind)
    }

    /// All calls, without slices of mappings.
    pub fn calls(&self) -> u64 {
        let [files, names, rest] = [
            [self.len, self.set_len, self.write, self.read, self.sync_data, self.sync_all],
            [self.list, self.open, self.create, self.rename, self.remove, self.sync_dir],
            [self.exists, self.create_dir, self.lock, self.map, self.share, self.writer_alive],
        ];
        files.iter().chain(&names).chain(&rest).sum()
    }

    fn field(&mut self, kind: CallKind) -> &mut u64 {
        match kind {
            CallKind::Exists => &mut self.exists,
            CallKind::CreateDir => &mut self.create_dir,
            CallKind::List => &mut self.list,
            CallKind::Open => &mut self.open,
            CallKind::Create => &mut self.create,
            CallKind::Rename => &mut self.rename,
            CallKind::Remove => &mut self.remove,
            CallKind::SyncDir => &mut self.sync_dir,
            CallKind::Lock => &mut self.lock,
            CallKind::WriterAlive => &mut self.writer_alive,
            CallKind::Len => &mut self.len,
            CallKind::SetLen => &mut self.set_len,
            CallKind::Write => &mut self.write,
            CallKind::Read => &mut self.read,
            CallKind::SyncData => &mut self.sync_data,
            CallKind::SyncAll => &mut self.sync_all,
            CallKind::Map => &mut self.map,
            CallKind::Share => &mut self.share,
        }
    }
}

/// The counts of a disk and of each file, and the trace of reads.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) total: Counts,
    pub(super) by_name: BTreeMap<Arc<str>, Counts>,
    pub(super) tracing: bool,
    pub(super) reads: BTreeMap<Arc<str>, Vec<Range<u64>>>,
}

impl Ledger {
    fn both(&mut self, name: &Arc<str>, add: impl Fn(&mut Counts)) {
        add(&mut self.total);
        if !name.is_empty() {
            add(self.by_name.entry(name.clone()).or_default());
        }
    }

    pub(super) fn called(&mut self, call: &Call) {
        self.both(&call.name, |counts| {
            *counts.field(call.kind) += 1;
            if call.kind == CallKind::Read {
                counts.largest_read = counts.largest_read.max(call.len);
            }
        });
    }

    pub(super) fn wrote(&mut self, name: &Arc<str>, bytes: usize) {
        self.both(name, |counts| counts.bytes_written += count(bytes));
    }

    pub(super) fn read(&mut self, name: &Arc<str>, offset: u64, bytes: usize) {
        self.both(name, |counts| counts.bytes_read += count(bytes));
        self.trace(name, offset, bytes);
    }

    pub(super) fn sliced(&mut self, name: &Arc<str>, offset: u64, bytes: usize) {
        self.both(name, |counts| {
            counts.slice += 1;
            counts.bytes_sliced += count(bytes);
        });
        self.trace(name, offset, bytes);
    }

    fn trace(&mut self, name: &Arc<str>, offset: u64, bytes: usize) {
        if self.tracing && bytes > 0 {
            let range = offset..offset.saturating_add(count(bytes));
            self.reads.entry(name.clone()).or_default().push(range);
        }
    }
}

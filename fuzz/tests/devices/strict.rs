//! A file system that keeps no more than it must.
//!
//! One directory in user space. A program uses it through the system like any other; what
//! it is asked to do is written down in order. A power cut leaves of that
//!
//! * of a file's contents and length: what was done before its last sync, and any part of
//!   what came later, in pieces of 4 KiB;
//! * of the names: those as of the directory's last sync, and any part of what was made,
//!   renamed or removed later. A rename is kept or lost as a whole.
//!
//! ext4 and XFS keep more: a sync of a new file carries its name along, and whatever
//! happened to names before it. POSIX does not ask for that, so a log must not count on it.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use annals_fuzz::numbers::Numbers;
use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request as Call, TimeOrNow, WriteFlags,
};
use parking_lot::Mutex;

use super::recorder::pieces;
use super::served::{self, Serving};

/// What the file system was asked to do. A file is known by its number.
#[derive(Debug, Clone)]
pub enum Deed {
    Write {
        file: u64,
        at: u64,
        bytes: Box<[u8]>,
    },
    Length {
        file: u64,
        len: u64,
    },
    /// Which files the names stand for from now on; none where one is removed.
    Names(Vec<(String, Option<u64>)>),
    Sync {
        file: u64,
    },
    SyncNames,
}

/// Names and files as they are after some deeds.
#[derive(Debug, Default)]
struct State {
    names: BTreeMap<String, u64>,
    files: HashMap<u64, Vec<u8>>,
}

impl State {
    fn write(&mut self, file: u64, at: u64, bytes: &[u8]) {
        let into = self.files.entry(file).or_default();
        let end = at as usize + bytes.len();
        into.resize(into.len().max(end), 0);
        into[at as usize..end].copy_from_slice(bytes);
    }

    fn apply(&mut self, deed: &Deed) {
        match deed {
            Deed::Write { file, at, bytes } => self.write(*file, *at, bytes),
            Deed::Length { file, len } => {
                self.files.entry(*file).or_default().resize(*len as usize, 0);
            }
            Deed::Names(names) => {
                for (name, file) in names {
                    match file {
                        Some(file) => self.names.insert(name.clone(), *file),
                        None => self.names.remove(name),
                    };
                }
            }
            Deed::Sync { .. } | Deed::SyncNames => {}
        }
    }
}

/// Makes the directory as a power cut after these deeds may have left it.
pub fn crash(deeds: &[Deed], numbers: &mut Numbers, directory: &Path) {
    // From the end on: which files, and whether the names, were synced later.
    let (mut files, mut names) = (std::collections::HashSet::new(), false);
    let mut safe: Vec<bool> = deeds
        .iter()
        .rev()
        .map(|deed| match deed {
            Deed::Write { file, .. } | Deed::Length { file, .. } => files.contains(file),
            Deed::Names(_) => names,
            Deed::Sync { file } => files.insert(*file),
            Deed::SyncNames => {
                names = true;
                true
            }
        })
        .collect();
    safe.reverse();
    // Of ten, how much of the rest is kept.
    let share = [0, 1, 5, 9, 10][numbers.below(5) as usize];
    let mut state = State::default();
    for (deed, safe) in deeds.iter().zip(safe) {
        match deed {
            Deed::Write { file, at, bytes } if !safe => {
                for (at, piece) in pieces(*at, bytes) {
                    if numbers.below(10) < share {
                        state.write(*file, at, piece);
                    }
                }
            }
            _ if safe || numbers.below(10) < share => state.apply(deed),
            _ => {}
        }
    }
    for (name, file) in &state.names {
        let bytes = state.files.get(file).map(Vec::as_slice).unwrap_or_default();
        std::fs::write(directory.join(name), bytes).unwrap();
    }
}

#[derive(Debug, Default)]
struct Asked {
    state: State,
    deeds: Vec<Deed>,
    next: u64,
}

impl Asked {
    fn done(&mut self, deed: Deed) {
        self.state.apply(&deed);
        self.deeds.push(deed);
    }
}

/// The file system, mounted until it is dropped.
pub struct Strict {
    asked: Arc<Mutex<Asked>>,
    serving: Serving,
}

impl fmt::Debug for Strict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Strict").field("serving", &self.serving).finish_non_exhaustive()
    }
}

impl Strict {
    /// One that holds copies of the files of a directory, durably; mounted at a directory
    /// that is made.
    pub fn new(folder: &Path, from: &Path) -> Self {
        // Number 1 is the directory.
        let mut asked = Asked { next: 2, ..Asked::default() };
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let (file, bytes) = (asked.next, std::fs::read(entry.path()).unwrap().into());
            asked.next += 1;
            asked.done(Deed::Names(vec![(text(&entry.file_name()), Some(file))]));
            asked.done(Deed::Write { file, at: 0, bytes });
            asked.done(Deed::Sync { file });
        }
        asked.done(Deed::SyncNames);
        let asked = Arc::new(Mutex::new(asked));
        let serving = Serving::new("strict", folder, Served(Arc::clone(&asked)));
        Self { asked, serving }
    }

    pub fn path(&self) -> &Path {
        self.serving.path()
    }

    /// How many deeds there were so far.
    pub fn count(&self) -> usize {
        self.asked.lock().deeds.len()
    }

    pub fn deeds(&self) -> Vec<Deed> {
        self.asked.lock().deeds.clone()
    }
}

/// How long the system may believe what it was told: nobody else changes anything.
const BELIEVED: Duration = Duration::from_secs(600);

struct Served(Arc<Mutex<Asked>>);

fn about(state: &State, file: u64) -> FileAttr {
    let size = state.files.get(&file).map_or(0, |bytes| bytes.len() as u64);
    served::about(INodeNo(file), size)
}

fn text(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}

impl Filesystem for Served {
    fn lookup(&self, _: &Call, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let asked = self.0.lock();
        match asked.state.names.get(&text(name)) {
            Some(file) => reply.entry(&BELIEVED, &about(&asked.state, *file), Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Call, file: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&BELIEVED, &about(&self.0.lock().state, file.0));
    }

    fn setattr(
        &self,
        _: &Call,
        file: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut asked = self.0.lock();
        if let Some(len) = size {
            asked.done(Deed::Length { file: file.0, len });
        }
        reply.attr(&BELIEVED, &about(&asked.state, file.0));
    }

    fn create(
        &self,
        _: &Call,
        _: INodeNo,
        name: &OsStr,
        _: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let mut asked = self.0.lock();
        let file = asked.next;
        asked.next += 1;
        asked.done(Deed::Names(vec![(text(name), Some(file))]));
        let attributes = about(&asked.state, file);
        let flags = FopenFlags::FOPEN_KEEP_CACHE;
        reply.created(&BELIEVED, &attributes, Generation(0), FileHandle(0), flags);
    }

    fn unlink(&self, _: &Call, _: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.0.lock().done(Deed::Names(vec![(text(name), None)]));
        reply.ok();
    }

    fn rename(
        &self,
        _: &Call,
        _: INodeNo,
        from: &OsStr,
        _: INodeNo,
        to: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let mut asked = self.0.lock();
        let Some(file) = asked.state.names.get(&text(from)).copied() else {
            return reply.error(Errno::ENOENT);
        };
        asked.done(Deed::Names(vec![(text(from), None), (text(to), Some(file))]));
        reply.ok();
    }

    fn open(&self, _: &Call, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE);
    }

    fn read(
        &self,
        _: &Call,
        file: INodeNo,
        _: FileHandle,
        at: u64,
        len: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let asked = self.0.lock();
        let bytes = asked.state.files.get(&file.0).map(Vec::as_slice).unwrap_or_default();
        let from = bytes.len().min(at as usize);
        reply.data(&bytes[from..bytes.len().min(from + len as usize)]);
    }

    fn write(
        &self,
        _: &Call,
        file: INodeNo,
        _: FileHandle,
        at: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        self.0.lock().done(Deed::Write { file: file.0, at, bytes: bytes.into() });
        reply.written(bytes.len() as u32);
    }

    fn flush(&self, _: &Call, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Call, file: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.0.lock().done(Deed::Sync { file: file.0 });
        reply.ok();
    }

    fn fsyncdir(&self, _: &Call, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.0.lock().done(Deed::SyncNames);
        reply.ok();
    }

    fn readdir(&self, _: &Call, _: INodeNo, _: FileHandle, from: u64, mut reply: ReplyDirectory) {
        let asked = self.0.lock();
        let names = asked.state.names.iter().map(|(name, file)| (name.as_str(), *file));
        let here = INodeNo::ROOT.0;
        let all = [(".", here), ("..", here)].into_iter().chain(names);
        for ((name, file), next) in all.zip(1..).skip(from as usize) {
            let kind = if file == here { FileType::Directory } else { FileType::RegularFile };
            if reply.add(INodeNo(file), next, kind, name) {
                break;
            }
        }
        reply.ok();
    }
}

//! A disk that writes down what it is told.
//!
//! A file system in user space with two files, each the backing of a loop device:
//!
//! * `live` is what a file system is mounted from while a workload runs. Every write and
//!   every flush is recorded, in the order in which they come, and done at once. A chosen
//!   write can be answered with EIO instead; it changes nothing then.
//! * `image` is a disk as a power cut may have left it. It is made of what was recorded;
//!   what is written to it lies in an overlay that is thrown away before the next one.
//!
//! Both are opened for direct I/O, so neither has pages in a cache: a loop device's write
//! is one request here or several, and its flush is one. One thread answers, so requests
//! have one order. A flush counts for all that was recorded before it. A disk has to keep
//! only what it had *answered* by then; the difference are writes that are under way beside
//! a flush, which are kept here: so an image can hold more than the least that a disk must
//! keep, never less.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fuser::{
    Errno, FileAttr, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, OpenFlags,
    ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request as Call,
    WriteFlags,
};
use parking_lot::Mutex;

use super::served::{Serving, about};

/// What is kept or lost as a whole at a power cut, where it was not flushed.
pub const PIECE: u64 = 4096;

/// What the disk was told.
#[derive(Debug, Clone)]
pub enum Request {
    Write { at: u64, bytes: Box<[u8]> },
    Flush,
}

/// Which write fails; asked until it says so once.
pub type Wanted = Box<dyn FnMut(u64, &[u8]) -> bool + Send>;

/// The file `live`.
#[derive(Default)]
struct Live {
    bytes: Vec<u8>,
    requests: Vec<Request>,
    wanted: Option<Wanted>,
    /// How many requests there were when a write was answered with EIO.
    failed: Option<usize>,
}

/// The file `image`: `base` with `overlay` on top, which holds whole pieces.
#[derive(Default)]
struct Image {
    base: Vec<u8>,
    overlay: HashMap<u64, Vec<u8>>,
}

impl Image {
    fn read(&self, at: u64, len: usize) -> Vec<u8> {
        let mut found = range(&self.base, at, len).to_vec();
        let end = at + found.len() as u64;
        for piece in at / PIECE..end.div_ceil(PIECE) {
            let Some(bytes) = self.overlay.get(&piece) else { continue };
            let (from, to) = (at.max(piece * PIECE), end.min((piece + 1) * PIECE));
            let source = &bytes[(from - piece * PIECE) as usize..(to - piece * PIECE) as usize];
            found[(from - at) as usize..(to - at) as usize].copy_from_slice(source);
        }
        found
    }

    fn write(&mut self, at: u64, bytes: &[u8]) {
        for (at, bytes) in pieces(at, bytes) {
            let piece = at / PIECE;
            let base = &self.base;
            let whole = || range(base, piece * PIECE, PIECE as usize).to_vec();
            let into = self.overlay.entry(piece).or_insert_with(whole);
            let from = (at - piece * PIECE) as usize;
            into[from..from + bytes.len()].copy_from_slice(bytes);
        }
    }
}

fn range(bytes: &[u8], at: u64, len: usize) -> &[u8] {
    let from = (at as usize).min(bytes.len());
    &bytes[from..(from + len).min(bytes.len())]
}

/// The parts of a write that are kept or lost each by itself.
pub fn pieces(at: u64, bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut rest = (at, bytes);
    std::iter::from_fn(move || {
        let (at, bytes) = rest;
        let len = bytes.len().min((PIECE - at % PIECE) as usize);
        let (piece, behind) = bytes.split_at(len);
        rest = (at + len as u64, behind);
        (len > 0).then_some((at, piece))
    })
}

#[derive(Default)]
struct Files {
    live: Mutex<Live>,
    image: Mutex<Image>,
}

/// The disk, mounted until it is dropped. What is mounted from its files has to be
/// unmounted before.
pub struct Recorder {
    files: Arc<Files>,
    serving: Serving,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Recorder").field("serving", &self.serving).finish_non_exhaustive()
    }
}

impl Recorder {
    /// A disk that holds these bytes and was told nothing yet, at a directory that is made.
    pub fn new(bytes: Vec<u8>, folder: &Path) -> Self {
        let files = Arc::new(Files::default());
        files.image.lock().base.clone_from(&bytes);
        files.live.lock().bytes = bytes;
        let served = Served { files: Arc::clone(&files) };
        Self { files, serving: Serving::new("recorder", folder, served) }
    }

    /// The file that a loop device is made of while the workload runs.
    pub fn live(&self) -> PathBuf {
        self.serving.path().join("live")
    }

    /// The file of the crash image.
    pub fn image(&self) -> PathBuf {
        self.serving.path().join("image")
    }

    /// How many requests there were so far.
    pub fn count(&self) -> usize {
        self.files.live.lock().requests.len()
    }

    /// Answers the next write that `wanted` picks with EIO.
    pub fn fail(&self, wanted: Wanted) {
        self.files.live.lock().wanted = Some(wanted);
    }

    /// How many requests there were when a write was answered with EIO.
    pub fn failed(&self) -> Option<usize> {
        self.files.live.lock().failed
    }

    /// Has all that was written be on every image, and records from here on.
    pub fn settle(&self) {
        for request in self.take() {
            self.keep(&request);
        }
    }

    /// What was recorded, and forgets it.
    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut self.files.live.lock().requests)
    }

    /// Puts a write on the image's base, for all images from now on.
    pub fn keep(&self, request: &Request) {
        if let Request::Write { at, bytes } = request {
            let base = &mut self.files.image.lock().base;
            base[*at as usize..*at as usize + bytes.len()].copy_from_slice(bytes);
        }
    }

    /// Starts a new image: the base, with these writes on it.
    pub fn renew<'a>(&self, kept: impl IntoIterator<Item = (u64, &'a [u8])>) {
        let mut image = self.files.image.lock();
        image.overlay.clear();
        for (at, bytes) in kept {
            image.write(at, bytes);
        }
    }
}

const LIVE: INodeNo = INodeNo(2);
const IMAGE: INodeNo = INodeNo(3);

/// How long the system may believe what it was told of a file.
const BELIEVED: Duration = Duration::from_secs(60);

/// What answers the kernel.
struct Served {
    files: Arc<Files>,
}

impl Served {
    fn about(&self, file: INodeNo) -> FileAttr {
        let size = match file {
            LIVE => self.files.live.lock().bytes.len() as u64,
            IMAGE => self.files.image.lock().base.len() as u64,
            _ => 0,
        };
        about(file, size)
    }
}

impl Filesystem for Served {
    fn lookup(&self, _: &Call, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match name.to_str() {
            Some("live") => reply.entry(&BELIEVED, &self.about(LIVE), Generation(0)),
            Some("image") => reply.entry(&BELIEVED, &self.about(IMAGE), Generation(0)),
            _ => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Call, file: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&BELIEVED, &self.about(file));
    }

    fn open(&self, _: &Call, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
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
        if file == LIVE {
            reply.data(range(&self.files.live.lock().bytes, at, len as usize));
        } else {
            reply.data(&self.files.image.lock().read(at, len as usize));
        }
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
        if file == IMAGE {
            self.files.image.lock().write(at, bytes);
            return reply.written(bytes.len() as u32);
        }
        let mut live = self.files.live.lock();
        if live.wanted.as_mut().is_some_and(|wanted| wanted(at, bytes)) {
            live.wanted = None;
            live.failed = Some(live.requests.len());
            return reply.error(Errno::EIO);
        }
        let Some(into) = live.bytes.get_mut(at as usize..at as usize + bytes.len()) else {
            return reply.error(Errno::ENOSPC);
        };
        into.copy_from_slice(bytes);
        live.requests.push(Request::Write { at, bytes: bytes.into() });
        reply.written(bytes.len() as u32);
    }

    fn fsync(&self, _: &Call, file: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        if file == LIVE {
            self.files.live.lock().requests.push(Request::Flush);
        }
        reply.ok();
    }

    fn flush(&self, _: &Call, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }
}

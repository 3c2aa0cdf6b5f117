//! Memory mapping: the only module with `unsafe`.
//!
//! Nothing here knows what the bytes mean. What makes the mapping sound is
//! written at each `unsafe` block. Two kinds: bytes that nobody changes while they
//! are looked at, and words that all processes change at will.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
#[cfg(target_os = "linux")]
use std::sync::OnceLock;
#[cfg(target_os = "linux")]
use std::sync::atomic::AtomicU32;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::{Duration, Instant};

use memmap2::{MmapOptions, MmapRaw};
#[cfg(target_os = "linux")]
use rustix::{
    io::Errno,
    mm::{Advice, madvise},
    thread::futex,
};

use super::{Mapping, SharedWords, low_half};

/// A read-only, shared mapping of the first bytes of a file.
#[derive(Debug)]
pub(super) struct OsMapping {
    raw: MmapRaw,
}

/// Maps the first `len` bytes of `file` for reading.
pub(super) fn map(file: &File, len: u64) -> io::Result<Arc<dyn Mapping>> {
    let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let raw = MmapOptions::new().len(len).map_raw_read_only(file)?;
    Ok(Arc::new(OsMapping { raw }))
}

impl Mapping for OsMapping {
    fn len(&self) -> usize {
        self.raw.len()
    }

    fn slice(&self, range: Range<usize>) -> Option<&[u8]> {
        if range.start > range.end || range.end > self.raw.len() {
            return None;
        }
        // SAFETY: the range was just checked to lie within the mapping, which lives
        // as long as `self` and so as long as the slice. The bytes do not change
        // while the slice lives: by the contract of `Mapping::slice` callers ask
        // only for bytes below the watermark or of files that are never written
        // again, the log's lock keeps other writers out, and a mapped file is
        // never cut below its watermark's page. Whoever else may write the directory
        // can break this, as with every mapped file; the `pread` option is for
        // those who must fear it. `u8` has no invalid values and no alignment.
        Some(unsafe { std::slice::from_raw_parts(self.raw.as_ptr().add(range.start), range.len()) })
    }

    fn is_live(&self) -> bool {
        true
    }
}

/// The number of this process.
#[cfg(not(target_os = "linux"))]
pub(super) fn process_id() -> u32 {
    std::process::id()
}

/// The number of this process. Asked for at each append, to refuse a process that
/// inherited the log: so the system is asked once, and notes it in memory that a forked
/// process finds empty.
#[cfg(target_os = "linux")]
pub(super) fn process_id() -> u32 {
    static NOTE: OnceLock<Option<ForkedEmpty>> = OnceLock::new();
    let Some(note) = NOTE.get_or_init(ForkedEmpty::new) else { return std::process::id() };
    let word = note.word();
    match word.load(Ordering::Relaxed) {
        0 => {
            let this = std::process::id();
            word.store(this, Ordering::Relaxed);
            this
        }
        known => known,
    }
}

/// A word of memory that is 0 in a process that was forked.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct ForkedEmpty {
    raw: MmapRaw,
}

#[cfg(target_os = "linux")]
impl ForkedEmpty {
    /// `None` where the system cannot do that (before Linux 4.14).
    fn new() -> Option<Self> {
        let raw = MmapRaw::from(MmapOptions::new().len(size_of::<AtomicU32>()).map_anon().ok()?);
        // SAFETY: the address and the length are those of a private anonymous mapping that
        // was just made and that nothing else knows; the advice changes no byte in this
        // process, only what a forked one finds in its copy.
        let advised =
            unsafe { madvise(raw.as_mut_ptr().cast(), raw.len(), Advice::LinuxWipeOnFork) };
        advised.ok().map(|()| Self { raw })
    }

    fn word(&self) -> &AtomicU32 {
        // SAFETY: the mapping starts at a page, so the word is aligned, it is as long as the
        // word, and it lives as long as `self` and so as long as the reference. Nothing
        // accesses it but through such references. A forked process finds it zeroed before
        // it runs, which is a valid word.
        unsafe { &*self.raw.as_ptr().cast::<AtomicU32>() }
    }
}

const WORD_BYTES: usize = size_of::<u64>();

/// Between looks at a word, where the system cannot wake a waiter.
const FIRST_STEP: Duration = Duration::from_millis(1);
const LAST_STEP: Duration = Duration::from_millis(5);

/// A shared mapping of the first words of a file.
#[derive(Debug)]
struct OsWords {
    raw: MmapRaw,
    words: usize,
    write: bool,
}

/// Maps the first `words` words of `file`, which is opened for writing if `write`.
pub(super) fn share(file: &File, words: usize, write: bool) -> io::Result<Arc<dyn SharedWords>> {
    // Elsewhere a load of 64 bits may be made of instructions that write, and a
    // reader's mapping cannot be written.
    if !write && cfg!(not(target_pointer_width = "64")) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let bytes = words.checked_mul(WORD_BYTES).filter(|bytes| *bytes > 0);
    let there = file.metadata()?.len();
    let bytes = bytes.filter(|bytes| u64::try_from(*bytes).is_ok_and(|bytes| bytes <= there));
    let Some(bytes) = bytes else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no such words in the file"));
    };
    let mut options = MmapOptions::new();
    options.len(bytes);
    let raw = if write { options.map_raw(file)? } else { options.map_raw_read_only(file)? };
    Ok(Arc::new(OsWords { raw, words, write }))
}

impl OsWords {
    fn word(&self, index: usize) -> Option<&AtomicU64> {
        if index >= self.words {
            return None;
        }
        // SAFETY: `words` words were mapped and `index` was just checked against that;
        // the mapping starts at a page, so each word is aligned, and it lives as long as
        // `self` and so as long as the reference. Nothing in this process reads or
        // writes the mapping but through such references; what other processes do to it
        // is outside of the memory that the compiler reasons about, and they do it with
        // whole atomic words too. On a mapping for reading the callers only load, and
        // relaxed: that is guaranteed not to write on targets with 64-bit pointers, and
        // `share` refuses the others. The file is not cut below the words (contract of
        // the seam); who does that ends the process by a signal. Every bit pattern is a
        // valid word.
        Some(unsafe { &*self.raw.as_ptr().cast::<AtomicU64>().add(index) })
    }

    fn writable(&self, index: usize) -> Option<&AtomicU64> {
        self.word(index).filter(|_| self.write)
    }

    /// Looks at the word every few milliseconds.
    fn poll(&self, index: usize, expected: u32, timeout: Duration) {
        let deadline = Instant::now().checked_add(timeout);
        let mut step = FIRST_STEP;
        while low_half(self.load(index)) == expected {
            let left = deadline.map_or(step, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return;
            }
            std::thread::sleep(step.min(left));
            step = step.saturating_mul(2).min(LAST_STEP);
        }
    }
}

#[cfg(target_os = "linux")]
impl OsWords {
    /// The half of the word that a futex can be.
    fn low_half_of(&self, index: usize) -> Option<&AtomicU32> {
        let word = std::ptr::from_ref(self.word(index)?).cast::<AtomicU32>();
        let half = usize::from(cfg!(target_endian = "big"));
        // SAFETY: both halves of a word lie within it, and a half needs less alignment.
        // The reference lives as long as the word's. This process never accesses memory
        // through it, so that no access of half a word meets one of a whole word: it only
        // gives the system the address, and the system compares by itself.
        Some(unsafe { &*word.add(half) })
    }
}

impl SharedWords for OsWords {
    fn len(&self) -> usize {
        self.words
    }

    fn load(&self, index: usize) -> u64 {
        let value = self.word(index).map_or(0, |word| word.load(Ordering::Relaxed));
        // A relaxed load and a fence are an acquire load that is certain not to write.
        fence(Ordering::Acquire);
        value
    }

    fn store(&self, index: usize, value: u64) {
        if let Some(word) = self.writable(index) {
            word.store(value, Ordering::SeqCst);
            // Loads are weaker than SeqCst: this keeps a later one behind the store.
            fence(Ordering::SeqCst);
        }
    }

    fn swap(&self, index: usize, value: u64) -> u64 {
        let Some(word) = self.writable(index) else { return 0 };
        let before = word.swap(value, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        before
    }

    #[cfg(target_os = "linux")]
    fn wait(&self, index: usize, expected: u32, timeout: Duration) {
        let Some(half) = self.low_half_of(index) else { return };
        // A timeout that does not fit is none.
        let timespec = futex::Timespec::try_from(timeout).ok();
        // Not `PRIVATE`: the waker is in another process.
        match futex::wait(half, futex::Flags::empty(), expected, timespec.as_ref()) {
            Ok(()) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => {}
            // A sandbox may forbid the call; a waiter must not spin then.
            Err(_) => self.poll(index, expected, timeout),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn wait(&self, index: usize, expected: u32, timeout: Duration) {
        if index < self.words {
            self.poll(index, expected, timeout);
        }
    }

    #[cfg(target_os = "linux")]
    fn wake(&self, index: usize) {
        if let Some(half) = self.low_half_of(index) {
            let all = i32::MAX.unsigned_abs();
            // Fails only for an address that is not mapped, or where waiters poll.
            let _woken = futex::wake(half, futex::Flags::empty(), all);
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn wake(&self, _index: usize) {}
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_forked_process_is_told_its_own_number() {
        let parent = process_id();
        assert_eq!(parent, std::process::id());
        let mut child = Command::new("true");
        let in_child = move || {
            let right = process_id() == std::process::id() && process_id() != parent;
            if right { Ok(()) } else { Err(io::ErrorKind::Other.into()) }
        };
        // SAFETY: between fork and exec it reads and writes one word of its own memory and
        // asks for its number; no lock, no allocation.
        unsafe { child.pre_exec(in_child) };
        child.status().unwrap();
        assert_eq!(process_id(), parent);
    }
}

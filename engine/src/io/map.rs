//! Memory mapping: the only module with `unsafe`.
//!
//! Nothing here knows what the bytes mean. What makes the mapping sound is
//! written at each `unsafe` block.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use memmap2::{MmapOptions, MmapRaw};

use super::Mapping;

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

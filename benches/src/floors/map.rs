//! A file as a slice: the only place in the benches with `unsafe`.
#![allow(unsafe_code)]

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

use crate::Result;

/// Maps a whole file for reading.
///
/// # Errors
/// If the file cannot be opened or mapped.
pub fn map(path: &Path) -> Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: the file was written and synced by this process before it is mapped, lies
    // in a temporary directory of this process, and nobody writes or cuts it
    // afterwards; so the bytes under the slice do not change while it lives.
    Ok(unsafe { Mmap::map(&file)? })
}

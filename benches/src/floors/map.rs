//! A file as a slice: the only place in the benches with `unsafe`.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::path::Path;

use memmap2::MmapRaw;
pub use memmap2::{Mmap, MmapMut};

use super::baton::Words;
use crate::Result;

/// Maps a whole file for reading.
///
/// # Errors
/// If the file cannot be opened or mapped.
pub fn map(path: &Path) -> Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: the file was written and synced by this bench before it is mapped, lies
    // in a temporary directory of this bench, and nobody writes or cuts it
    // afterwards; so the bytes under the slice do not change while it lives.
    Ok(unsafe { Mmap::map(&file)? })
}

/// Maps a whole file for reading and writing.
///
/// # Errors
/// If the file cannot be opened or mapped.
pub fn map_mut(path: &Path) -> Result<MmapMut> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    // SAFETY: the file lies in a temporary directory of this bench, is mapped once at a time,
    // and nobody else reads, writes or cuts it while the mapping lives.
    Ok(unsafe { MmapMut::map_mut(&file)? })
}

/// Words in a file that several processes have mapped.
#[derive(Debug)]
pub struct SharedWords(MmapRaw);

impl SharedWords {
    /// Maps the words of a file, which is made long enough first.
    ///
    /// # Errors
    /// If the file cannot be opened, lengthened or mapped.
    pub fn map(path: &Path) -> Result<Self> {
        let options =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = options?;
        let len = u64::try_from(size_of::<Words>())?;
        if file.metadata()?.len() < len {
            file.set_len(len)?;
        }
        Ok(Self(MmapRaw::map_raw(&file)?))
    }

    /// The words.
    pub fn words(&self) -> &Words {
        // SAFETY: the mapping is at least as long as `Words` (it was made so, and nobody cuts
        // the file), starts at a page and so is aligned, and lives as long as `self`. `Words`
        // holds atomics alone, for which every bit pattern is valid, and all processes
        // access them as atomics.
        unsafe { &*self.0.as_ptr().cast::<Words>() }
    }
}

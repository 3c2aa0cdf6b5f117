//! A file that gets shorter between the look at its length and the mapping of it, as when a
//! log is closed while a cursor reads.

#![allow(clippy::unwrap_used)]
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::file::Extent;
use super::{ReadMode, Segment};
use crate::io::sim::SimStorage;
use crate::io::{Mapping, SharedWords, Storage, StorageFile};

const NAME: &str = "file";

/// Is cut when it is first mapped.
#[derive(Debug)]
struct Cut {
    file: Arc<dyn StorageFile>,
    to: u64,
    whole: AtomicBool,
}

impl StorageFile for Cut {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }
    fn map(&self, len: u64) -> io::Result<Arc<dyn Mapping>> {
        if self.whole.swap(false, Ordering::SeqCst) {
            self.file.set_len(self.to)?;
        }
        self.file.map(len)
    }
    fn share(&self, words: usize, write: bool) -> io::Result<Arc<dyn SharedWords>> {
        self.file.share(words, write)
    }
}

/// A segment of 32 KiB that is cut to this when it is first mapped.
fn segment(to: u64) -> Segment {
    let disk = SimStorage::new();
    let file = disk.create(NAME).unwrap();
    file.write_all_at(&[7; 32 << 10], 0).unwrap();
    let file = Arc::new(Cut { file, to, whole: AtomicBool::new(true) });
    Segment::over(file, NAME.to_owned(), 1, 1, ReadMode::Mapped, 32 << 10)
}

#[test]
fn what_is_still_there_is_mapped() {
    let extent = Extent { limit: 5000, lasting: 5000 };
    let chunk = segment(8192).part(0, 5000, extent).unwrap();
    assert_eq!(chunk.bytes_at(4990, 10), [7; 10]);
}

#[test]
fn what_is_there_no_more_is_damage() {
    let extent = Extent { limit: 9000, lasting: 9000 };
    let error = segment(8192).part(0, 9000, extent).unwrap_err();
    assert!(matches!(error, crate::Error::Corrupt(_)), "{error}");
}

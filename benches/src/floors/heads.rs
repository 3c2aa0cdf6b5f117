//! w3e: a hash table of heads over a mapping. The head of a stream is read, then a record is
//! copied behind the last one with its CRC, if the head is still the same.
//!
//! What a program must do that keeps versions and may be killed: the bytes are the
//! system's once they are copied. When the mapping is full it is made anew, as a log maps
//! its next segment, so page faults are part of the figure.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use foldhash::fast::RandomState;

use super::device::Device;
use super::map::{self, MmapMut};
use crate::Result;
use crate::workload::FRAME_BYTES;

/// A mapping that records are copied into, and the heads of streams.
#[derive(Debug)]
pub struct Heads {
    path: PathBuf,
    mapping: MmapMut,
    at: usize,
    heads: HashMap<Box<str>, u64, RandomState>,
}

impl Heads {
    /// Prepares a file of `len` bytes and maps it.
    ///
    /// # Errors
    /// If the file cannot be prepared or mapped.
    pub fn prepare(path: &Path, len: u64) -> Result<Self> {
        drop(Device::prepare(path, len)?);
        let mapping = map::map_mut(path)?;
        Ok(Self { path: path.to_owned(), mapping, at: 0, heads: HashMap::default() })
    }

    /// The version of a stream's last record; 0 if there is none.
    pub fn version(&self, stream: &str) -> u64 {
        self.heads.get(stream).copied().unwrap_or(0)
    }

    /// Copies a record, if the stream's head is the expected one. Returns whether it was.
    ///
    /// # Errors
    /// If the mapping cannot be made anew.
    pub fn append(&mut self, stream: &str, expected: u64, record: &[u8]) -> Result<bool> {
        if let Some(head) = self.heads.get_mut(stream) {
            if *head != expected {
                return Ok(false);
            }
            *head += 1;
        } else {
            if expected != 0 {
                return Ok(false);
            }
            self.heads.insert(stream.into(), 1);
        }
        self.put(record)?;
        Ok(true)
    }

    /// Copies a record.
    ///
    /// # Errors
    /// If the mapping cannot be made anew.
    pub fn put(&mut self, record: &[u8]) -> Result<()> {
        if self.at + record.len() > self.mapping.len() {
            self.mapping = map::map_mut(&self.path)?;
            self.at = 0;
        }
        let end = self.at + record.len();
        let place = self.mapping.get_mut(self.at..end).ok_or("a record is larger than the file")?;
        place.copy_from_slice(record);
        if let Some((frame, content)) = place.split_first_chunk_mut::<FRAME_BYTES>() {
            let crc = crc32fast::hash(content).to_le_bytes();
            if let Some(field) = frame.last_chunk_mut() {
                *field = crc;
            }
        }
        self.at = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_moved_refuses() {
        let directory = tempfile::tempdir().unwrap();
        let mut heads = Heads::prepare(&directory.path().join("heads"), 64 << 10).unwrap();
        assert!(heads.append("a", 0, &[7; 100]).unwrap());
        assert!(!heads.append("a", 0, &[7; 100]).unwrap());
        assert!(heads.append("a", 1, &[7; 100]).unwrap());
        assert_eq!((heads.version("a"), heads.version("b"), heads.at), (2, 0, 200));
        for _ in 0..1000 {
            heads.put(&[7; 100]).unwrap();
        }
        assert!(heads.at <= 64 << 10);
        let crc = crc32fast::hash(&[7; 92]).to_le_bytes();
        assert_eq!(&heads.mapping[4..8], &crc);
    }
}

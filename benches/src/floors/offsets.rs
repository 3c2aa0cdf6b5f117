//! w5: a hash table from stream to the offsets of its records, in memory, over a mapped file
//! whose records are summed on every read. Making it is w6's floor, a full scan; what it
//! takes in memory is w8's.

use std::collections::HashMap;
use std::hint::black_box;
use std::path::Path;

use foldhash::fast::RandomState;

use super::map::{self, Mmap};
use super::walk;
use crate::Result;
use crate::workload::name_in;

/// A mapped file and where each stream's records are.
#[derive(Debug)]
pub struct Offsets {
    mapping: Mmap,
    by_stream: HashMap<Box<str>, Vec<u32>, RandomState>,
}

impl Offsets {
    /// Maps the file, checks every record and notes where it is.
    ///
    /// # Errors
    /// If it cannot be mapped, a checksum does not hold, or it is over 4 GiB.
    pub fn open(path: &Path) -> Result<Self> {
        let mapping = map::map(path)?;
        let mut by_stream: HashMap<Box<str>, Vec<u32>, RandomState> = HashMap::default();
        walk::each(&mapping, |offset, content| {
            let offset = u32::try_from(offset)?;
            let stream = name_in(content).ok_or("a record without a name")?;
            if let Some(offsets) = by_stream.get_mut(stream) {
                offsets.push(offset);
            } else {
                by_stream.insert(stream.into(), vec![offset]);
            }
            Ok(())
        })?;
        Ok(Self { mapping, by_stream })
    }

    /// Reads a stream, and looks at each record's name and data. Returns how many there are.
    ///
    /// # Errors
    /// If a checksum does not hold.
    pub fn read(&self, stream: &str) -> Result<u64> {
        let mut count = 0;
        for offset in self.by_stream.get(stream).into_iter().flatten() {
            let rest = self.mapping.get(usize::try_from(*offset)?..).unwrap_or_default();
            let content = walk::content(rest)?;
            black_box((name_in(content), content));
            count += 1;
        }
        Ok(count)
    }

    /// How many streams there are.
    pub fn streams(&self) -> usize {
        self.by_stream.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Workload;

    #[test]
    fn every_record_of_a_stream_is_read_and_checked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("records");
        let workload = Workload::with_streams(50);
        walk::write_streams(&path, &workload, 10).unwrap();
        let offsets = Offsets::open(&path).unwrap();
        assert_eq!(offsets.streams(), 50);
        assert!(workload.streams().iter().all(|stream| offsets.read(stream).unwrap() == 10));
        assert_eq!(offsets.read("order-none").unwrap(), 0);
        drop(offsets);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[100] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(Offsets::open(&path).is_err());
    }
}

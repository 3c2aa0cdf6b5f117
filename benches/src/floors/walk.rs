//! w4: from header to header through a mapping, each record's checksum checked.
//!
//! A record is its length, the CRC of its content, and the content: the least
//! from which a log can be replayed. The mapping is made anew for each walk, as a
//! process that starts makes it, so page faults are part of the figure.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::map;
use crate::Result;
use crate::workload::{FLOOR_RECORD_BYTES, FRAME_BYTES, Workload};

/// Writes a file of `events` records.
///
/// # Errors
/// If it cannot be written.
pub fn write(path: &Path, workload: &Workload, events: u64) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut source = workload.events(0);
    let mut content = Vec::new();
    for _ in 0..events {
        content.clear();
        source.content(&mut content);
        out.write_all(&u32::try_from(content.len())?.to_le_bytes())?;
        out.write_all(&crc32fast::hash(&content).to_le_bytes())?;
        content.resize(FLOOR_RECORD_BYTES - FRAME_BYTES, 0);
        out.write_all(&content)?;
    }
    out.into_inner()?.sync_all()?;
    Ok(())
}

/// Maps the file and walks it. Returns how many records there are.
///
/// # Errors
/// If it cannot be mapped, or a checksum does not hold.
pub fn replay(path: &Path) -> Result<u64> {
    let mapping = map::map(path)?;
    let mut rest: &[u8] = &mapping;
    let mut records = 0;
    while let Some((frame, behind)) = rest.split_first_chunk::<FRAME_BYTES>() {
        let [l0, l1, l2, l3, c0, c1, c2, c3] = *frame;
        let len = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3]))?;
        let content = behind.get(..len).ok_or("a record is cut off")?;
        if crc32fast::hash(content) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err("a checksum does not hold".into());
        }
        records += 1;
        let next = (FRAME_BYTES + len).next_multiple_of(8) - FRAME_BYTES;
        rest = behind.get(next..).ok_or("a record is cut off")?;
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_meets_every_record_and_checks_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("records");
        write(&path, &Workload::new(), 1000).unwrap();
        assert_eq!(replay(&path).unwrap(), 1000);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[FLOOR_RECORD_BYTES * 500 + 100] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(replay(&path).is_err());
    }
}

//! w4: from header to header through a mapping, each record's checksum checked.
//!
//! A record is its length, the CRC of its content, and the content: the least
//! from which a log can be replayed. The mapping is made anew for each walk, as a
//! process that starts makes it, so page faults are part of the figure.

use std::fs::File;
use std::hint::black_box;
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
    let mut source = workload.events(0);
    let mut out = create(path)?;
    let mut content = Vec::new();
    for _ in 0..events {
        content.clear();
        source.content(&mut content);
        record(&mut out, &mut content)?;
    }
    out.into_inner()?.sync_all()?;
    Ok(())
}

/// Writes a file of `per_stream` records of each stream, round by round.
///
/// # Errors
/// If it cannot be written.
pub fn write_streams(path: &Path, workload: &Workload, per_stream: usize) -> Result<()> {
    let mut source = workload.events(0);
    let mut out = create(path)?;
    let mut content = Vec::new();
    for stream in workload.rounds(per_stream) {
        content.clear();
        source.content_of(stream, &mut content);
        record(&mut out, &mut content)?;
    }
    out.into_inner()?.sync_all()?;
    Ok(())
}

fn create(path: &Path) -> Result<BufWriter<File>> {
    Ok(BufWriter::with_capacity(1 << 20, File::create(path)?))
}

fn record(out: &mut impl Write, content: &mut Vec<u8>) -> Result<()> {
    out.write_all(&u32::try_from(content.len())?.to_le_bytes())?;
    out.write_all(&crc32fast::hash(content).to_le_bytes())?;
    content.resize(FLOOR_RECORD_BYTES - FRAME_BYTES, 0);
    out.write_all(content)?;
    Ok(())
}

/// The content of the record at the front, checked.
///
/// # Errors
/// If the record is cut off, or its checksum does not hold.
#[inline]
pub fn content(bytes: &[u8]) -> Result<&[u8]> {
    let (frame, behind) = bytes.split_first_chunk::<FRAME_BYTES>().ok_or("a record is cut off")?;
    let [l0, l1, l2, l3, c0, c1, c2, c3] = *frame;
    let len = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3]))?;
    let content = behind.get(..len).ok_or("a record is cut off")?;
    if crc32fast::hash(content) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Err("a checksum does not hold".into());
    }
    Ok(content)
}

/// Hands out every record's offset and content, each checked.
///
/// # Errors
/// Those of [`content`] and of `visit`.
#[inline]
pub fn each(bytes: &[u8], mut visit: impl FnMut(usize, &[u8]) -> Result<()>) -> Result<()> {
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let content = content(rest)?;
        visit(at, content)?;
        at += (FRAME_BYTES + content.len()).next_multiple_of(8);
    }
    Ok(())
}

/// Maps the file and walks it. Returns how many records there are.
///
/// # Errors
/// If it cannot be mapped, or a checksum does not hold.
pub fn replay(path: &Path) -> Result<u64> {
    let mapping = map::map(path)?;
    let mut records = 0;
    each(&mapping, |_, content| {
        black_box(content);
        records += 1;
        Ok(())
    })?;
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

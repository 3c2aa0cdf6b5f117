//! Records of the floors, of any payload: how large they are, and a file of them that
//! [`walk`](crate::floors::walk) goes over.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::turns::Stop;
use crate::Result;
use crate::workload::{CONTENT_BYTES, DATA_BYTES, FRAME_BYTES, Workload};

/// A pool is so many times as long as the slices that are drawn from it, so that they differ.
const SLICES: usize = 2;

/// Bytes of the record of an event with so much data, as a floor frames it.
pub(super) const fn record_bytes(payload: usize) -> usize {
    (FRAME_BYTES + CONTENT_BYTES - DATA_BYTES + payload).next_multiple_of(8)
}

/// How many such records make up so many bytes; at least one.
pub(super) fn records(bytes: u64, payload: usize) -> Result<u64> {
    Ok((bytes / u64::try_from(record_bytes(payload))?).max(1))
}

/// A workload that slices of so many bytes can be drawn from.
pub(super) fn workload_for(bytes: usize) -> Workload {
    Workload::with_pool(bytes.saturating_mul(SLICES))
}

/// Writes a file of so many records.
pub(super) fn write(
    path: &Path,
    workload: &Workload,
    payload: usize,
    count: u64,
    stop: Stop<'_>,
) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut events = workload.events(0);
    let len = record_bytes(payload) - FRAME_BYTES;
    for _ in 0..count {
        let content = events.bytes(len);
        out.write_all(&u32::try_from(content.len())?.to_le_bytes())?;
        out.write_all(&crc32fast::hash(content).to_le_bytes())?;
        out.write_all(content)?;
        stop.check()?;
    }
    out.into_inner()?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::floors::walk;
    use crate::workload::FLOOR_RECORD_BYTES;

    #[test]
    fn a_file_of_any_payload_can_be_walked_over() {
        assert_eq!(record_bytes(DATA_BYTES), FLOOR_RECORD_BYTES);
        let flag = AtomicBool::new(false);
        let stop = Stop::of(&flag);
        let directory = tempfile::tempdir().unwrap();
        for payload in [0, 1, 16, 255, 70_000, 1 << 20] {
            let path = directory.path().join(payload.to_string());
            let workload = workload_for(record_bytes(payload));
            write(&path, &workload, payload, 11, stop).unwrap();
            assert_eq!(walk::replay(&path).unwrap(), 11, "{payload}");
            let len = std::fs::metadata(&path).unwrap().len();
            assert_eq!(len, u64::try_from(record_bytes(payload) * 11).unwrap());
        }
        flag.store(true, std::sync::atomic::Ordering::Relaxed);
        let stopped = write(&directory.path().join("x"), &Workload::new(), 16, 11, stop);
        assert!(stopped.unwrap_err().is::<crate::survey::Stopped>());
    }
}

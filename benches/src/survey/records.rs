//! Records of the floors, of any payload: how large they are, and a file of them that
//! [`walk`](crate::floors::walk) goes over, again and again where it stands for a larger one.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::turns::Stop;
use crate::Result;
use crate::floors::walk;
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

/// A floor's file is no larger, so that beside a large log the disk and the page cache hold
/// little else. It is far larger than what a processor keeps.
const FILE_BYTES: u64 = 1 << 30;

/// A file of records that stands for as many as a log has.
#[derive(Debug)]
pub(super) struct Laps {
    path: PathBuf,
    records: u64,
    laps: u64,
}

impl Laps {
    /// Writes the file that stands for so many bytes.
    pub(super) fn write(
        path: PathBuf,
        workload: &Workload,
        payload: usize,
        bytes: u64,
        stop: Stop<'_>,
    ) -> Result<Self> {
        Self::of(path, workload, payload, (bytes, FILE_BYTES), stop)
    }

    fn of(
        path: PathBuf,
        workload: &Workload,
        payload: usize,
        (bytes, most): (u64, u64),
        stop: Stop<'_>,
    ) -> Result<Self> {
        let laps = bytes.div_ceil(most).max(1);
        let records = records(bytes / laps, payload)?;
        write(&path, workload, payload, records, stop)?;
        Ok(Self { path, records, laps })
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Records in the file.
    pub(super) const fn records(&self) -> u64 {
        self.records
    }

    /// Events of a log that it stands for.
    pub(super) const fn events(&self) -> u64 {
        self.records.saturating_mul(self.laps)
    }

    /// Walks over as many records as there are events, each lap through a fresh mapping.
    /// Returns how many were met.
    pub(super) fn walk(&self) -> Result<u64> {
        (0..self.laps).map(|_| walk::replay(&self.path)).sum()
    }
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
    use crate::workload::FLOOR_RECORD_BYTES;

    #[test]
    fn a_file_stands_for_a_larger_one_by_laps() {
        let flag = AtomicBool::new(false);
        let directory = tempfile::tempdir().unwrap();
        let laps = |bytes| {
            let path = directory.path().join("laps");
            let sizes = (bytes, 1 << 20);
            Laps::of(path, &Workload::new(), 256, sizes, Stop::of(&flag)).unwrap()
        };
        for (bytes, times) in [(1, 1), (1 << 20, 1), ((1 << 20) + 1, 2), (10 << 20, 10)] {
            let laps = laps(bytes);
            assert_eq!(laps.walk().unwrap(), laps.events(), "{bytes}");
            assert_eq!(laps.events(), laps.records() * times, "{bytes}");
            let len = std::fs::metadata(laps.path()).unwrap().len();
            assert!(len <= 1 << 20 && len.abs_diff(bytes / times) < 312, "{bytes}: {len}");
        }
    }

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

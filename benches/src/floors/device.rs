//! w1: one write and one sync on a file whose blocks are there and written.
//!
//! The file is filled with zeros and synced ahead, as a log prepares its segments:
//! a sync then neither extends the file nor converts extents. No sync on the same
//! disk is cheaper.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use crate::Result;

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// A prepared file that is written from front to back, and then from the front again.
#[derive(Debug)]
pub struct Device {
    file: File,
    len: u64,
    at: u64,
}

impl Device {
    /// Prepares `len` bytes.
    ///
    /// # Errors
    /// If the file cannot be made, filled or synced.
    pub fn prepare(path: &Path, len: u64) -> Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        let mut at = 0;
        while at < len {
            write_all_at(&file, &ZEROS, at)?;
            at += u64::try_from(ZEROS.len())?;
        }
        file.sync_all()?;
        Ok(Self { file, len: at, at: 0 })
    }

    /// Writes `bytes` behind what was written last, and returns when they are durable.
    ///
    /// # Errors
    /// If the write or the sync fails.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.write(bytes)?;
        self.file.sync_data()?;
        Ok(())
    }

    /// Writes `bytes` behind what was written last, and syncs nothing.
    ///
    /// # Errors
    /// If the write fails.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let len = u64::try_from(bytes.len())?;
        if self.at.saturating_add(len) > self.len {
            self.at = 0;
        }
        write_all_at(&self.file, bytes, self.at)?;
        self.at += len;
        Ok(())
    }
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(not(unix))]
fn write_all_at(mut file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};
    // Only one thread writes at a time, so nobody else moves the place.
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_full_starts_from_the_front() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("device");
        let mut device = Device::prepare(&path, 1).unwrap();
        for byte in 1..=3 {
            device.append(&[byte; 40 << 10]).unwrap();
        }
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), ZEROS.len());
        assert_eq!((bytes[0], bytes[40 << 10]), (3, 0));
    }
}

//! w3: each record is copied into a buffer with its CRC; a full buffer is written.
//! Nothing is synced. Whoever buffers and checks does no less.

use super::device::Device;
use crate::Result;

/// How much is written with one call.
const BUFFER_BYTES: usize = 1 << 20;

/// A buffer in front of a device.
#[derive(Debug)]
pub struct Buffer {
    device: Device,
    bytes: Vec<u8>,
}

impl Buffer {
    /// A buffer in front of this device.
    pub fn new(device: Device) -> Self {
        Self { device, bytes: Vec::with_capacity(BUFFER_BYTES) }
    }

    /// Takes a record.
    ///
    /// # Errors
    /// If the buffer was full and could not be written.
    pub fn append(&mut self, record: &[u8]) -> Result<()> {
        let crc_len = size_of::<u32>();
        if self.bytes.len() + record.len() > BUFFER_BYTES {
            self.device.write(&self.bytes)?;
            self.bytes.clear();
        }
        let (_, content) = record.split_at_checked(crc_len).unwrap_or_default();
        self.bytes.extend_from_slice(&crc32fast::hash(content).to_le_bytes());
        self.bytes.extend_from_slice(content);
        Ok(())
    }
}

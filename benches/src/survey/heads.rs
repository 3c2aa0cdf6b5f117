//! The floor of appends that expect a version: a hash table from each stream's name to its
//! version in memory, a comparison, and the copy with its CRC into a buffer.

use std::collections::HashMap;

use crate::Result;
use crate::floors::buffer::Buffer;

/// Length of the names of numbered streams.
const NAME_BYTES: usize = 16;

const PREFIX: &[u8; 6] = b"order-";

/// A stream's name, without memory of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Name([u8; NAME_BYTES]);

impl Name {
    /// The name of the stream with this number.
    pub(super) fn of(number: u64) -> Self {
        let mut bytes = [b'0'; NAME_BYTES];
        let mut left = number;
        for byte in bytes.iter_mut().rev() {
            // A digit is less than ten.
            *byte = b'0' + u8::try_from(left % 10).unwrap_or(0);
            left /= 10;
        }
        for (byte, prefix) in bytes.iter_mut().zip(PREFIX) {
            *byte = *prefix;
        }
        Self(bytes)
    }

    /// As text.
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("order")
    }
}

/// The versions of streams.
#[derive(Debug)]
pub(super) struct Heads {
    versions: HashMap<Name, u64, foldhash::fast::RandomState>,
    buffer: Buffer,
}

impl Heads {
    /// So many streams with one event each, in front of a buffer.
    pub(super) fn new(streams: u64, buffer: Buffer) -> Self {
        let versions = (0..streams).map(|number| (Name::of(number), 1)).collect();
        Self { versions, buffer }
    }

    /// Takes a record, if the stream is at that version.
    pub(super) fn append(&mut self, name: Name, expected: u64, record: &[u8]) -> Result<()> {
        let version = self.versions.get_mut(&name).ok_or("there is no such stream")?;
        if *version != expected {
            return Err("the stream is at another version".into());
        }
        *version += 1;
        self.buffer.append(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::floors::device::Device;

    #[test]
    fn a_name_is_of_one_number() {
        assert_eq!(Name::of(0).text(), "order-0000000000");
        assert_eq!(Name::of(9_999_999).text(), "order-0009999999");
    }

    #[test]
    fn another_version_than_expected_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let device = Device::prepare(&directory.path().join("device"), 1).unwrap();
        let mut heads = Heads::new(10, Buffer::new(device));
        assert!(heads.append(Name::of(9), 1, &[0; 16]).is_ok());
        assert!(heads.append(Name::of(9), 1, &[0; 16]).is_err());
        assert!(heads.append(Name::of(9), 2, &[0; 16]).is_ok());
        assert!(heads.append(Name::of(10), 1, &[0; 16]).is_err());
    }
}

//! The full floors: the least that any log does which keeps what annals keeps, as plain loops
//! without annals. They stand beside the floors that keep less.
//!
//! ```text
//! batch    0     8       12       16               24     32
//! head 48  | CRC | bytes | events | first position | time | 0
//!
//! event    0     8             12            16         24        32
//! head 40  | CRC | payload len | payload CRC | position | version | time
//!
//! payload  0    16           18         19  20
//!          | id | stream len | type len | 0 | stream | type | data | zeros to a multiple of 8
//! ```
//!
//! A head's CRC, a CRC-32 in eight bytes, covers what is behind it: whole steps of eight.
//!
//! * here: a call's records, made before anything is locked; how they are laid out
//! * [`append`]: numbers, heads, tables in memory, a buffer in front of a device
//! * [`read`]: a walk over all of them, and the records of one stream
//! * `sum`: CRCs of heads

pub mod append;
pub mod read;
mod sum;

use std::time::SystemTime;

use crate::Result;

/// A multiple of this is where each record starts.
const ALIGN: usize = 8;

const ID_BYTES: usize = size_of::<u128>();

const BATCH_HEAD: usize = 48;
const EVENT_HEAD: usize = 40;

/// The records of one call. Kept by its caller: clearing it keeps its memory.
#[derive(Debug)]
pub struct Batch {
    payloads: Vec<u8>,
    records: Vec<Record>,
    next_id: u128,
}

#[derive(Debug, Clone, Copy)]
struct Record {
    id: u128,
    /// Where its payload ends.
    end: usize,
    /// Without the zeros behind it.
    len: u32,
    crc: u32,
}

impl Batch {
    /// An empty one, whose ids count up from this.
    pub fn new(first_id: u128) -> Self {
        Self { payloads: Vec::new(), records: Vec::new(), next_id: first_id }
    }

    /// Forgets its records, and no id.
    pub fn clear(&mut self) {
        self.payloads.clear();
        self.records.clear();
    }

    /// Makes an id, copies the event, and sums it.
    ///
    /// # Errors
    /// If a name is longer than its length can say.
    pub fn add(&mut self, stream: &str, event_type: &str, data: &[u8]) -> Result<()> {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        let start = self.payloads.len();
        let [low, high] = u16::try_from(stream.len())?.to_le_bytes();
        self.payloads.extend_from_slice(&id.to_le_bytes());
        self.payloads.extend_from_slice(&[low, high, u8::try_from(event_type.len())?, 0]);
        self.payloads.extend_from_slice(stream.as_bytes());
        self.payloads.extend_from_slice(event_type.as_bytes());
        self.payloads.extend_from_slice(data);
        let len = u32::try_from(self.payloads.len() - start)?;
        let end = self.payloads.len().next_multiple_of(ALIGN);
        self.payloads.resize(end, 0);
        let crc = crc32fast::hash(self.payloads.get(start..).unwrap_or_default());
        self.records.push(Record { id, end, len, crc });
        Ok(())
    }

    /// How long it is with its heads.
    fn len(&self) -> usize {
        BATCH_HEAD + EVENT_HEAD * self.records.len() + self.payloads.len()
    }

    /// Where the records' heads start, if the batch's does here.
    fn offsets(&self, batch: u64) -> impl Iterator<Item = u64> {
        let mut next = batch.wrapping_add(BATCH_HEAD as u64);
        let mut before = 0;
        self.records.iter().map(move |record| {
            let offset = next;
            next = next.wrapping_add((EVENT_HEAD + record.end - before) as u64);
            before = record.end;
            offset
        })
    }

    /// Copies heads and payloads behind what `out` holds; `version_of` a record's number in the
    /// batch, from 0 on.
    fn place(
        &self,
        out: &mut Vec<u8>,
        first_position: u64,
        version_of: impl Fn(u64) -> u64,
    ) -> Result<()> {
        // One clock reading serves the whole call.
        let time = u64::try_from(SystemTime::UNIX_EPOCH.elapsed()?.as_nanos())?.to_le_bytes();
        let mut head = [0; BATCH_HEAD];
        set(&mut head, 8, &u32::try_from(self.len() - BATCH_HEAD)?.to_le_bytes());
        set(&mut head, 12, &u32::try_from(self.records.len())?.to_le_bytes());
        set(&mut head, 16, &first_position.to_le_bytes());
        set(&mut head, 24, &time);
        seal(&mut head);
        out.extend_from_slice(&head);
        let mut start = 0;
        for (number, record) in (0..).zip(&self.records) {
            let mut head = [0; EVENT_HEAD];
            set(&mut head, 8, &record.len.to_le_bytes());
            set(&mut head, 12, &record.crc.to_le_bytes());
            set(&mut head, 16, &(first_position + number).to_le_bytes());
            set(&mut head, 24, &version_of(number).to_le_bytes());
            set(&mut head, 32, &time);
            seal(&mut head);
            out.extend_from_slice(&head);
            out.extend_from_slice(self.payloads.get(start..record.end).unwrap_or_default());
            start = record.end;
        }
        Ok(())
    }
}

/// Puts a field where it belongs.
#[inline]
fn set<const HEAD: usize, const FIELD: usize>(
    head: &mut [u8; HEAD],
    at: usize,
    field: &[u8; FIELD],
) {
    if let Some(place) = head.get_mut(at..at + FIELD) {
        place.copy_from_slice(field);
    }
}

/// Puts the CRC of a head in front of it.
#[inline]
fn seal<const HEAD: usize>(head: &mut [u8; HEAD]) {
    if let Some((crc, rest)) = head.split_first_chunk_mut() {
        *crc = u64::from(sum::crc(rest)).to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_as_long_as_its_layout_says() {
        let mut batch = Batch::new(u128::MAX);
        batch.add("order-0001", "OrderPlaced", &[7; 256]).unwrap();
        batch.add("order-0001", "OrderPlaced", &[8; 3]).unwrap();
        let mut out = vec![1; 5];
        batch.place(&mut out, 41, |number| number + 1).unwrap();
        let payload = |data: usize| (ID_BYTES + 4 + 21 + data).next_multiple_of(ALIGN);
        assert_eq!(out.len(), 5 + batch.len());
        assert_eq!(batch.len(), BATCH_HEAD + 2 * EVENT_HEAD + payload(256) + payload(3));
        assert_eq!(
            batch.records.iter().map(|record| record.id).collect::<Vec<_>>(),
            [u128::MAX, 0]
        );
        assert_eq!(batch.offsets(5).collect::<Vec<_>>(), [53, 53 + 40 + 304]);
        batch.clear();
        assert_eq!(batch.len(), BATCH_HEAD);
        assert!(batch.add(&"x".repeat(1 << 16), "y", &[]).is_err());
    }
}

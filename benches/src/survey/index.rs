//! The floor of reading streams: a hash table in memory from each stream's name to where its
//! records lie in a mapped file, each record's CRC checked.

use std::collections::HashMap;
use std::hint::black_box;

use super::heads::Name;
use crate::Result;
use crate::workload::FRAME_BYTES;

/// Events of each stream.
pub(super) const EVENTS_A_STREAM: usize = 10;

/// Where the records of streams lie.
#[derive(Debug)]
pub(super) struct Index {
    places: HashMap<Name, [usize; EVENTS_A_STREAM], foldhash::fast::RandomState>,
}

impl Index {
    /// Of a file of so many records of `record` bytes in which the streams take turns, one
    /// record each. Where there are too few for all turns, it goes on from the front.
    pub(super) fn new(streams: u64, record: usize, records: u64) -> Result<Self> {
        let (stride, records) = (usize::try_from(streams)?, usize::try_from(records)?.max(1));
        let mut places = HashMap::default();
        for number in 0..streams {
            let first = usize::try_from(number)?;
            let place = std::array::from_fn(|turn| {
                let place = first.saturating_add(stride.saturating_mul(turn)) % records;
                place.saturating_mul(record)
            });
            places.insert(Name::of(number), place);
        }
        Ok(Self { places })
    }

    /// Reads the records of a stream. Returns how many there are.
    pub(super) fn read(&self, file: &[u8], name: Name) -> Result<usize> {
        let places = self.places.get(&name).ok_or("there is no such stream")?;
        for place in places {
            let record = file.get(*place..).and_then(<[u8]>::split_first_chunk::<FRAME_BYTES>);
            let ([l0, l1, l2, l3, c0, c1, c2, c3], behind) = record.ok_or("a record is cut off")?;
            let len = usize::try_from(u32::from_le_bytes([*l0, *l1, *l2, *l3]))?;
            let content = behind.get(..len).ok_or("a record is cut off")?;
            if crc32fast::hash(content) != u32::from_le_bytes([*c0, *c1, *c2, *c3]) {
                return Err("a checksum does not hold".into());
            }
            black_box(content);
        }
        Ok(places.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_file_serves_every_turn() {
        let index = Index::new(7, 100, 70).unwrap();
        let whole = std::array::from_fn(|turn| (turn * 7 + 3) * 100);
        assert_eq!(index.places[&Name::of(3)], whole);
        let index = Index::new(7, 100, 30).unwrap();
        let places = index.places[&Name::of(3)];
        assert_eq!(places, whole.map(|place| place % 3000));
        assert!(places.iter().all(|place| place % 100 == 0));
    }
}

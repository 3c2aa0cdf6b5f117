//! Reads of the full floor: every head and payload is checked, positions have no gaps,
//! versions count from 1, names are text; what is handed out is borrowed from the mapping.

use std::collections::HashMap;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use foldhash::fast::RandomState;

use super::{ALIGN, BATCH_HEAD, Batch, EVENT_HEAD, ID_BYTES, sum};
use crate::Result;
use crate::floors::map::{self, Mmap};
use crate::workload::{EVENT_TYPE, Workload};

/// Events of a batch in the files that are made to be read.
const BATCH_EVENTS: usize = 100;

/// An event in a mapping.
#[derive(Debug, Clone, Copy)]
pub struct Event<'m> {
    /// From 1 on, without gaps.
    pub position: u64,
    /// In its stream, from 1 on.
    pub version: u64,
    /// Its id.
    pub id: u128,
    /// Its stream.
    pub stream: &'m str,
    /// Its type.
    pub event_type: &'m str,
    /// Its data.
    pub data: &'m [u8],
}

/// Writes a file of `events` events, each batch of one stream.
///
/// # Errors
/// If it cannot be written.
pub fn write(path: &Path, workload: &Workload, events: u64) -> Result<()> {
    let mut source = workload.events(0);
    let mut versions: HashMap<&str, u64, RandomState> = HashMap::default();
    let mut file = Filling::create(path)?;
    while file.events < events {
        let stream = source.stream();
        let version = versions.entry(stream).or_default();
        let now = events.saturating_sub(file.events).min(u64::try_from(BATCH_EVENTS)?);
        for _ in 0..now {
            file.batch.add(stream, EVENT_TYPE, source.data())?;
        }
        file.write(|number| *version + 1 + number)?;
        *version += now;
    }
    file.finish()
}

/// Writes a file of `per_stream` events of each stream, round by round, each batch of many
/// streams.
///
/// # Errors
/// If it cannot be written.
pub fn write_streams(path: &Path, workload: &Workload, per_stream: usize) -> Result<()> {
    let mut source = workload.events(0);
    let streams = u64::try_from(workload.streams().len())?.max(1);
    let mut file = Filling::create(path)?;
    for stream in workload.rounds(per_stream) {
        file.batch.add(stream, EVENT_TYPE, source.data())?;
        if file.batch.records.len() == BATCH_EVENTS {
            let before = file.events;
            file.write(|number| (before + number) / streams + 1)?;
        }
    }
    let before = file.events;
    file.write(|number| (before + number) / streams + 1)?;
    file.finish()
}

/// A file that is being made.
struct Filling {
    out: BufWriter<File>,
    batch: Batch,
    bytes: Vec<u8>,
    events: u64,
}

impl Filling {
    fn create(path: &Path) -> Result<Self> {
        let out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        Ok(Self { out, batch: Batch::new(1 << 100), bytes: Vec::new(), events: 0 })
    }

    /// Writes the batch and clears it.
    fn write(&mut self, version_of: impl Fn(u64) -> u64) -> Result<()> {
        if self.batch.records.is_empty() {
            return Ok(());
        }
        self.bytes.clear();
        self.batch.place(&mut self.bytes, self.events + 1, version_of)?;
        self.events += u64::try_from(self.batch.records.len())?;
        self.out.write_all(&self.bytes)?;
        self.batch.clear();
        Ok(())
    }

    fn finish(self) -> Result<()> {
        Ok(self.out.into_inner()?.sync_all()?)
    }
}

/// Hands out every event and where its head starts. Returns how many there are.
///
/// # Errors
/// If anything is not as it should be; those of `visit`.
#[inline]
pub fn each<'m>(
    bytes: &'m [u8],
    mut visit: impl FnMut(usize, Event<'m>) -> Result<()>,
) -> Result<u64> {
    let (mut at, mut position) = (0, 0);
    while at < bytes.len() {
        let mut head = head::<BATCH_HEAD>(bytes, at)?;
        let _bytes: [u8; 4] = take(&mut head);
        let events = u32::from_le_bytes(take(&mut head));
        at += BATCH_HEAD;
        for _ in 0..events {
            let (event, len) = event_at(bytes, at)?;
            position += 1;
            if event.position != position {
                return Err("a position is missing".into());
            }
            visit(at, event)?;
            at += len;
        }
    }
    Ok(position)
}

/// The event whose head starts here, checked, and how long it is with its head.
#[inline]
fn event_at(bytes: &[u8], at: usize) -> Result<(Event<'_>, usize)> {
    let mut head = head::<EVENT_HEAD>(bytes, at)?;
    let len = usize::try_from(u32::from_le_bytes(take(&mut head)))?;
    let crc = u32::from_le_bytes(take(&mut head));
    let position = u64::from_le_bytes(take(&mut head));
    let version = u64::from_le_bytes(take(&mut head));
    let behind = bytes.get(at + EVENT_HEAD..).unwrap_or_default();
    let padded = len.next_multiple_of(ALIGN);
    let payload = behind.get(..padded).ok_or("a payload is cut off")?;
    if crc32fast::hash(payload) != crc || version == 0 {
        return Err("a payload's checksum does not hold, or it has no version".into());
    }
    let mut rest = payload.get(..len).unwrap_or_default();
    let id = u128::from_le_bytes(take::<ID_BYTES>(&mut rest));
    let stream_len = usize::from(u16::from_le_bytes(take(&mut rest)));
    let [type_len, _] = take(&mut rest);
    let names = stream_len + usize::from(type_len);
    let (names, data) = rest.split_at_checked(names).ok_or("a name is cut off")?;
    // One look at both.
    let names = std::str::from_utf8(names)?;
    let (stream, event_type) = names.split_at_checked(stream_len).ok_or("a name is no text")?;
    let event = Event { position, version, id, stream, event_type, data };
    Ok((event, EVENT_HEAD + padded))
}

/// What is behind the CRC of the head that starts here, checked.
#[inline]
fn head<const LEN: usize>(bytes: &[u8], at: usize) -> Result<&[u8]> {
    let head: Option<&[u8; LEN]> = bytes.get(at..).and_then(<[u8]>::first_chunk);
    let (crc, fields) =
        head.and_then(|head| head.split_first_chunk()).ok_or("a head is cut off")?;
    if u64::from(sum::crc(fields)) != u64::from_le_bytes(*crc) {
        return Err("a head's checksum does not hold".into());
    }
    Ok(fields)
}

/// Takes a field from the front; zeros where there is none.
#[inline]
fn take<const LEN: usize>(bytes: &mut &[u8]) -> [u8; LEN] {
    let Some((field, rest)) = bytes.split_first_chunk() else { return [0; LEN] };
    *bytes = rest;
    *field
}

/// Maps the file and walks it. Returns how many events there are.
///
/// # Errors
/// If it cannot be mapped; those of [`each`].
pub fn replay(path: &Path) -> Result<u64> {
    let mapping = map::map(path)?;
    each(&mapping, |_, event| {
        black_box(&event);
        Ok(())
    })
}

/// A mapped file and where each stream's events are; somebody else may append meanwhile.
#[derive(Debug)]
pub struct Streams {
    mapping: Mmap,
    offsets: RwLock<HashMap<Box<str>, Vec<u64>, RandomState>>,
}

impl Streams {
    /// Maps the file, checks every event and notes where it is.
    ///
    /// # Errors
    /// Those of [`replay`].
    pub fn open(path: &Path) -> Result<Self> {
        let mapping = map::map(path)?;
        let mut offsets: HashMap<Box<str>, Vec<u64>, RandomState> = HashMap::default();
        each(&mapping, |at, event| {
            if let Some(own) = offsets.get_mut(event.stream) {
                own.push(u64::try_from(at)?);
            } else {
                offsets.insert(event.stream.into(), vec![u64::try_from(at)?]);
            }
            Ok(())
        })?;
        Ok(Self { mapping, offsets: RwLock::new(offsets) })
    }

    /// Reads a stream, and looks at each event. Returns how many there are.
    ///
    /// # Errors
    /// If anything is not as it should be.
    pub fn read(&self, stream: &str) -> Result<u64> {
        let offsets = self.offsets.read().unwrap_or_else(PoisonError::into_inner);
        let mut version = 0;
        for at in offsets.get(stream).into_iter().flatten() {
            let (event, _) = event_at(&self.mapping, usize::try_from(*at)?)?;
            version += 1;
            if event.version != version {
                return Err("a version is missing".into());
            }
            black_box(&event);
        }
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a walk refuses the file when any one of these bytes is changed.
    fn refuses(path: &Path, places: impl Iterator<Item = usize>) {
        let whole = std::fs::read(path).unwrap();
        for place in places {
            let mut bytes = whole.clone();
            bytes[place] ^= 1;
            assert!(each(&bytes, |_, _| Ok(())).is_err(), "byte {place}");
        }
    }

    #[test]
    fn a_walk_meets_every_event_and_every_byte_is_checked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events");
        write(&path, &Workload::new(), 250).unwrap();
        assert_eq!(replay(&path).unwrap(), 250);
        let record = EVENT_HEAD + 304;
        let len = 3 * BATCH_HEAD + 250 * record;
        assert_eq!(std::fs::metadata(&path).unwrap().len(), u64::try_from(len).unwrap());
        refuses(&path, (0..BATCH_HEAD + record).chain(len - 1..len));
        let bytes = std::fs::read(&path).unwrap();
        let second = BATCH_HEAD * 2 + record * 100;
        assert!(each(&bytes[second - BATCH_HEAD..], |_, _| Ok(())).is_err(), "a gap is refused");
    }

    #[test]
    fn every_event_of_a_stream_is_read_and_checked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events");
        let workload = Workload::with_streams(70);
        write_streams(&path, &workload, 10).unwrap();
        let mut streams = Streams::open(&path).unwrap();
        assert!(workload.streams().iter().all(|stream| streams.read(stream).unwrap() == 10));
        assert_eq!(streams.read("order-none").unwrap(), 0);
        let swapped = streams.offsets.get_mut().unwrap().get_mut("order-0007").unwrap();
        swapped.swap(3, 4);
        assert!(streams.read("order-0007").is_err());
        drop(streams);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[100] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(Streams::open(&path).is_err());
    }
}

//! Appends of the full floor: under one mutex for each call positions and versions are given,
//! heads are made, four tables in memory are kept up, and all of it is copied into a buffer
//! that is written, and synced, as late as what is promised lets it be.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;

use super::{Batch, read};
use crate::Result;
use crate::floors::device::Device;
use crate::floors::map;

type Table<K, V> = HashMap<K, V, RandomState>;

/// When the buffer goes to the device.
#[derive(Debug, Clone, Copy)]
pub struct Flush {
    /// At the end of a call, if it holds at least so many bytes.
    pub bytes: usize,
    /// Whether the device is synced then.
    pub sync: bool,
}

impl Flush {
    /// Nobody waits for anything.
    pub const BUFFERED: Self = Self { bytes: 1 << 20, sync: false };
    /// Each call is the system's before it returns.
    pub const WRITTEN: Self = Self { bytes: 0, sync: false };
    /// Each call is durable before it returns.
    pub const DURABLE: Self = Self { bytes: 0, sync: true };
    /// Many calls share a sync.
    pub const TOGETHER: Self = Self { bytes: 256 << 10, sync: true };
}

/// What several threads append to.
#[derive(Debug)]
pub struct Full(Mutex<State>);

#[derive(Debug)]
struct State {
    device: Device,
    flush: Flush,
    buffer: Vec<u8>,
    kept: Kept,
}

/// What is kept in memory of all records.
#[derive(Debug, Default)]
pub struct Kept {
    /// Bytes that were placed.
    end: u64,
    /// The last event's.
    position: u64,
    tables: Tables,
}

/// Where everything is. Offsets are of records, from the beginning of all bytes.
#[derive(Debug, Default)]
struct Tables {
    ids: Table<u128, u64>,
    streams: Table<Box<str>, Stream>,
    types: Table<Box<str>, Vec<u64>>,
    categories: Table<Box<str>, Vec<u64>>,
}

#[derive(Debug, Default)]
struct Stream {
    version: u64,
    offsets: Vec<u64>,
}

impl Full {
    /// Appends to a prepared file.
    pub fn new(device: Device, flush: Flush) -> Self {
        let (buffer, kept) = (Vec::with_capacity(flush.bytes), Kept::default());
        Self(Mutex::new(State { device, flush, buffer, kept }))
    }

    /// The version of a stream's last event; 0 if there is none.
    pub fn version(&self, stream: &str) -> u64 {
        self.hold().kept.tables.streams.get(stream).map_or(0, |stream| stream.version)
    }

    /// The position of the last event; 0 if there is none.
    pub fn position(&self) -> u64 {
        self.hold().kept.position
    }

    /// Forgets everything, so that the tables of a long run stay within memory.
    pub fn forget(&self) {
        self.hold().kept.forget();
    }

    /// Appends records of one stream and one type, and returns when they are as safe as the
    /// [`Flush`] says. Returns whether the stream was at the expected version, if there is one;
    /// if it was not, nothing is appended.
    ///
    /// # Errors
    /// If an id is there already; if the device cannot be written or synced.
    pub fn append(
        &self,
        stream: &str,
        event_type: &str,
        batch: &Batch,
        expected: Option<u64>,
    ) -> Result<bool> {
        let mut state = self.hold();
        let State { buffer, kept, .. } = &mut *state;
        if !kept.place(buffer, stream, event_type, batch, expected)? {
            return Ok(false);
        }
        if state.buffer.len() >= state.flush.bytes {
            state.write()?;
        }
        Ok(true)
    }

    /// A thread that panicked ends the bench anyway; what it left is not looked at.
    fn hold(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Gives records of one stream and one type their numbers, notes them in every table, and
    /// copies them with their heads. Returns whether the stream was at the expected version, if
    /// there is one.
    ///
    /// # Errors
    /// If an id is there already.
    pub fn place(
        &mut self,
        buffer: &mut Vec<u8>,
        stream: &str,
        event_type: &str,
        batch: &Batch,
        expected: Option<u64>,
    ) -> Result<bool> {
        let at = self.end;
        let events = u64::try_from(batch.records.len())?;
        let tables = &mut self.tables;
        let version = with(&mut tables.streams, stream, |own| {
            let version = own.version;
            if expected.is_some_and(|expected| expected != version) {
                return None;
            }
            own.version += events;
            own.offsets.extend(batch.offsets(at));
            Some(version)
        });
        let Some(version) = version else { return Ok(false) };
        for (record, offset) in batch.records.iter().zip(batch.offsets(at)) {
            tables.identify(record.id, offset)?;
        }
        with(&mut tables.types, event_type, |own| own.extend(batch.offsets(at)));
        with(&mut tables.categories, category(stream), |own| own.extend(batch.offsets(at)));
        batch.place(buffer, self.position + 1, |number| version + 1 + number)?;
        self.position += events;
        self.end += u64::try_from(batch.len())?;
        Ok(true)
    }

    /// What a walk over a whole file notes, as after a kill.
    ///
    /// # Errors
    /// If anything in the file is not as it should be, or an id is there twice.
    pub fn of(path: &Path) -> Result<Self> {
        let mapping = map::map(path)?;
        let mut tables = Tables::default();
        let position = read::each(&mapping, |at, event| {
            let at = u64::try_from(at)?;
            let in_order = with(&mut tables.streams, event.stream, |own| {
                own.version += 1;
                own.offsets.push(at);
                own.version == event.version
            });
            if !in_order {
                return Err("a version is missing".into());
            }
            tables.identify(event.id, at)?;
            with(&mut tables.types, event.event_type, |own| own.push(at));
            with(&mut tables.categories, category(event.stream), |own| own.push(at));
            Ok(())
        })?;
        Ok(Self { end: u64::try_from(mapping.len())?, position, tables })
    }

    /// The position of the last event; 0 if there is none.
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Forgets all but how many bytes there are.
    pub fn forget(&mut self) {
        *self = Self { end: self.end, ..Self::default() };
    }
}

impl Tables {
    fn identify(&mut self, id: u128, offset: u64) -> Result<()> {
        match self.ids.insert(id, offset) {
            Some(_) => Err("an id is there already".into()),
            None => Ok(()),
        }
    }
}

fn category(stream: &str) -> &str {
    stream.split_once('-').map_or(stream, |(category, _)| category)
}

impl State {
    fn write(&mut self) -> Result<()> {
        if self.flush.sync {
            self.device.append(&self.buffer)?;
        } else {
            self.device.write(&self.buffer)?;
        }
        self.buffer.clear();
        Ok(())
    }
}

/// Does something with what a table has under a name, which is copied only when it is new.
fn with<V: Default, T>(
    table: &mut Table<Box<str>, V>,
    name: &str,
    act: impl FnOnce(&mut V) -> T,
) -> T {
    if let Some(own) = table.get_mut(name) {
        return act(own);
    }
    act(table.entry(name.into()).or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "OrderPlaced";

    fn full(directory: &tempfile::TempDir, flush: Flush) -> Full {
        Full::new(Device::prepare(&directory.path().join("device"), 1 << 20).unwrap(), flush)
    }

    fn of(id: u128, stream: &str, events: u8) -> Batch {
        let mut batch = Batch::new(id);
        (0..events).for_each(|byte| batch.add(stream, TYPE, &[byte; 100]).unwrap());
        batch
    }

    #[test]
    fn what_all_threads_appended_can_be_walked_over_and_is_in_every_table() {
        let directory = tempfile::tempdir().unwrap();
        let full = full(&directory, Flush::DURABLE);
        std::thread::scope(|scope| {
            for thread in 0..4_u8 {
                let full = &full;
                scope.spawn(move || {
                    for call in 0..10_u8 {
                        let stream = format!("order-{}", thread % 2);
                        let batch =
                            of(u128::from(thread) << 64 | u128::from(call) << 8, &stream, 5);
                        assert!(full.append(&stream, TYPE, &batch, None).unwrap());
                    }
                });
            }
        });
        let state = full.hold();
        let bytes = std::fs::read(directory.path().join("device")).unwrap();
        let bytes = &bytes[..usize::try_from(state.kept.end).unwrap()];
        let tables = &state.kept.tables;
        let mut streams: Table<&str, Vec<u64>> = Table::default();
        let mut all = Vec::new();
        let walked = read::each(bytes, |at, event| {
            let at = u64::try_from(at)?;
            all.push(at);
            streams.entry(event.stream).or_default().push(at);
            assert_eq!(u64::try_from(streams[event.stream].len())?, event.version);
            assert_eq!((tables.ids[&event.id], event.event_type), (at, TYPE));
            Ok(())
        });
        assert_eq!((walked.unwrap(), state.kept.position, tables.ids.len()), (200, 200, 200));
        assert!(tables.streams.iter().all(|(name, own)| streams[&**name] == own.offsets));
        assert_eq!((&tables.types[TYPE], &tables.categories["order"]), (&all, &all));
        // A walk after a kill notes the same.
        let path = directory.path().join("walked");
        std::fs::write(&path, bytes).unwrap();
        let again = Kept::of(&path).unwrap();
        assert_eq!((again.end, again.position), (state.kept.end, 200));
        assert_eq!((&again.tables.ids, &again.tables.types), (&tables.ids, &tables.types));
        assert_eq!(again.tables.categories, tables.categories);
        let own =
            |name: &str, of: &Tables| (of.streams[name].version, of.streams[name].offsets.clone());
        assert!(tables.streams.keys().all(|name| own(name, tables) == own(name, &again.tables)));
    }

    #[test]
    fn another_version_and_a_known_id_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let full = full(&directory, Flush::BUFFERED);
        assert!(full.append("a", TYPE, &of(0, "a", 2), Some(0)).unwrap());
        assert!(!full.append("a", TYPE, &of(2, "a", 1), Some(1)).unwrap());
        assert!(full.append("a", TYPE, &of(2, "a", 1), Some(2)).unwrap());
        assert_eq!((full.version("a"), full.version("b"), full.position()), (3, 0, 3));
        assert!(full.append("a", TYPE, &of(2, "a", 1), None).is_err());
        full.forget();
        assert_eq!((full.version("a"), full.position()), (0, 0));
    }

    #[test]
    fn the_buffer_is_written_when_it_is_full() {
        let directory = tempfile::tempdir().unwrap();
        let written = |flush: Flush, calls: u8| {
            let full = full(&directory, flush);
            for call in 0..calls {
                full.append("a", TYPE, &of(u128::from(call) << 8, "a", 100), None).unwrap();
            }
            let state = full.hold();
            (state.kept.end - u64::try_from(state.buffer.len()).unwrap(), state.buffer.len())
        };
        let call = of(0, "a", 100).len();
        assert_eq!(written(Flush::BUFFERED, 20), (0, 20 * call));
        assert_eq!(written(Flush::WRITTEN, 3), (u64::try_from(3 * call).unwrap(), 0));
        let calls = Flush::TOGETHER.bytes.div_ceil(call);
        let (whole, rest) = written(Flush::TOGETHER, u8::try_from(calls + 1).unwrap());
        assert_eq!((whole, rest), (u64::try_from(calls * call).unwrap(), call));
    }
}

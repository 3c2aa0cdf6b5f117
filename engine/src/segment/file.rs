//! A segment as an open file: its space, and reading it.
//!
//! Writing is left to its one writer; what lies below the watermark never
//! changes, and only that is read here by more than one thread.

use std::io;
use std::sync::Arc;

use super::header::{Found, SegmentHeader};
use super::name;
use crate::error::{Corrupt, Damage, Error, Result};
use crate::io::{Mapping, Storage, StorageFile};
use crate::planted::{self, Bug};
use crate::record::checksum::Seed;
use crate::record::field::wide;
use crate::record::head::RecordHead;
use crate::record::layout::{PAGE, segment as layout};
use crate::record::walk::{
    EventSpan, Fault, KeySpan, RecordSpan, SnapshotSpan, WalkError, Window, record_at,
};
use crate::sync::{AtomicU64, Mutex, Ordering, RwLock};

/// How bytes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadMode {
    Mapped,
    Pread,
}

/// How many bytes a `pread` of one record asks for at first: most records fit.
const FIRST_READ: u64 = 4096;

/// How many zeros are written at a time.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Up to where a segment may be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// Nothing from here on.
    pub(crate) limit: u64,
    /// Bytes before this never change: they may be lent from a mapping. Those behind it
    /// are copied.
    pub(crate) lasting: u64,
}

/// Bytes of a segment, kept alive by whoever holds this.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    base: u64,
    limit: u64,
    holder: Holder,
}

#[derive(Debug, Clone)]
enum Holder {
    /// The mapping starts at offset 0 of the file.
    Mapped(Arc<dyn Mapping>),
    Owned(Arc<[u8]>),
}

impl Chunk {
    /// The bytes, as a window for walking.
    pub(crate) fn window(&self) -> Window<'_> {
        let bytes = match &self.holder {
            Holder::Mapped(mapping) => {
                let start = usize::try_from(self.base).unwrap_or(usize::MAX);
                let end = usize::try_from(self.limit).unwrap_or(usize::MAX);
                mapping.slice(start..end).unwrap_or_default()
            }
            Holder::Owned(bytes) => bytes,
        };
        Window { base: self.base, bytes, limit: self.limit }
    }

    /// `len` bytes at `offset` of the segment.
    pub(crate) fn bytes_at(&self, offset: u64, len: usize) -> &[u8] {
        match &self.holder {
            Holder::Mapped(mapping) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                start.checked_add(len).and_then(|end| mapping.slice(start..end))
            }
            Holder::Owned(bytes) => {
                let skip =
                    offset.checked_sub(self.base).and_then(|skip| usize::try_from(skip).ok());
                skip.and_then(|skip| bytes.get(skip..)?.get(..len))
            }
        }
        .unwrap_or_default()
    }
}

/// One segment of a log.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) seed: Seed,
    pub(crate) log: u128,
    file: Arc<dyn StorageFile>,
    mode: ReadMode,
    /// The mapping, and up to where its bytes were final when it was made.
    mapping: RwLock<Option<(Arc<dyn Mapping>, u64)>>,
    /// Up to here there is space: written with zeros, or with records.
    secured: AtomicU64,
    /// Held while space is made: two threads must not zero the same bytes, one of them
    /// late.
    securing: Mutex<()>,
}

impl Segment {
    /// Opens a file that is there.
    pub(crate) fn open(
        storage: &dyn Storage,
        log: u128,
        number: u64,
        mode: ReadMode,
        write: bool,
    ) -> Result<Self> {
        let name = name::segment(number);
        let file = storage.open(&name, write).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Self::damage(&name, number, 0, Damage::Missing),
            io::ErrorKind::InvalidInput => Self::damage(&name, number, 0, Damage::NotAFile),
            _ => Error::io("open", &name, error),
        })?;
        let len = file.len().map_err(|error| Error::io("stat", &name, error))?;
        Ok(Self::over(file, name, log, number, mode, len))
    }

    /// Over a file whose first `secured` bytes have space.
    pub(crate) fn over(
        file: Arc<dyn StorageFile>,
        name: String,
        log: u128,
        number: u64,
        mode: ReadMode,
        secured: u64,
    ) -> Self {
        Self {
            number,
            name,
            seed: Seed::new(log, number),
            log,
            file,
            mode,
            mapping: RwLock::new(None),
            secured: AtomicU64::new(secured),
            securing: Mutex::new(()),
        }
    }

    pub(crate) fn file(&self) -> &dyn StorageFile {
        &*self.file
    }

    pub(crate) fn len(&self) -> Result<u64> {
        self.file.len().map_err(|error| Error::io("stat", &self.name, error))
    }

    /// Up to where there is space.
    pub(crate) fn secured(&self) -> u64 {
        self.secured.load(Ordering::Acquire)
    }

    /// Makes space up to at least `needed`, and up to `wanted` if it can be had:
    /// zeros are written, so that later writes neither extend the file nor
    /// convert extents. Nothing is synced.
    pub(crate) fn secure(&self, needed: u64, wanted: u64) -> Result<()> {
        let _one_at_a_time = self.securing.lock();
        let mut at = self.secured();
        let wanted = wanted.max(needed).next_multiple_of(PAGE);
        let zeroed = self.zero(at, wanted, &mut |upto| {
            at = upto;
            self.secured.store(upto, Ordering::Release);
        });
        match zeroed {
            Err(error) if at < needed => Err(self.no_space(error, needed - at)),
            // As much as is needed is there; what is wanted beyond it can wait.
            _ => Ok(()),
        }
    }

    /// Writes zeros from `start` to `end`, and tells up to where it has come.
    pub(crate) fn zero(&self, start: u64, end: u64, done: &mut dyn FnMut(u64)) -> io::Result<()> {
        let mut at = start;
        while at < end {
            let len = usize::try_from(end - at).unwrap_or(ZEROS.len()).min(ZEROS.len());
            let zeros = ZEROS.get(..len).unwrap_or_default();
            self.file.write_all_at(zeros, at)?;
            at += wide(len);
            done(at);
        }
        Ok(())
    }

    fn no_space(&self, error: io::Error, bytes: u64) -> Error {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge) {
            Error::Full { file: self.name.clone(), bytes, source: Arc::new(error) }
        } else {
            Error::io("write", &self.name, error)
        }
    }

    /// Gives back what lies above `end`'s page.
    pub(crate) fn cut(&self, end: u64) -> Result<()> {
        let _one_at_a_time = self.securing.lock();
        let keep = end.next_multiple_of(PAGE);
        if self.len()? > keep {
            self.file.set_len(keep).map_err(|error| Error::io("truncate", &self.name, error))?;
            self.secured.store(keep, Ordering::Release);
        }
        Ok(())
    }

    /// The bytes of `range`, which nobody changes while they are held: what is below
    /// the watermark, or anything while there is no writer.
    pub(crate) fn chunk(&self, start: u64, end: u64, limit: u64) -> Result<Chunk> {
        debug_assert!(start <= end && end <= limit);
        match self.mode {
            ReadMode::Mapped => {
                let mapping = self.mapping(limit)?;
                Ok(Chunk { base: start, limit, holder: Holder::Mapped(mapping) })
            }
            ReadMode::Pread => {
                let bytes = self.read(start, end)?;
                Ok(Chunk { base: start, limit, holder: Holder::Owned(bytes.into()) })
            }
        }
    }

    /// The bytes of a range that begins at `start` and reaches at least to `end`, if the
    /// segment may be read so far: lent where they last, copied where they do not.
    pub(crate) fn part(&self, start: u64, end: u64, extent: Extent) -> Result<Chunk> {
        if end <= extent.lasting {
            return self.chunk(start, end, extent.lasting);
        }
        let bytes = self.read(start, end)?;
        Ok(Chunk { base: start, limit: extent.limit, holder: Holder::Owned(bytes.into()) })
    }

    /// A mapping in which the bytes before `limit` can be seen.
    fn mapping(&self, limit: u64) -> Result<Arc<dyn Mapping>> {
        let reaches = |mapping: &dyn Mapping, final_to: u64| {
            wide(mapping.len()) >= limit && (mapping.is_live() || final_to >= limit)
        };
        if let Some((mapping, final_to)) = &*self.mapping.read()
            && reaches(&**mapping, *final_to)
        {
            return Ok(Arc::clone(mapping));
        }
        let mut slot = self.mapping.write();
        if let Some((mapping, final_to)) = &*slot
            && reaches(&**mapping, *final_to)
        {
            return Ok(Arc::clone(mapping));
        }
        let mapping = loop {
            let len = self.len()?;
            if len < limit || len == 0 {
                return Err(self.corrupt(len, Damage::Short { needed: limit }));
            }
            match self.file.map(len) {
                Ok(mapping) => break mapping,
                // A close gave back what lies above the watermark's page in between.
                Err(_) if self.len()? < len => {}
                Err(error) => return Err(Error::io("map", &self.name, error)),
            }
        };
        *slot = Some((Arc::clone(&mapping), limit));
        Ok(mapping)
    }

    /// Forgets a mapping that was made when bytes were read that are not final: those
    /// behind the end of the log, while it was looked for.
    pub(crate) fn forget_mapping(&self) {
        *self.mapping.write() = None;
    }

    /// Copies `start..end` out of the file.
    pub(crate) fn read(&self, start: u64, end: u64) -> Result<Vec<u8>> {
        // Zeroed by the allocator, which knows what is zero already.
        let mut bytes = vec![0; usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX)];
        self.read_into(start, end, &mut bytes)?;
        Ok(bytes)
    }

    /// As [`read`](Self::read), into memory that was used before.
    pub(crate) fn read_into(&self, start: u64, end: u64, bytes: &mut Vec<u8>) -> Result<()> {
        let len = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
        bytes.resize(len, 0);
        let count = self
            .file
            .read_at(bytes, start)
            .map_err(|error| Error::io("read", &self.name, error))?;
        if count < len {
            return Err(self.corrupt(start + wide(count), Damage::Short { needed: end }));
        }
        Ok(())
    }

    /// The first block: header and witness slots. Of a shorter file what there is,
    /// filled up with zeros.
    pub(crate) fn first_block(&self) -> Result<Vec<u8>> {
        let mut block = vec![0; layout::DATA];
        self.file.read_at(&mut block, 0).map_err(|error| Error::io("read", &self.name, error))?;
        Ok(block)
    }

    /// The header, which must be there and belong here.
    pub(crate) fn header(&self) -> Result<SegmentHeader> {
        match SegmentHeader::read(&self.name, &self.first_block()?)? {
            Found::Header(header) => {
                header.belongs(self.log, self.number).map_err(|damage| self.corrupt(0, damage))?;
                Ok(header)
            }
            Found::Blank | Found::Bad => Err(self.corrupt(0, Damage::Header)),
        }
    }

    /// A chunk that holds everything from `start` on that may be lent, if `start` is among
    /// that and the segment is mapped.
    pub(crate) fn lent(&self, start: u64, extent: Extent) -> Result<Option<Chunk>> {
        if self.mode == ReadMode::Mapped && start < extent.lasting {
            self.chunk(start, start, extent.lasting).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The event at `offset`, checked, of a chunk that was [lent](Self::lent).
    pub(crate) fn event_in(&self, chunk: &Chunk, offset: u64) -> Result<EventSpan> {
        let read = self.record_in(chunk, offset);
        read.map_err(|fault| self.fault(WalkError { offset, fault }, None))
    }

    /// The event at `offset`, checked, and a chunk that holds it.
    pub(crate) fn event(&self, offset: u64, extent: Extent) -> Result<(Chunk, EventSpan)> {
        self.record(offset, extent)
    }

    /// The same of a snapshot, of a stream or of a named state.
    pub(crate) fn snapshot(&self, offset: u64, extent: Extent) -> Result<(Chunk, SnapshotSpan)> {
        self.record(offset, extent)
    }

    /// The same of an idempotency key.
    pub(crate) fn key(&self, offset: u64, extent: Extent) -> Result<(Chunk, KeySpan)> {
        self.record(offset, extent)
    }

    fn record<H: RecordHead>(&self, offset: u64, extent: Extent) -> Result<(Chunk, RecordSpan<H>)> {
        // A record that begins before what lasts ends before it too.
        let limit = if offset < extent.lasting { extent.lasting } else { extent.limit };
        if offset >= limit {
            return Err(self.corrupt(offset, Damage::RecordHeader));
        }
        let mut end = offset.saturating_add(FIRST_READ).min(limit);
        loop {
            let chunk = self.part(offset, end, Extent { limit, ..extent })?;
            match self.record_in(&chunk, offset) {
                Err(Fault::Short { needed }) if needed > end => end = needed.min(limit),
                Err(fault) => return Err(self.fault(WalkError { offset, fault }, None)),
                Ok(span) => return Ok((chunk, span)),
            }
        }
    }

    fn record_in<H: RecordHead>(&self, chunk: &Chunk, offset: u64) -> Result<RecordSpan<H>, Fault> {
        let window = chunk.window();
        if planted::active(Bug::LengthBeforeCrc)
            && let Some(claimed) = window.from(offset).and_then(claimed_len)
        {
            drop(self.read(offset, offset + claimed));
        }
        record_at(&window, self.seed, offset).map(|step| step.span())
    }

    /// Damage at `offset`.
    pub(crate) fn corrupt(&self, offset: u64, cause: Damage) -> Error {
        Self::damage(&self.name, self.number, offset, cause)
    }

    fn damage(name: &str, number: u64, offset: u64, cause: Damage) -> Error {
        Error::Corrupt(Corrupt {
            file: name.to_owned(),
            segment: number,
            offset,
            position: None,
            cause,
        })
    }

    /// A fault where there must be none.
    pub(crate) fn fault(&self, error: WalkError, position: Option<u64>) -> Error {
        if let Fault::UnknownKind(kind) = error.fault {
            return Error::Unsupported {
                file: self.name.clone(),
                what: "record kind",
                found: kind.into(),
                known: 0,
            };
        }
        let cause = match error.fault {
            Fault::Unwritten | Fault::Garbage => Damage::RecordHeader,
            Fault::Short { needed } => Damage::Short { needed },
            Fault::Payload => Damage::Payload,
            Fault::Malformed | Fault::UnknownKind(_) => Damage::Malformed,
            Fault::Chain => Damage::Chain,
            Fault::Order => Damage::Order,
        };
        Error::Corrupt(Corrupt {
            file: self.name.clone(),
            segment: self.number,
            offset: error.offset,
            position,
            cause,
        })
    }
}

/// What a head says of its payload, whatever its checksum says of that.
fn claimed_len(head: &[u8]) -> Option<u64> {
    crate::record::field::u32_at(head, crate::record::layout::head::PAYLOAD_LEN).map(u64::from)
}

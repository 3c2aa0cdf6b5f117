//! What no run covers yet, in memory. Nothing of the file format but what it can hold.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;

use foldhash::fast::RandomState;

use crate::error::{TableError, wide};
use crate::layout::{ALIGN, DELTA_MAX, ENTRY_HEAD_MAX, OFFSET_END};
use crate::names::{Found, Names};
use crate::postings::Postings;
use crate::span::{Mark, Span};

/// In memory: streams, ids and positions of one contiguous range of a segment.
///
/// Taking an event costs two hash map entries and no allocation but for growth. Measured: 35 ns
/// in one stream; 130 to 180 ns where 90,000 streams are hit at random, nearly all of it cache
/// misses. It never holds more than what [`build`] can put into one run, so building cannot fail.
///
/// Not synchronised: one writer, or many readers.
///
/// ```
/// use annals_index::{Span, Table, TableError};
///
/// let mut table = Table::new(101);
/// table.insert("cart-1", 7, 0xabc, 101, 64)?;
/// table.insert("cart-1", 8, 0xabd, 102, 128)?;
/// assert_eq!(table.stream("cart-1"), Some(Span { first_version: 7, count: 2 }));
/// assert_eq!(table.id(0xabd), Some(128));
/// assert_eq!(table.last_position(), 102);
/// # Ok::<(), TableError>(())
/// ```
///
/// [`build`]: crate::build
#[derive(Clone, Debug)]
pub struct Table {
    first_position: u64,
    /// The least position that the next event may have.
    next_position: u64,
    /// The least offset / 8 that the next event may have.
    next_posting: u64,
    events: u64,
    streams: Names<Stream>,
    ids: HashMap<Id, u32, RandomState>,
    /// Both numbers ascend.
    marks: Vec<Mark>,
    /// Bytes of long posting lists on the heap.
    spilled: usize,
    /// The stream entries of this table's run are not longer than this many bytes.
    blob_bound: u64,
}

#[derive(Clone, Debug)]
struct Stream {
    first_version: u64,
    postings: Postings,
}

impl Stream {
    fn span(&self) -> Span {
        Span { first_version: self.first_version, count: wide(self.postings.as_slice().len()) }
    }
}

/// A u128 would be aligned to 16 bytes, and a map entry with its offset take 32 instead of 20.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Id([u8; 16]);

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from_ne_bytes(self.0));
    }
}

/// What one event may add to the stream entries of a run: its delta and a part of a skip point.
const EVENT_BOUND: u64 = DELTA_MAX as u64 + 1;
/// What a new stream may add besides its name.
const STREAM_BOUND: u64 = ENTRY_HEAD_MAX as u64;

impl Table {
    /// An empty table. `first_position` is the position of the first event that it may hold.
    #[must_use]
    pub fn new(first_position: u64) -> Table {
        Table::with_capacity(first_position, 0, 0)
    }

    /// An empty table with memory for this many events and streams. Without it, taking an event
    /// now and then moves all the others to a larger hash map: milliseconds in a large table,
    /// with the append lock held. Numbers like those of the table before are a good guess.
    #[must_use]
    pub fn with_capacity(first_position: u64, events: usize, streams: usize) -> Table {
        Table {
            first_position,
            next_position: first_position,
            next_posting: 0,
            events: 0,
            streams: Names::with_capacity(streams),
            ids: HashMap::with_capacity_and_hasher(events, RandomState::default()),
            marks: Vec::new(),
            spilled: 0,
            blob_bound: 0,
        }
    }

    /// Takes an event. To be called in the order of positions and offsets; the versions of a
    /// stream are consecutive. An id that is here already keeps its first offset.
    ///
    /// # Errors
    /// [`TableError`], and nothing has changed, if a number is out of range or order, or the run
    /// of this table would become too large (not below 4 GiB of segment, where a
    /// record is longer than its stream's name and 46 bytes).
    pub fn insert(
        &mut self,
        stream: &str,
        version: u64,
        id: u128,
        position: u64,
        offset: u64,
    ) -> Result<(), TableError> {
        let posting = posting(offset)?;
        let late = position < self.next_position || u64::from(posting) < self.next_posting;
        if late || position == u64::MAX {
            return Err(TableError::Order { position, offset });
        }
        let bound = self.blob_bound + EVENT_BOUND;
        match self.streams.find(stream) {
            Found::Number(number) => {
                let Some(known) = self.streams.get_mut(number) else {
                    return Err(TableError::Full);
                };
                let expected = known.span().last_version().saturating_add(1);
                if version != expected || version == u64::MAX {
                    return Err(TableError::Version { expected, found: version });
                }
                self.blob_bound = within_u32(bound)?;
                let before = known.postings.heap_bytes();
                known.postings.push(posting);
                self.spilled += known.postings.heap_bytes() - before;
            }
            Found::New(hash) => {
                if version == 0 || version == u64::MAX {
                    return Err(TableError::Version { expected: 1, found: version });
                }
                self.blob_bound = within_u32(bound + STREAM_BOUND + wide(stream.len()))?;
                let postings = Postings::one(posting);
                self.streams.add(stream, hash, Stream { first_version: version, postings });
            }
        }
        self.ids.entry(Id(id.to_ne_bytes())).or_insert(posting);
        self.next_position = position + 1;
        self.next_posting = u64::from(posting) + 1;
        self.events += 1;
        Ok(())
    }

    /// Notes that the event `position` is the first one at or after `offset`. Ascending in both;
    /// of several offsets with the same position (groups without events) the last one is kept.
    /// The caller decides how far apart marks lie.
    ///
    /// # Errors
    /// [`TableError::Offset`] or [`TableError::Order`], and nothing has changed.
    pub fn mark(&mut self, position: u64, offset: u64) -> Result<(), TableError> {
        posting(offset)?;
        let mark = Mark { position, offset };
        match self.marks.last_mut() {
            Some(last) if offset <= last.offset || position < last.position => {
                return Err(TableError::Order { position, offset });
            }
            Some(last) if position == last.position => *last = mark,
            _ => self.marks.push(mark),
        }
        Ok(())
    }

    /// What is here of a stream.
    #[must_use]
    pub fn stream(&self, name: &str) -> Option<Span> {
        self.streams.get(name).map(Stream::span)
    }

    /// Appends to `out` the offsets of those events of a stream that are here and have one of
    /// these versions, ascending.
    pub fn offsets(&self, name: &str, versions: RangeInclusive<u64>, out: &mut Vec<u64>) {
        let Some(stream) = self.streams.get(name) else { return };
        let span = stream.span();
        let Some((first, last)) = span.indexes(*versions.start(), *versions.end()) else { return };
        let wanted = stream.postings.as_slice().get(first..=last).unwrap_or(&[]);
        out.extend(wanted.iter().map(|&posting| offset(posting)));
    }

    /// The offset of the event with this id. Exact.
    #[must_use]
    pub fn id(&self, id: u128) -> Option<u64> {
        self.ids.get(&Id(id.to_ne_bytes())).map(|&posting| offset(posting))
    }

    /// The last mark that is not after `position`: reading on from it meets the event.
    #[must_use]
    pub fn place(&self, position: u64) -> Option<Mark> {
        let after = self.marks.partition_point(|mark| mark.position <= position);
        self.marks.get(after.checked_sub(1)?).copied()
    }

    /// The position of the first event that this table may hold.
    #[must_use]
    pub const fn first_position(&self) -> u64 {
        self.first_position
    }

    /// The position of the last event here; without events, the one before the first.
    #[must_use]
    pub const fn last_position(&self) -> u64 {
        self.next_position.saturating_sub(1)
    }

    /// How many events are here.
    #[must_use]
    pub const fn event_count(&self) -> u64 {
        self.events
    }

    /// How many streams the events here belong to.
    #[must_use]
    pub fn stream_count(&self) -> usize {
        self.streams.len()
    }

    /// Whether there are no events here. There may be marks.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// About how much memory this takes, in bytes, without what the allocator adds.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        // A hash map has a control byte per place, and hands out 7 of 8 places.
        let ids = self.ids.capacity() * (size_of::<(Id, u32)>() + 1);
        ids + ids / 7
            + self.streams.heap_bytes()
            + self.marks.capacity() * size_of::<Mark>()
            + self.spilled
    }

    /// The streams here, sorted by the bytes of their names. Sorts on every call.
    ///
    /// ```
    /// # use annals_index::{Table, TableError};
    /// let mut table = Table::new(1);
    /// table.insert("b", 1, 1, 1, 64)?;
    /// table.insert("a", 1, 2, 2, 72)?;
    /// assert!(table.streams().map(|(name, _)| name).eq(["a", "b"]));
    /// # Ok::<(), TableError>(())
    /// ```
    pub fn streams(&self) -> impl Iterator<Item = (&str, Span)> {
        self.streams_with_prefix("")
    }

    /// The streams here whose names start with `prefix`, sorted likewise.
    pub fn streams_with_prefix(&self, prefix: &str) -> impl Iterator<Item = (&str, Span)> {
        let mut sorted: Vec<_> = self
            .streams
            .iter()
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(name, stream)| (name, stream.span()))
            .collect();
        sorted.sort_unstable_by_key(|(name, _)| *name);
        sorted.into_iter()
    }

    /// Name, first version and offsets / 8 of every stream, sorted by name.
    pub(crate) fn sorted_streams(&self) -> Vec<(&str, u64, &[u32])> {
        let mut sorted: Vec<_> = self
            .streams
            .iter()
            .map(|(name, stream)| (name, stream.first_version, stream.postings.as_slice()))
            .collect();
        sorted.sort_unstable_by_key(|(name, ..)| *name);
        sorted
    }

    /// Every id with its offset / 8, in no order.
    pub(crate) fn all_ids(&self) -> impl Iterator<Item = (u128, u32)> {
        self.ids.iter().map(|(id, &posting)| (u128::from_ne_bytes(id.0), posting))
    }

    /// The marks, ascending.
    pub(crate) fn marks(&self) -> &[Mark] {
        &self.marks
    }
}

fn posting(offset: u64) -> Result<u32, TableError> {
    let align = wide(ALIGN);
    if offset < OFFSET_END && offset.is_multiple_of(align) {
        u32::try_from(offset / align).map_err(|_| TableError::Offset { offset })
    } else {
        Err(TableError::Offset { offset })
    }
}

fn offset(posting: u32) -> u64 {
    u64::from(posting) * wide(ALIGN)
}

/// `bound`, if it can stand in a slot.
fn within_u32(bound: u64) -> Result<u64, TableError> {
    if bound > u64::from(u32::MAX) { Err(TableError::Full) } else { Ok(bound) }
}

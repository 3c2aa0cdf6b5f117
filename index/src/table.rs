//! What no run covers yet, in memory. Nothing of the file format but what it can hold.

use std::ops::{Range, RangeInclusive};

use crate::bytes::narrow;
use crate::cells::Found;
use crate::error::{TableError, wide};
use crate::event::{TableEvent, new_stream};
use crate::ids::Ids;
use crate::keys::{self, Keys};
use crate::kind::Kind;
use crate::layout::{ALIGN, OFFSET_END, POSTING_MAX};
use crate::names::Names;
use crate::postings::Postings;
use crate::span::{Mark, Span};

/// In memory: streams and other keys, ids and positions of one contiguous range of a segment.
///
/// Taking an event costs two hash map entries, one more for each tag, correlation and cause, and
/// no allocation but for growth. Measured: 35 ns in one stream; 130 to 180 ns where 90,000 streams
/// are hit at random, nearly all of it cache misses; besides, some 50 ns for a tag that was seen
/// before and 150 ns for a new one. It never holds more than what [`build`] can put into one run,
/// so building cannot fail.
///
/// Not synchronised: one writer, or many readers.
///
/// ```
/// use annals_index::{Kind, Span, Table, TableError, TableEvent};
///
/// let mut table = Table::new(101);
/// let first = TableEvent {
///     stream: "cart-1",
///     version: 7,
///     id: 0xabc,
///     position: 101,
///     offset: 64,
///     category: "cart",
///     event_type: "Filled",
///     others: &[],
/// };
/// table.insert(&first)?;
/// table.insert(&TableEvent { version: 8, id: 0xabd, position: 102, offset: 128, ..first })?;
/// assert_eq!(table.stream("cart-1"), Some(Span { first_version: 7, count: 2 }));
/// assert_eq!(table.id(0xabd), Some(128));
/// assert_eq!(table.last_position(), 102);
/// let mut offsets = Vec::new();
/// table.postings(Kind::Type, "Filled", 0..u64::MAX, &mut offsets);
/// assert_eq!(offsets, [64, 128]);
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
    ids: Ids,
    /// Both numbers ascend.
    marks: Vec<Mark>,
    /// Bytes of long posting lists on the heap.
    spilled: usize,
    /// The stream entries of this table's run are not longer than this many bytes.
    blob_bound: u64,
    pub(crate) keys: Keys,
}

#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) first_version: u64,
    /// Number of its category among the names of those.
    category: u32,
    pub(crate) postings: Postings<7>,
}

impl Stream {
    fn span(&self) -> Span {
        Span { first_version: self.first_version, count: wide(self.postings.as_slice().len()) }
    }
}

/// Where a stream stands in a table, or will: see [`Table::find`].
#[derive(Clone, Copy, Debug)]
pub struct StreamFound(Found);

impl StreamFound {
    /// Whether the table had nothing of it: then it looks at the category of its next event.
    #[must_use]
    pub const fn is_new(self) -> bool {
        matches!(self.0, Found::New(_))
    }
}

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
            ids: Ids::with_capacity(events),
            marks: Vec::new(),
            spilled: 0,
            blob_bound: 0,
            keys: Keys::default(),
        }
    }

    /// An empty table with memory for as much as there is in `before`, the keys of all kinds
    /// included: for the next segment of a log, which is most often much like the one before.
    #[must_use]
    pub fn sized_like(first_position: u64, before: &Table) -> Table {
        let events = usize::try_from(before.events).unwrap_or(0);
        let keys = Keys::sized_like(&before.keys);
        Table { keys, ..Table::with_capacity(first_position, events, before.stream_count()) }
    }

    /// Takes an event. To be called in the order of positions and offsets; the versions of a
    /// stream are consecutive. An id that is here already keeps its first offset.
    ///
    /// # Errors
    /// [`TableError`], and nothing has changed, if a number is out of range or order, or the run
    /// of this table could become too large. That is never below 640 MiB of segment, if every
    /// name stands in its record with a byte for its length, and a record has 60 bytes besides:
    /// the worst is a segment of nothing but new tags of 3 bytes, of which each may take 25 bytes
    /// in a run.
    pub fn insert(&mut self, event: &TableEvent<'_>) -> Result<(), TableError> {
        let mut stream = self.find(event.stream);
        self.insert_found(event, &mut stream)
    }

    /// Where a stream stands here, or will: for one look-up by name in place of several.
    #[must_use]
    pub fn find(&self, stream: &str) -> StreamFound {
        StreamFound(self.streams.find(stream))
    }

    /// What is here of a stream that [`find`](Table::find) found in this table.
    #[must_use]
    pub fn span(&self, stream: StreamFound) -> Option<Span> {
        match stream.0 {
            Found::Number(number) => self.streams.content(number).map(Stream::span),
            Found::New(_) => None,
        }
    }

    /// The offset of the last event of such a stream.
    #[must_use]
    pub fn last_of(&self, stream: StreamFound) -> Option<u64> {
        let Found::Number(number) = stream.0 else { return None };
        self.streams.content(number)?.postings.as_slice().last().copied().map(offset)
    }

    /// As [`insert`](Table::insert), of a stream that [`find`](Table::find) found in this table
    /// when the last event of it that is here was here already; whatever of other streams was
    /// taken since. `stream` says from then on where it is: the next event of the same stream
    /// may come with it.
    ///
    /// # Errors
    /// As [`insert`](Table::insert).
    ///
    /// ```
    /// use annals_index::{Table, TableError, TableEvent};
    ///
    /// let mut table = Table::new(1);
    /// let event = TableEvent {
    ///     stream: "cart-1",
    ///     version: 1,
    ///     id: 0xabc,
    ///     position: 1,
    ///     offset: 64,
    ///     category: "cart",
    ///     event_type: "Filled",
    ///     others: &[],
    /// };
    /// let mut stream = table.find(event.stream);
    /// assert_eq!(table.span(stream), None);
    /// table.insert_found(&event, &mut stream)?;
    /// let next = TableEvent { version: 2, id: 0xabd, position: 2, offset: 128, ..event };
    /// table.insert_found(&next, &mut stream)?;
    /// assert_eq!(table.span(stream).map(|span| span.last_version()), Some(2));
    /// # Ok::<(), TableError>(())
    /// ```
    pub fn insert_found(
        &mut self,
        event: &TableEvent<'_>,
        stream: &mut StreamFound,
    ) -> Result<(), TableError> {
        let posting = posting(event.offset)?;
        let late = event.position < self.next_position || u64::from(posting) < self.next_posting;
        if late || event.position == u64::MAX {
            return Err(TableError::Order { position: event.position, offset: event.offset });
        }
        self.fits(event.most())?;
        match stream.0 {
            Found::Number(number) => self.next_of(number, event, posting)?,
            Found::New(hash) => {
                self.first_of(hash, event, posting)?;
                stream.0 = Found::Number(self.streams.len() - 1);
            }
        }
        self.keys.add_type(event.event_type, posting);
        for &(kind, key) in event.others {
            self.keys.add(kind, key, posting);
        }
        self.ids.add(event.id, posting);
        self.next_position = event.position + 1;
        self.next_posting = u64::from(posting) + 1;
        self.events += 1;
        Ok(())
    }

    /// The next event of a stream that is here.
    fn next_of(
        &mut self,
        number: usize,
        event: &TableEvent<'_>,
        posting: u32,
    ) -> Result<(), TableError> {
        debug_assert!(self.streams.is(number, event.stream), "found in another table");
        let Some(stream) = self.streams.get_mut(number) else { return Err(TableError::Full) };
        let expected = stream.span().last_version().saturating_add(1);
        if event.version != expected || event.version == u64::MAX {
            return Err(TableError::Version { expected, found: event.version });
        }
        self.spilled += stream.postings.push(posting);
        self.keys.again(Kind::Category, stream.category as usize, posting);
        self.blob_bound += POSTING_MAX;
        Ok(())
    }

    /// The first event of a stream here.
    fn first_of(
        &mut self,
        hash: u32,
        event: &TableEvent<'_>,
        posting: u32,
    ) -> Result<(), TableError> {
        let first_version = event.version;
        if first_version == 0 || first_version == u64::MAX {
            return Err(TableError::Version { expected: 1, found: first_version });
        }
        let category = narrow(self.keys.add_category(event.category, posting));
        let stream = Stream { first_version, category, postings: Postings::one(posting) };
        self.streams.add(event.stream, hash, stream);
        self.blob_bound += new_stream(event.stream);
        Ok(())
    }

    /// Takes a record that is no event and has this key. To be called in the order of offsets,
    /// which ascend over events and records together.
    ///
    /// # Errors
    /// As [`insert`](Table::insert).
    pub fn insert_record(&mut self, kind: Kind, key: &str, offset: u64) -> Result<(), TableError> {
        let posting = posting(offset)?;
        if u64::from(posting) < self.next_posting {
            return Err(TableError::Order { position: self.next_position, offset });
        }
        self.fits(keys::most(wide(key.len())))?;
        self.keys.add(kind, key, posting);
        self.next_posting = u64::from(posting) + 1;
        Ok(())
    }

    /// Whether a place in the blob would still fit a slot, were it this much longer.
    fn fits(&self, more: u64) -> Result<(), TableError> {
        let bound = self.bound().saturating_add(more);
        if bound > u64::from(u32::MAX) { Err(TableError::Full) } else { Ok(()) }
    }

    /// The blob of this table's run is not longer than this many bytes.
    pub(crate) const fn bound(&self) -> u64 {
        self.blob_bound.saturating_add(self.keys.blob_bound)
    }

    /// As if there were this much more.
    #[cfg(test)]
    pub(crate) const fn fill_up(&mut self, bytes: u64) {
        self.blob_bound += bytes;
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
        self.ids.get(id).map(offset)
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
        self.ids.heap_bytes()
            + self.streams.heap_bytes()
            + self.keys.heap_bytes()
            + self.marks.capacity() * size_of::<Mark>()
            + self.spilled
    }

    /// The streams here, sorted by the bytes of their names. Sorts on every call.
    ///
    /// ```
    /// # use annals_index::{Table, TableError, TableEvent};
    /// # let event = |stream, position| TableEvent {
    /// #     stream,
    /// #     version: 1,
    /// #     id: 0,
    /// #     position,
    /// #     offset: position * 8,
    /// #     category: "",
    /// #     event_type: "",
    /// #     others: &[],
    /// # };
    /// let mut table = Table::new(1);
    /// table.insert(&event("b", 1))?;
    /// table.insert(&event("a", 2))?;
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

    /// How many records have this key; 0 if none has.
    #[must_use]
    pub fn count(&self, kind: Kind, key: &str) -> u64 {
        wide(self.keys.get(kind, key).len())
    }

    /// Appends to `out` the offsets of the records that have this key, of those with these
    /// indexes (counted from 0 in the order of offsets), ascending. Indexes beyond the count have
    /// none.
    pub fn postings(&self, kind: Kind, key: &str, indexes: Range<u64>, out: &mut Vec<u64>) {
        let wanted = self.keys.part(kind, key, indexes);
        out.extend(wanted.iter().map(|&posting| offset(posting)));
    }

    /// How many records with this key lie below `offset`, which is the index of the first one at
    /// or after it. A binary search.
    #[must_use]
    pub fn rank(&self, kind: Kind, key: &str, offset: u64) -> u64 {
        let below = |posting: &u32| self::offset(*posting) < offset;
        wide(self.keys.get(kind, key).partition_point(below))
    }

    /// The offset of the newest record with this key.
    #[must_use]
    pub fn last(&self, kind: Kind, key: &str) -> Option<u64> {
        self.keys.get(kind, key).last().map(|&posting| offset(posting))
    }

    /// The keys of a kind that start with `prefix`, sorted by their bytes, each with the number
    /// of its records. Sorts on every call.
    pub fn keys(&self, kind: Kind, prefix: &str) -> impl Iterator<Item = (&str, u64)> {
        let sorted = self.keys.sorted(kind, prefix).into_iter();
        sorted.map(|(key, postings)| (key, wide(postings.len())))
    }

    /// Every stream, sorted by name.
    pub(crate) fn sorted_streams(&self) -> Vec<(&str, &Stream)> {
        let mut sorted: Vec<_> = self.streams.iter().collect();
        sorted.sort_unstable_by_key(|(name, _)| *name);
        sorted
    }

    /// Every id with its offset / 8.
    pub(crate) fn all_ids(&self) -> impl Iterator<Item = (u128, u32)> {
        self.ids.iter()
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

//! An open run: the public questions. The answers are found in `entries`, `buckets`, `places`.

use std::fmt;
use std::ops::{Range, RangeInclusive};

use crate::body::Body;
use crate::buckets;
use crate::bytes::RunBytes;
use crate::entries::{self, Keys, Streams, Walk};
use crate::entry::Entry;
use crate::error::{Part, RunError, wide};
use crate::footer::{self, Footer, RunMeta};
use crate::hash;
use crate::kind::{Kind, STREAM};
use crate::layout::ALIGN;
use crate::places;
use crate::span::{Mark, Span};
use crate::verify;

/// An immutable index over bytes that somebody else holds.
///
/// Takes one bit of memory per 4 KiB of the run. Look-ups allocate nothing (but what `out`
/// grows by), may run in any number of threads at once, and never panic, whatever the bytes:
/// damage is an error, at the latest when a look-up first touches it. After an error, drop the
/// run and build it again.
///
/// ```
/// use std::sync::Arc;
/// use annals_index::{Kind, Run, RunMeta, Table, TableEvent, build};
///
/// let mut table = Table::new(1);
/// table.insert(&TableEvent {
///     stream: "cart-1",
///     version: 1,
///     id: 0xabc,
///     position: 1,
///     offset: 64,
///     category: "cart",
///     event_type: "Opened",
///     others: &[(Kind::Tag, "vip"), (Kind::Tag, "web")],
/// })?;
/// let bytes: Arc<[u8]> = build(&table, &RunMeta::default()).into();
/// let run = Run::open(Arc::clone(&bytes))?;
/// let mut candidates = Vec::new();
/// run.ids(0xabc, &mut candidates)?;
/// assert_eq!(candidates, [64]);
/// assert_eq!(run.stream("cart-2")?, None);
/// assert_eq!((run.count(Kind::Tag, "vip")?, run.last(Kind::Tag, "vip")?), (1, Some(64)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Run<B> {
    body: Body<B>,
    footer: Footer,
}

impl<B: RunBytes> Run<B> {
    /// Opens a run: reads its header, its footer and its CRC table (4 bytes per 4 KiB), not its
    /// body.
    ///
    /// # Errors
    /// [`RunError`] if this is no run, is one of another version, is cut short, or is damaged in
    /// one of the three.
    pub fn open(bytes: B) -> Result<Run<B>, RunError> {
        let (footer, places) = footer::read(&bytes)?;
        Ok(Run { body: Body::new(bytes, places), footer })
    }

    /// What was said of the log when the run was built.
    pub const fn meta(&self) -> &RunMeta {
        &self.footer.meta
    }

    /// How many streams the run has events of.
    pub const fn stream_count(&self) -> usize {
        self.footer.counts.streams as usize
    }

    /// The bytes that the run was opened over.
    pub fn bytes(&self) -> &B {
        self.body.bytes()
    }

    /// What the run holds of a stream. A stream that is not here costs one bucket, one that is
    /// here its entry besides.
    ///
    /// # Errors
    /// [`RunError::Damaged`] where the look-up touches damage.
    pub fn stream(&self, name: &str) -> Result<Option<Span>, RunError> {
        Ok(entries::find(&self.body, STREAM, name)?.map(|entry| entry.span))
    }

    /// As [`stream`](Self::stream), by one look-up for both: appends to `out` the offsets of all
    /// events of the stream that are here, ascending, if they are at most `most`.
    ///
    /// # Errors
    /// [`RunError::Damaged`] where the look-up touches damage; `out` is as it was.
    pub fn stream_offsets(
        &self,
        name: &str,
        most: u64,
        out: &mut Vec<u64>,
    ) -> Result<Option<Span>, RunError> {
        let Some(entry) = entries::find(&self.body, STREAM, name)? else { return Ok(None) };
        let span = entry.span;
        if span.count <= most
            && let Some(all) = span.indexes(span.first_version, u64::MAX)
        {
            let before = out.len();
            entry.offsets(&self.body, all, out).inspect_err(|_| out.truncate(before))?;
        }
        Ok(Some(span))
    }

    /// Asks memory for what a look-up of a stream will read, and does not wait for it. Who asks
    /// several runs takes each of the [`APPROACHES`] steps for all of them before the next
    /// one: so their ways to memory overlap. Answers nothing and checks nothing.
    ///
    /// ```
    /// # use annals_index::{APPROACHES, Run, RunMeta, Sought, Table, build};
    /// # let runs = [Run::open(build(&Table::new(1), &RunMeta::default()))?];
    /// let sought = Sought::stream("cart-1");
    /// for step in 0..APPROACHES {
    ///     runs.iter().for_each(|run| run.approach(&sought, step));
    /// }
    /// let spans = runs.iter().map(|run| run.stream("cart-1"));
    /// # assert_eq!(spans.flatten().flatten().count(), 0);
    /// # Ok::<(), annals_index::RunError>(())
    /// ```
    pub fn approach(&self, sought: &Sought, step: usize) {
        entries::approach(&self.body, sought.hash, step);
    }

    /// Appends to `out` the offsets of those events of a stream that are here and have one of
    /// these versions, ascending. Decodes at most 127 postings that were not asked for.
    ///
    /// # Errors
    /// [`RunError::Damaged`] where the look-up touches damage; `out` is as it was.
    pub fn offsets(
        &self,
        name: &str,
        versions: RangeInclusive<u64>,
        out: &mut Vec<u64>,
    ) -> Result<(), RunError> {
        let Some(entry) = entries::find(&self.body, STREAM, name)? else { return Ok(()) };
        let Some(wanted) = entry.span.indexes(*versions.start(), *versions.end()) else {
            return Ok(());
        };
        let before = out.len();
        entry.offsets(&self.body, wanted, out).inspect_err(|_| out.truncate(before))
    }

    /// Appends to `out` the offsets of records that may have this id: always the one that has
    /// it, if it is here, and once in about 2^28 look-ups a foreign one. The caller compares.
    ///
    /// # Errors
    /// [`RunError::Damaged`] where the look-up touches damage; `out` is as it was.
    pub fn ids(&self, id: u128, out: &mut Vec<u64>) -> Result<(), RunError> {
        let places = &self.body.places.ids;
        let found = buckets::candidates(&self.body, places, Part::IdBuckets, hash::of_id(id))?;
        out.extend(found.map(|posting| u64::from(posting) * wide(ALIGN)));
        Ok(())
    }

    /// The last mark that is not after `position`: reading on from it meets the event.
    ///
    /// # Errors
    /// [`RunError::Damaged`] where the look-up touches damage.
    pub fn place(&self, position: u64) -> Result<Option<Mark>, RunError> {
        places::find(&self.body, position)
    }

    /// All streams, sorted by the bytes of their names.
    ///
    /// ```
    /// # use annals_index::{Run, RunMeta, Table, TableEvent, build};
    /// # let mut table = Table::new(1);
    /// # for (position, stream) in [(1, "cart-2"), (2, "cart-1"), (3, "user-1")] {
    /// #     table.insert(&TableEvent {
    /// #         stream,
    /// #         version: 1,
    /// #         id: 0,
    /// #         position,
    /// #         offset: position * 64,
    /// #         category: "",
    /// #         event_type: "",
    /// #         others: &[],
    /// #     })?;
    /// # }
    /// # let run = Run::open(build(&table, &RunMeta::default()))?;
    /// let names = run.streams().map(|found| Ok(found?.0)).collect::<Result<Vec<_>, _>>();
    /// assert_eq!(names.map_err(|e: annals_index::RunError| e)?, ["cart-1", "cart-2", "user-1"]);
    /// assert_eq!(run.streams_from("cart-2").count(), 2);
    /// assert_eq!(run.streams_with_prefix("cart-").count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn streams(&self) -> Streams<'_, B> {
        Streams(Walk::of(&self.body, STREAM, "", ""))
    }

    /// The streams whose names are not less than `first`, sorted likewise.
    pub fn streams_from(&self, first: &str) -> Streams<'_, B> {
        Streams(Walk::of(&self.body, STREAM, first, ""))
    }

    /// The streams whose names start with `prefix`, sorted likewise.
    pub fn streams_with_prefix(&self, prefix: &str) -> Streams<'_, B> {
        Streams(Walk::of(&self.body, STREAM, prefix, prefix))
    }

    /// How many records have this key; 0 if none has. Costs one bucket, and an entry besides if it
    /// is here.
    ///
    /// # Errors
    /// [`RunError::Damaged`] where the look-up touches damage.
    pub fn count(&self, kind: Kind, key: &str) -> Result<u64, RunError> {
        Ok(self.key(kind, key)?.map_or(0, |entry| entry.span.count))
    }

    /// Appends to `out` the offsets of the records that have this key, of those with these
    /// indexes (counted from 0 in the order of offsets), ascending. Indexes beyond the count have
    /// none. Decodes at most 127 postings that were not asked for.
    ///
    /// # Errors
    /// [`RunError::Damaged`] where the look-up touches damage; `out` is as it was.
    pub fn postings(
        &self,
        kind: Kind,
        key: &str,
        indexes: Range<u64>,
        out: &mut Vec<u64>,
    ) -> Result<(), RunError> {
        let Some(entry) = self.key(kind, key)? else { return Ok(()) };
        // Such entries count their postings as versions from 1 on.
        let first = indexes.start.saturating_add(1);
        let Some(wanted) = entry.span.indexes(first, indexes.end) else { return Ok(()) };
        let before = out.len();
        entry.offsets(&self.body, wanted, out).inspect_err(|_| out.truncate(before))
    }

    /// How many records with this key lie below `offset`, which is the index of the first one at
    /// or after it. A binary search, then at most 128 postings are decoded.
    ///
    /// # Errors
    /// [`RunError::Damaged`] where the look-up touches damage.
    pub fn rank(&self, kind: Kind, key: &str, offset: u64) -> Result<u64, RunError> {
        match self.key(kind, key)? {
            Some(entry) => entry.rank(&self.body, offset),
            None => Ok(0),
        }
    }

    /// The offset of the newest record with this key. Decodes at most 128 postings.
    ///
    /// # Errors
    /// [`RunError::Damaged`] where the look-up touches damage.
    pub fn last(&self, kind: Kind, key: &str) -> Result<Option<u64>, RunError> {
        match self.key(kind, key)? {
            Some(entry) => entry.last(&self.body).map(Some),
            None => Ok(None),
        }
    }

    /// The keys of a kind that start with `prefix`, sorted by their bytes, each with the number
    /// of its records.
    pub fn keys(&self, kind: Kind, prefix: &str) -> Keys<'_, B> {
        Keys(Walk::of(&self.body, kind.byte(), prefix, prefix))
    }

    fn key(&self, kind: Kind, key: &str) -> Result<Option<Entry>, RunError> {
        entries::find(&self.body, kind.byte(), key)
    }

    /// Reads the whole run and compares every CRC, also of blocks that were checked before, then
    /// whether the content is consistent. Any flipped bit of the file is found.
    ///
    /// # Errors
    /// The first [`RunError`] met.
    pub fn verify(&self) -> Result<(), RunError> {
        verify::whole(&self.body, &self.footer)
    }
}

/// How many steps an [approach](Run::approach) has.
pub const APPROACHES: usize = 3;

/// What is looked for in several runs.
#[derive(Debug, Clone, Copy)]
pub struct Sought {
    hash: u64,
}

impl Sought {
    /// The stream with this name.
    pub fn stream(name: &str) -> Self {
        Self { hash: hash::of_name(STREAM, name) }
    }
}

impl<B> fmt::Debug for Run<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("footer", &self.footer).finish_non_exhaustive()
    }
}

//! Which streams there are.

use std::collections::BTreeMap;

use super::Shared;
use crate::catalog::source::Index;
use crate::error::{Damage, Result};
use crate::horizon::Reach;

/// A stream and where it is. [`Streams`] has an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamInfo<'a> {
    /// Its name.
    pub name: &'a str,
    /// Version of its last event.
    pub version: u64,
}

/// The streams of a log in the byte order of their names, made by
/// [`Log::streams`](crate::Reader::streams).
///
/// Holds the names in memory: as much as they take, and some 50 bytes each.
///
/// ```
/// use annals::{Batch, Expected, Log, NewEvent};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Log::open(path)?;
/// for stream in ["order-2", "stock-1", "order-1"] {
///     log.append(Batch::new().write(stream, Expected::Any, [NewEvent::new("Happened")]))?;
/// }
/// let mut streams = log.streams("order-")?;
/// assert_eq!(streams.next()?.map(|stream| stream.name), Some("order-1"));
/// assert_eq!(streams.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Streams {
    all: Vec<(Box<str>, u64)>,
    next: usize,
}

impl Streams {
    /// The next stream; `None` at the end. Lent until the next call.
    ///
    /// # Errors
    /// None yet; a later version may read names as it goes.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<StreamInfo<'_>>> {
        let Some((name, version)) = self.all.get(self.next) else { return Ok(None) };
        self.next += 1;
        Ok(Some(StreamInfo { name, version: *version }))
    }

    /// How many there are in all.
    pub const fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

/// Collects the streams whose name starts with `prefix`.
pub(crate) fn collect(shared: &Shared, prefix: &str) -> Result<Streams> {
    let end = shared.horizon.indexed(Reach::Acknowledged)?.place;
    let view = shared.catalog.view();
    let mut all = BTreeMap::<Box<str>, u64>::new();
    for source in &view.sources {
        let part = source.ask(&shared.catalog, |index| match index {
            Index::Run(run) => run
                .streams_with_prefix(prefix)
                .map(|stream| stream.map(|(name, span)| (Box::from(name), span.last_version())))
                .collect(),
            Index::Table(table) => Ok(table
                .read()
                .streams_with_prefix(prefix)
                .map(|(name, span)| (Box::from(name), span.last_version()))
                .collect::<Vec<_>>()),
        })?;
        let newest = source.table().is_some();
        for (name, version) in part {
            // Only a table can know of what may not be seen yet.
            let version =
                if newest { shared.catalog.version_before(&view, &name, end)? } else { version };
            if version > 0 && all.get(&name).is_some_and(|before| *before > version) {
                return Err(source.entry.segment.corrupt(0, Damage::Index));
            }
            if version > 0 {
                all.insert(name, version);
            }
        }
    }
    Ok(Streams { all: all.into_iter().collect(), next: 0 })
}

//! The streams that a batch names, and where they are after it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::expected::Expected;

/// Up to so many streams a batch finds by looking at all of them.
const FEW_STREAMS: usize = 16;

/// A stream that a batch names, and what is expected of it.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) stream: String,
    pub(crate) expected: SmallVec<[Expected; 1]>,
    /// How many of the batch's events are of this stream.
    pub(crate) writes: u64,
}

/// All of them, in the order in which they were named first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// Those beyond `len` are kept for their memory.
    list: Vec<Named>,
    len: usize,
    /// Index of each; empty while there are few.
    by_name: HashMap<String, usize, foldhash::fast::RandomState>,
}

impl Names {
    /// Names a stream, once more or for the first time. Returns its index.
    pub(crate) fn name(&mut self, stream: &str, expected: Expected) -> usize {
        let index = self.add(stream);
        if let Some(named) = self.list.get_mut(index)
            && expected != Expected::Any
            && !named.expected.contains(&expected)
        {
            named.expected.push(expected);
        }
        index
    }

    /// The index of a stream, which is named by now.
    pub(crate) fn add(&mut self, stream: &str) -> usize {
        if let Some(index) = self.find(stream) {
            return index;
        }
        let index = self.len;
        if let Some(kept) = self.list.get_mut(index) {
            stream.clone_into(&mut kept.stream);
            kept.expected.clear();
            kept.writes = 0;
        } else {
            let stream = stream.to_owned();
            self.list.push(Named { stream, expected: SmallVec::new(), writes: 0 });
        }
        self.len += 1;
        if index == FEW_STREAMS {
            let names = self.list().iter().map(|named| named.stream.clone());
            self.by_name = names.zip(0..).collect();
        } else if index > FEW_STREAMS {
            self.by_name.insert(stream.to_owned(), index);
        }
        index
    }

    /// Which of the named streams this is. Most batches name few, and the last one named
    /// is the likeliest; of many, a map knows.
    pub(crate) fn find(&self, stream: &str) -> Option<usize> {
        if self.len > FEW_STREAMS {
            return self.by_name.get(stream).copied();
        }
        self.list().iter().rposition(|named| named.stream == stream)
    }

    /// Counts events of a named stream.
    pub(crate) fn written(&mut self, index: usize, events: u64) {
        if let Some(named) = self.list.get_mut(index) {
            named.writes += events;
        }
    }

    pub(crate) fn list(&self) -> &[Named] {
        self.list.get(..self.len).unwrap_or_default()
    }

    /// None any more, with their memory kept.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
        self.by_name.clear();
    }
}

/// Versions of the streams that a batch names, in its order: seldom many.
pub(crate) type NamedVersions = SmallVec<[u64; 4]>;

/// The streams that a batch wrote, each with its version after it. The names are the
/// batch's own: telling costs no allocation.
#[derive(Clone, Default)]
pub(crate) struct Versions {
    names: Arc<Names>,
    after: NamedVersions,
}

impl Versions {
    /// Of the streams of a batch, each with its version after it.
    pub(crate) const fn new(names: Arc<Names>, after: NamedVersions) -> Self {
        Self { names, after }
    }

    pub(crate) fn of(&self, stream: &str) -> Option<u64> {
        let index = self.names.find(stream)?;
        let named = self.names.list().get(index)?;
        self.after.get(index).copied().filter(|_| named.writes > 0)
    }

    fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        let written = self.names.list().iter().zip(&self.after);
        written
            .filter(|(named, _)| named.writes > 0)
            .map(|(named, version)| (named.stream.as_str(), *version))
    }
}

impl PartialEq for Versions {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Versions {}

impl fmt::Debug for Versions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter()).finish()
    }
}

//! The streams that a batch names.

use std::collections::HashMap;

use super::check::within;
use crate::error::Result;
use crate::expected::Expected;
use crate::limits;

/// Up to so many streams a batch finds by looking at all of them.
const FEW_STREAMS: usize = 16;

/// A stream that a batch names, and what is expected of it.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) stream: String,
    pub(crate) expected: Vec<Expected>,
    /// How many of the batch's events are of this stream.
    pub(crate) writes: u64,
}

/// All of them, in the order in which they were named first.
#[derive(Debug, Default)]
pub(super) struct Names {
    list: Vec<Named>,
    /// Index of each; empty while there are few.
    by_name: HashMap<String, usize, foldhash::fast::RandomState>,
}

impl Names {
    /// Names a stream, once more or for the first time. Returns its index.
    pub(super) fn name(&mut self, stream: &str, expected: Expected) -> Result<usize> {
        within("stream name", stream.len(), limits::STREAM_NAME_BYTES)?;
        if let Some(index) = self.find(stream)
            && let Some(named) = self.list.get_mut(index)
        {
            if expected != Expected::Any && !named.expected.contains(&expected) {
                named.expected.push(expected);
            }
            return Ok(index);
        }
        let expected = if expected == Expected::Any { Vec::new() } else { vec![expected] };
        self.list.push(Named { stream: stream.to_owned(), expected, writes: 0 });
        let index = self.list.len() - 1;
        if index == FEW_STREAMS {
            let names = self.list.iter().map(|named| named.stream.clone());
            self.by_name = names.zip(0..).collect();
        } else if index > FEW_STREAMS {
            self.by_name.insert(stream.to_owned(), index);
        }
        Ok(index)
    }

    /// Which of the named streams this is. Most batches name few, and the last one named
    /// is the likeliest; of many, a map knows.
    fn find(&self, stream: &str) -> Option<usize> {
        if self.list.len() > FEW_STREAMS {
            return self.by_name.get(stream).copied();
        }
        self.list.iter().rposition(|named| named.stream == stream)
    }

    /// Counts an event of a named stream.
    pub(super) fn written(&mut self, index: usize) {
        if let Some(named) = self.list.get_mut(index) {
            named.writes += 1;
        }
    }

    pub(super) fn list(&self) -> &[Named] {
        &self.list
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.by_name.clear();
    }
}

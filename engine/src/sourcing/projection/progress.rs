//! How far a projection is, and how far there is to go.

use std::time::Duration;

use super::Result;
use crate::sourcing::StoreReader;
use crate::sourcing::subscription::lag_time;

/// How far a projection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Everything up to here is applied.
    pub position: u64,
    /// The last position there is.
    pub head: u64,
    /// How many events there are in between, whether or not they match.
    pub lag_events: u64,
    /// How long ago the first of them was recorded.
    pub lag_time: Duration,
}

impl Progress {
    /// How far it is from a position to the head. Reads one event.
    pub(super) fn at(store: &dyn StoreReader, position: u64) -> Result<Self> {
        let head = store.head()?;
        let lag_time = lag_time(store, position, head)?;
        Ok(Self { position, head, lag_events: head.saturating_sub(position), lag_time })
    }
}

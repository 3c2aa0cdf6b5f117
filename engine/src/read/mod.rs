//! Reading: events as they lie in the log, lent by what keeps their bytes alive.
//!
//! * [`events`]: a piece of the log that was read and checked
//! * [`forward`]: walking the log in commit order
//! * [`filtered`]: from match to match of a filter, by the indexes; [`lookup`] asks one of them
//! * [`load`]: a stream from its newest snapshot on
//! * [`locate`]: places by position, time and epoch
//! * [`pieces`]: what a read is to give, and how far it has come
//! * [`stream`]: one stream, forward or backward
//! * [`all`]: the whole log, forward or backward
//! * [`streams`]: which streams there are

mod all;
pub(crate) mod events;
pub(crate) mod filtered;
pub(crate) mod forward;
mod load;
pub(crate) mod locate;
mod lookup;
mod pieces;
mod stream;
mod streams;

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::horizon::Horizon;

pub use all::LogRead;
pub use events::{Events, EventsIter};
pub use load::Loaded;
pub use stream::StreamRead;
pub(crate) use streams::collect as collect_streams;
pub use streams::{StreamInfo, Streams};

/// What readers share with the log: enough to read on when the log is closed.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) horizon: Arc<dyn Horizon>,
}

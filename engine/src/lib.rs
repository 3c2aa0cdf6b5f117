//! annals: an embedded, append-only event log.

pub mod io;
pub mod limits;

mod batch;
mod catalog;
mod commit;
mod committed;
mod cursor;
mod error;
mod event;
mod expected;
mod log;
mod options;
mod place;
pub mod planted;
mod read;
mod record;
mod recovered;
mod recovery;
mod segment;
mod stats;
mod sync;
mod time;
mod verify;
mod watermark;

pub use batch::{Batch, NewEvent};
pub use committed::{Committed, Durability};
pub use cursor::{Cursor, Start};
pub use error::{Corrupt, Damage, Difference, Error, Result};
pub use event::{Event, OwnedEvent, Tags};
pub use expected::Expected;
pub use log::Log;
pub use options::{Background, Options, Reading};
pub use read::{Events, EventsIter, LogRead, StreamInfo, StreamRead, Streams};
pub use recovered::{Discarded, Recovery, TailReason};
pub use stats::Stats;
pub use time::{Occurred, Timestamp};
pub use uuid::Uuid;
pub use verify::{Finding, Report, verify};

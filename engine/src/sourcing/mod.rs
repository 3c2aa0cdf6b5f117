//! Event sourcing on the log (feature `sourcing`): typed events that evolve, aggregates,
//! snapshots.
//!
//! Everything here stands on what the log offers to any program; nothing of it is needed to
//! use the log.

mod events;
mod stream;

#[cfg(feature = "postcard")]
pub use self::events::Postcard;
pub use self::events::{
    Codec, CodecError, DecodeError, DecodeFault, EncodeError, EventEnum, EventType, Json, Part,
    Parts, Place, RawEvent, Upcasters,
};
pub use self::stream::StreamName;
pub use crate::event_types;

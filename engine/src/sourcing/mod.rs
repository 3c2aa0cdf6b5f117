//! What event-sourced programs need around the log. (Feature `sourcing`.)
//!
//! It stands on what every program can use, through one small trait, [`Store`], which a log
//! implements: the same program can later stand on another engine.
//!
//! * [`store`]: the trait
//! * [`events`]: enums of events with stated type names, and upcasters for those of before
//! * [`aggregate`]: what decides, and the repository that carries out its commands
//! * [`stream`]: names of streams, of a category and an id
//!
//! ```
//! use std::ops::ControlFlow;
//! use std::sync::Arc;
//! use annals::sourcing::Store;
//! use annals::{Batch, Expected, Log, NewEvent};
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! let store: Arc<dyn Store> = Arc::new(Log::open(path)?);
//! let steps = ["Opened", "Closed"].map(NewEvent::new);
//! store.append(Batch::new().write("case-7", Expected::NoStream, steps))?;
//!
//! let mut types = Vec::new();
//! store.read("case-7", 1, &mut |event| {
//!     types.push(event.event_type().to_owned());
//!     ControlFlow::Continue(())
//! })?;
//! assert_eq!(types, ["Opened", "Closed"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod aggregate;
mod events;
mod store;
mod stream;

pub use self::aggregate::{
    Aggregate, AsOf, Context, Repository, RepositoryError, SnapshotPolicy, Versioned,
};
#[cfg(feature = "postcard")]
pub use self::events::Postcard;
pub use self::events::{
    Codec, CodecError, DecodeError, DecodeFault, EncodeError, EventEnum, EventType, Json, Part,
    Parts, Place, RawEvent, Upcasters,
};
pub use self::store::{Store, StoreReader, Tail, Visit};
pub use self::stream::StreamName;
pub use crate::event_types;

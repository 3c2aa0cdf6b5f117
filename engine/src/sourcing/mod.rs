//! What event-sourced programs need around the log. (Feature `sourcing`.)
//!
//! It stands on what every program can use, through one small trait, [`Store`], which a log
//! implements: the same program can later stand on another engine.
//!
//! * `store`: the trait
//! * `subscription`: named, durable cursors whose state is in the log; exactly-once steps
//! * `processing`: folding states by key and emitting events, exactly once
//! * `follower`: following from other processes, with checkpoints kept outside the log
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

mod follower;
mod processing;
mod store;
mod subscription;

pub use self::follower::{CheckpointStore, FileCheckpoints, Follower};
pub use self::processing::{Processing, Processor};
pub use self::store::{Store, StoreReader, Tail, Visit};
pub use self::subscription::{
    Consumer, Delivery, Nack, OnFailure, ParkedStream, Skip, Subscription, SubscriptionError,
    SubscriptionOptions, SubscriptionStatus, Subscriptions, partition_of,
};

//! Aggregates: what decides, by what happened to it before.
//!
//! * [`repository`]: finds aggregates and carries out commands
//! * [`command`]: one command, from the look-up of its key to the append
//! * [`awaiting`]: the same where the decision awaits others
//! * [`staged`]: commands of several aggregates in one batch
//! * [`fold`]: state from snapshots and events
//! * [`cache`]: states that are kept in memory
//! * [`snapshots`]: when the state is written down
//! * [`snapshotter`]: a thread that does it, by what is [`due`]
//! * [`context`]: what commands are carried out on behalf of
//! * [`error`]: what can go wrong

#[cfg(feature = "async")]
mod awaiting;
mod cache;
mod command;
mod context;
mod due;
mod error;
mod fold;
mod repository;
mod snapshots;
mod snapshotter;
mod staged;

use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(feature = "async")]
pub use self::awaiting::{AsyncHandler, AsyncRepository};
pub use self::context::Context;
pub use self::error::RepositoryError;
pub use self::fold::{AsOf, Versioned};
pub use self::repository::Repository;
pub use self::snapshots::SnapshotPolicy;
pub use self::snapshotter::{Snapshotter, SnapshotterStatus};
pub(super) use self::staged::Staged;
use super::EventEnum;

/// What decides: its state is folded from its events, and its commands become events.
///
/// The state must follow from the events alone. It is kept in snapshots by serde, so a state
/// of another shape takes another [`SNAPSHOT_SCHEMA`](Self::SNAPSHOT_SCHEMA). The
/// [module](crate::sourcing) has an example with everything around it.
pub trait Aggregate: Default + Clone + Serialize + DeserializeOwned + 'static {
    /// What can be asked of it.
    type Command;
    /// What can happen to it.
    type Event: EventEnum;
    /// Why it refuses a command.
    type Error;

    /// Category of its streams: the stream of the aggregate `17` is `CATEGORY-17`. It has no
    /// hyphen, which is checked when the program is compiled.
    const CATEGORY: &'static str;

    /// Categories that its streams had before it was renamed. An aggregate that has a
    /// stream under one of them stays there.
    const FORMER_CATEGORIES: &'static [&'static str] = &[];

    /// Number of the state's shape. Snapshots with another one are passed over, so raise it
    /// whenever the fields of the state change, or what `apply` does to them.
    const SNAPSHOT_SCHEMA: u32;

    /// Decides: the events that the command leads to, none if it changes nothing. May be
    /// called again with the same command, on a newer state, when somebody else was faster,
    /// so it does nothing but decide; above all it carries out no command itself, which could
    /// wait for the one that it is part of.
    ///
    /// # Errors
    /// Why it refuses.
    fn handle(&self, command: &Self::Command) -> Result<Vec<Self::Event>, Self::Error>;

    /// Changes the state by what happened. It cannot refuse: it happened.
    fn apply(&mut self, event: &Self::Event);

    /// [Tags](crate::NewEvent::tag) for an event that is to be appended, by the state after it:
    /// what readers can ask for it by, such as `customer:9`. None, if not said.
    fn tags(&self, _event: &Self::Event) -> Vec<String> {
        Vec::new()
    }
}

//! What can go wrong with a subscription, with its name and its cause.

use crate::Error;

/// Why a call on a subscription did not do what was asked.
#[non_exhaustive]
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubscriptionError {
    /// What the store says.
    #[error(transparent)]
    Store(#[from] Error),

    /// The subscription exists with another filter: what it would see now is not what its
    /// checkpoint is of. Open it with the first filter, take another name, or delete it.
    #[error("subscription {name:?} has the filter {stored}, not {given}")]
    OtherFilter {
        /// The subscription.
        name: String,
        /// The filter that it was opened with first, as text.
        stored: String,
        /// The filter that was given now, as text.
        given: String,
    },

    /// The subscription has settled more than the store holds: it is of an older copy, or its
    /// end was lost. Nothing was changed;
    /// [`reset`](crate::sourcing::Subscriptions::reset) says where it is to go on.
    #[error("subscription {name:?} is at position {position}, beyond the head, {head}")]
    BeyondHead {
        /// The subscription.
        name: String,
        /// Up to where it has settled events.
        position: u64,
        /// The last position there is.
        head: u64,
    },

    /// There is no subscription with this name.
    #[error("there is no subscription {name:?}")]
    NotFound {
        /// The name.
        name: String,
    },

    /// The subscription is open, and either that or this opening is that of a
    /// [`Processing`](crate::sourcing::Processing) or a
    /// [`ProcessManager`](crate::sourcing::ProcessManager), which shares it with nobody.
    #[error("subscription {name:?} is in use")]
    InUse {
        /// The subscription.
        name: String,
    },

    /// The state that a [`Processing`](crate::sourcing::Processing) or a
    /// [`ProcessManager`](crate::sourcing::ProcessManager) keeps under this key does not decode.
    /// It is not taken for a new one.
    #[error("the state of {key:?} of {name:?} cannot be read: {why}")]
    UnreadableState {
        /// The processor or process.
        name: String,
        /// The key; of a page of deadlines, the name of its state.
        key: String,
        /// What is wrong with it.
        why: String,
    },

    /// It was stopped, by its handler or by a call. Opened again after all its handles are
    /// gone, it goes on at its checkpoint.
    #[error("subscription {name:?} was stopped{}: {reason}", at(*.position))]
    Stopped {
        /// The subscription.
        name: String,
        /// The event that could not be handled, if it was stopped for one.
        position: Option<u64>,
        /// Why.
        reason: String,
    },

    /// What was delivered is not in flight any more: it was taken back since an event before
    /// it in its stream is tried again or parked, or the subscription was reset or deleted. If
    /// it is due, it is delivered again.
    #[error("the event at position {position} is not in flight in subscription {name:?}")]
    NotInFlight {
        /// The subscription.
        name: String,
        /// The event.
        position: u64,
    },

    /// Of what was delivered together, one of the same stream before this one was not
    /// acknowledged yet. Acknowledge that first; this one is delivered again.
    #[error(
        "the event at position {position} has others before it in its stream that are not \
         acknowledged in subscription {name:?}"
    )]
    OutOfOrder {
        /// The subscription.
        name: String,
        /// The event.
        position: u64,
    },

    /// This stream is not parked, or it is being replayed.
    #[error("stream {stream:?} is not parked in subscription {name:?}")]
    NotParked {
        /// The subscription.
        name: String,
        /// The stream.
        stream: String,
    },

    /// The state of the subscription in the store cannot be read. It is not taken for a new
    /// one.
    #[error("the state of subscription {name:?} cannot be read: {why}")]
    Unreadable {
        /// The subscription.
        name: String,
        /// What is wrong with it, such as a format of a later version.
        why: String,
    },
}

fn at(position: Option<u64>) -> String {
    position.map(|position| format!(" at position {position}")).unwrap_or_default()
}

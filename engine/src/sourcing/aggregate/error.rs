//! What can go wrong with an aggregate.

use super::super::{CodecError, DecodeError, EncodeError};

/// Why a [`Repository`](super::Repository) did not do what was asked. `E` is what the
/// aggregate itself says when it refuses a command.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError<E> {
    /// The aggregate refuses the command.
    #[error("{0}")]
    Rejected(E),

    /// There is no such aggregate.
    #[error("{stream:?} does not exist")]
    NotFound {
        /// Its stream would be this one.
        stream: String,
    },

    /// The aggregate that was to be created is there.
    #[error("{stream:?} exists, at version {version}")]
    Exists {
        /// Its stream.
        stream: String,
        /// The version that it has.
        version: u64,
    },

    /// Others were faster each time.
    #[error("{stream:?} was changed by others at each of {attempts} attempts")]
    Conflict {
        /// The aggregate's stream.
        stream: String,
        /// How often the command was handled.
        attempts: u32,
    },

    /// The key is of a command to another aggregate.
    #[error("key {key:?} was used for another aggregate than {stream:?}")]
    KeyTaken {
        /// The key.
        key: String,
        /// The stream of the aggregate that was asked now.
        stream: String,
    },

    /// A stored event does not decode.
    #[error(transparent)]
    Decode(#[from] DecodeError),

    /// An event that `handle` gave does not encode. Nothing was appended.
    #[error(transparent)]
    Encode(#[from] EncodeError),

    /// The state does not encode, so there is no snapshot of it.
    #[error("the state of {stream:?} does not encode: {cause}")]
    Snapshot {
        /// The aggregate's stream.
        stream: String,
        /// What the codec says.
        cause: CodecError,
    },

    /// The store says no.
    #[error(transparent)]
    Store(#[from] crate::Error),
}

impl<E> RepositoryError<E> {
    /// Whether the same command may succeed if it is tried again later.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Conflict { .. } => true,
            Self::Store(error) => error.is_retryable(),
            _ => false,
        }
    }
}

//! What can go wrong with a projection, with its name and its cause.

use std::sync::Arc;

use crate::{Error, Event};

/// Why a call on a projection did not do what was asked.
#[non_exhaustive]
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProjectionError {
    /// What the store says.
    #[error(transparent)]
    Store(#[from] Error),

    /// An event could not be applied. Everything before it is, and nothing of it or after it:
    /// nothing is skipped unasked. The next call tries it again.
    #[error(
        "projection {name:?} stopped before the event at position {position} ({event_type:?} of \
         stream {stream:?}): {reason}"
    )]
    Stopped {
        /// The projection.
        name: String,
        /// The event that could not be applied.
        position: u64,
        /// Its stream.
        stream: String,
        /// Its type.
        event_type: String,
        /// What the projection says.
        reason: String,
    },

    /// The database holds what the log does not: the log is an older copy that was restored,
    /// lost its end, or is another one. Nothing was applied. Restore the database to the same
    /// time, or rebuild the projection.
    #[error("projection {name:?} has applied what is not in this log: {source}")]
    Ahead {
        /// The projection.
        name: String,
        /// [`Error::BeyondHead`] or [`Error::Diverged`], which says up to where they agree.
        source: Error,
    },

    /// The tables were made by the projection with another schema number or filter. What is in
    /// them is not what it would hold now: rebuild it.
    #[error("projection {name:?} was made with {stored}, and is now {given}: rebuild it")]
    OtherShape {
        /// The projection.
        name: String,
        /// Schema number and filter that the tables were made with.
        stored: String,
        /// Those that the projection has now.
        given: String,
    },

    /// Another generation has taken the place of this one, or a rebuild was begun again.
    /// Nothing was applied.
    #[error("generation {generation} of projection {name:?} was replaced")]
    Replaced {
        /// The projection.
        name: String,
        /// The generation that this projector was of.
        generation: u64,
    },

    /// What is built is not as far as what it would take the place of. Nothing was changed.
    #[error("projection {name:?} is built up to position {position}, the live one up to {live}")]
    NotCaughtUp {
        /// The projection.
        name: String,
        /// Up to where it is built.
        position: u64,
        /// Up to where the live one is.
        live: u64,
    },

    /// This cannot be a table's name.
    #[error("{table:?} cannot be a table of a projection: {why}")]
    Table {
        /// The name.
        table: String,
        /// What is wrong with it.
        why: &'static str,
    },

    /// What is kept of a projection cannot be read, or its state cannot be written as JSON. It
    /// is not taken for a new one.
    #[error("what is kept of projection {name:?} cannot be read or written: {why}")]
    Unreadable {
        /// The projection.
        name: String,
        /// What is wrong with it.
        why: String,
    },

    /// What the database says, or that the connection to it was lost.
    #[error("{database}: {}", with_causes(&**source))]
    Sql {
        /// Which kind of database.
        database: &'static str,
        /// Whether the same call may succeed later: it was busy, or two transactions met.
        retryable: bool,
        /// What it says.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

impl ProjectionError {
    /// Whether the very same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Sql { retryable, .. } => *retryable,
            _ => false,
        }
    }

    pub(super) fn stopped(name: &str, event: &Event<'_>, reason: String) -> Self {
        Self::Stopped {
            name: name.to_owned(),
            position: event.position(),
            stream: event.stream().to_owned(),
            event_type: event.event_type().to_owned(),
            reason,
        }
    }
}

/// An error with what caused it: the drivers' own texts leave that out.
pub(super) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

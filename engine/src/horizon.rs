//! How far a reader may go, and waiting for that to move: the seam between reading and
//! what moves the end of the log. In the writing process that is the commit; in another
//! one it is what follows the writer.

use std::fmt::Debug;
#[cfg(feature = "async")]
use std::task::Context;

use crate::error::Result;
use crate::observe::Activity;
use crate::place::Place;
use crate::sync::Instant;
use crate::visibility::Visibility;

/// What a reader asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Durable,
    Written,
    /// Everything that an append was answered for, so that a program reads its own
    /// writes.
    Acknowledged,
}

impl From<Visibility> for Reach {
    fn from(visibility: Visibility) -> Self {
        match visibility {
            Visibility::Durable => Self::Durable,
            Visibility::Written => Self::Written,
        }
    }
}

/// How far a reader may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound {
    /// Nothing from here on may be read.
    pub(crate) place: Place,
    /// Position of the last event before that.
    pub(crate) position: u64,
    /// What lies before this never changes: it may be lent from a mapping. What lies behind
    /// it is copied, since a recovery may write over it.
    pub(crate) lasting: Place,
}

/// A future's place among those that wait; 0 before it waits.
#[cfg(feature = "async")]
#[derive(Debug, Default)]
pub(crate) struct Seat(pub(crate) u64);

/// What moves the end of the log.
pub(crate) trait Horizon: Send + Sync + Debug {
    /// How far a reader may go now. All segments before that are in the catalog's view
    /// afterwards.
    fn bound(&self, reach: Reach) -> Result<Bound>;

    /// As `bound`, and everything before it is in the view's indexes too.
    fn indexed(&self, reach: Reach) -> Result<Bound> {
        self.bound(reach)
    }

    /// Up to where an index may tell of records: everything that anybody was told of, written
    /// or not, since nothing of it is read.
    fn told(&self) -> Result<Place> {
        Ok(self.indexed(Reach::Acknowledged)?.place)
    }

    /// A number that changes when what was read may be there no more, since another
    /// writer has opened the log: a reader that goes on must look whether it is.
    fn life(&self) -> u64 {
        0
    }

    /// What this process has written, if it is the one that writes.
    fn activity(&self) -> Option<Activity> {
        None
    }

    /// Waits until there is something beyond `place` or the time is up. Returns whether
    /// there is.
    ///
    /// Fails if there never will be, since the log was closed.
    fn wait_beyond(&self, reach: Reach, place: Place, deadline: Option<Instant>) -> Result<bool>;

    /// As `wait_beyond`, for a future: ready with whether there is something, or the
    /// waker is called when that may have changed.
    #[cfg(feature = "async")]
    fn poll_beyond(
        &self,
        reach: Reach,
        place: Place,
        seat: &mut Seat,
        context: &mut Context<'_>,
    ) -> Result<bool>;

    /// The future of this seat waits no longer.
    #[cfg(feature = "async")]
    fn leave(&self, reach: Reach, seat: &mut Seat);
}

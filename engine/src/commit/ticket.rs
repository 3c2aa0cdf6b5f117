//! A batch whose outcome is asked for later.

use std::fmt;
use std::sync::Arc;
#[cfg(feature = "async")]
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use super::Committer;
use super::group::Group;
use super::waiting::{Role, Wait};
use crate::committed::Committed;
use crate::durability::Durability;
use crate::error::Result;
#[cfg(feature = "async")]
use crate::horizon::Seat;
use crate::place::Place;

/// A batch that was submitted, made by [`Log::submit`](crate::Log::submit): it has its
/// numbers, and its outcome is asked for with [`wait`](Self::wait), or awaited with the
/// feature `async`.
///
/// Dropping it changes nothing: the batch commits all the same.
///
/// ```
/// use annals::{Batch, Expected, Log, NewEvent};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Log::open(path)?;
/// let mut tickets = Vec::new();
/// for n in 0..100 {
///     let text = n.to_string();
///     let mut batch = Batch::new();
///     batch.write("counter", Expected::Any, [NewEvent::new("Counted").json(&text)]);
///     tickets.push(log.submit(&batch)?);
/// }
/// // One hundred durable appends, and far fewer syncs.
/// let last = tickets.pop().map(|ticket| ticket.wait()).transpose()?;
/// assert_eq!(last.map(|committed| committed.last_position()), Some(100));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "whether it was committed is not known before it is waited for"]
pub struct Ticket {
    committer: Arc<Committer>,
    /// What it waits for; none if the answer is known.
    on: Option<(Arc<Group>, Durability)>,
    answer: Result<Committed>,
    /// What an answer without a place may tell of.
    end: Option<Place>,
    /// Among the futures that wait for the same.
    #[cfg(feature = "async")]
    seat: Seat,
}

impl Ticket {
    pub(super) fn new(
        committer: Arc<Committer>,
        on: Option<(Arc<Group>, Durability)>,
        answer: Result<Committed>,
        end: Option<Place>,
    ) -> Self {
        Self {
            committer,
            on,
            answer,
            end,
            #[cfg(feature = "async")]
            seat: Seat::default(),
        }
    }

    /// Waits until the batch is as safe as was asked for, and returns its outcome.
    ///
    /// # Errors
    /// Those of [`Log::append`](crate::Log::append).
    pub fn wait(mut self) -> Result<Committed> {
        if let Some((group, level)) = self.on.take() {
            #[cfg(feature = "async")]
            group.leave(&mut self.seat);
            // What is buffered is where it is to be: nobody leads for its sake.
            let role = match level {
                Durability::Buffered => Role::Wait,
                _ => self.committer.queue.lock().sit_down(&group, level),
            };
            self.committer.finish(Wait { group, level, role })?;
        }
        self.told()
    }

    fn told(&self) -> Result<Committed> {
        if let Some(end) = self.end {
            self.committer.watermark.promise(end);
        }
        self.answer.clone()
    }
}

/// Ready when the batch is as safe as was asked for. Any runtime will do; dropping it
/// before changes nothing.
#[cfg(feature = "async")]
impl Future for Ticket {
    type Output = Result<Committed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some((group, level)) = &this.on {
            ready!(group.poll(*level, &mut this.seat, context))?;
            this.on = None;
        }
        Poll::Ready(this.told())
    }
}

#[cfg(feature = "async")]
impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some((group, _)) = &self.on {
            group.leave(&mut self.seat);
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Ticket").field("answer", &self.answer).finish_non_exhaustive()
    }
}

//! How far readers of the writing process may go.

#[cfg(feature = "async")]
use std::task::Context;

use super::Committer;
use crate::durability::Durability;
use crate::error::{Error, Result};
#[cfg(feature = "async")]
use crate::horizon::Seat;
use crate::horizon::{Bound, Horizon, Reach};
use crate::observe::Activity;
use crate::place::Place;
use crate::sync::Instant;

impl Committer {
    /// Nothing more is there yet, or there never will be.
    fn nothing_yet(&self) -> Result<bool> {
        if self.watermark.is_closed() {
            return Err(Error::Closed);
        }
        self.queue.lock().writable().map(|()| false)
    }
}

impl Horizon for Committer {
    fn bound(&self, reach: Reach) -> Result<Bound> {
        self.owner()?;
        if reach == Reach::Acknowledged && self.watermark.owes_a_write() {
            // It is read from the file like everything else. If the write fails, what
            // could be written is still served.
            drop(self.settle_all(Durability::Written, true));
        }
        Ok(self.watermark.bound(reach))
    }

    fn told(&self) -> Result<Place> {
        self.owner()?;
        Ok(self.watermark.told())
    }

    fn activity(&self) -> Option<Activity> {
        Some(self.queue.lock().activity)
    }

    fn wait_beyond(&self, reach: Reach, place: Place, deadline: Option<Instant>) -> Result<bool> {
        let moved = self.watermark.wait_beyond(reach, place, deadline);
        if moved { Ok(true) } else { self.nothing_yet() }
    }

    #[cfg(feature = "async")]
    fn poll_beyond(
        &self,
        reach: Reach,
        place: Place,
        seat: &mut Seat,
        context: &mut Context<'_>,
    ) -> Result<bool> {
        let moved = self.watermark.poll_beyond(reach, place, seat, context);
        if moved { Ok(true) } else { self.nothing_yet() }
    }

    #[cfg(feature = "async")]
    fn leave(&self, reach: Reach, seat: &mut Seat) {
        self.watermark.leave(reach, seat);
    }
}

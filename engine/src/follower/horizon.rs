//! How far readers of another process may go, and waiting for that to move.

#[cfg(feature = "async")]
use std::task::Context;
use std::time::Duration;

use super::origin::{self, Origin};
use super::{ASK_EVERY, Follower, LOOK_EVERY, State, build};
#[cfg(feature = "async")]
use crate::error::Error;
use crate::error::{Damage, Result};
#[cfg(feature = "async")]
use crate::horizon::Seat;
use crate::horizon::{Bound, Horizon, Reach};
use crate::place::Place;
use crate::sync::{Instant, thread};
use crate::visibility::Visibility;

/// How often it is looked while there is nobody who could wake.
const ALONE: Duration = Duration::from_millis(20);

impl Follower {
    const fn level(&self, reach: Reach) -> Visibility {
        match reach {
            Reach::Durable => Visibility::Durable,
            Reach::Written => Visibility::Written,
            Reach::Acknowledged => self.visibility,
        }
    }

    /// Looks whether what is known still holds, if that is due.
    fn look(&self, state: &mut State) -> Result<()> {
        if let Origin::Control(view, said) = &state.origin {
            let now = view.said();
            if now.is_some_and(|now| now.epoch != said.epoch) {
                return self.look_anew(state);
            }
        }
        if state.looked.elapsed() < LOOK_EVERY {
            return Ok(());
        }
        state.looked = Instant::now();
        let alive = self.writer_is_alive()?;
        let live = || origin::live(&*self.catalog.storage, Some(self.catalog.log));
        match (&state.origin, alive) {
            // It was closed, or died: what it left is made durable and served.
            (Origin::Control(..) | Origin::Proven(..), false) => self.look_anew(state),
            (Origin::Proven(_, asked), true) if asked.elapsed() >= ASK_EVERY => {
                self.look_anew(state)
            }
            // One may have come and gone since the last look.
            (Origin::Settled(_, epoch), false) => {
                if origin::last_epoch(&*self.catalog.storage) == *epoch {
                    return Ok(());
                }
                self.look_anew(state)
            }
            // What was served stays served until the writer says how far it is. One whose
            // file was deleted still stores into what is mapped here.
            (Origin::Settled(..) | Origin::Proven(..), true) => {
                live().map_or(Ok(()), |_| self.look_anew(state))
            }
            (Origin::Control(_, said), true) => match live() {
                None => Ok(()),
                Some((view, now)) if now.epoch == said.epoch => {
                    state.origin = Origin::Control(view, now);
                    Ok(())
                }
                Some(_) => self.look_anew(state),
            },
        }
    }

    /// Looks at the whole log again: another writer has it, or none any more.
    fn look_anew(&self, state: &mut State) -> Result<()> {
        let storage = &*self.catalog.storage;
        let known = Some(self.catalog.log);
        let Some(found) = origin::find(storage, self.catalog.mode, known, 1)? else {
            return Err(state.active.segment.corrupt(0, Damage::Missing));
        };
        let built = build::build(storage, self.catalog.mode, found)?;
        if built.log != self.catalog.log {
            return Err(state.active.segment.corrupt(0, Damage::Foreign));
        }
        let [served, _] = state.ends();
        if matches!(&built.origin, Origin::Proven(end, _) if end.0 < served.0) {
            // A writer came just now, and the segments prove less than is known already.
            return Ok(());
        }
        self.catalog.reset(built.view);
        *state = State::new(built.origin, built.active, state.life + 1);
        Ok(())
    }

    fn bounded(&self, reach: Reach, indexed: bool) -> Result<Bound> {
        self.catalog.owner()?;
        let mut state = self.state.lock();
        self.look(&mut state)?;
        let [durable, written] = state.ends();
        let (lasting, _) = durable;
        let (place, position) = match self.level(reach) {
            Visibility::Durable => durable,
            Visibility::Written => written,
        };
        self.extend(&mut state, place)?;
        if indexed {
            self.fill(&mut state, place, lasting)?;
        }
        Ok(Bound { place, position, lasting })
    }

    /// Up to where the log is.
    #[cfg(feature = "async")]
    pub(super) fn end(&self, visibility: Visibility) -> Result<Place> {
        Ok(self.bounded(Reach::from(visibility), false)?.place)
    }

    /// Sleeps until the end may have moved beyond `place`, for `time` at most.
    pub(super) fn sleep(&self, visibility: Visibility, place: Place, time: Duration) {
        let state = self.state.lock();
        let waits_on = match &state.origin {
            Origin::Control(view, _) => Some(view.clone()),
            Origin::Settled(..) | Origin::Proven(..) => None,
        };
        drop(state);
        match waits_on {
            Some(view) => view.wait(visibility, place, time.min(LOOK_EVERY)),
            None => thread::sleep(time.min(ALONE)),
        }
    }
}

impl Horizon for Follower {
    fn bound(&self, reach: Reach) -> Result<Bound> {
        self.bounded(reach, false)
    }

    fn indexed(&self, reach: Reach) -> Result<Bound> {
        self.bounded(reach, true)
    }

    fn life(&self) -> u64 {
        self.state.lock().life
    }

    fn wait_beyond(&self, reach: Reach, place: Place, deadline: Option<Instant>) -> Result<bool> {
        loop {
            if self.bounded(reach, false)?.place > place {
                return Ok(true);
            }
            let now = Instant::now();
            let left =
                deadline.map_or(LOOK_EVERY, |deadline| deadline.saturating_duration_since(now));
            if left.is_zero() {
                return Ok(false);
            }
            self.sleep(self.level(reach), place, left);
        }
    }

    #[cfg(feature = "async")]
    fn poll_beyond(
        &self,
        reach: Reach,
        place: Place,
        seat: &mut Seat,
        context: &mut Context<'_>,
    ) -> Result<bool> {
        if self.bounded(reach, false)?.place > place {
            self.waiters.leave(seat);
            return Ok(true);
        }
        let Some(this) = self.this.upgrade() else { return Err(Error::Closed) };
        self.waiters
            .sit_down(&this, (self.level(reach), place), seat, context)
            .map_err(|error| Error::io("start a thread for", "a reader", error))?;
        // What moved in between may have seen nobody to wake.
        Ok(self.bounded(reach, false)?.place > place)
    }

    #[cfg(feature = "async")]
    fn leave(&self, _reach: Reach, seat: &mut Seat) {
        self.waiters.leave(seat);
    }
}

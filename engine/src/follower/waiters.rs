//! Futures that wait for a writer in another process: a thread sleeps for them, as long
//! as there are any.

use std::sync::{Arc, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use super::{Follower, LOOK_EVERY};
use crate::horizon::Seat;
use crate::place::Place;
use crate::sync::{Mutex, thread};
use crate::visibility::Visibility;

/// How long the thread sleeps on one level while others wait for the other.
const BOTH: Duration = Duration::from_millis(2);

#[derive(Debug, Default)]
pub(super) struct Waiters {
    all: Mutex<All>,
}

#[derive(Debug, Default)]
struct All {
    last_seat: u64,
    futures: Vec<Future>,
    /// The thread is there.
    served: bool,
}

#[derive(Debug)]
struct Future {
    seat: u64,
    visibility: Visibility,
    place: Place,
    waker: Waker,
}

impl Waiters {
    /// The future waits for something beyond `place`.
    pub(super) fn sit_down(
        &self,
        follower: &Arc<Follower>,
        (visibility, place): (Visibility, Place),
        seat: &mut Seat,
        context: &Context<'_>,
    ) -> std::io::Result<()> {
        self.leave(seat);
        let waker = context.waker().clone();
        let mut all = self.all.lock();
        all.last_seat += 1;
        seat.0 = all.last_seat;
        all.futures.push(Future { seat: seat.0, visibility, place, waker });
        if !all.served {
            let follower = Arc::downgrade(follower);
            thread::Builder::new().name("annals".to_owned()).spawn(move || serve(&follower))?;
            all.served = true;
        }
        Ok(())
    }

    pub(super) fn leave(&self, seat: &mut Seat) {
        if seat.0 == 0 {
            return;
        }
        let mut all = self.all.lock();
        let at = all.futures.iter().position(|future| future.seat == seat.0);
        let left = at.map(|at| all.futures.swap_remove(at));
        drop(all);
        // Not under the lock: it may be the last that holds a task, and so another future.
        drop(left);
        seat.0 = 0;
    }
}

/// Sleeps, and wakes those for whom something is there.
fn serve(follower: &Weak<Follower>) {
    while let Some(follower) = follower.upgrade() {
        let lowest = |visibility| {
            let all = follower.waiters.all.lock();
            let of_level = all.futures.iter().filter(|future| future.visibility == visibility);
            of_level.map(|future| future.place).min()
        };
        match (lowest(Visibility::Durable), lowest(Visibility::Written)) {
            (Some(place), None) => follower.sleep(Visibility::Durable, place, LOOK_EVERY),
            (None, Some(place)) => follower.sleep(Visibility::Written, place, LOOK_EVERY),
            (Some(_), Some(place)) => follower.sleep(Visibility::Written, place, BOTH),
            (None, None) => {}
        }
        // Before the lock: this may read, and whoever leaves meanwhile must be gone for good.
        let [durable, written] =
            [Visibility::Durable, Visibility::Written].map(|level| follower.end(level));
        let is_there = |future: &Future| {
            let end = match future.visibility {
                Visibility::Durable => &durable,
                Visibility::Written => &written,
            };
            // An error is something to be told as well.
            end.as_ref().map_or(true, |place| *place > future.place)
        };
        let mut all = follower.waiters.all.lock();
        let (woken, asleep) = std::mem::take(&mut all.futures).into_iter().partition(is_there);
        all.futures = asleep;
        all.served = !all.futures.is_empty();
        let more = all.served;
        drop(all);
        let woken: Vec<_> = woken;
        woken.into_iter().for_each(|future| future.waker.wake());
        if !more {
            return;
        }
    }
}

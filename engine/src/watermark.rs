//! The published places below which everything is durable, written or acknowledged,
//! and waiting for them to move.
//!
//! Readers load them without a lock; the writer wakes only if somebody waits.

#[cfg(feature = "async")]
use std::task::Context;
use std::task::Waker;

use crate::control::Control;
#[cfg(feature = "async")]
use crate::horizon::Seat;
use crate::horizon::{Bound, Reach};
use crate::io::Storage;
use crate::place::Place;
use crate::planted::{self, Bug};
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Condvar, Instant, Mutex, Ordering};
use crate::visibility::Visibility;

/// A place, and the position of the last event before it.
#[derive(Debug)]
struct Pair {
    place: AtomicU64,
    position: AtomicU64,
}

impl Pair {
    const fn new(place: Place, position: u64) -> Self {
        Self { place: AtomicU64::new(place.to_bits()), position: AtomicU64::new(position) }
    }

    fn place(&self) -> Place {
        Place::from_bits(self.place.load(Ordering::SeqCst))
    }
}

/// One published place. What the writer stores often is kept away from the rest.
#[repr(align(128))]
#[derive(Debug)]
struct Level {
    /// Counts what was published. The newest stands in the pair of this number, and the
    /// next is written into the other one: so a pair that was read is whole, if this is
    /// what it was.
    turn: AtomicU64,
    pairs: [Pair; 2],
    /// How many sleep or are about to, futures included. Raised before the last look at
    /// `turn`, read after storing it, both sequentially consistent: one of the
    /// two sides sees the other.
    waiting: AtomicUsize,
    sleepers: Mutex<Sleepers>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Sleepers {
    #[cfg(feature = "async")]
    last_seat: u64,
    futures: Vec<(u64, Waker)>,
}

impl Level {
    const fn new(place: Place, position: u64) -> Self {
        Self {
            turn: AtomicU64::new(0),
            pairs: [Pair::new(place, position), Pair::new(place, position)],
            waiting: AtomicUsize::new(0),
            sleepers: Mutex::new(Sleepers {
                #[cfg(feature = "async")]
                last_seat: 0,
                futures: Vec::new(),
            }),
            moved: Condvar::new(),
        }
    }

    const fn pair(&self, turn: u64) -> &Pair {
        let [even, odd] = &self.pairs;
        if turn.is_multiple_of(2) { even } else { odd }
    }

    /// What was published last: who is handed what lies before the place finds the position
    /// there too, and the other way round.
    fn end(&self) -> (Place, u64) {
        let mut turn = self.turn.load(Ordering::SeqCst);
        loop {
            let pair = self.pair(turn);
            let end = (pair.place(), pair.position.load(Ordering::SeqCst));
            // Twice published meanwhile, or the pair is whole.
            match self.turn.load(Ordering::SeqCst) {
                same if same == turn => return end,
                newer => turn = newer,
            }
        }
    }

    fn place(&self) -> Place {
        self.end().0
    }

    /// Called by one thread at a time.
    fn publish(&self, place: Place, position: u64) {
        debug_assert!(place >= self.place());
        let turn = self.turn.load(Ordering::SeqCst).wrapping_add(1);
        if planted::active(Bug::AnnouncedTooSoon) {
            self.turn.store(turn, Ordering::SeqCst);
        }
        let pair = self.pair(turn);
        pair.place.store(place.to_bits(), Ordering::SeqCst);
        pair.position.store(position, Ordering::SeqCst);
        self.turn.store(turn, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        if planted::active(Bug::WokenWithoutLock) {
            self.moved.notify_all();
            return;
        }
        // Taking the lock orders this after a sleeper that has looked and not yet slept.
        let mut sleepers = self.sleepers.lock();
        let futures = std::mem::take(&mut sleepers.futures);
        drop(sleepers);
        if planted::active(Bug::OneWoken) {
            self.moved.notify_one();
        } else {
            self.moved.notify_all();
        }
        self.waiting.fetch_sub(futures.len(), Ordering::SeqCst);
        futures.into_iter().for_each(|(_, waker)| waker.wake());
    }

    #[cfg(feature = "async")]
    fn leave(&self, seat: &mut Seat) {
        if seat.0 == 0 {
            return;
        }
        let mut sleepers = self.sleepers.lock();
        let at = sleepers.futures.iter().position(|(number, _)| *number == seat.0);
        let left = at.map(|at| sleepers.futures.swap_remove(at));
        if left.is_some() {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
        }
        drop(sleepers);
        // Not under the lock: it may be the last that holds a task, and so another future.
        drop(left);
        seat.0 = 0;
    }
}

/// How far the log is durable, written and acknowledged.
#[derive(Debug)]
pub(crate) struct Watermark {
    durable: Level,
    written: Level,
    /// Up to the last group that was written and holds a batch that is answered for before
    /// it is durable. Never within a group: a read that goes through the log could not end
    /// there.
    acknowledged: Level,
    /// Up to the last batch that anybody was told of: reads see it, and have it written
    /// first if need be.
    promised: AtomicU64,
    closed: AtomicBool,
    /// Nothing that is not written by now ever will be.
    failed: AtomicBool,
    /// Where readers in other processes look, if there is such a file.
    control: Mutex<Option<Control>>,
}

impl Watermark {
    pub(crate) const fn new(place: Place, position: u64) -> Self {
        Self {
            durable: Level::new(place, position),
            written: Level::new(place, position),
            acknowledged: Level::new(place, position),
            promised: AtomicU64::new(place.to_bits()),
            closed: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            control: Mutex::new(None),
        }
    }

    /// Up to where the log is durable.
    pub(crate) fn place(&self) -> Place {
        self.durable.place()
    }

    /// Position of the last durable event.
    pub(crate) fn position(&self) -> u64 {
        self.durable.end().1
    }

    /// Up to where the log is written.
    pub(crate) fn written(&self) -> Place {
        self.written.place()
    }

    /// How far a reader may go.
    pub(crate) fn bound(&self, reach: Reach) -> Bound {
        // Before the place that is read: it only grows, so nothing beyond it is lasting.
        let lasting = self.place();
        let ahead = planted::active(Bug::CursorAheadOfSync);
        let durable = if ahead { self.written.end() } else { self.durable.end() };
        let (place, position) = match reach {
            Reach::Durable => durable,
            Reach::Written => self.written.end(),
            Reach::Acknowledged => durable.max(self.acknowledged.end()),
        };
        Bound { place, position, lasting }
    }

    /// The durable end moves on. Called by the leader alone.
    pub(crate) fn publish(&self, place: Place, position: u64) {
        self.durable.publish(place, position);
        self.mirror(Visibility::Durable, place, position);
    }

    fn mirror(&self, visibility: Visibility, place: Place, position: u64) {
        if let Some(control) = &*self.control.lock() {
            control.publish(visibility, place, position);
        }
    }

    /// Readers in other processes look there from now on. Called by whoever keeps others
    /// from leading, so that no place is missed.
    pub(crate) fn set_control(&self, control: Option<Control>) {
        *self.control.lock() = control;
    }

    /// Whether readers in other processes find what is published.
    pub(crate) fn is_mirrored(&self, storage: &dyn Storage) -> bool {
        self.control.lock().as_ref().is_some_and(|control| control.stands(storage))
    }

    /// The written end moves on. Called by the leader alone, before the durable end gets
    /// there.
    pub(crate) fn publish_written(&self, place: Place, position: u64) {
        self.written.publish(place, position);
        self.mirror(Visibility::Written, place, position);
    }

    /// A group was written of which something is answered for before it is durable. Called
    /// by the leader alone, before the written end gets there.
    pub(crate) fn acknowledge(&self, place: Place, position: u64) {
        self.acknowledged.publish(place, position);
    }

    /// Somebody is told of a batch that ends there, which may not be written.
    pub(crate) fn promise(&self, place: Place) {
        self.promised.fetch_max(place.to_bits(), Ordering::SeqCst);
    }

    /// Whether somebody was told of what is not written yet, and still can be.
    pub(crate) fn owes_a_write(&self) -> bool {
        let promised = Place::from_bits(self.promised.load(Ordering::SeqCst));
        promised > self.written() && !self.failed.load(Ordering::SeqCst)
    }

    /// Up to where somebody was told of what is there, written or not. What never will be
    /// written is served no longer.
    pub(crate) fn told(&self) -> Place {
        let served = self.bound(Reach::Acknowledged).place;
        if self.failed.load(Ordering::SeqCst) {
            return served;
        }
        served.max(Place::from_bits(self.promised.load(Ordering::SeqCst)))
    }

    /// Nothing will move any more: whoever waits is told.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.durable.wake();
        self.written.wake();
        if let Some(control) = &*self.control.lock() {
            control.close();
        }
    }

    /// The log takes no more appends, and what is not written by now will not be.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::SeqCst);
        if let Some(control) = &*self.control.lock() {
            control.fail();
        }
        self.durable.wake();
        self.written.wake();
    }

    /// Whether nothing will move any more.
    fn has_ended(&self) -> bool {
        self.closed.load(Ordering::SeqCst) || self.failed.load(Ordering::SeqCst)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    const fn level(&self, reach: Reach) -> &Level {
        match reach {
            Reach::Durable => &self.durable,
            Reach::Written | Reach::Acknowledged => &self.written,
        }
    }

    /// Waits until something beyond `place` is there, the log is closed or takes no more
    /// appends, or the time is up. Returns whether something is.
    pub(crate) fn wait_beyond(
        &self,
        reach: Reach,
        place: Place,
        deadline: Option<Instant>,
    ) -> bool {
        let level = self.level(reach);
        if level.place() > place {
            return true;
        }
        let late = planted::active(Bug::WaitNotedLate);
        if !late {
            level.waiting.fetch_add(1, Ordering::SeqCst);
        }
        let mut guard = level.sleepers.lock();
        let moved = loop {
            if level.place() > place {
                break true;
            }
            if self.has_ended() {
                break false;
            }
            if late {
                level.waiting.fetch_add(1, Ordering::SeqCst);
            }
            match deadline {
                None => level.moved.wait(&mut guard),
                Some(deadline) => {
                    if level.moved.wait_until(&mut guard, deadline).timed_out() {
                        break level.place() > place;
                    }
                }
            }
        };
        drop(guard);
        level.waiting.fetch_sub(1, Ordering::SeqCst);
        moved
    }

    /// As `wait_beyond`, for a future: it is woken when something moves.
    #[cfg(feature = "async")]
    pub(crate) fn poll_beyond(
        &self,
        reach: Reach,
        place: Place,
        seat: &mut Seat,
        context: &Context<'_>,
    ) -> bool {
        let level = self.level(reach);
        if level.place() > place {
            level.leave(seat);
            return true;
        }
        let waker = context.waker().clone();
        let mut sleepers = level.sleepers.lock();
        let mine = sleepers.futures.iter_mut().find(|(number, _)| *number == seat.0);
        let before = match mine {
            Some((_, mine)) if seat.0 != 0 => Some(std::mem::replace(mine, waker)),
            _ => {
                sleepers.last_seat += 1;
                seat.0 = sleepers.last_seat;
                sleepers.futures.push((seat.0, waker));
                level.waiting.fetch_add(1, Ordering::SeqCst);
                None
            }
        };
        drop(sleepers);
        drop(before);
        // What moved in between may have seen nobody to wake.
        let moved = level.place() > place || self.has_ended();
        if moved && planted::active(Bug::WakerTooLate) {
            return false;
        }
        if moved {
            level.leave(seat);
        }
        level.place() > place
    }

    /// The future of this seat waits no longer.
    #[cfg(feature = "async")]
    pub(crate) fn leave(&self, reach: Reach, seat: &mut Seat) {
        self.level(reach).leave(seat);
    }
}

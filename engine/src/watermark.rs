//! The one published place below which everything is durable, and waiting for it
//! to move.
//!
//! Readers load it without a lock; the writer wakes only if somebody waits.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::place::Place;

/// Keeps what the writer stores often away from the rest.
#[repr(align(128))]
#[derive(Debug)]
struct OwnLine<T>(T);

/// How far the log is durable.
#[derive(Debug)]
pub(crate) struct Watermark {
    /// Stored before `position`, so that whoever sees a position sees at least its
    /// place.
    place: OwnLine<AtomicU64>,
    position: AtomicU64,
    /// How many sleep or are about to. Raised before the last look at `place`, read
    /// after storing it, both sequentially consistent: one of the two sides sees
    /// the other.
    waiting: AtomicUsize,
    closed: AtomicBool,
    sleep: Mutex<()>,
    moved: Condvar,
}

impl Watermark {
    pub(crate) const fn new(place: Place, position: u64) -> Self {
        Self {
            place: OwnLine(AtomicU64::new(place.to_bits())),
            position: AtomicU64::new(position),
            waiting: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            sleep: Mutex::new(()),
            moved: Condvar::new(),
        }
    }

    pub(crate) fn place(&self) -> Place {
        Place::from_bits(self.place.0.load(Ordering::Acquire))
    }

    /// Position of the last durable event.
    pub(crate) fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    /// Moves on. Called by the leader alone.
    pub(crate) fn publish(&self, place: Place, position: u64) {
        debug_assert!(place >= self.place());
        self.place.0.store(place.to_bits(), Ordering::SeqCst);
        self.position.store(position, Ordering::SeqCst);
        self.wake();
    }

    /// Nothing will move any more: whoever waits is told.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.wake();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn wake(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            // Taking the lock orders this after a sleeper that has looked and not yet
            // slept.
            drop(self.sleep.lock());
            self.moved.notify_all();
        }
    }

    /// Waits until something beyond `place` is durable, the log is closed or the time
    /// is up. Returns whether something is.
    pub(crate) fn wait_beyond(&self, place: Place, deadline: Option<Instant>) -> bool {
        if self.place() > place {
            return true;
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let mut guard = self.sleep.lock();
        let moved = loop {
            if Place::from_bits(self.place.0.load(Ordering::SeqCst)) > place {
                break true;
            }
            if self.closed.load(Ordering::SeqCst) {
                break false;
            }
            match deadline {
                None => self.moved.wait(&mut guard),
                Some(deadline) => {
                    if self.moved.wait_until(&mut guard, deadline).timed_out() {
                        break self.place() > place;
                    }
                }
            }
        };
        drop(guard);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        moved
    }
}

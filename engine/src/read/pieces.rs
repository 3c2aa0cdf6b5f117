//! What a read is to give, and the piece of it that was read last.

use super::events::Events;
use crate::event::Event;
use crate::record::field::wide;

/// The bounds of a read: versions of a stream, or positions of the log; and how far it
/// has come in what was read for it.
#[derive(Debug)]
pub(super) struct Pieces {
    /// The lowest number, included.
    pub(super) from: u64,
    /// The highest number, included.
    pub(super) to: u64,
    pub(super) backward: bool,
    /// How many events it may still give.
    pub(super) left: u64,
    events: Events,
    next: usize,
}

impl Pieces {
    /// Everything, forward.
    pub(super) fn new() -> Self {
        Self {
            from: 1,
            to: u64::MAX,
            backward: false,
            left: u64::MAX,
            events: Events::default(),
            next: 0,
        }
    }

    /// Whether another piece must be read before there is a next event.
    pub(super) const fn is_spent(&self) -> bool {
        self.next >= self.events.len()
    }

    /// Goes on with this piece, as far as the limit allows.
    pub(super) fn put(&mut self, mut events: Events) {
        events.truncate(self.left);
        self.left -= wide(events.len());
        self.events = events;
        self.next = 0;
    }

    /// The next event of the piece.
    pub(super) fn next(&mut self) -> Option<Event<'_>> {
        let event = self.events.get(self.next)?;
        self.next += 1;
        Some(event)
    }
}

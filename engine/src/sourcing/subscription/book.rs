//! The book of a subscription: what was seen, is in somebody's hands, is settled, is parked.
//!
//! Pure: no store, no clock, no lock. The time is handed in, as a duration since any
//! moment. What is kept of an event is up to the caller.
//!
//! Per stream there is a queue of events in order, of which the first ones may be in
//! flight. An event is settled when it was acknowledged, skipped or parked; the checkpoint
//! stands below the lowest event that is not. A parked stream has no queue unless it is being
//! replayed: its events are in the log, from the parked one on, and are not waited for by the
//! checkpoint.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::saved::{Marks, Parked, Skip, kept};
use crate::Timestamp;

/// An event that is not settled, or is being settled.
#[derive(Debug)]
struct Item<T> {
    position: u64,
    version: u64,
    event: T,
    /// How often it was handed out.
    attempts: u32,
    /// Who has it now; 0: nobody.
    lease: u64,
    settled: bool,
}

/// The events of one stream, in order.
#[derive(Debug)]
struct Queue<T> {
    items: VecDeque<Item<T>>,
    /// Its first event may not be handed out before this.
    not_before: Duration,
    /// Whether its events are those of a parked stream that is replayed: the checkpoint does
    /// not wait for them.
    replay: bool,
}

/// An event that was handed out.
#[derive(Debug)]
pub(super) struct Taken<T> {
    /// What it is answered for with.
    pub(super) lease: u64,
    /// How often it was handed out, this time included.
    pub(super) attempt: u32,
    pub(super) event: T,
}

/// Why an event was not settled: the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    NotInFlight(u64),
    /// One before it in its stream is not settled.
    OutOfOrder(u64),
}

#[derive(Debug)]
pub(super) struct Book<T> {
    marks: Marks,
    /// What an earlier life settled, for as long as it is seen again.
    before: (u64, BTreeSet<u64>),
    queues: HashMap<Arc<str>, Queue<T>>,
    /// The streams whose first event is in nobody's hands, by its position.
    ready: BTreeMap<u64, Arc<str>>,
    leases: HashMap<u64, Arc<str>>,
    last_lease: u64,
    /// Items in all queues.
    held: usize,
}

impl<T: Clone> Book<T> {
    /// Goes on from what was saved. The events after the checkpoint are seen again.
    pub(super) fn new(mut marks: Marks) -> Self {
        let before = (marks.settled_to, marks.unsettled.clone());
        marks.scanned = marks.checkpoint();
        let (queues, ready, leases) = (HashMap::new(), BTreeMap::new(), HashMap::new());
        Self { marks, before, queues, ready, leases, last_lease: 0, held: 0 }
    }

    /// Forgets everything but the numbers of leases, so that old ones are not taken for new
    /// ones.
    pub(super) fn restart(&mut self, marks: Marks) {
        *self = Self { last_lease: self.last_lease, ..Self::new(marks) };
    }

    pub(super) const fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Everything up to here is settled.
    pub(super) fn checkpoint(&self) -> u64 {
        self.marks.checkpoint()
    }

    /// How many events are held in memory.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// How many are in somebody's hands.
    pub(super) fn in_flight(&self) -> usize {
        self.leases.len()
    }

    /// An event of the log, each after those before it.
    pub(super) fn note(&mut self, stream: &str, position: u64, version: u64, event: T) {
        let (settled_to, unsettled) = &self.before;
        if position <= *settled_to && !unsettled.contains(&position) {
            return;
        }
        if let Some(parked) = self.marks.parked.get(stream) {
            // An earlier life may have seen it and left it unsettled, and the stream been parked
            // before it was seen again: the checkpoint does not wait for it any more.
            self.marks.unsettled.remove(&position);
            // It waits in the log, or behind the others that are replayed.
            if parked.loaded {
                self.push(stream, position, version, event, true);
            }
            return;
        }
        self.marks.unsettled.insert(position);
        self.push(stream, position, version, event, false);
    }

    /// Everything up to here was seen, and noted if it matches.
    pub(super) fn scanned(&mut self, position: u64) {
        self.marks.scanned = self.marks.scanned.max(position);
        if self.marks.scanned >= self.before.0 {
            self.before = (0, BTreeSet::new());
        }
    }

    fn push(&mut self, stream: &str, position: u64, version: u64, event: T, replay: bool) {
        let item = Item { position, version, event, attempts: 0, lease: 0, settled: false };
        self.held += 1;
        if let Some(queue) = self.queues.get_mut(stream) {
            queue.items.push_back(item);
            return;
        }
        let stream: Arc<str> = stream.into();
        let queue = Queue { items: [item].into(), not_before: Duration::ZERO, replay };
        self.queues.insert(Arc::clone(&stream), queue);
        self.ready.insert(position, stream);
    }

    /// Hands out events that may be handed out now, at most `max`, lowest position first, of
    /// streams that `accepts` takes. All those of one stream lie behind each other.
    pub(super) fn take(
        &mut self,
        now: Duration,
        max: usize,
        accepts: &dyn Fn(&str) -> bool,
    ) -> Vec<Taken<T>> {
        let due = |stream: &Arc<str>| {
            self.queues.get(stream).is_some_and(|queue| queue.not_before <= now)
        };
        // How far each stream was taken; what comes next of all of them, lowest first.
        let mut next = BTreeMap::new();
        for (position, stream) in &self.ready {
            if next.len() >= max {
                break;
            }
            if due(stream) && accepts(stream) {
                next.insert(*position, (Arc::clone(stream), 0_usize));
            }
        }
        let mut taken = Vec::new();
        while taken.len() < max
            && let Some((_, (stream, index))) = next.pop_first()
        {
            let Some(queue) = self.queues.get_mut(&stream) else { continue };
            if let Some(following) = queue.items.get(index + 1) {
                next.insert(following.position, (Arc::clone(&stream), index + 1));
            }
            let Some(item) = queue.items.get_mut(index) else { continue };
            self.last_lease += 1;
            item.lease = self.last_lease;
            item.attempts = item.attempts.saturating_add(1);
            self.leases.insert(item.lease, Arc::clone(&stream));
            self.ready.remove(&item.position);
            let (lease, attempt) = (item.lease, item.attempts);
            taken.push(Taken { lease, attempt, event: item.event.clone() });
        }
        taken
    }

    /// When something of these streams may be handed out that nobody has.
    pub(super) fn next_due(&self, accepts: &dyn Fn(&str) -> bool) -> Option<Duration> {
        let streams = self.ready.values().filter(|stream| accepts(stream));
        let waiting = streams.filter_map(|stream| self.queues.get(stream));
        waiting.map(|queue| queue.not_before).min()
    }

    /// Settles these, all or none. What they free is handed out after [`go_on`](Self::go_on)
    /// alone.
    pub(super) fn settle(&mut self, leases: &[u64]) -> Result<(), Refused> {
        for lease in leases {
            let stream = self.leases.get(lease).ok_or(Refused::NotInFlight(*lease))?;
            let items = self.queues.get(stream).map(|queue| &queue.items).into_iter().flatten();
            // A stream is settled in its order, so that it can be parked from an event on.
            let mut before = items.take_while(|item| item.lease != *lease);
            if !before.all(|item| leases.contains(&item.lease)) {
                return Err(Refused::OutOfOrder(*lease));
            }
        }
        for lease in leases {
            let Some(stream) = self.leases.get(lease) else { continue };
            let Some(queue) = self.queues.get_mut(stream) else { continue };
            let Some(item) = queue.items.iter_mut().find(|item| item.lease == *lease) else {
                continue;
            };
            item.settled = true;
            self.marks.settled(item.position);
            if queue.replay {
                let next = queue.items.iter().find(|item| !item.settled);
                let last = queue.items.back().map(|item| (item.position + 1, item.version + 1));
                let next = next.map(|item| (item.position, item.version));
                self.marks.replayed(stream, next, last);
            }
        }
        Ok(())
    }

    /// After [`settle`](Self::settle): the next events of these streams may be handed out.
    pub(super) fn go_on(&mut self, leases: &[u64]) {
        for lease in leases {
            let Some(stream) = self.leases.remove(lease) else { continue };
            let Some(queue) = self.queues.get_mut(&stream) else { continue };
            while queue.items.front().is_some_and(|item| item.settled) {
                queue.items.pop_front();
                self.held -= 1;
            }
            queue.not_before = Duration::ZERO;
            self.offer(&stream);
        }
    }

    /// Takes back a [`settle`](Self::settle) that could not be written: they are in flight as
    /// before.
    pub(super) fn unsettle(&mut self, leases: &[u64], marks: Marks) {
        for lease in leases {
            let queue = self.leases.get(lease).and_then(|stream| self.queues.get_mut(stream));
            let item = queue.and_then(|queue| queue.items.iter_mut().find(|i| i.lease == *lease));
            if let Some(item) = item {
                item.settled = false;
            }
        }
        self.marks = marks;
    }

    /// Makes the first event of a stream ready if nobody has it; forgets a stream without
    /// events.
    fn offer(&mut self, stream: &Arc<str>) {
        let Some(queue) = self.queues.get(stream) else { return };
        match queue.items.front() {
            Some(first) if first.lease == 0 => {
                self.ready.insert(first.position, Arc::clone(stream));
            }
            Some(_) => {}
            None => {
                self.queues.remove(stream);
            }
        }
    }

    /// This one is handed out again, no sooner than `not_before`, and what lies behind it in its
    /// stream after it, also what is in flight. Says whether it was in flight.
    pub(super) fn retry(&mut self, lease: u64, not_before: Duration) -> bool {
        let Some(stream) = self.leases.get(&lease).cloned() else { return false };
        let Some(queue) = self.queues.get_mut(&stream) else { return false };
        let mut behind = false;
        for item in &mut queue.items {
            behind |= item.lease == lease;
            if behind && item.lease != 0 {
                self.leases.remove(&item.lease);
                item.lease = 0;
            }
        }
        queue.not_before = queue.not_before.max(not_before);
        self.offer(&stream);
        true
    }

    /// As [`retry`](Self::retry) at once, of one that nobody tried to handle: it does not count
    /// as handed out.
    pub(super) fn put_back(&mut self, lease: u64) -> bool {
        let queue = self.leases.get(&lease).and_then(|stream| self.queues.get_mut(stream));
        let item = queue.and_then(|queue| queue.items.iter_mut().find(|i| i.lease == lease));
        if let Some(item) = item {
            item.attempts = item.attempts.saturating_sub(1);
        }
        self.retry(lease, Duration::ZERO)
    }

    /// Parks the stream of this one, from its first event that is not settled on. Says whether
    /// it was in flight.
    pub(super) fn park(&mut self, lease: u64, reason: &str, at: Timestamp) -> bool {
        let Some(stream) = self.leases.get(&lease).cloned() else { return false };
        let Some(queue) = self.queues.get(&stream) else { return false };
        let Some(item) = queue.items.front() else { return false };
        let parked = Parked {
            position: item.position,
            version: item.version,
            attempts: item.attempts,
            reason: kept(reason),
            at,
            replaying: false,
            loaded: false,
        };
        if queue.replay {
            // Whoever drops it in a later life may not have seen yet what lies before it: that is
            // noted as long as it is known here.
            self.marks.settled_to = self.marks.settled_to.max(item.position);
        } else {
            // Those behind it wait with it.
            queue.items.iter().for_each(|item| self.marks.settled(item.position));
        }
        self.marks.parked.insert(stream.to_string(), parked);
        self.drop_queue(&stream);
        true
    }

    fn drop_queue(&mut self, stream: &Arc<str>) {
        let Some(queue) = self.queues.remove(stream) else { return };
        self.held -= queue.items.len();
        for item in queue.items {
            self.leases.remove(&item.lease);
            self.ready.remove(&item.position);
        }
    }

    /// Replays a parked stream from the parked event on. Says whether it is parked.
    pub(super) fn replay(&mut self, stream: &str) -> bool {
        let Some(parked) = self.marks.parked.get_mut(stream) else { return false };
        parked.replaying = true;
        true
    }

    /// Skips the event that a stream is parked at, and replays what waits behind it. Returns
    /// its position, if the stream is parked and not replayed.
    pub(super) fn drop_parked(&mut self, stream: &str, reason: &str, at: Timestamp) -> Option<u64> {
        let parked = self.marks.parked.get_mut(stream).filter(|parked| !parked.replaying)?;
        let position = parked.position;
        parked.position += 1;
        parked.version += 1;
        parked.replaying = true;
        self.skipped(stream, position, reason, at);
        Some(position)
    }

    /// Skips what a stream is parked at if there is a reason for that, and replays the stream.
    /// Says whether it could be.
    pub(super) fn unpark(&mut self, stream: &str, skip: Option<&str>, at: Timestamp) -> bool {
        match skip {
            Some(reason) => self.drop_parked(stream, reason, at).is_some(),
            None => self.replay(stream),
        }
    }

    /// Notes that an event was skipped, beside settling it.
    pub(super) fn skipped(&mut self, stream: &str, position: u64, reason: &str, at: Timestamp) {
        let (stream, reason) = (stream.to_owned(), kept(reason));
        self.marks.skipped.add(Skip { position, stream, reason, skipped_at: at });
    }

    /// Up to here a stream that is replayed must be loaded: what an earlier life settled or
    /// parked is passed over when it is seen again.
    pub(super) fn load_to(&self) -> u64 {
        self.marks.scanned.max(self.before.0)
    }

    /// The parked streams that are replayed and have nothing left in memory, with the version
    /// from which they go on.
    pub(super) fn to_load(&self) -> Vec<(String, u64)> {
        let empty = |stream: &str| !self.queues.contains_key(stream);
        let parked = self.marks.parked.iter();
        parked
            .filter(|(stream, parked)| parked.replaying && !parked.loaded && empty(stream))
            .map(|(stream, parked)| (stream.clone(), parked.version))
            .collect()
    }

    /// Events of a parked stream, the next ones that match, as position, version and event.
    /// `all`: up to what was scanned there are no more.
    pub(super) fn load(&mut self, stream: &str, events: Vec<(u64, u64, T)>, all: bool) {
        let Some(parked) = self.marks.parked.get_mut(stream) else { return };
        parked.loaded = all;
        if let Some((position, version, _)) = events.first() {
            (parked.position, parked.version) = (*position, *version);
        } else if all {
            self.marks.parked.remove(stream);
        }
        for (position, version, event) in events {
            // One that an earlier life had seen, and this one has not yet: it would come a second
            // time, and hold back the checkpoint until then.
            self.before.1.remove(&position);
            self.marks.unsettled.remove(&position);
            self.push(stream, position, version, event, true);
        }
    }
}

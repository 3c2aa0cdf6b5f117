//! Who waits for what is in the queue, who leads, and what an answer rests on.

use std::sync::Arc;

use super::group::Group;
use super::pending::Pending;
use super::queue::{Placement, Queue, Request};
use crate::durability::Durability;
use crate::place::Place;
use crate::record::field::wide;
use crate::sync::Instant;

/// What a caller has to do with the group that it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Nobody leads: the caller does.
    Lead,
    /// The caller has the group's seat: the lead may be handed to it.
    Seat,
    /// Others lead.
    Wait,
}

/// A group that a caller waits for, and up to which level.
#[derive(Debug)]
pub(super) struct Wait {
    pub(super) group: Arc<Group>,
    pub(super) level: Durability,
    pub(super) role: Role,
}

/// What an answer without a place rests on.
#[derive(Debug)]
pub(super) struct Rests {
    /// Until it is as safe as it must be; `None` if it is.
    pub(super) wait: Option<Wait>,
    /// Where the last batch ends that was placed before: the answer may tell of it.
    pub(super) end: Place,
}

/// The group that is being written.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) group: Arc<Group>,
    pub(super) syncs: bool,
}

impl Queue {
    /// What an answer of this level rests on: everything that was placed before must
    /// have got as safe as it was promised to be, and at least this safe. With `exactly`
    /// this safe and no more. Who does not wait gets no seat: the lead may be handed to
    /// whoever has one. `None` if all is so already.
    pub(super) fn rest(&mut self, level: Durability, exactly: bool, waits: bool) -> Option<Wait> {
        let mut before_last = false;
        while let Some(pending) = self.nth_last(usize::from(before_last)) {
            pending.needs(level);
            let needed = if exactly { level } else { pending.level() };
            if needed > Durability::Buffered {
                let group = Arc::clone(&pending.group);
                let seat_taken = pending.seat.is_some();
                let role = self.role(waits, seat_taken);
                if role == Role::Seat
                    && let Some(pending) = self.nth_last(usize::from(before_last))
                {
                    pending.seat = Some(needed);
                }
                return Some(Wait { group, level: needed, role });
            }
            if before_last {
                break;
            }
            before_last = true;
        }
        match &self.in_flight {
            Some(flying) if level < Durability::Durable || flying.syncs => {
                let promised = if flying.syncs { Durability::Durable } else { Durability::Written };
                let level = if exactly { level } else { promised.max(level) };
                Some(Wait { group: Arc::clone(&flying.group), level, role: Role::Wait })
            }
            _ if level == Durability::Durable && self.undurable => {
                // Nothing to write, only to sync: a group without a batch.
                self.open_group();
                self.rest(level, exactly, waits)
            }
            _ => None,
        }
    }

    /// What the answer to a request rests on.
    pub(super) fn rest_of(&mut self, request: Request) -> Rests {
        let end = self.end;
        Rests { wait: self.rest(request.durability, false, request.waits), end }
    }

    /// Everything that was placed gets durable, without anybody waiting for it. Returns
    /// whether the caller leads; otherwise others do.
    pub(super) fn all_durable(&mut self) -> bool {
        let syncs = self.in_flight.as_ref().is_some_and(|flying| flying.syncs);
        if self.groups.is_empty() && self.undurable && !syncs {
            // Nothing to write, only to sync: a group without a batch.
            self.open_group();
        }
        self.groups.iter_mut().for_each(|pending| pending.needs(Durability::Written));
        if let Some(last) = self.groups.back_mut() {
            last.needs(Durability::Durable);
        }
        self.role(false, true) == Role::Lead
    }

    fn nth_last(&mut self, nth: usize) -> Option<&mut Pending> {
        self.groups.iter_mut().rev().nth(nth)
    }

    /// What falls to a caller whose group is in the queue.
    pub(super) fn role(&mut self, waits: bool, seat_taken: bool) -> Role {
        let leads = !self.leading && self.groups.iter().any(|pending| pending.wanted);
        self.leading |= leads;
        match (leads, waits && !seat_taken) {
            (true, _) => Role::Lead,
            (false, true) => Role::Seat,
            (false, false) => Role::Wait,
        }
    }

    /// A caller begins to wait for a group that it was not waiting for.
    pub(super) fn sit_down(&mut self, group: &Arc<Group>, level: Durability) -> Role {
        let of_group = |pending: &&mut Pending| Arc::ptr_eq(&pending.group, group);
        let Some(taken) =
            self.groups.iter_mut().find(of_group).map(|pending| pending.seat.is_some())
        else {
            return Role::Wait;
        };
        let role = self.role(true, taken);
        if role == Role::Seat
            && let Some(pending) = self.groups.iter_mut().find(of_group)
        {
            pending.seat = Some(level);
        }
        role
    }

    /// A group was written, and synced if it was to be.
    pub(super) fn is_done(&mut self, written: &Pending) {
        self.held_bytes = self.held_bytes.saturating_sub(written.len());
        if written.sync {
            self.undurable = !self.groups.is_empty();
            self.not_durable_since = self.groups.iter().find_map(|pending| pending.since);
        }
    }

    /// Whether `len` bytes more would be too many in memory, and what to wait for.
    pub(super) fn busy(&mut self, len: u64, limit: u64) -> Option<Placement> {
        if self.held_bytes == 0 || wide(self.held_bytes).saturating_add(len) <= limit {
            return None;
        }
        if let Some(flying) = &self.in_flight {
            let level = if flying.syncs { Durability::Durable } else { Durability::Written };
            let group = Arc::clone(&flying.group);
            return Some(Placement::Busy(Wait { group, level, role: Role::Wait }));
        }
        let first = self.groups.front_mut()?;
        first.needs(Durability::Written);
        let (group, level) = (Arc::clone(&first.group), first.level());
        let seat_taken = first.seat.is_some();
        let role = self.role(true, seat_taken);
        if role == Role::Seat
            && let Some(first) = self.groups.front_mut()
        {
            first.seat = Some(level);
        }
        Some(Placement::Busy(Wait { group, level, role }))
    }

    /// Notes when a batch was placed that is not to be durable at once. Returns whether it
    /// is the oldest such.
    pub(super) fn clock(&mut self, durability: Durability) -> bool {
        let Some(pending) = self.groups.back_mut() else { return false };
        if durability == Durability::Durable || pending.since.is_some() {
            return false;
        }
        let now = Instant::now();
        pending.since = Some(now);
        let first = self.not_durable_since.is_none();
        self.not_durable_since.get_or_insert(now);
        first
    }
}

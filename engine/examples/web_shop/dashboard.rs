//! The dashboard: how many orders there are in each state.
//!
//! What is counted is kept in the log, with how far that has come: it is never counted twice,
//! and a restart goes on where it was.

use std::collections::BTreeMap;

use annals::sourcing::{DecodeError, EventEnum, Processor, Repository};
use annals::{Batch, Event, Filter};

use crate::order::{Order, OrderEvent};

/// Orders by state.
pub type Counts = BTreeMap<String, u64>;

/// The one key that it counts under.
pub const ORDERS: &str = "orders";

pub struct Dashboard;

impl Dashboard {
    pub fn filter() -> Filter {
        Repository::<Order>::filter()
    }
}

impl Processor for Dashboard {
    type State = Counts;
    type Error = DecodeError;

    fn key(&self, _: &Event<'_>) -> Option<String> {
        Some(ORDERS.to_owned())
    }

    fn process(
        &self,
        counts: &mut Counts,
        event: &Event<'_>,
        _: &mut Batch,
    ) -> Result<(), DecodeError> {
        for part in OrderEvent::decode(event)? {
            let (from, to) = match part.event {
                OrderEvent::Placed { .. } => (None, "placed"),
                OrderEvent::Paid => (Some("placed"), "paid"),
                OrderEvent::Shipped => (Some("paid"), "shipped"),
                OrderEvent::Cancelled { .. } => (Some("placed"), "cancelled"),
                OrderEvent::Returned => (Some("shipped"), "returned"),
            };
            if let Some(count) = from.and_then(|from| counts.get_mut(from)) {
                *count -= 1;
            }
            *counts.entry(to.to_owned()).or_default() += 1;
        }
        Ok(())
    }
}

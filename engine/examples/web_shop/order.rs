//! Orders: what the customer wants, and what became of it.

use annals::sourcing::{Aggregate, event_types};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum OrderEvent {
    Placed { customer: String, cents: u64 },
    Paid,
    Shipped,
    Cancelled { why: String },
    Returned,
}

// The names in the log. They stay, whatever the enum is called later.
event_types! {
    OrderEvent {
        Placed = "order-placed",
        Paid = "order-paid",
        Shipped = "order-shipped",
        Cancelled = "order-cancelled",
        Returned = "order-returned",
    }
}

pub enum OrderCommand {
    Place { customer: String, cents: u64 },
    Pay,
    Ship,
    Cancel { why: String },
    Return,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    #[default]
    None,
    Placed,
    Paid,
    Shipped,
    Cancelled,
    Returned,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderRefusal {
    #[error("an order of nothing")]
    Nothing,
    #[error("the order is {0:?}")]
    Is(Order),
}

impl Aggregate for Order {
    type Command = OrderCommand;
    type Event = OrderEvent;
    type Error = OrderRefusal;
    const CATEGORY: &'static str = "order";
    const SNAPSHOT_SCHEMA: u32 = 1;

    fn handle(&self, command: &OrderCommand) -> Result<Vec<OrderEvent>, OrderRefusal> {
        let event = match (self, command) {
            (Self::None, OrderCommand::Place { cents: 0, .. }) => {
                return Err(OrderRefusal::Nothing);
            }
            (Self::None, OrderCommand::Place { customer, cents }) => {
                OrderEvent::Placed { customer: customer.clone(), cents: *cents }
            }
            (Self::Placed, OrderCommand::Pay) => OrderEvent::Paid,
            (Self::Paid, OrderCommand::Ship) => OrderEvent::Shipped,
            // Until it is paid. After that it is sent back.
            (Self::Placed, OrderCommand::Cancel { why }) => {
                OrderEvent::Cancelled { why: why.clone() }
            }
            (Self::Shipped, OrderCommand::Return) => OrderEvent::Returned,
            (state, _) => return Err(OrderRefusal::Is(*state)),
        };
        Ok(vec![event])
    }

    fn apply(&mut self, event: &OrderEvent) {
        *self = match event {
            OrderEvent::Placed { .. } => Self::Placed,
            OrderEvent::Paid => Self::Paid,
            OrderEvent::Shipped => Self::Shipped,
            OrderEvent::Cancelled { .. } => Self::Cancelled,
            OrderEvent::Returned => Self::Returned,
        };
    }
}

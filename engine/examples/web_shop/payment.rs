//! Payments: one for each order, under its number.

use annals::sourcing::{Aggregate, event_types};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum PaymentEvent {
    Requested { cents: u64 },
    Received { cents: u64 },
    Refunded { cents: u64 },
    Voided,
}

event_types! {
    PaymentEvent {
        Requested = "payment-requested",
        Received = "payment-received",
        Refunded = "payment-refunded",
        Voided = "payment-voided",
    }
}

pub enum PaymentCommand {
    Request {
        cents: u64,
    },
    /// The bank says so.
    Receive,
    /// Gives back what was received, or receives nothing any more.
    Undo,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payment {
    #[default]
    None,
    Requested {
        cents: u64,
    },
    Received {
        cents: u64,
    },
    Undone,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the payment is {0:?}")]
pub struct PaymentIs(pub Payment);

impl Aggregate for Payment {
    type Command = PaymentCommand;
    type Event = PaymentEvent;
    type Error = PaymentIs;
    const CATEGORY: &'static str = "payment";
    const SNAPSHOT_SCHEMA: u32 = 1;

    fn handle(&self, command: &PaymentCommand) -> Result<Vec<PaymentEvent>, PaymentIs> {
        Ok(vec![match (*self, command) {
            (Self::None, PaymentCommand::Request { cents }) => {
                PaymentEvent::Requested { cents: *cents }
            }
            (Self::Requested { cents }, PaymentCommand::Receive) => {
                PaymentEvent::Received { cents }
            }
            (Self::Requested { .. }, PaymentCommand::Undo) => PaymentEvent::Voided,
            (Self::Received { cents }, PaymentCommand::Undo) => PaymentEvent::Refunded { cents },
            (state, _) => return Err(PaymentIs(state)),
        }])
    }

    fn apply(&mut self, event: &PaymentEvent) {
        *self = match *event {
            PaymentEvent::Requested { cents } => Self::Requested { cents },
            PaymentEvent::Received { cents } => Self::Received { cents },
            PaymentEvent::Refunded { .. } | PaymentEvent::Voided => Self::Undone,
        };
    }
}

//! Shipments: the parcel of an order, under its number.

use std::convert::Infallible;

use annals::sourcing::{Aggregate, event_types};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum ShipmentEvent {
    Sent,
}

event_types! { ShipmentEvent { Sent = "parcel-sent" } }

pub enum ShipmentCommand {
    Send,
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shipment {
    sent: bool,
}

impl Aggregate for Shipment {
    type Command = ShipmentCommand;
    type Event = ShipmentEvent;
    type Error = Infallible;
    const CATEGORY: &'static str = "shipment";
    const SNAPSHOT_SCHEMA: u32 = 1;

    fn handle(&self, _: &ShipmentCommand) -> Result<Vec<ShipmentEvent>, Infallible> {
        Ok(if self.sent { vec![] } else { vec![ShipmentEvent::Sent] })
    }

    fn apply(&mut self, _: &ShipmentEvent) {
        self.sent = true;
    }
}

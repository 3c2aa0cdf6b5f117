//! Shipping: subscribes to payments, and sends a parcel for each.

use std::sync::Arc;
use std::time::Duration;

use annals::sourcing::{
    Context, OnFailure, Repository, Subscription, SubscriptionError, SubscriptionOptions,
    Subscriptions,
};
use annals::{Filter, Log};

use crate::shipment::{Shipment, ShipmentCommand};

pub struct Shipping {
    subscription: Subscription,
    shipments: Repository<Shipment>,
}

impl Shipping {
    pub fn open(log: &Arc<Log>, subscriptions: &Subscriptions) -> Result<Self, SubscriptionError> {
        let payments = Filter::new().event_type("payment-received");
        let options = SubscriptionOptions::new().filter(payments);
        let subscription = subscriptions.open("shipping", &options)?;
        Ok(Self { subscription, shipments: Repository::new(log.clone()) })
    }

    /// Sends the parcels of what was paid by now. Returns how many.
    ///
    /// A payment may be delivered twice, if the program ends in between; the key sees to it
    /// that it leads to one parcel.
    pub fn catch_up(&self) -> Result<u64, SubscriptionError> {
        let policy = OnFailure::park().retry(5, Duration::from_millis(10));
        self.subscription.consumer().catch_up(policy, |delivery| {
            let event = delivery.event();
            let order = event.stream().split_once('-').map_or("", |(_, order)| order);
            let context = Context::of(&event).once(&format!("shipping/{}", event.id()));
            let shipments = self.shipments.with(context);
            shipments.execute(order, ShipmentCommand::Send).map(drop)
        })
    }
}

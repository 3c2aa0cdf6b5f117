//! A web shop on one log: orders, the customers' credit, payments and shipping, led by a process
//! with a deadline, shown on a dashboard. (Features `sourcing` and `sim`.)
//!
//! * [`order`], [`credit`], [`payment`], [`shipment`]: the aggregates, which decide
//! * [`checkout`]: the process (saga), which leads an order from one to the next and undoes
//! * [`shipping`]: a subscription to payments
//! * [`dashboard`]: how many orders there are in each state
//! * [`shop`]: all of that together
//!
//! ```text
//!  customer ---> order ------.                             .---> credit   (reserve, release)
//!                            |                             |
//!  bank -------> payment ----+--> the log --> checkout ----+---> payment  (request, refund, void)
//!                            |       |                     |
//!  shipping ---> shipment ---'       |                     '---> order    (pay, ship, cancel)
//!     ^                              |
//!     '-------- payments ------------+--> dashboard
//! ```
#![allow(missing_docs, unreachable_pub)]

mod checkout;
mod credit;
mod dashboard;
mod order;
mod payment;
mod shipment;
mod shipping;
mod shop;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use annals::sourcing::ManualClock;
use annals::{Log, Timestamp};

use shop::Shop;

fn main() -> Result<(), Box<dyn Error>> {
    // In a program of its own: `Log::open(path)`, and no clock to hold.
    let log = Arc::new(Log::temporary()?);
    let clock = ManualClock::new(Timestamp::from_nanos(1_750_000_000_000_000_000));
    let mut shop = Shop::open(log.clone(), clock.clone())?;
    shop.grant_credit("ann", 10_000)?;

    shop.place_order(1, "ann", 6_000)?;
    shop.settle()?;
    shop.receive_payment(1)?;
    shop.settle()?;
    println!("order 1 is paid and shipped: {:?}", shop.dashboard()?);

    shop.place_order(2, "ann", 10_001)?;
    shop.settle()?;
    println!("order 2 is more than Ann's credit: {:?}", shop.dashboard()?);

    shop.place_order(3, "ann", 10_000)?;
    shop.settle()?;
    println!("Ann's credit is reserved for order 3; left: {}", shop.credit_left("ann")?);
    clock.advance(Duration::from_secs(31 * 60));
    shop.settle()?;
    println!("order 3 is not paid in time; left: {}", shop.credit_left("ann")?);

    shop.place_order(4, "ann", 500)?;
    shop.settle()?;
    shop.cancel_order(4)?;
    shop.return_order(1)?;
    shop.settle()?;
    println!("order 4 is cancelled, order 1 comes back: {:?}", shop.dashboard()?);

    println!("what happened to the payment of order 1:");
    let mut payment = log.read("payment-1");
    while let Some(event) = payment.next()? {
        println!("  {} {}", event.position(), event.event_type());
    }
    Ok(())
}

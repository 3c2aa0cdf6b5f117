//! What must hold of the shop.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use annals::sourcing::{Fixture, ManualClock, Repository};
use annals::{Log, Timestamp};

use crate::credit::{Credit, CreditCommand, CreditEvent, TooLittleCredit};
use crate::order::{Order, OrderCommand, OrderEvent, OrderRefusal};
use crate::shop::Shop;

const MINUTE: Duration = Duration::from_secs(60);

/// A shop in which Ann has credit of 100.
fn shop() -> (Arc<Log>, ManualClock, Shop) {
    let log = Arc::new(Log::temporary().unwrap());
    let clock = ManualClock::new(Timestamp::from_nanos(1_750_000_000_000_000_000));
    let shop = Shop::open(log.clone(), clock.clone()).unwrap();
    shop.grant_credit("ann", 100).unwrap();
    (log, clock, shop)
}

fn counts(shop: &Shop) -> Vec<(String, u64)> {
    shop.dashboard().unwrap().into_iter().collect()
}

fn one(state: &str) -> Vec<(String, u64)> {
    vec![(state.to_owned(), 1)]
}

/// The types of a stream's events.
fn types(log: &Log, stream: &str) -> Vec<String> {
    let events = log.read(stream).collect().unwrap();
    events.iter().map(|event| event.as_event().event_type().to_owned()).collect()
}

#[test]
fn an_order_that_is_paid_is_shipped() {
    let (log, clock, mut shop) = shop();
    shop.place_order(1, "ann", 60).unwrap();
    shop.settle().unwrap();
    assert_eq!((counts(&shop), shop.credit_left("ann").unwrap()), (one("placed"), 40));
    shop.receive_payment(1).unwrap();
    shop.settle().unwrap();
    assert_eq!((counts(&shop), shop.credit_left("ann").unwrap()), (one("shipped"), 100));
    assert_eq!(types(&log, "order-1"), ["order-placed", "order-paid", "order-shipped"]);
    // Nothing comes after that.
    clock.advance(100 * 24 * 60 * MINUTE);
    shop.settle().unwrap();
    assert_eq!(counts(&shop), one("shipped"));
}

#[test]
fn an_order_beyond_the_credit_is_cancelled_and_nothing_is_asked_for() {
    let (log, _, mut shop) = shop();
    shop.place_order(1, "ann", 101).unwrap();
    shop.settle().unwrap();
    assert_eq!((counts(&shop), shop.credit_left("ann").unwrap()), (one("cancelled"), 100));
    assert_eq!(log.version("payment-1").unwrap(), 0);
}

#[test]
fn a_payment_that_times_out_releases_the_credit() {
    let (log, clock, mut shop) = shop();
    shop.place_order(1, "ann", 60).unwrap();
    shop.settle().unwrap();
    clock.advance(29 * MINUTE);
    shop.settle().unwrap();
    assert_eq!((counts(&shop), shop.credit_left("ann").unwrap()), (one("placed"), 40));
    clock.advance(MINUTE);
    shop.settle().unwrap();
    assert_eq!((counts(&shop), shop.credit_left("ann").unwrap()), (one("cancelled"), 100));
    assert_eq!(types(&log, "payment-1"), ["payment-requested", "payment-voided"]);
    // It is too late for the bank.
    assert!(shop.receive_payment(1).unwrap_err().to_string().contains("Undone"));
}

#[test]
fn a_payment_times_out_also_while_the_shop_is_closed() {
    let (log, clock, mut shop) = shop();
    shop.place_order(1, "ann", 60).unwrap();
    shop.settle().unwrap();
    drop(shop);
    clock.advance(31 * MINUTE);
    let mut shop = Shop::open(log, clock).unwrap();
    shop.settle().unwrap();
    assert_eq!((counts(&shop), shop.credit_left("ann").unwrap()), (one("cancelled"), 100));
}

#[test]
fn a_cancelled_order_releases_the_credit_and_asks_for_no_payment() {
    let (log, clock, mut shop) = shop();
    shop.place_order(1, "ann", 60).unwrap();
    shop.settle().unwrap();
    shop.cancel_order(1).unwrap();
    shop.settle().unwrap();
    assert_eq!((counts(&shop), shop.credit_left("ann").unwrap()), (one("cancelled"), 100));
    assert_eq!(types(&log, "payment-1"), ["payment-requested", "payment-voided"]);
    // The last thing that was done is undone first.
    let last = |stream| log.read(stream).collect().unwrap().pop().unwrap().as_event().position();
    assert_eq!(last("payment-1") + 1, last("credit-ann"));
    // No deadline is left of it.
    clock.advance(60 * MINUTE);
    shop.settle().unwrap();
    assert_eq!(log.version("order-1").unwrap(), 2);
}

#[test]
fn a_payment_for_an_order_that_is_cancelled_meanwhile_is_given_back() {
    let (log, _, mut shop) = shop();
    shop.place_order(1, "ann", 60).unwrap();
    shop.settle().unwrap();
    shop.receive_payment(1).unwrap();
    shop.cancel_order(1).unwrap();
    shop.settle().unwrap();
    assert_eq!((counts(&shop), shop.credit_left("ann").unwrap()), (one("cancelled"), 100));
    assert_eq!(types(&log, "payment-1").last().unwrap(), "payment-refunded");
}

#[test]
fn what_comes_back_is_refunded() {
    let (log, _, mut shop) = shop();
    shop.place_order(1, "ann", 60).unwrap();
    shop.settle().unwrap();
    shop.receive_payment(1).unwrap();
    shop.settle().unwrap();
    assert!(shop.cancel_order(1).is_err());
    shop.return_order(1).unwrap();
    shop.settle().unwrap();
    assert_eq!((counts(&shop), shop.credit_left("ann").unwrap()), (one("returned"), 100));
    assert_eq!(types(&log, "payment-1").last().unwrap(), "payment-refunded");
}

#[test]
fn everything_of_an_order_belongs_together_in_the_log() {
    let (log, _, mut shop) = shop();
    shop.place_order(1, "ann", 60).unwrap();
    shop.settle().unwrap();
    let placed = log.read("order-1").next().unwrap().unwrap().id().to_string();
    for stream in ["payment-1", "credit-ann"] {
        let last = log.read(stream).collect().unwrap().pop().unwrap();
        let last = last.as_event();
        assert_eq!((last.caused_by(), last.correlation()), (Some(&*placed), Some(&*placed)));
    }
    assert_eq!(Repository::<Order>::new(log).find(1).unwrap().unwrap().state, Order::Placed);
}

#[test]
fn an_order_decides() {
    let place = |cents| OrderCommand::Place { customer: "ann".to_owned(), cents };
    Fixture::<Order>::given([])
        .when(place(0))
        .then_error(OrderRefusal::Nothing)
        .when(place(5))
        .then_events([OrderEvent::Placed { customer: "ann".to_owned(), cents: 5 }])
        .when(OrderCommand::Ship)
        .then_error(OrderRefusal::Is(Order::Placed));
}

#[test]
fn credit_is_reserved_up_to_what_was_granted() {
    let reserve = |order: &str, cents| CreditCommand::Reserve { order: order.to_owned(), cents };
    Fixture::<Credit>::given([CreditEvent::Granted { cents: 10 }])
        .when(reserve("1", 7))
        .then_events([CreditEvent::Reserved { order: "1".to_owned(), cents: 7 }])
        .when(reserve("2", 4))
        .then_error(TooLittleCredit { left: 3 })
        .when(CreditCommand::Release { order: "1".to_owned() })
        .then_events([CreditEvent::Released { order: "1".to_owned() }])
        .when(CreditCommand::Release { order: "1".to_owned() })
        .then_events([]);
}

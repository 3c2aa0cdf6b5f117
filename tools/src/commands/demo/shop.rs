//! A web shop where there is no git history: the same events each time, and what a
//! fold of them must find.

use std::collections::HashMap;
use std::path::Path;

use annals::{Log, Occurred, Timestamp, Uuid};
use serde::Deserialize;
use serde_json::{Value, json};

use super::tour::{Tour, timed};
use crate::error::{Failure, OfLog};
use crate::incoming::{Incoming, Item, Origin, Payload};
use crate::output::units;

const ORDERS: u64 = 2_000;
const CUSTOMERS: u64 = 300;
const STREAM_PREFIX: &str = "order-";
/// 2024-01-01 00:00 UTC, and a year of orders from there.
const FIRST_SECOND: i64 = 1_704_067_200;
const SECONDS: u64 = 365 * 24 * 3600;
const SEED: u64 = 0x5eed_0fa1_1a11_a15e;

/// What the shop's events add up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) orders: u64,
    shipped: u64,
    cancelled: u64,
    open: u64,
    /// In cents, of the orders that were shipped.
    turnover: u64,
}

/// The events, in the order of their times, and what they add up to.
pub(super) fn generate() -> (Vec<Item>, Totals) {
    let mut random = Random { state: SEED };
    let mut totals = Totals::default();
    let mut events = Vec::new();
    for number in 1..=ORDERS {
        Order { number, second: random.below(SECONDS), events: &mut events }
            .play(&mut random, &mut totals);
    }
    // Stable: what happened in one second keeps its order.
    events.sort_by_key(|(second, _)| *second);
    let items = (1..)
        .zip(events)
        .map(|(number, (_, event))| Item { origin: Origin::Generated(number), event });
    (items.collect(), totals)
}

/// One order on its way.
struct Order<'e> {
    number: u64,
    second: u64,
    events: &'e mut Vec<(u64, Incoming)>,
}

impl Order<'_> {
    fn play(mut self, random: &mut Random, totals: &mut Totals) {
        let customer = random.below(CUSTOMERS) + 1;
        let cents = 500 + random.below(20_000);
        totals.orders += 1;
        self.happens("OrderPlaced", &json!({ "customer": customer, "cents": cents }));
        self.second += 30 + random.below(3_600);
        match random.below(20) {
            0 => totals.open += 1,
            1 | 2 => {
                totals.cancelled += 1;
                self.happens("OrderCancelled", &json!({ "reason": "changed their mind" }));
            }
            _ => {
                self.happens("PaymentReceived", &json!({ "cents": cents }));
                self.second += 3_600 + random.below(48 * 3_600);
                for parcel in 0..=random.below(2) {
                    self.happens("ParcelPacked", &json!({ "parcel": parcel + 1 }));
                }
                self.happens("OrderShipped", &json!({ "carrier": "bicycle" }));
                totals.shipped += 1;
                totals.turnover += cents;
            }
        }
    }

    fn happens(&mut self, event_type: &str, data: &Value) {
        let stream = format!("{STREAM_PREFIX}{}", self.number);
        let seconds = FIRST_SECOND.saturating_add_unsigned(self.second);
        let at = Timestamp::from_nanos(seconds.saturating_mul(1_000_000_000));
        let event = Incoming {
            event_type: event_type.to_owned(),
            id: Some(Uuid::new_v5(&Uuid::NAMESPACE_OID, self.name(&stream).as_bytes())),
            stream,
            occurred: Some(Occurred { fraction_digits: 0, ..Occurred::utc(at) }),
            data: Payload::Json(data.to_string()),
            ..Incoming::default()
        };
        self.events.push((self.second, event));
    }

    /// What no other event of the shop is called: an order's events are made one
    /// after the other.
    fn name(&self, stream: &str) -> String {
        format!("{stream} {}", self.events.len())
    }
}

/// Xorshift: numbers that look random and are the same on every machine.
struct Random {
    state: u64,
}

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % limit
    }
}

#[derive(Deserialize)]
struct Placed {
    customer: u64,
    cents: u64,
}

/// The second step: one pass over all events, a state an order.
pub(super) fn step(
    log: &Log,
    log_path: &Path,
    expected: &Totals,
    tour: &mut Tour<'_>,
) -> Result<(), Failure> {
    tour.step("Fold", "events to answers")?;
    let ((found, best), span) = timed(|| fold(log, log_path))?;
    tour.say(format_args!(
        "of {}: {} shipped, {} cancelled, {} open; turnover {}.{:02}",
        units::counted(found.orders, "order"),
        units::count(found.shipped),
        units::count(found.cancelled),
        units::count(found.open),
        units::count(found.turnover / 100),
        found.turnover % 100
    ))?;
    let (customer, orders) = best;
    tour.say(format_args!(
        "customer {customer} ordered most often: {orders} times ({})",
        units::duration(span)
    ))?;
    tour.facts(
        "fold",
        json!({ "orders": found.orders, "shipped": found.shipped, "cancelled": found.cancelled,
            "open": found.open, "turnover_cents": found.turnover,
            "seconds": span.as_secs_f64() }),
    )?;
    tour.check(found == *expected, "the fold finds what the shop sold".to_owned());
    Ok(())
}

fn fold(log: &Log, log_path: &Path) -> Result<(Totals, (u64, u64)), Failure> {
    let mut totals = Totals::default();
    let mut open = HashMap::new();
    let mut by_customer: HashMap<u64, u64> = HashMap::new();
    let mut events = log.read_all();
    while let Some(event) = events.next().of(log_path)? {
        match event.event_type() {
            "OrderPlaced" => {
                let placed: Placed = serde_json::from_slice(event.data())
                    .map_err(|error| Failure::Tour(format!("an order's event: {error}")))?;
                totals.orders += 1;
                *by_customer.entry(placed.customer).or_default() += 1;
                open.insert(event.stream().to_owned(), placed.cents);
            }
            "OrderCancelled" => {
                open.remove(event.stream());
                totals.cancelled += 1;
            }
            "OrderShipped" => {
                totals.shipped += 1;
                totals.turnover += open.remove(event.stream()).unwrap_or_default();
            }
            _ => {}
        }
    }
    totals.open = units::wide(open.len());
    let best = by_customer.into_iter().max_by_key(|(customer, orders)| (*orders, *customer));
    Ok((totals, best.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_shop_is_the_same_each_time_and_no_id_is_used_twice() {
        let (first, totals) = generate();
        let (second, again) = generate();
        assert_eq!(totals, again);
        assert_eq!(totals.shipped + totals.cancelled + totals.open, ORDERS);
        let ids = |items: &[Item]| items.iter().map(|item| item.event.id).collect::<Vec<_>>();
        assert_eq!(ids(&first), ids(&second));
        assert_eq!(ids(&first).iter().collect::<HashSet<_>>().len(), first.len());
    }
}

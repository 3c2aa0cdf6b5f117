//! Events of an earlier time, read by the program of today. (Feature `sourcing`; for `main` and
//! the tests `sim`.)
//!
//! An event is never changed. When its shape changes, the new one gets the next schema number,
//! and an upcaster makes the old one into it as it is read: by aggregates, subscriptions and
//! projections alike. `annals::guide::evolution` has a recipe for each kind of change.
#![allow(missing_docs, unreachable_pub)]

use std::error::Error;
use std::sync::Arc;

use annals::sourcing::{Aggregate, Json, RawEvent, Repository, Upcasters, event_types};
use annals::{Batch, Expected, Log, NewEvent};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What happens to a customer, as of today.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum CustomerEvent {
    /// Schema 1 had the whole name in one field.
    Registered {
        first: String,
        last: String,
    },
    /// Once there was "moved-in-with", which said two things at a time.
    Moved {
        city: String,
    },
    Married {
        to: String,
    },
}

event_types! {
    CustomerEvent {
        Registered = "customer-registered" schema 2,
        Moved = "customer-moved",
        Married = "customer-married",
    }
    upcasters: upcasters;
}

/// "customer-registered" as it was.
#[derive(Deserialize)]
struct Registered1 {
    name: String,
}

/// "moved-in-with".
#[derive(Deserialize)]
struct MovedInWith {
    city: String,
    whom: String,
}

fn upcasters() -> Upcasters {
    Upcasters::new()
        // A field became two.
        .on("customer-registered", 1, |old| {
            let Registered1 { name } = old.decode()?;
            let (first, last) = name.split_once(' ').unwrap_or(("", &name));
            let new = json!({ "first": first, "last": last });
            Ok(vec![RawEvent::new::<Json>("customer-registered", 2, &new)?])
        })
        // An event became two.
        .on("moved-in-with", 1, |old| {
            let MovedInWith { city, whom } = old.decode()?;
            Ok(vec![
                RawEvent::new::<Json>("customer-moved", 1, &json!({ "city": city }))?,
                RawEvent::new::<Json>("customer-married", 1, &json!({ "to": whom }))?,
            ])
        })
        // Nobody needs to know any more.
        .on("brochure-sent", 1, |_| Ok(vec![]))
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Customer {
    first: String,
    last: String,
    city: String,
    married_to: Option<String>,
}

impl Aggregate for Customer {
    type Command = String;
    type Event = CustomerEvent;
    type Error = &'static str;
    const CATEGORY: &'static str = "customer";
    const SNAPSHOT_SCHEMA: u32 = 1;

    fn handle(&self, city: &String) -> Result<Vec<CustomerEvent>, &'static str> {
        if self.city == *city {
            Err("lives there")
        } else {
            Ok(vec![CustomerEvent::Moved { city: city.clone() }])
        }
    }

    fn apply(&mut self, event: &CustomerEvent) {
        match event {
            CustomerEvent::Registered { first, last } => {
                (self.first, self.last) = (first.clone(), last.clone());
            }
            CustomerEvent::Moved { city } => self.city.clone_from(city),
            CustomerEvent::Married { to } => self.married_to = Some(to.clone()),
        }
    }
}

/// What a program of years ago appended.
fn years_ago() -> [NewEvent<'static>; 3] {
    [
        NewEvent::new("customer-registered").json(r#"{"name":"Ann Miller"}"#),
        NewEvent::new("brochure-sent").json("{}"),
        NewEvent::new("moved-in-with").json(r#"{"city":"Ulm","whom":"Bob"}"#),
    ]
}

fn main() -> Result<(), Box<dyn Error>> {
    let log = Arc::new(Log::temporary()?);
    log.append(Batch::new().write("customer-9", Expected::NoStream, years_ago()))?;
    let customers = Repository::<Customer>::new(log);
    let customer = customers.update(9, "Bonn".to_owned())?;
    println!("{:?} at version {}", customer.state, customer.version);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use annals::sourcing::{EventEnum, Fixture};

    use super::*;

    #[test]
    fn old_events_are_folded_as_those_of_today() {
        Fixture::<Customer>::given([])
            .stored(years_ago())
            .when("Bonn".to_owned())
            .then_events([CustomerEvent::Moved { city: "Bonn".to_owned() }])
            .then_state(Customer {
                first: "Ann".to_owned(),
                last: "Miller".to_owned(),
                city: "Bonn".to_owned(),
                married_to: Some("Bob".to_owned()),
            });
    }

    #[test]
    fn the_log_is_not_changed() {
        let log = Log::temporary().unwrap();
        log.append(Batch::new().write("customer-9", Expected::NoStream, years_ago())).unwrap();
        let stored = log.read("customer-9").collect().unwrap();
        let stored = stored[0].as_event();
        let parts = CustomerEvent::decode(&stored).unwrap();
        assert_eq!(parts.count(), 1);
        assert_eq!((stored.schema(), stored.data()), (1, &br#"{"name":"Ann Miller"}"#[..]));
    }
}

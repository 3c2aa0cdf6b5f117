//! The ten kinds of change, each by the recipe of `annals::guide::evolution`: what was stored by
//! the program of before is read, and written on, by the program of today.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
use std::sync::Arc;

use annals::sourcing::{
    Aggregate, EventEnum, Fixture, Json, RawEvent, Repository, RepositoryError, Upcasters,
    event_types,
};
use annals::{Batch, Expected, Log, NewEvent};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What the program of before left behind: type, schema, data.
fn old_log(stream: &str, events: &[(&str, u32, Value)]) -> Arc<Log> {
    let log = Log::temporary().unwrap();
    for (event_type, schema, data) in events {
        let text = data.to_string();
        let event = NewEvent::new(event_type).schema(*schema).json(&text);
        log.append(Batch::new().write(stream, Expected::Any, [event])).unwrap();
    }
    Arc::new(log)
}

/// What the log is to the program of today.
fn decoded<E: EventEnum>(log: &Log) -> Vec<E> {
    let stored = log.read_all().collect().unwrap();
    let parts = stored.iter().flat_map(|event| E::decode(&event.as_event()).unwrap());
    parts.map(|part| part.event).collect()
}

/// An aggregate that keeps what it is told: for changes of its own and not of its events.
macro_rules! keeps {
    ($aggregate:ident of $event:ident as $category:literal, formerly $former:expr) => {
        #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
        struct $aggregate {
            told: Vec<$event>,
        }

        impl Aggregate for $aggregate {
            type Command = $event;
            type Event = $event;
            type Error = ();
            const CATEGORY: &'static str = $category;
            const FORMER_CATEGORIES: &'static [&'static str] = $former;
            const SNAPSHOT_SCHEMA: u32 = 1;

            fn handle(&self, told: &$event) -> Result<Vec<$event>, ()> {
                Ok(vec![told.clone()])
            }

            fn apply(&mut self, event: &$event) {
                self.told.push(event.clone());
            }
        }
    };
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum OrderEvent {
    Placed { cents: u64 },
    Paid,
}

event_types! { OrderEvent { Placed = "order-placed", Paid = "order-paid" } }

keeps!(Order of OrderEvent as "order", formerly &[]);

fn placed(cents: u64) -> OrderEvent {
    OrderEvent::Placed { cents }
}

#[test]
fn an_aggregate_type_is_added() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum ParcelEvent {
        Sent,
    }
    event_types! { ParcelEvent { Sent = "parcel-sent" } }
    keeps!(Parcel of ParcelEvent as "parcel", formerly &[]);

    let log = old_log("order-1", &[("order-placed", 1, json!({ "cents": 5 }))]);
    let parcels = Repository::<Parcel>::new(log.clone());
    assert!(parcels.find(1).unwrap().is_none());
    parcels.save(1, ParcelEvent::Sent).unwrap();
    // Each sees its own streams.
    let order = Repository::<Order>::new(log.clone()).find(1).unwrap().unwrap();
    assert_eq!((order.state.told, order.version), (vec![placed(5)], 1));
    let parcels = log.read_all().filter(Repository::<Parcel>::filter()).collect().unwrap();
    assert_eq!(parcels.len(), 1);
}

#[test]
fn an_aggregate_type_is_removed() {
    let fax = ("fax-sent", 1, json!({ "pages": 2 }));
    let log = old_log("fax-1", &[fax]);
    let orders = Repository::<Order>::new(log.clone());
    orders.save(1, placed(5)).unwrap();
    // Its events stay. Who reads by category never meets them.
    assert_eq!(orders.find(1).unwrap().unwrap().state.told, [placed(5)]);
    let of_orders = log.read_all().filter(Repository::<Order>::filter()).collect().unwrap();
    assert!(of_orders.iter().all(|event| OrderEvent::decode(&event.as_event()).is_ok()));
    // Who reads everything says that they are of no interest: one line for each type.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Sales {
        Placed { cents: u64 },
    }
    event_types! { Sales { Placed = "order-placed" } upcasters: without_faxes; }
    fn without_faxes() -> Upcasters {
        Upcasters::new().on("fax-sent", 1, |_| Ok(vec![]))
    }
    assert_eq!(decoded::<Sales>(&log), [Sales::Placed { cents: 5 }]);
    // Unsaid, it is an error.
    let fax = log.read("fax-1").collect().unwrap();
    assert!(OrderEvent::decode(&fax[0].as_event()).is_err());
}

#[test]
fn an_aggregate_type_is_renamed_and_its_old_streams_stay_readable_and_appendable() {
    keeps!(Purchase of OrderEvent as "purchase", formerly &["order", "sale"]);

    let log = old_log("order-1", &[("order-placed", 1, json!({ "cents": 5 }))]);
    Repository::<Order>::new(log.clone()).save(2, placed(6)).unwrap();
    let mut batch = Batch::new();
    let oldest = NewEvent::new("order-placed").json(r#"{"cents":7}"#);
    log.append(batch.write("sale-3", Expected::NoStream, [oldest])).unwrap();

    for cache in [0, 5] {
        let purchases = Repository::<Purchase>::new(log.clone()).cache(cache);
        assert_eq!(purchases.find(1).unwrap().unwrap().state.told[0], placed(5));
        assert_eq!(purchases.find(3).unwrap().unwrap().state.told, [placed(7)]);
        // It goes on where it is, so that its versions go on.
        let before = log.version("order-1").unwrap();
        let paid = purchases.update(1, OrderEvent::Paid).unwrap();
        assert_eq!(paid.version, before + 1);
        assert_eq!(log.version("order-1").unwrap(), before + 1);
        assert_eq!(log.version("purchase-1").unwrap(), 0);
        // What is there is not created a second time under the new name.
        let again = purchases.save(2, placed(1));
        assert!(
            matches!(again, Err(RepositoryError::Exists { stream, .. }) if stream == "order-2")
        );
        // New ones have the new name.
        let id = 10 + cache;
        purchases.save(id, placed(8)).unwrap();
        assert_eq!(log.version(&format!("purchase-{id}")).unwrap(), 1);
    }
    // Snapshots, too.
    let purchases = Repository::<Purchase>::new(log.clone());
    assert_eq!(purchases.snapshot(1).unwrap(), Some(3));
    assert_eq!(log.snapshot("order-1").unwrap().unwrap().version(), 3);
    assert_eq!(purchases.find(1).unwrap().unwrap().version, 3);
    // Who follows them follows all names.
    let all = log.read_all().filter(Repository::<Purchase>::filter()).collect().unwrap();
    assert_eq!(all.len(), usize::try_from(log.head()).unwrap());
}

#[test]
fn an_aggregate_is_not_created_under_two_names_at_once() {
    keeps!(Purchase of OrderEvent as "purchase", formerly &["order"]);

    let log = old_log("other", &[]);
    let purchases = Repository::<Purchase>::new(log.clone());
    let mut batch = Batch::new();
    purchases.stage(&mut batch, 1, &placed(5)).unwrap();
    // The program of before, still running on another thread.
    Repository::<Order>::new(log.clone()).save(1, placed(5)).unwrap();
    assert!(log.append(&batch).is_err_and(|error| error.is_conflict()));
}

#[test]
fn an_event_type_is_added() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum WithRefunds {
        Placed { cents: u64 },
        Paid,
        Refunded { cents: u64 },
    }
    event_types! {
        WithRefunds {
            Placed = "order-placed",
            Paid = "order-paid",
            Refunded = "order-refunded",
        }
    }
    keeps!(Order of WithRefunds as "order", formerly &[]);

    let placed = WithRefunds::Placed { cents: 5 };
    Fixture::<Order>::given([])
        .stored([NewEvent::new("order-placed").json(r#"{"cents":5}"#)])
        .when(WithRefunds::Refunded { cents: 5 })
        .then_events([WithRefunds::Refunded { cents: 5 }])
        .then_state(Order { told: vec![placed, WithRefunds::Refunded { cents: 5 }] });
    // A program of before that meets the new type stops and does not pass it over.
    let log = old_log("order-1", &[("order-refunded", 1, json!({ "cents": 5 }))]);
    let stored = log.read_all().collect().unwrap();
    assert!(OrderEvent::decode(&stored[0].as_event()).is_err());
}

#[test]
fn an_event_type_is_removed() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum WithoutPaid {
        Placed { cents: u64 },
    }
    event_types! { WithoutPaid { Placed = "order-placed" } upcasters: upcasters; }
    fn upcasters() -> Upcasters {
        Upcasters::new().on("order-paid", 1, |_| Ok(vec![]))
    }
    keeps!(Order of WithoutPaid as "order", formerly &[]);

    let log = old_log(
        "order-1",
        &[("order-placed", 1, json!({ "cents": 5 })), ("order-paid", 1, json!({}))],
    );
    let orders = Repository::<Order>::new(log.clone());
    let order = orders.find(1).unwrap().unwrap();
    assert_eq!(order.state.told, [WithoutPaid::Placed { cents: 5 }]);
    // It still counts as an event of the stream.
    assert_eq!((order.version, order.position), (2, 2));
    assert_eq!(orders.update(1, WithoutPaid::Placed { cents: 6 }).unwrap().version, 3);
}

#[test]
fn an_event_type_is_renamed() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum Renamed {
        Submitted { cents: u64 },
        Settled,
    }
    // In the code alone: the stored name stays. In the log too: an upcaster.
    event_types! {
        Renamed { Submitted = "order-placed", Settled = "order-settled" }
        upcasters: upcasters;
    }
    fn upcasters() -> Upcasters {
        Upcasters::new().on("order-paid", 1, |old| Ok(vec![old.renamed("order-settled", 1)]))
    }

    let log = old_log(
        "order-1",
        &[
            ("order-placed", 1, json!({ "cents": 5 })),
            ("order-paid", 1, json!({})),
            ("order-settled", 1, json!({})),
        ],
    );
    let expected = [Renamed::Submitted { cents: 5 }, Renamed::Settled, Renamed::Settled];
    assert_eq!(decoded::<Renamed>(&log), expected);
    assert_eq!(Renamed::Settled.encode().unwrap().event_type(), "order-settled");
    assert_eq!(Renamed::Submitted { cents: 5 }.encode().unwrap().event_type(), "order-placed");
}

#[test]
fn a_field_is_added() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum WithNote {
        Placed {
            cents: u64,
            // Old events can do without: a default, and the same schema.
            #[serde(default)]
            note: Option<String>,
            // They cannot: another schema, and an upcaster that knows what held then.
            currency: String,
        },
        // A variant without fields gets one.
        Paid {
            #[serde(default)]
            by: Option<String>,
        },
    }
    event_types! {
        WithNote { Placed = "order-placed" schema 2, Paid = "order-paid" }
        upcasters: upcasters;
    }
    fn upcasters() -> Upcasters {
        Upcasters::new().on("order-placed", 1, |old| {
            let mut placed: Value = old.decode()?;
            placed["currency"] = "EUR".into();
            Ok(vec![RawEvent::new::<Json>("order-placed", 2, &placed)?])
        })
    }

    let log = old_log(
        "order-1",
        &[("order-placed", 1, json!({ "cents": 5 })), ("order-paid", 1, json!({}))],
    );
    let mut batch = Batch::new();
    let new = OrderEvent::Paid.encode().unwrap();
    log.append(batch.write("order-1", Expected::Any, [new.as_new()])).unwrap();
    let placed = WithNote::Placed { cents: 5, note: None, currency: "EUR".to_owned() };
    let paid = WithNote::Paid { by: None };
    assert_eq!(decoded::<WithNote>(&log), [placed, paid.clone(), paid]);
}

#[test]
fn a_field_is_removed() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum Without {
        Placed,
        Paid,
    }
    event_types! { Without { Placed = "order-placed", Paid = "order-paid" } }

    let log = old_log(
        "order-1",
        &[
            ("order-placed", 1, json!({ "cents": 5, "voucher": { "code": [1, 2] } })),
            ("order-paid", 1, json!({ "by": "card" })),
        ],
    );
    assert_eq!(decoded::<Without>(&log), [Without::Placed, Without::Paid]);
    // One field of several, likewise: what a struct does not name is passed over.
    assert_eq!(decoded::<OrderEvent>(&log), [placed(5), OrderEvent::Paid]);
}

#[test]
fn a_field_is_renamed() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum Renamed {
        Placed {
            #[serde(alias = "cents")]
            amount: u64,
        },
    }
    event_types! { Renamed { Placed = "order-placed" } }

    let log = old_log(
        "order-1",
        &[("order-placed", 1, json!({ "cents": 5 })), ("order-placed", 1, json!({ "amount": 6 }))],
    );
    let expected = [Renamed::Placed { amount: 5 }, Renamed::Placed { amount: 6 }];
    assert_eq!(decoded::<Renamed>(&log), expected);
}

#[test]
fn a_field_is_retyped() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum Retyped {
        Placed { total: Money },
    }
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Money {
        cents: u64,
        currency: String,
    }
    event_types! { Retyped { Placed = "order-placed" schema 3 } upcasters: upcasters; }
    fn upcasters() -> Upcasters {
        #[derive(Deserialize)]
        struct PlacedV1 {
            total: u64,
        }
        #[derive(Serialize, Deserialize)]
        struct PlacedV2 {
            total: String,
        }
        Upcasters::new()
            .on("order-placed", 1, |old| {
                let PlacedV1 { total } = old.decode()?;
                let total = format!("{total}.00 EUR");
                Ok(vec![RawEvent::new::<Json>("order-placed", 2, &PlacedV2 { total })?])
            })
            .on("order-placed", 2, |old| {
                let PlacedV2 { total } = old.decode()?;
                let (amount, currency) = total.split_once(' ').ok_or("no currency")?;
                let cents = amount.replace('.', "").parse()?;
                let money = Money { cents, currency: currency.to_owned() };
                Ok(vec![RawEvent::new::<Json>("order-placed", 3, &json!({ "total": money }))?])
            })
    }

    let log = old_log(
        "order-1",
        &[
            ("order-placed", 1, json!({ "total": 5 })),
            ("order-placed", 2, json!({ "total": "5.10 USD" })),
            ("order-placed", 3, json!({ "total": { "cents": 7, "currency": "EUR" } })),
        ],
    );
    let placed = |cents, currency: &str| Retyped::Placed {
        total: Money { cents, currency: currency.to_owned() },
    };
    let expected = [placed(500, "EUR"), placed(510, "USD"), placed(7, "EUR")];
    assert_eq!(decoded::<Retyped>(&log), expected);
}

//! Changing the code while the events stay (feature `sourcing`): a recipe for each kind of
//! change.
//!
//! Events live longer than the code that wrote them, and are never rewritten. So each has an
//! explicit type name and the number of its shape, its schema; the code of today says which
//! of them it [names](crate::event_types), and
//! [upcasters](crate::sourcing::Upcasters) make the others into those, as they are
//! read. What is neither named nor upcast is an error, or handed out by an enum that
//! has a variant for it; it is never passed over in silence.
//!
//! | what changes | what to do |
//! |---|---|
//! | an aggregate is added | nothing: it has a category of its own |
//! | an aggregate is removed | nothing where streams or categories are read; in an enum that reads everything, an upcaster to none for each of its types |
//! | an aggregate is renamed | the old name goes to [`FORMER_CATEGORIES`](crate::sourcing::Aggregate::FORMER_CATEGORIES): its streams stay where they are, new ones get the new name |
//! | an event type is added | a variant with a name; programs of before stop at it, so those that follow the log get it first |
//! | an event type is removed | an upcaster to none; its versions and positions stay |
//! | an event type is renamed | of the variant: nothing. Of the stored name: an upcaster that [renames](crate::sourcing::RawEvent::renamed) |
//! | a field is added | `#[serde(default)]`; or the next schema number, and an upcaster that fills it in |
//! | a field is removed | nothing: what the code does not name is passed over |
//! | a field is renamed | `#[serde(alias = "old")]` |
//! | a field is retyped | the next schema number, and an upcaster that converts |
//!
//! The last four are for formats with names in them, as JSON is. With Postcard each change of
//! fields is a change of schema, with an upcaster that knows the shape of before. Each row is
//! a test in `engine/tests/sourcing_evolution.rs`.
//!
//! # A change from end to end
//!
//! Amounts were whole units; the program of today counts cents and knows a currency.
//!
//! ```
//! # #[cfg(not(all(feature = "sourcing", feature = "sim")))]
//! # fn main() {}
//! # #[cfg(all(feature = "sourcing", feature = "sim"))]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use annals::sourcing::{EventEnum, Json, RawEvent, Upcasters, event_types};
//! use annals::{Batch, Expected, Log, NewEvent};
//! use serde::{Deserialize, Serialize};
//! use serde_json::json;
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! enum PaymentEvent {
//!     Received { cents: u64, currency: String },
//! }
//!
//! event_types! {
//!     PaymentEvent { Received = "payment-received" schema 2 }
//!     upcasters: upcasters;
//! }
//!
//! fn upcasters() -> Upcasters {
//!     /// The shape of before, kept for as long as there is an event of it.
//!     #[derive(Deserialize)]
//!     struct ReceivedV1 {
//!         amount: u64,
//!     }
//!     Upcasters::new().on("payment-received", 1, |old| {
//!         let ReceivedV1 { amount } = old.decode()?;
//!         let new = json!({ "cents": amount * 100, "currency": "EUR" });
//!         Ok(vec![RawEvent::new::<Json>("payment-received", 2, &new)?])
//!     })
//! }
//!
//! let log = Log::temporary()?;
//! let old = NewEvent::new("payment-received").json(r#"{"amount":5}"#);
//! log.append(Batch::new().write("payment-1", Expected::Any, [old]))?;
//!
//! let mut read = log.read("payment-1");
//! while let Some(stored) = read.next()? {
//!     for part in PaymentEvent::decode(&stored)? {
//!         let currency = "EUR".to_owned();
//!         assert_eq!(part.event, PaymentEvent::Received { cents: 500, currency });
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # One event becomes several
//!
//! An upcaster may split an event. The parts have one position, so who keeps a position to go
//! on from keeps the number of the part beside it: that is a
//! [`Place`](crate::sourcing::Place). An upcaster to none leaves its event's position and
//! version in the log; only nobody is handed anything there.
//!
//! # State
//!
//! Snapshots hold what was folded by the code of then. Raise
//! [`SNAPSHOT_SCHEMA`](crate::sourcing::Aggregate::SNAPSHOT_SCHEMA) when the state's fields
//! change, when `apply` changes, and when an upcaster does: all snapshots are passed over
//! then, and states are folded from their events again, once each.
//!
//! # What not to change
//!
//! A stored name never gets another meaning, and a schema number never another shape. Where a
//! meaning changes, take a new type name, and let both live.

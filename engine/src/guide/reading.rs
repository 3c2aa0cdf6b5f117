//! Getting events back: streams, the whole log, by what events have, and folded state.
//!
//! # One stream
//!
//! A read lends one event after the other: no copy is made of what lies in the log. It is a
//! loop with `while let`, since an event is lent until the next one is asked for.
//!
//! ```
//! use annals::{Batch, Expected, Log, NewEvent};
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! let log = Log::open(path)?;
//! let steps = ["Placed", "Paid", "Packed", "Shipped"].map(NewEvent::new);
//! log.append(Batch::new().write("order-17", Expected::NoStream, steps))?;
//!
//! let mut read = log.read("order-17").from(2).to(3);
//! let mut types = Vec::new();
//! while let Some(event) = read.next()? {
//!     types.push(event.event_type().to_owned());
//! }
//! assert_eq!(types, ["Paid", "Packed"]);
//!
//! // The last one, as a copy that lives by itself.
//! let last = log.read("order-17").backward().limit(1).collect()?;
//! assert_eq!(last[0].as_event().version(), 4);
//! assert_eq!(log.version("order-17")?, 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What an event has
//!
//! [`Event`](crate::Event) is what every read lends; [`OwnedEvent`](crate::OwnedEvent) is a
//! copy of one.
//!
//! ```
//! use annals::{Batch, Expected, Log, NewEvent, Occurred, Timestamp};
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! let log = Log::open(path)?;
//! let noon = Occurred::utc(Timestamp::from_nanos(1_700_000_000_000_000_000));
//! let placed = NewEvent::new("OrderPlaced")
//!     .json(r#"{"total":12}"#)
//!     .schema(2)
//!     .tag("customer:9")
//!     .metadata(b"from the shop")
//!     .occurred_at(noon)
//!     .correlation("checkout-5")
//!     .caused_by("message-77");
//! log.append(Batch::new().write("order-17", Expected::NoStream, [placed]))?;
//!
//! let mut read = log.read_all();
//! let event = read.next()?.ok_or("nothing there")?;
//! assert_eq!((event.position(), event.version()), (1, 1));
//! assert_eq!((event.stream(), event.event_type()), ("order-17", "OrderPlaced"));
//! assert_eq!((event.schema(), event.content_type()), (2, Some("application/json")));
//! assert_eq!((event.data(), event.metadata()), (&br#"{"total":12}"#[..], &b"from the shop"[..]));
//! assert_eq!(event.tags().collect::<Vec<_>>(), ["customer:9"]);
//! assert_eq!((event.correlation(), event.caused_by()), (Some("checkout-5"), Some("message-77")));
//! assert_eq!(event.occurred_at(), Some(noon));
//! assert!(event.is_last_of_batch());
//! // When it was committed, which never runs backwards along the log.
//! println!("{:?} {}", event.recorded_at().to_system_time(), event.id());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The whole log
//!
//! [`read_all`](crate::Reader::read_all) goes through everything in commit order, from and
//! to any position, and between two times. It ends where the log ended when it was first
//! asked; to go on with what comes later, use a [cursor](super::tailing).
//!
//! # By what events have
//!
//! A [`Filter`](crate::Filter) names categories, streams, types, tags, correlations and
//! causes. Of several names of one kind an event must have any; of several tags it must have
//! all; of different kinds all must hold. What does not match is not read: the indexes know
//! where the events are.
//!
//! ```
//! use annals::{Batch, Expected, Filter, Log, NewEvent};
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! let log = Log::open(path)?;
//! for (stream, kind) in [("order-1", "Placed"), ("stock-1", "Reserved"), ("order-2", "Placed")] {
//!     let event = NewEvent::new(kind).tag("shop:berlin").correlation("checkout-5");
//!     log.append(Batch::new().write(stream, Expected::Any, [event]))?;
//! }
//! // A category is the part of the stream's name before the first `-`.
//! let placed = Filter::new().category("order").event_type("Placed").tag("shop:berlin");
//! assert_eq!(log.read_all().filter(placed.clone()).collect()?.len(), 2);
//! assert_eq!(log.read_all().filter(placed).backward().limit(1).collect()?.len(), 1);
//! let whole_story = Filter::new().correlation("checkout-5");
//! assert_eq!(log.read_all().filter(whole_story).collect()?.len(), 3);
//!
//! // Which streams there are, by the start of their names.
//! let mut streams = log.streams("order-")?;
//! let mut names = Vec::new();
//! while let Some(stream) = streams.next()? {
//!     names.push((stream.name.to_owned(), stream.version));
//! }
//! assert_eq!(names, [("order-1".to_owned(), 1), ("order-2".to_owned(), 1)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # By id
//!
//! [`event`](crate::Reader::event) finds the event with an id,
//! [`contains`](crate::Reader::contains) says whether there is one.
//!
//! # State, without reading everything: snapshots
//!
//! A long stream is folded from a snapshot: its state at a version, in your own encoding.
//! [`load`](crate::Reader::load) gives the newest snapshot with a *schema* number, which you
//! raise when the state's shape changes, and the events after it. It takes no position and
//! no version, so nothing that reads events sees it.
//!
//! ```
//! use annals::{Batch, Expected, Log, NewEvent, NewSnapshot, Result};
//!
//! /// The shape of the folded state. Another number, and the fold starts earlier.
//! const SCHEMA: u32 = 1;
//!
//! /// The sum, and its version.
//! fn fold(log: &Log, account: &str) -> Result<(i64, u64)> {
//!     let mut loaded = log.load(account, SCHEMA)?;
//!     let mut sum = loop {
//!         let Some(snapshot) = loaded.snapshot() else { break 0 };
//!         match std::str::from_utf8(snapshot.data()).ok().and_then(|text| text.parse().ok()) {
//!             Some(sum) => break sum,
//!             // It does not decode: the one before it, or from the first event.
//!             None => loaded = loaded.earlier()?,
//!         }
//!     };
//!     while let Some(event) = loaded.next()? {
//!         let text = std::str::from_utf8(event.data()).unwrap_or("0");
//!         sum += text.parse::<i64>().unwrap_or(0);
//!     }
//!     Ok((sum, loaded.version()))
//! }
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! let log = Log::open(path)?;
//! for _ in 0..10 {
//!     let (sum, version) = fold(&log, "account-1")?;
//!     let mut batch = Batch::new();
//!     batch.write("account-1", Expected::Exact(version), [NewEvent::new("PaidIn").data(b"7")]);
//!     if (version + 1) % 5 == 0 {
//!         // In the batch of the events that lead to it: both are there, or neither.
//!         let text = (sum + 7).to_string();
//!         let snapshot = NewSnapshot::new(SCHEMA).data(text.as_bytes());
//!         batch.snapshot("account-1", version + 1, snapshot);
//!     }
//!     log.append(&batch)?;
//! }
//! assert_eq!(fold(&log, "account-1")?, (70, 10));
//! assert_eq!(log.snapshot("account-1")?.map(|newest| newest.version()), Some(10));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! State that belongs to no stream, such as a projection's totals, is a
//! [named state](crate::Batch::state), read with [`state`](crate::Reader::state). The
//! [guide to tailing](super::tailing#a-projection-that-keeps-its-state-in-the-log) has a
//! projection that keeps its place that way.
//!
//! # Who sees what
//!
//! In the process that writes, reads see everything that an append was answered for, at once,
//! whether it is durable yet or not. [Cursors](super::tailing) and readers in other
//! processes see what is durable, unless they ask for
//! [`Written`](crate::Visibility::Written).
//!
//! Every record that is read has its checksum checked, every time. Damage is
//! [`Corrupt`](crate::Error::Corrupt), and a device that fails is [`Io`](crate::Error::Io):
//! neither is taken for the end. Reads never hold up an append. See
//! [`Reading`](crate::Reading) for the choice between mapped reading and `pread`.

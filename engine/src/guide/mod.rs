//! A guide by subject. Every program in it is run by the tests.
//!
//! | page | what it answers |
//! |---|---|
//! | [`appending`] | How do I write, and what if somebody else was faster? |
//! | [`reading`] | How do I get events back, and the state that they lead to? |
//! | [`tailing`] | How do I follow the log, here, elsewhere and after a restart? |
//! | [`durability`] | When is an event safe, and what does that cost? |
//! | [`recovery`] | What happens after a crash, and what if the disk is hurt? |
//! | [`sourcing`] | What goes into an event, how do I correct one, what if it comes twice? (feature `sourcing`) |
//! | [`evolution`] | How do I change code whose events stay? (feature `sourcing`) |
//! | [`testing`] | How do I show my own program a crash? |
//!
//! # Words
//!
//! A *log* is a directory. An *event* is what a program appends; it never changes. Events
//! that share a name are a *stream*, such as `order-17`. An event's place in its stream is
//! its *version*, 1, 2, 3; its place in the whole log is its *position*, 1, 2, 3, in the
//! order in which batches committed. What one append commits is a *batch*. *Written* is
//! what survives a killed process, *durable* what survives a power cut.
//!
//! # One program
//!
//! A bank account: its state is never stored, only what happened to it.
//!
//! ```
//! use annals::{Batch, Expected, Log, NewEvent};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("bank");
//! let log = Log::open(path)?;
//!
//! // What happened, and what must be true for it to happen.
//! let opened = NewEvent::new("Opened").json(r#"{"owner":"Ann"}"#);
//! let paid_in = NewEvent::new("PaidIn").json("100");
//! log.append(Batch::new().write("account-1", Expected::NoStream, [opened, paid_in]))?;
//!
//! // The state is folded from it.
//! let mut balance = 0;
//! let mut events = log.read("account-1");
//! while let Some(event) = events.next()? {
//!     if event.event_type() == "PaidIn" {
//!         balance += std::str::from_utf8(event.data())?.parse::<i64>()?;
//!     }
//! }
//! assert_eq!(balance, 100);
//!
//! // A decision holds for the version that it was made on.
//! let paid_out = NewEvent::new("PaidOut").json("30");
//! log.append(Batch::new().write("account-1", Expected::Exact(2), [paid_out]))?;
//! log.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod appending;
pub mod durability;
pub mod evolution;
pub mod reading;
pub mod recovery;
pub mod sourcing;
pub mod tailing;
pub mod testing;

//! Events as the truth (feature `sourcing`): what to put into them, how to take something
//! back, how to be asked twice, and when to leave it.
//!
//! # What is an event
//!
//! Something that happened and that somebody cared about, named in the past tense and in the
//! words of those who do the work: `credit-reserved`, not `customer-updated`. Whoever reads
//! it in ten years has the event and no conversation, so a name that needs the code beside it
//! is a bad one. What was refused is no event, unless somebody wants to know of refusals.
//!
//! One stream holds one thing that must be consistent in itself: an account, an order. Two
//! things that change together now and then can go into one batch
//! ([`Repository::stage`](crate::sourcing::Repository::stage)); two that always do are one.
//! A stream that is written by everybody is a queue at a counter: every writer expects the
//! version that the one before just changed.
//!
//! # Thin and rich
//!
//! A *thin* event says what changed and no more: `item-removed {line: 3}`. A *rich* one
//! carries what its readers would otherwise look up: the price that was agreed, the address
//! that it goes to, the name as it was on that day.
//!
//! | | thin | rich |
//! |---|---|---|
//! | its own aggregate | has all it needs | carries what it does not use |
//! | readers elsewhere | fold the stream or ask back, and get the answer of today | have the answer of then |
//! | change of shape | seldom | more often: every field is a promise |
//! | personal data | in few places | in each event that carries it |
//!
//! Put in what was decided and what the decision rested on, since that can never be found out
//! again: the price, the exchange rate, the version of the terms. Leave out what follows from
//! other events of the same stream, as a balance does: a sum that is stored can contradict
//! what it sums up, and nothing says which of them is right. What readers need is then the
//! work of a projection, not of the event.
//!
//! # Nothing is taken back
//!
//! An event that was wrong is true in one thing: it was recorded, and others acted on it. A
//! correction is a further event, as in a ledger. It names what it corrects, and why:
//!
//! ```
//! # #[cfg(not(feature = "sourcing"))]
//! # fn main() {}
//! # #[cfg(feature = "sourcing")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use annals::sourcing::{EventEnum, event_types};
//! use annals::{Batch, Expected, Log};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Serialize, Deserialize)]
//! enum Entry {
//!     Booked { cents: i64 },
//!     /// The entry at this version was wrong: it counts as if it were not there.
//!     Reversed { version: u64, reason: String },
//! }
//! event_types! { Entry { Booked = "booked", Reversed = "reversed" } }
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! let log = Log::open(path)?;
//! let entries = [
//!     Entry::Booked { cents: 1_000 },
//!     Entry::Booked { cents: 77_000 },
//!     Entry::Reversed { version: 2, reason: "typed one zero too many".to_owned() },
//!     Entry::Booked { cents: 7_700 },
//! ];
//! for (version, entry) in (0..).zip(&entries) {
//!     let entry = entry.encode()?;
//!     log.append(Batch::new().write("ledger-1", Expected::Exact(version), [entry.as_new()]))?;
//! }
//!
//! // As of any version: also what was believed before the correction.
//! let balance = |until: u64| -> Result<i64, Box<dyn std::error::Error>> {
//!     let mut booked = std::collections::BTreeMap::new();
//!     let mut read = log.read("ledger-1").to(until);
//!     while let Some(stored) = read.next()? {
//!         for part in Entry::decode(&stored)? {
//!             match part.event {
//!                 Entry::Booked { cents } => drop(booked.insert(stored.version(), cents)),
//!                 Entry::Reversed { version, .. } => drop(booked.remove(&version)),
//!             }
//!         }
//!     }
//!     Ok(booked.values().sum())
//! };
//! assert_eq!(balance(2)?, 78_000);
//! assert_eq!(balance(4)?, 8_700);
//! # Ok(())
//! # }
//! ```
//!
//! What code of before wrote in another shape is no error to correct: it is read by an
//! [upcaster](super::evolution). What a fold got wrong is not in the log at all: mend `apply`,
//! raise the schema of the snapshots, rebuild the projections.
//!
//! What happened at another time than it was recorded says so with
//! [`occurred_at`](crate::NewEvent::occurred_at): the order in the log stays that of commits.
//!
//! # Being asked twice
//!
//! Whatever comes over a network comes twice some day. There are three places to notice it:
//!
//! | what comes twice | what to use | cost |
//! |---|---|---|
//! | a batch, since its answer was lost | ids of its events, made before the first attempt: [`NewEvent::id`](crate::NewEvent::id) | a look-up for each id |
//! | a command or message | its own id as the key: [`Context::once`](crate::sourcing::Context::once), [`Batch::once`](crate::Batch::once) | a look-up and a record of the key |
//! | an event of this log, to a consumer | its acknowledgement in the batch of what it led to: [`Consumer::commit`](crate::sourcing::Consumer::commit), [`Processing`](crate::sourcing::Processing) | none beside the batch |
//!
//! Ids and keys are known for ever, after any restart. A key belongs to what is asked, not to
//! the attempt: make it where the wish is made, before the first call goes out, and keep it
//! through all retries. Where one message leads to several commands, put the name of each into
//! its key: `message-77/reserve`, `message-77/notify`.
//!
//! What leaves the program, a mail or a payment, is in no batch. Give the other side a key
//! that follows from the event (its id will do) and let *it* notice, and acknowledge
//! afterwards: sent at least once, done once. Where the other side cannot do that, decide
//! which is worse, never or twice, and acknowledge before or after it.
//!
//! # Reading your own writes
//!
//! The log itself shows at once what was appended. Projections and subscriptions are behind
//! it, as a rule by less than a person notices. Where it matters, wait for the position that
//! the command came back with
//! ([`Subscriptions::wait_for`](crate::sourcing::Subscriptions::wait_for)), or answer out of the
//! aggregate, which is never behind.
//!
//! # When not to
//!
//! * **Nobody asks how it came to be.** Settings, caches, drafts, sessions: a table holds the
//!   last state, and that is what is wanted.
//! * **The last state is the fact.** What another system owns and sends whole each night is
//!   not made of decisions here. Keep what it sent, if at all.
//! * **Questions over everything are the main use.** A log answers by stream, category, type
//!   and tag. All else is a projection, which is code to write, to rebuild and to watch. If
//!   there are ten projections and one command, a database was wanted.
//! * **Data must be forgotten on request.** An append-only log keeps what it is given. Personal
//!   data belongs beside it, under a reference that the events hold, or nowhere.
//! * **Numbers, not events.** Measurements by the thousand a second, of which averages are
//!   wanted, fit a store for time series.
//! * **The team changes its mind weekly.** Event names are for ever. While nobody knows yet
//!   what the thing is, a prototype with tables costs less to throw away.
//!
//! And it need not be everything: the order is sourced, the catalogue of products is a table.

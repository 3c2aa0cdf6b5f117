//! Subscriptions, each test named for the fact that it shows; several for what users of other
//! systems complain of.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod answers;
mod closed;
mod crash;
mod facts;
mod killed;
mod processors;
mod support;

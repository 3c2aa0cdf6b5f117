//! What many threads asked of one log and were answered, and whether that can have
//! happened.
//!
//! * [`call`]: questions and answers as values
//! * [`script`]: what a thread asks, by a seed
//! * [`record`]: threads on a log, and a history of what they did
//! * [`runs`]: histories by a seed
//! * [`spec`]: the log as one thread would see it
//! * [`held`], [`window`], [`order`]: a check that takes linear time, for histories of any
//!   length
//! * [`bend`]: answers that no log gives, put into a history
//!
//! Reads in the process that writes see everything that was acknowledged, and what an answer
//! rests on. So appends with all their outcomes, reads, versions and ids are one object that
//! all threads share, and must be linearizable. A search for an order (the test uses the one
//! of `stateright`) shows that for short histories, with [`spec`] as the judge; [`order`]
//! shows it for all. The two know nothing of each other.

pub mod bend;
pub mod call;
pub mod held;
pub mod order;
pub mod record;
pub mod runs;
pub mod script;
pub mod spec;
pub mod window;

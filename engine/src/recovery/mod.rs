//! Opening: where the log ends, what of its tail is kept, and what is damage.
//!
//! * [`identity`]: which log it is, and its newest segment
//! * [`analysis`]: reading from the last known durable place to the end
//! * [`evidence`]: what stands beyond the end
//! * [`decision`]: the table that tells a torn tail from damage
//! * [`apply`]: making the decision durable
//! * [`create`]: a new log
//! * [`view`]: what was found, to go on with
//!
//! Everything up to the decision only reads, so that verifying can do the same
//! without changing a byte. Applying can be repeated from any point: it zeroes
//! only what was decided to be no part of the log, and syncs that before
//! anything else is believed to be durable.

pub(crate) mod analysis;
pub(crate) mod apply;
mod create;
mod decision;
mod evidence;
mod identity;
mod view;

pub(crate) use create::create;
pub(crate) use view::view_of;

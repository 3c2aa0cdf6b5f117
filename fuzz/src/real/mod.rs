//! Real directories, real processes, real crashes.
//!
//! * [`work`]: what a writer appends, which follows from its number
//! * [`line`](mod@line): what a child tells its parent, line by line
//! * [`child`]: a program that uses a log in a directory, to be crashed
//! * [`kill`]: children that are killed, life after life in one directory
//! * [`follow`]: a reader in the parent, beside the child
//! * [`watch`]: the parent's knowledge, and what must hold of the log after the crash
//! * [`recover`]: opening what a crash left, in every way, and going on

pub mod child;
pub mod follow;
pub mod kill;
pub mod line;
pub mod recover;
pub mod watch;
pub mod work;
mod writer;

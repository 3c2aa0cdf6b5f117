//! Crash-state exploration, planted bugs and fuzz targets of annals.
//!
//! A program (a few steps on a log) runs on the simulated disk. Before each call that
//! changes the disk, every crash at that moment is tried on a copy: the log must
//! open, hold what an oracle outside it says, and go on. The other ways to try a log stand
//! on the same program, run and oracle.
//!
//! A program and its crashes:
//!
//! * [`numbers`]: everything random, from a seed
//! * [`program`]: the language of steps
//! * [`told`]: what is submitted
//! * [`run`]: a program on a disk
//! * [`oracle`]: what was submitted, acknowledged and shown
//! * [`marks`]: what cursors keep outside the log
//! * [`check`]: reading a log in every way
//! * [`crash`]: crash states and what must hold in them
//! * [`explore`]: all short programs, and random long ones
//!
//! What fails, and what is hurt:
//!
//! * [`faults`]: each call fails, once or for good
//! * [`damage`]: what is durable is hurt
//! * [`sweeps`]: either of these two, all of it or one run of it, as a line of text asks
//! * [`settled`]: one thread rests on what another has in flight
//! * [`format`](mod@format): the format on disk, as the document says it and not the log
//! * [`targets`]: any bytes, for fuzzing by coverage
//!
//! Threads and machines:
//!
//! * [`history`]: many threads on one log, and whether what they were told can be
//! * [`real`]: real directories, real processes, real crashes
//!
//! And whether all of this can see anything:
//!
//! * [`bugs`]: planted bugs, each of which has to be found
//!
//! Nothing here is part of the log; it uses only what the log shows to everybody.

pub mod bugs;
pub mod check;
pub mod crash;
pub mod damage;
pub mod explore;
pub mod faults;
pub mod format;
pub mod history;
pub mod marks;
pub mod numbers;
pub mod oracle;
pub mod program;
pub mod real;
pub mod run;
pub mod settled;
pub mod sweeps;
pub mod targets;
pub mod told;

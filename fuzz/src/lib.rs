//! Crash-state exploration, planted bugs and fuzz targets of annals.
//!
//! A program (a few steps on a log) runs on the simulated disk. Before each call that
//! changes the disk, every crash at that moment is tried on a copy: the log must
//! open, hold what an oracle outside it says, and go on. [`explore`] does that for
//! all short programs and for random long ones, [`faults`] makes each call fail,
//! [`settled`] has one thread rest on what another has in flight,
//! [`damage`] hurts what is durable, [`targets`] are for fuzzing by coverage.
//!
//! * [`program`]: the language of steps
//! * [`told`]: what is submitted
//! * [`oracle`]: what was submitted, acknowledged and shown
//! * [`marks`]: what cursors keep outside the log
//! * [`run`]: a program on a disk
//! * [`crash`]: crash states and what must hold in them
//! * [`check`]: reading a log in every way
//! * [`history`]: many threads on one log, and whether what they were told can be
//! * [`real`]: real directories, real processes, real crashes
//!
//! Nothing here is part of the log; it uses only what the log shows to everybody.

pub mod bugs;
pub mod check;
pub mod crash;
pub mod damage;
pub mod explore;
pub mod faults;
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

//! Projections, each test named for the fact that it shows: in memory, in SQLite and in
//! PostgreSQL, killed and rebuilt, and on real event logs.
//!
//! They stand beside the program and not beside the engine's other tests: those so need no
//! database to be built, and the real logs are imported by the program.

#[cfg(test)]
mod databases;
#[cfg(test)]
mod facts;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod late;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod real;
#[cfg(test)]
mod rebuilt;
#[cfg(test)]
mod server;
#[cfg(test)]
mod steps;
#[cfg(test)]
#[path = "../program/support.rs"]
// The other binary uses all of it.
#[allow(dead_code)]
mod support;

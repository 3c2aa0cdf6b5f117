//! The program from outside: what it prints, what it leaves in a log, and how it ends.
//!
//! One binary for all of it, a file for each thing that is shown.

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod beside;
#[cfg(test)]
mod beside_kills;
#[cfg(test)]
mod crashtest;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod exported;
#[cfg(test)]
#[cfg(unix)]
mod full;
#[cfg(test)]
mod git;
#[cfg(test)]
mod growth;
#[cfg(test)]
mod history;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod lines;
#[cfg(test)]
mod look;
#[cfg(test)]
mod outcome;
#[cfg(test)]
mod real_data;
#[cfg(test)]
mod repair;
#[cfg(test)]
mod shell;
#[cfg(test)]
mod subscriptions;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tail;
#[cfg(test)]
mod trace;

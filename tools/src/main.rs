//! The program `annals`: reads the command line, runs one command, and turns its
//! outcome into an exit code and a message.
//!
//! What each command does lives in `commands`; what they share lives beside it.
//! Nothing here knows how a log is stored: all of that is the library's.

mod cli;
mod commands;
mod error;
mod git;
mod import;
mod incoming;
mod interrupt;
mod json;
mod open;
mod output;
mod time;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = cli::Cli::parse();
    match commands::run(arguments) {
        Ok(answer) => answer.code(),
        Err(failure) => {
            if !failure.is_broken_pipe() {
                output::report(&failure);
            }
            failure.code()
        }
    }
}

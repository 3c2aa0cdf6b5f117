//! The commands: each takes its arguments, does one thing to a log, and prints.

mod append;
mod bench;
mod crashtest;
mod demo;
mod export;
mod history;
mod import;
mod parked;
mod read;
mod repair;
mod shell;
mod snapshot;
mod stat;
mod streams;
mod subscriptions;
mod tail;
mod trace;
mod verify;

use crate::cli::{Cli, Command};
use crate::error::{Answer, Failure};
use crate::output::Output;

/// Runs the command that was asked for.
pub(crate) fn run(arguments: Cli) -> Result<Answer, Failure> {
    let mut output = Output::new(arguments.json);
    let answer = match arguments.command {
        Command::Demo(asked) => demo::run(&asked, &mut output)?,
        Command::DemoWriter(asked) => demo::write_until_killed(&asked.log, &mut output)?,
        Command::Import(asked) => import::run(&asked, &mut output)?,
        Command::Export(asked) => export::run(&asked, &mut output)?,
        Command::Append(asked) => append::run(&asked, &mut output)?,
        Command::Read(asked) => read::run(&asked, &mut output)?,
        Command::Tail(asked) => tail::run(&asked, &mut output)?,
        Command::Streams(asked) => streams::run(&asked, &mut output)?,
        Command::Snapshot(asked) => snapshot::run(&asked, &mut output)?,
        Command::History(asked) => history::run(&asked, &mut output)?,
        Command::Trace(asked) => trace::run(&asked, &mut output)?,
        Command::Subscriptions(asked) => subscriptions::run(&asked.log, &mut output)?,
        Command::Parked(asked) => parked::run(&asked, &mut output)?,
        Command::Stat(asked) => stat::run(&asked.log, &mut output)?,
        Command::Verify(asked) => verify::run(&asked.log, &mut output)?,
        Command::Repair(asked) => repair::run(&asked, &mut output)?,
        Command::Bench(asked) => bench::run(&asked, &mut output)?,
        Command::BenchChild(asked) => bench::child(&asked)?,
        Command::Crashtest(asked) => crashtest::run(&asked, &mut output)?,
        Command::CrashtestChild(asked) => crashtest::child(asked)?,
        Command::Completions(asked) => shell::completions(asked.shell, &mut output)?,
        Command::Man(asked) => shell::man(asked.dir.as_deref(), &mut output)?,
    };
    match output.flush() {
        // The answer stands, whether or not all of it was read.
        Err(failure) if failure.is_broken_pipe() => Ok(answer),
        flushed => flushed.map(|()| answer),
    }
}

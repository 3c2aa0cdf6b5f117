//! The arguments of `annals crashtest`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use annals_fuzz::program::Program;
use clap::Args;

use super::seconds;

#[derive(Debug, Args)]
pub(crate) struct Crashtest {
    /// End after so many seconds; fractions are fine.
    #[arg(long, value_name = "N", value_parser = seconds, group = "enough")]
    pub(crate) seconds: Option<Duration>,
    /// End when so many distinct crash states were looked at; all short programs are run in
    /// any case. With `--kill`: when so many processes were killed [default: 100000; with
    /// `--kill` 200].
    #[arg(long, value_name = "N", group = "enough")]
    pub(crate) states: Option<u64>,
    /// What everything random is drawn from.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Run all programs of up to so many steps first.
    #[arg(long, value_name = "N", default_value_t = 3, conflicts_with_all = ["kill", "program"],
        value_parser = clap::value_parser!(u32).range(0..=6))]
    pub(crate) steps: u32,
    /// How many threads work, or processes are alive at a time [default: one for each
    /// processor].
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Run one program again, as it was printed with a failure.
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["enough", "kill"])]
    pub(crate) program: Option<Program>,
    /// Kill processes that write and read a log in a real directory.
    #[arg(long)]
    pub(crate) kill: bool,
    /// Where the logs of those processes are made [default: the directory for temporary
    /// files, and memory where the system has files there].
    #[arg(long, value_name = "DIR", requires = "kill")]
    pub(crate) dir: Option<PathBuf>,
    /// Put an error into the log on purpose, in builds that can.
    #[arg(long, value_name = "BUG", hide = true)]
    pub(crate) plant: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Child {
    /// What it is told to do.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<String>,
}

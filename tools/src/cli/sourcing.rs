//! The arguments of the commands for event-sourced programs: `history`, `trace`, `parked`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct History {
    /// The log's directory.
    pub(crate) log: PathBuf,
    /// The stream.
    pub(crate) stream: String,
    /// The lowest version to print. Those before it are read all the same, since they say
    /// what is different.
    #[arg(long, value_name = "V", default_value_t = 1)]
    pub(crate) from: u64,
    /// At most this many events.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// The log's directory.
    pub(crate) log: PathBuf,
    /// What the events belong to, as they carry it.
    pub(crate) correlation: String,
}

#[derive(Debug, Args)]
pub(crate) struct Parked {
    /// The log's directory.
    pub(crate) log: PathBuf,
    /// The subscription.
    pub(crate) name: String,
    /// Mark the parked streams to be delivered again.
    #[arg(long, group = "unpark")]
    pub(crate) replay: bool,
    /// Skip the events that the streams are parked at, each one alone; what waits behind it
    /// in its stream is marked to be delivered.
    #[arg(long, group = "unpark")]
    pub(crate) drop: bool,
    /// Only this stream; may be given several times. Without it all that are parked.
    #[arg(long = "stream", value_name = "S")]
    pub(crate) streams: Vec<String>,
    /// Why the events are dropped: the subscription keeps it with them.
    #[arg(
        long,
        value_name = "TEXT",
        requires = "drop",
        default_value = "dropped by hand",
        hide_default_value = true
    )]
    pub(crate) reason: String,
}

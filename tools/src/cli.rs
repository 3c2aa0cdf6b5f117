//! The command line: names, arguments and their help. No behaviour.

mod bench;
mod crashtest;
mod sourcing;

use std::path::PathBuf;
use std::time::Duration;

use annals::{Expected, Filter, Timestamp, Uuid};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::time;

pub(crate) use bench::{Bench, BenchChild};
pub(crate) use crashtest::{Child, Crashtest};
pub(crate) use sourcing::{History, Parked, Trace};

const AFTER_HELP: &str = "\
Exit codes: 0 fine; 1 the answer is \"no\" (damage found, conflict); 2 wrong usage; \
3 an I/O or log error.";

/// An embedded, append-only event log: import, look, follow, verify.
#[derive(Debug, Parser)]
#[command(name = "annals", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    /// Print one JSON object a line, and nothing else, on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// A tour on real input: import, fold, conflict, tail, kill and reopen, verify.
    ///
    /// Checks each promise that it shows; the exit code is 1 if one does not hold.
    Demo(Demo),
    /// Append JSON lines, or the history of a git repository.
    ///
    /// Running it again adds only what is new: lines whose id is in the log already
    /// with the same content (stream, type, schema, data, tags) are passed over; other
    /// content under a known id is an error. Lines without an id cannot be recognised,
    /// and are added each time. A bad line ends the import with its number; what was
    /// imported before it stays.
    Import(Import),
    /// Print events as JSON lines, in commit order; or add them to a SQLite table.
    ///
    /// With `--sqlite FILE` the table `events` of that file is given a row for each event that
    /// it has not yet, and is made the first time: columns as the fields of a line, `data`,
    /// `metadata` and `tags` as JSON (`SELECT data->>'$.total' FROM events`), data that is no
    /// JSON as a blob, NULL where there is nothing. Running it again adds only what is new,
    /// also after it was cut off. A file with the export of another log is an error.
    Export(Export),
    /// Append one event; prints its position and version.
    ///
    /// Where the stream is not as `--expect` says, nothing is written and the exit code
    /// is 1.
    Append(Append),
    /// Print one stream.
    Read(Read),
    /// Print events and follow the log, until Ctrl-C.
    ///
    /// Also while another process writes it. Starts at the first event unless told
    /// otherwise, or at the first one since the time that was asked for.
    Tail(Tail),
    /// List streams and their versions.
    Streams(Streams),
    /// Print the newest snapshot of a stream.
    Snapshot(Snapshot),
    /// Print one stream as a story: who did what, why, and what changed.
    ///
    /// The data of each event is compared with the state so far: an object of all fields that
    /// earlier events of the stream named, each with the last value. So `+` is a field that
    /// was not there, `~` one with another value, `-` one that is gone. A field that an event
    /// does not name stays as it was; null takes it away. An object in a field replaces the
    /// one before it, and both are compared in parts (`address.city`). Only data that is a
    /// JSON object has fields; of other data the size is told, and it changes no field. Who
    /// did it is what metadata has as `actor`, `user`, `user_id`, `author`, `by` or
    /// `principal`, if it is a JSON object.
    History(History),
    /// Print all events of a correlation, each below its cause.
    ///
    /// In commit order, and as a tree where the cause of an event is the id of an earlier one
    /// of the same correlation; others stand at the margin. Behind each is how long after its
    /// cause it occurred. With `--json` in commit order, with `depth` and `cause`, the
    /// position of that event. Holds what it prints in memory.
    Trace(Trace),
    /// List subscriptions: how far each is, what is parked and skipped.
    ///
    /// What lies behind is all that was appended since, whether or not it matches the filter,
    /// and the time is the age of the first of it. Also while another process writes: what
    /// that process did not save yet, by default up to a second of work, counts as not done.
    Subscriptions(OneLog),
    /// List the streams that a subscription has parked; deliver or drop what they wait at.
    ///
    /// A stream is parked at an event that could not be handled, and its later events wait
    /// behind that one. `--replay` and `--drop` handle no event themselves: that is up to the
    /// program that has the subscription. They note in the log, durably, that the stream is
    /// to be delivered again, from the parked event on or, with `--drop`, from the one after
    /// it, which counts as skipped; the program does so when it opens the subscription next
    /// and consumes it. Until then the stream is listed as to be delivered again. Both need to
    /// write the log, which one process can at a time: while the program runs, it has to do
    /// it itself (`Subscription::replay`, `Subscription::drop_parked`). The exit code is 1 if
    /// there is no such subscription, if a stream that was named is not parked there, or if
    /// one was not dropped since it is to be delivered again.
    Parked(Parked),
    /// Print how much is in the log, and how it was last closed.
    Stat(OneLog),
    /// Read everything and check it; never writes.
    ///
    /// Each damage is named with its file, offset and cause, and the exit code is then 1.
    /// A tail that a killed writer did not finish is no damage.
    Verify(OneLog),
    /// Say what mending a damaged log would do and lose; do it with `--apply`.
    ///
    /// The exit code is 0 if there is nothing to do, 1 if there is; with `--apply` 0 if the
    /// log is whole afterwards. Every file that changes is copied first, beside the log's
    /// own files.
    Repair(Repair),
    /// Crash the log, again and again, and check what it promises.
    ///
    /// On a simulated disk in memory: every program of a few steps, then random ones; before
    /// each call that changes the disk every crash at that moment is tried. The log must
    /// open, hold everything that was acknowledged, and go on. With `--kill` on real files:
    /// processes are killed at random moments, life after life. Ends after the states, kills
    /// or time that were asked for, at the first broken promise (exit code 1, with a line
    /// that runs it again), or at Ctrl-C.
    Crashtest(Crashtest),
    /// Measure the log on your disk, each use beside its floor.
    ///
    /// A floor is a small loop that does only what cannot be left out: one write and one
    /// sync, a copy with its checksum, a walk over records. Floor and log run in turns; the
    /// table has the medians, the ratio, how far it spreads from round to round, and says
    /// which rows are noisy. Everything is written to a temporary directory in DIR, which
    /// must be on the disk that is meant, and needs some GiB there, more for larger logs; it
    /// is removed at the end, also at Ctrl-C, which keeps what was measured. All of it takes
    /// about ten minutes, `--quick` one.
    Bench(Bench),
    /// Print what makes a shell complete commands and options.
    ///
    /// For bash, for instance: `annals completions bash >
    /// ~/.local/share/bash-completion/completions/annals`.
    Completions(Completions),
    /// Write manual pages: one for the program and one for each command.
    Man(Pages),
    /// A process that `bench` kills.
    #[command(hide = true)]
    BenchChild(BenchChild),
    /// A process that `crashtest --kill` kills.
    #[command(hide = true)]
    CrashtestChild(Child),
    /// The process that the tour kills.
    #[command(hide = true)]
    DemoWriter(OneLog),
}

#[derive(Debug, Args)]
pub(crate) struct OneLog {
    /// The log's directory.
    pub(crate) log: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where to make the log, and keep it; must not exist or be empty. Without it the
    /// log is made in a temporary directory and removed at the end.
    pub(crate) dir: Option<PathBuf>,
    /// The git repository whose history is imported [default: the working directory;
    /// where that is none, a generated web shop].
    #[arg(long, value_name = "REPO")]
    pub(crate) git: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The log's directory; made if it is not there.
    pub(crate) log: PathBuf,
    /// JSON lines, plain or compressed (zstd, gzip: recognised by content); `-` is
    /// standard input, and the default.
    #[arg(value_name = "FILE|-", conflicts_with = "git")]
    pub(crate) file: Option<PathBuf>,
    /// Import the first-parent history of HEAD of this git repository: an event per file
    /// and commit, stream `file-<path>`.
    #[arg(long, value_name = "REPO")]
    pub(crate) git: Option<PathBuf>,
    /// Events per batch, each committed whole. A batch also ends at 8 MiB.
    #[arg(long, value_name = "N", default_value_t = 256,
        value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub(crate) batch: u32,
    /// How safe a batch is before it counts as accepted. Whatever is chosen, all of it is
    /// synced at the end, and only what was synced is reported as imported.
    #[arg(long, value_enum, default_value_t = Durability::Durable)]
    pub(crate) durability: Durability,
}

/// How safe an append is when it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Durability {
    /// Synced to the device: survives a power cut.
    Durable,
    /// Handed to the operating system: survives a killed process.
    Written,
    /// In memory: it has its place, and is written soon after.
    Buffered,
}

impl From<Durability> for annals::Durability {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Durable => Self::Durable,
            Durability::Written => Self::Written,
            Durability::Buffered => Self::Buffered,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The log's directory.
    pub(crate) log: PathBuf,
    /// Only events after this position.
    #[arg(long, value_name = "P", default_value_t = 0)]
    pub(crate) after: u64,
    /// Only events up to this position, and with it.
    #[arg(long, value_name = "P")]
    pub(crate) until: Option<u64>,
    /// At most this many events.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    #[command(flatten)]
    pub(crate) filters: Filters,
    /// The last event first.
    #[arg(long)]
    pub(crate) backward: bool,
    /// Add what is new to the table `events` of this SQLite database, all of it: nothing can be
    /// filtered.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["after", "until", "limit", "backward",
        "streams", "categories", "types", "tags", "correlation", "caused_by", "since", "before"])]
    pub(crate) sqlite: Option<PathBuf>,
}

/// Which events are wanted: what is said of different things must all hold.
#[derive(Debug, Args)]
pub(crate) struct Filters {
    /// Only events of this stream; given several times, of any of them.
    #[arg(long = "stream", value_name = "S")]
    pub(crate) streams: Vec<String>,
    /// Only events of streams of this category: the part of the name before the first
    /// `-`; given several times, of any of them.
    #[arg(long = "category", value_name = "C", value_parser = category)]
    pub(crate) categories: Vec<String>,
    /// Only events of this type; given several times, of any of them.
    #[arg(long = "type", value_name = "T")]
    pub(crate) types: Vec<String>,
    /// Only events that carry this tag; given several times, all of them.
    #[arg(long = "tag", value_name = "K")]
    pub(crate) tags: Vec<String>,
    /// Only events that belong to this; given several times, to any of them.
    #[arg(long, value_name = "X")]
    pub(crate) correlation: Vec<String>,
    /// Only events that this caused; given several times, that any of them did.
    #[arg(long, value_name = "X")]
    pub(crate) caused_by: Vec<String>,
    /// Only events that were recorded at this time or later (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) since: Option<Timestamp>,
    /// Only events that were recorded before this time (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) before: Option<Timestamp>,
}

impl Filters {
    /// As the library takes it, without the times.
    pub(crate) fn filter(&self) -> Filter {
        let filter = Filter::new();
        let filter = self.streams.iter().fold(filter, |filter, name| filter.stream(name));
        let filter = self.categories.iter().fold(filter, |filter, name| filter.category(name));
        let filter = self.types.iter().fold(filter, |filter, name| filter.event_type(name));
        let filter = self.tags.iter().fold(filter, |filter, tag| filter.tag(tag));
        let filter = self.correlation.iter().fold(filter, |filter, text| filter.correlation(text));
        self.caused_by.iter().fold(filter, |filter, text| filter.caused_by(text))
    }
}

#[derive(Debug, Args)]
pub(crate) struct Append {
    /// The log's directory; made if it is not there.
    pub(crate) log: PathBuf,
    /// The stream to append to.
    pub(crate) stream: String,
    /// The event's type.
    #[arg(long = "type", value_name = "T")]
    pub(crate) event_type: String,
    /// What happened, as JSON text; `-` reads it from standard input.
    #[arg(long, value_name = "JSON|-", allow_negative_numbers = true)]
    pub(crate) data: Option<String>,
    /// What to note beside it, as JSON text.
    #[arg(long, value_name = "JSON", allow_negative_numbers = true)]
    pub(crate) metadata: Option<String>,
    /// The event's id: an event that is there already under it is not added again.
    #[arg(long, value_name = "UUID")]
    pub(crate) id: Option<Uuid>,
    /// What caused it: the id of an event or message.
    #[arg(long, value_name = "X")]
    pub(crate) caused_by: Option<String>,
    /// What it belongs to: a conversation, a process.
    #[arg(long, value_name = "X")]
    pub(crate) correlation: Option<String>,
    /// A tag; may be given several times.
    #[arg(long = "tag", value_name = "K")]
    pub(crate) tags: Vec<String>,
    /// Where the stream must be, or nothing is written: any, none (no event yet),
    /// exists, or its version.
    #[arg(long, value_name = "any|none|exists|N", default_value = "any", value_parser = expected)]
    pub(crate) expect: Expected,
    /// Append only if nothing was appended with this key before; otherwise print what the
    /// first time came to.
    #[arg(long, value_name = "KEY")]
    pub(crate) once: Option<String>,
    /// How safe the event is when the answer is printed. The log is closed before the
    /// command ends, which makes all of it durable.
    #[arg(long, value_enum, default_value_t = Durability::Durable)]
    pub(crate) durability: Durability,
}

#[derive(Debug, Args)]
pub(crate) struct Read {
    /// The log's directory.
    pub(crate) log: PathBuf,
    /// The stream.
    pub(crate) stream: String,
    /// The lowest version to print.
    #[arg(long, value_name = "V", default_value_t = 1)]
    pub(crate) from: u64,
    /// The highest version to print.
    #[arg(long, value_name = "V")]
    pub(crate) to: Option<u64>,
    /// The last event first.
    #[arg(long)]
    pub(crate) backward: bool,
    /// At most this many events.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// The log's directory.
    pub(crate) log: PathBuf,
    /// Start after this position.
    #[arg(long, value_name = "P", group = "from")]
    pub(crate) after: Option<u64>,
    /// Start at the first event; this is the default.
    #[arg(long, group = "from")]
    pub(crate) start: bool,
    /// Start behind the last event: only what is appended from now on.
    #[arg(long, group = "from")]
    pub(crate) end: bool,
    #[command(flatten)]
    pub(crate) filters: Filters,
    /// End after this many events.
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// End when nothing was printed for this long; fractions are fine.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) idle_exit: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Streams {
    /// The log's directory.
    pub(crate) log: PathBuf,
    /// Only streams of this category: the part of the name before the first `-`.
    #[arg(long, value_name = "C", value_parser = category)]
    pub(crate) category: Option<String>,
    /// Only streams whose name starts with this.
    #[arg(long, value_name = "P", default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
    /// Only the N longest, the longest first.
    #[arg(long, value_name = "N")]
    pub(crate) longest: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct Snapshot {
    /// The log's directory.
    pub(crate) log: PathBuf,
    /// The stream.
    pub(crate) stream: String,
    /// Print its bytes too; with `--json` as `data`, or as `data_base64`.
    #[arg(long)]
    pub(crate) show: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Repair {
    /// The log's directory.
    pub(crate) log: PathBuf,
    /// Do it. Without this nothing is changed.
    #[arg(long)]
    pub(crate) apply: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Pages {
    /// Where to write them; made if it is not there. Without it they are printed, one
    /// after the other.
    pub(crate) dir: Option<PathBuf>,
}

fn expected(text: &str) -> Result<Expected, String> {
    match text {
        "any" => Ok(Expected::Any),
        "none" => Ok(Expected::NoStream),
        "exists" => Ok(Expected::Exists),
        version => version
            .parse()
            .map(Expected::Exact)
            .map_err(|_| "it is any, none, exists or a version (0 or more)".to_owned()),
    }
}

fn instant(text: &str) -> Result<Timestamp, String> {
    time::parse(text).map(|time| time.at).map_err(|error| error.to_string())
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "it is a number of seconds, 0 or more".to_owned())
}

fn category(text: &str) -> Result<String, String> {
    if text.contains('-') {
        return Err("a category ends before the first `-`, and so has none".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn expectations_are_words_or_versions() {
        assert_eq!(expected("none"), Ok(Expected::NoStream));
        assert_eq!(expected("0"), Ok(Expected::Exact(0)));
        assert!(expected("-1").is_err());
        assert!(expected("some").is_err());
    }

    #[test]
    fn seconds_may_have_a_fraction_but_no_sign() {
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        assert!(seconds("-1").is_err());
        assert!(seconds("NaN").is_err());
        assert!(seconds("soon").is_err());
    }
}

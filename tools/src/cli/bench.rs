//! The arguments of `annals bench`.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use annals_benches::survey::{Part, Word};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::{Durability, seconds};

/// Most threads, events of a call, appends in flight, and streams that can be asked for.
const THREADS: u64 = 1024;
const BATCH: u64 = 1 << 16;
const IN_FLIGHT: u64 = 1 << 20;
const STREAMS: u64 = 100_000_000;

/// Arguments that say what to measure, and so say nothing beside `--from`.
const MEASURING: [&str; 13] = [
    "dir",
    "parts",
    "quick",
    "rounds",
    "seconds",
    "durability",
    "threads",
    "batch",
    "payload",
    "tickets",
    "streams",
    "replay_size",
    "data",
];

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// A directory on the disk to measure [default: the working directory].
    pub(crate) dir: Option<PathBuf>,
    /// What to measure [default: all of it].
    #[arg(value_name = "PART", value_parser = parts())]
    pub(crate) parts: Vec<Part>,
    /// Shorter turns and fewer sizes: for a look, not for a figure.
    #[arg(long)]
    pub(crate) quick: bool,
    /// How many pairs of turns count, after one that does not [default: 3; with `--quick` 2].
    #[arg(long, value_name = "N")]
    pub(crate) rounds: Option<NonZeroU32>,
    /// How long a turn is; fractions are fine [default: 1; with `--quick` 0.25].
    #[arg(long, value_name = "N", value_parser = seconds)]
    pub(crate) seconds: Option<Duration>,
    /// How safe appends are when they are answered [default: all three].
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',')]
    pub(crate) durability: Vec<Durability>,
    /// Threads that append durably [default: 1,2,8,64,128].
    #[arg(long, value_name = "LIST", value_delimiter = ',',
        value_parser = clap::value_parser!(u64).range(1..=THREADS))]
    pub(crate) threads: Vec<u64>,
    /// Events of a call [default: 1,10,100,1000].
    #[arg(long, value_name = "LIST", value_delimiter = ',',
        value_parser = clap::value_parser!(u64).range(1..=BATCH))]
    pub(crate) batch: Vec<u64>,
    /// Bytes of an event's data, for appends and replay; K, M and G are taken [default:
    /// 16,256,4K,64K,1M].
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = bytes)]
    pub(crate) payload: Vec<u64>,
    /// Appends of one thread in flight [default: 64,4096].
    #[arg(long, value_name = "LIST", value_delimiter = ',',
        value_parser = clap::value_parser!(u64).range(1..=IN_FLIGHT))]
    pub(crate) tickets: Vec<u64>,
    /// Streams of the log that expected versions are appended to [default: 1000,100000].
    #[arg(long, value_name = "LIST", value_delimiter = ',',
        value_parser = clap::value_parser!(u64).range(1..=STREAMS))]
    pub(crate) streams: Vec<u64>,
    /// Sizes of the logs that are replayed, read and opened, as their floors have them, which
    /// is some less than the logs take; replay by payload takes the first one [default:
    /// 64M,512M].
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = log_bytes)]
    pub(crate) replay_size: Vec<u64>,
    /// Write every figure of every round to this file: a table of text, one fact a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
    /// Write one page with plots and tables to this file.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    /// Measure nothing: print, and draw, what `--data` wrote to this file; of several, what is
    /// in all of them, which has to be of one machine and one version.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = MEASURING)]
    pub(crate) from: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchChild {
    /// What it is told to do.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<OsString>,
}

fn parts() -> impl TypedValueParser<Value = Part> {
    let words = Part::WORDS.iter().map(|(_, word)| *word);
    PossibleValuesParser::new(words).try_map(|word| Part::of(&word).ok_or("there is no such part"))
}

/// A number of bytes, with K, M or G behind it or none of them.
fn bytes(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (text.get(..at), 10),
        Some((at, 'm' | 'M')) => (text.get(..at), 20),
        Some((at, 'g' | 'G')) => (text.get(..at), 30),
        _ => (Some(text), 0),
    };
    let number: Option<u64> = digits.and_then(|digits| digits.parse().ok());
    number
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| "it is a number of bytes, or one with K, M or G behind it".to_owned())
}

fn log_bytes(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        0 => Err("a log has at least one byte".to_owned()),
        bytes => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::{Cli, Command};
    use super::*;

    fn parse(words: &str) -> Result<Bench, String> {
        let cli = Cli::try_parse_from(["annals", "bench"].into_iter().chain(words.split(' ')));
        match cli.map_err(|error| error.to_string())?.command {
            Command::Bench(asked) => Ok(asked),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lists_are_numbers_between_commas() {
        let asked = parse("some/place append replay --threads 1,8 --payload 16,4K,1m --quick");
        let asked = asked.unwrap();
        assert_eq!(asked.dir, Some(PathBuf::from("some/place")));
        assert_eq!(asked.parts, [Part::Append, Part::Replay]);
        assert_eq!((asked.threads, asked.payload), (vec![1, 8], vec![16, 4096, 1 << 20]));
        assert!(asked.quick && asked.batch.is_empty());
        assert_eq!(parse(". --replay-size 1G").unwrap().replay_size, [1 << 30]);
    }

    #[test]
    fn what_is_no_list_is_told() {
        for (wrong, named) in [
            (". --threads 0", "0"),
            (". --threads 1,,2", "cannot parse"),
            (". --threads 1,two", "two"),
            (". --batch 70000", "70000"),
            (". --payload 16,4X", "K, M or G"),
            (". --payload 99999999999999G", "K, M or G"),
            (". --replay-size 0", "at least one byte"),
            (". --rounds 0", "0"),
            (". --durability sure", "sure"),
            (". appends", "append"),
            ("--from x --quick", "--quick"),
            ("--from x --data y", "--data"),
        ] {
            let error = parse(wrong).unwrap_err();
            assert!(error.contains(named), "{wrong}: {error}");
        }
    }
}

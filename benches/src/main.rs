//! Runs floor and annals in turns and prints the table.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use annals_benches::rows::{ROWS, Row, Size};
use annals_benches::workload::Workload;
use annals_benches::{Result, machine, report};

const USAGE: &str = "\
annals-benches [--quick] [--replay-mib N] [--rounds N] [--seconds N] [DIRECTORY] [ROW...]

Runs floors and annals in turns and prints a table.

  --quick         shorter turns and a smaller log: for a look, not for a figure
  --replay-mib N  MiB that the floor of the replay walks over (default 1024)
  --rounds N      pairs of turns that count (default 5)
  --seconds N     length of a durable turn (default 2)
  DIRECTORY       where to write (default: the current directory); must be on the
                  disk that is meant, not in memory. Everything is deleted afterwards
  ROW             which rows: w1 w1b w2-8 w2-64 w2t w3 w3w w4 (default: all)
";

const FULL: Size = Size { rounds: 5, turn: Duration::from_secs(2), replay_bytes: 1 << 30 };
const QUICK: Size = Size { rounds: 3, turn: Duration::from_millis(500), replay_bytes: 128 << 20 };

struct Arguments {
    size: Size,
    directory: PathBuf,
    rows: Vec<(&'static str, Row)>,
    help: bool,
}

fn arguments(given: impl Iterator<Item = String>) -> Result<Arguments> {
    let mut found =
        Arguments { size: FULL, directory: PathBuf::from("."), rows: Vec::new(), help: false };
    let mut given = given;
    while let Some(argument) = given.next() {
        let mut number = || -> Result<u64> {
            let value = given.next().ok_or_else(|| format!("{argument} needs a number"))?;
            let parsed = value.parse().ok().filter(|number| *number > 0);
            parsed.ok_or_else(|| format!("{argument} {value}: not a number above 0").into())
        };
        match argument.as_str() {
            "--quick" => found.size = QUICK,
            "--replay-mib" => found.size.replay_bytes = number()?.saturating_mul(1 << 20),
            "--rounds" => found.size.rounds = usize::try_from(number()?)?,
            "--seconds" => found.size.turn = Duration::from_secs(number()?),
            "--help" | "-h" => found.help = true,
            option if option.starts_with('-') => return Err(format!("no option {option}").into()),
            other => match ROWS.iter().find(|(name, _)| *name == other) {
                Some(row) => found.rows.push(*row),
                None => found.directory = PathBuf::from(other),
            },
        }
    }
    if found.rows.is_empty() {
        found.rows.extend(ROWS);
    }
    Ok(found)
}

/// What the figures are of, so that a table never stands without it.
fn preamble(out: &mut impl Write, directory: &Path) -> Result<()> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let command = format!("cargo run --release -p annals-benches -- {}", given.join(" "));
    writeln!(out, "Command: `{}`", command.trim_end_matches([' ', '-']))?;
    let file_system = machine::file_system(directory);
    let on = file_system.as_deref().unwrap_or("unknown file system");
    writeln!(out, "Machine: {}, {on}", machine::describe())?;
    if let Some(load) = machine::load() {
        writeln!(out, "Load averages before the run: {load}")?;
    }
    if file_system.as_deref().is_some_and(machine::is_memory) {
        writeln!(out, "NOT A DISK: a sync here reaches no device; durable rows mean nothing")?;
    }
    writeln!(out)?;
    Ok(())
}

fn main() -> Result<()> {
    let mut out = std::io::stdout().lock();
    let arguments =
        arguments(std::env::args().skip(1)).map_err(|error| format!("{error}\n\n{USAGE}"))?;
    if arguments.help {
        write!(out, "{USAGE}")?;
        return Ok(());
    }
    preamble(&mut out, &arguments.directory)?;
    report::head(&mut out)?;
    let workload = Workload::new();
    for (name, row) in arguments.rows {
        let pairs = row.run(&arguments.directory, &workload, arguments.size)?;
        report::row(&mut out, name, &row.title(), &pairs)?;
        out.flush()?;
    }
    writeln!(
        out,
        "\nMedians of {} turns each, floor and annals in turns; ratio and spread are of the pairs; \
         p99 is floor / annals (their ratio).",
        arguments.size.rounds
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments> {
        arguments(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn rows_and_directory_are_told_apart() {
        let found = parse("--quick --rounds 7 some/place w4").unwrap();
        assert_eq!(found.directory, PathBuf::from("some/place"));
        assert_eq!(found.rows, [("w4", Row::Replay)]);
        assert_eq!(found.size.rounds, 7);
        assert!(parse("--rounds none").is_err() && parse("--slow").is_err());
        assert_eq!(parse("").unwrap().rows.len(), ROWS.len());
    }
}

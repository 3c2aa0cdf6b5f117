//! Runs floor and annals in turns and prints the table.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use annals_benches::rows::{ROWS, Row, Setting, Size, table};
use annals_benches::workload::Workload;
use annals_benches::{Result, child, machine, report};
use serde_json::json;

const USAGE: &str = "\
annals-benches [--quick] [--replay-mib N] [--rounds N] [--seconds N] [--json FILE]
               [DIRECTORY] [ROW...]

Runs floors and annals in turns and prints a table.

  --quick         shorter turns and smaller logs: for a look, not for a figure
  --replay-mib N  MiB that the floor of the replay walks over (default 1024)
  --rounds N      pairs of turns that count (default 5)
  --seconds N     length of a turn that ends by time (default 2)
  --json FILE     writes the figures there, too
  DIRECTORY       where to write (default: the current directory); must be on the
                  disk that is meant, not in memory, and have 12 GB left. Everything is
                  deleted afterwards
  ROW             which rows (default: all), or how their names begin: w3 is a row,
                  w3e and w7 are several. They are:
";

struct Arguments {
    size: Size,
    directory: PathBuf,
    rows: Vec<Row>,
    json: Option<PathBuf>,
    help: bool,
}

fn arguments(given: impl Iterator<Item = String>) -> Result<Arguments> {
    let mut found = Arguments {
        size: Size::FULL,
        directory: PathBuf::from("."),
        rows: Vec::new(),
        json: None,
        help: false,
    };
    let all: Vec<_> = given.collect();
    // First, so that other options change it wherever they stand.
    if all.iter().any(|argument| argument == "--quick") {
        found.size = Size::QUICK;
    }
    let mut given = all.into_iter();
    while let Some(argument) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{argument} needs a value"));
        let number = |value: String| -> Result<u64> {
            let parsed = value.parse().ok().filter(|number| *number > 0);
            parsed.ok_or_else(|| format!("{argument} {value}: not a number above 0").into())
        };
        match argument.as_str() {
            "--quick" => {}
            "--replay-mib" => found.size.replay_bytes = number(value()?)?.saturating_mul(1 << 20),
            "--rounds" => found.size.rounds = usize::try_from(number(value()?)?)?,
            "--seconds" => found.size.turn = Duration::from_secs(number(value()?)?),
            "--json" => found.json = Some(PathBuf::from(value()?)),
            "--help" | "-h" => found.help = true,
            option if option.starts_with('-') => return Err(format!("no option {option}").into()),
            other => match table::named(other) {
                rows if rows.is_empty() => found.directory = PathBuf::from(other),
                rows => found.rows.extend(rows),
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
    machine::preamble(out, command.trim_end_matches([' ', '-']), directory)?;
    writeln!(out)?;
    Ok(())
}

fn usage() -> String {
    let rows = ROWS.iter().map(|row| format!("    {:6} {}\n", row.name, row.title));
    USAGE.to_owned() + &rows.collect::<String>()
}

fn main() -> Result<()> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    if let Some((flag, job)) = given.split_first()
        && flag == child::FLAG
    {
        return child::serve(job);
    }
    let mut out = std::io::stdout().lock();
    let arguments =
        arguments(given.into_iter()).map_err(|error| format!("{error}\n\n{}", usage()))?;
    if arguments.help {
        write!(out, "{}", usage())?;
        return Ok(());
    }
    preamble(&mut out, &arguments.directory)?;
    report::head(&mut out)?;
    out.flush()?;
    let program = std::env::current_exe()?;
    let (directory, size) = (arguments.directory.as_path(), arguments.size);
    let workload = Workload::new();
    let setting = Setting { directory, workload: &workload, size, program: &program };
    let mut figures = Vec::new();
    for row in arguments.rows {
        let pairs = row.run(setting)?;
        report::row(&mut out, &row, &pairs)?;
        out.flush()?;
        figures.push(report::json(&row, &pairs));
    }
    writeln!(out, "\n{}", report::legend(size.rounds))?;
    if let Some(load) = machine::load() {
        writeln!(out, "Load averages after the run: {load}")?;
    }
    if let Some(path) = arguments.json {
        let file_system = machine::file_system(directory);
        let figures = json!({
            "machine": machine::describe(), "file_system": file_system, "rows": figures,
        });
        std::fs::write(path, serde_json::to_string_pretty(&figures)? + "\n")?;
    }
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
        let found = parse("--rounds 7 --quick some/place w4 --json out.json").unwrap();
        assert_eq!(found.directory, PathBuf::from("some/place"));
        assert_eq!(found.rows.iter().map(|row| row.name).collect::<Vec<_>>(), ["w4"]);
        assert_eq!((found.size.rounds, found.size.replay_bytes), (7, Size::QUICK.replay_bytes));
        assert_eq!(found.json, Some(PathBuf::from("out.json")));
        assert!(parse("--rounds none").is_err() && parse("--slow").is_err());
        assert!(parse("--json").is_err());
        assert_eq!(parse("").unwrap().rows.len(), ROWS.len());
        assert!(ROWS.iter().all(|row| usage().contains(row.title)));
    }
}

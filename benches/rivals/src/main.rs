//! Runs annals, its floors and the rivals in turns and prints the table.

use std::io::Write;
use std::path::{Path, PathBuf};

use annals_benches::{Result, machine};
use annals_rivals::rows::{ROWS, Row, Size};
use annals_rivals::run::{self, Subject};
use annals_rivals::stores::{ANNALS, RIVALS, version_of};
use annals_rivals::{about, calls, floors, report};

const USAGE: &str = "\
annals-rivals [--quick] [--only NAMES] [--rounds N] [--seconds N] [--replay-mib N]
              [--streams N] [DIRECTORY] [ROW...]
annals-rivals calls [DIRECTORY]
annals-rivals about

Runs the floors, annals and the rivals that were built in turns and prints a table.
`calls` counts, with strace, what a durable append of each asks of the system.
`about` tells what each does, and where it does less than annals.

  --quick         shorter turns, smaller stores: for a look, not for a figure
  --only NAMES    these rivals, with commas between them (default: all that were built)
  --rounds N      turns of each side that count (default 5)
  --seconds N     length of a turn (default 2); 2,000,000 events end it too, and
                  100,000 a burst
  --replay-mib N  MiB of content that are replayed and opened (default 1024): every
                  side has its own copy on the disk while rows w4 and w6 run
  --streams N     streams of 10 events in rows w5 and w8 (default 100000)
  DIRECTORY       where to write (default: the current directory); must be on the
                  disk that is meant, not in memory. Everything is deleted afterwards
  ROW             which rows: w1 w1b w2-8 w2-64 w3 w3s w3b w3w w3e-w w3e-b w4 w6 w6k w5
                  w8 w8m (default: all)
";

const FULL: Size =
    Size { rounds: 5, seconds: 2.0, replay_bytes: 1 << 30, streams: 100_000, warm_events: 400_000 };
const QUICK: Size =
    Size { rounds: 3, seconds: 0.5, replay_bytes: 64 << 20, streams: 10_000, warm_events: 100_000 };

#[derive(Debug)]
struct Arguments {
    size: Size,
    directory: PathBuf,
    rows: Vec<Row>,
    only: Option<Vec<String>>,
    calls: bool,
    about: bool,
    help: bool,
}

fn arguments(given: &[String]) -> Result<Arguments> {
    let mut found = Arguments {
        size: FULL,
        directory: PathBuf::from("."),
        rows: Vec::new(),
        only: None,
        calls: false,
        about: false,
        help: false,
    };
    let mut given = given.iter();
    while let Some(argument) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{argument} needs a value"));
        let size = &mut found.size;
        match argument.as_str() {
            "--quick" => *size = QUICK,
            "--rounds" => size.rounds = usize::try_from(number(value()?)?)?,
            "--seconds" => size.seconds = number(value()?)? as f64,
            "--replay-mib" => size.replay_bytes = number(value()?)?.saturating_mul(1 << 20),
            "--streams" => size.streams = usize::try_from(number(value()?)?)?,
            "--only" => found.only = Some(value()?.split(',').map(str::to_owned).collect()),
            "--help" | "-h" => found.help = true,
            "calls" => found.calls = true,
            "about" => found.about = true,
            option if option.starts_with('-') => return Err(format!("no option {option}").into()),
            other => match ROWS.iter().find(|row| row.name == other) {
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

fn number(text: &str) -> Result<u64> {
    let parsed = text.parse().ok().filter(|number| *number > 0);
    parsed.ok_or_else(|| format!("{text}: not a number above 0").into())
}

/// The floor, annals, and the rivals that are wanted.
fn subjects(only: Option<&[String]>) -> Result<Vec<Subject>> {
    let mut found = vec![Subject::Floor, Subject::Store(ANNALS)];
    if let Some(unknown) =
        only.unwrap_or_default().iter().find(|name| Subject::find(name).is_none())
    {
        let built: Vec<&str> = RIVALS.iter().map(|rival| rival.name).collect();
        return Err(format!("no rival {unknown} was built: {}", built.join(", ")).into());
    }
    let wanted = |name: &str| only.is_none_or(|only| only.iter().any(|wanted| wanted == name));
    let rivals = RIVALS.iter().filter(|rival| wanted(rival.name));
    found.extend(rivals.copied().map(Subject::Store));
    Ok(found)
}

/// What the figures are of, so that a table never stands without it.
fn preamble(out: &mut impl Write, directory: &Path, subjects: &[Subject]) -> Result<()> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    machine::preamble(out, &format!("annals-rivals {}", given.join(" ")), directory)?;
    let versions = subjects.iter().filter_map(|subject| match subject {
        Subject::Floor => None,
        Subject::Store(rival) => Some(format!("{} {}", rival.name, version_of(rival.package))),
    });
    writeln!(out, "Stores: {}\n", versions.collect::<Vec<_>>().join(", "))?;
    Ok(())
}

fn table(out: &mut impl Write, arguments: &Arguments) -> Result<()> {
    let subjects = subjects(arguments.only.as_deref())?;
    preamble(out, &arguments.directory, &subjects)?;
    let names: Vec<&str> = subjects.iter().map(Subject::name).collect();
    let place =
        tempfile::Builder::new().prefix("annals-rivals-").tempdir_in(&arguments.directory)?;
    let (mut notes, mut tally) = (report::Notes::new(), report::Tally::default());
    report::head(out, &names)?;
    for (index, row) in arguments.rows.iter().enumerate() {
        let cells = run::row(*row, &subjects, arguments.size, place.path())?;
        report::row(out, *row, &cells, &mut notes, &mut tally)?;
        out.flush()?;
        let rest = arguments.rows.get(index + 1..).unwrap_or_default();
        run::tidy(*row, rest, &subjects, place.path())?;
    }
    // That a row has no floor is seen.
    notes.retain(|(name, _), _| *name != floors::NAME);
    report::foot(out, &notes, &tally, arguments.size.rounds)?;
    Ok(())
}

fn main() -> Result<()> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let mut out = std::io::stdout().lock();
    if let Some((what, rest)) = given.split_first() {
        if [run::TURN, run::FILL, run::KILL].contains(&what.as_str()) {
            drop(out);
            let answer = run::answer(what, rest)?;
            println!("{answer}");
            return Ok(());
        }
        if what == calls::CALLS {
            drop(out);
            return calls::appends(rest);
        }
    }
    let arguments = arguments(&given).map_err(|error| format!("{error}\n\n{USAGE}"))?;
    if arguments.help {
        write!(out, "{USAGE}")?;
        return Ok(());
    }
    if arguments.about {
        writeln!(out, "{}", about::table())?;
        return Ok(());
    }
    if arguments.calls {
        return calls::table(&mut out, &arguments.directory);
    }
    table(&mut out, &arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments> {
        arguments(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn rows_rivals_and_directory_are_told_apart() {
        let found = parse("--quick --rounds 7 --only redb,fjall some/place w4").unwrap();
        assert_eq!(found.directory, PathBuf::from("some/place"));
        assert_eq!(found.rows.len(), 1);
        assert_eq!(found.size.rounds, 7);
        assert_eq!(found.only.unwrap(), ["redb", "fjall"]);
        assert!(parse("--rounds none").is_err() && parse("--slow").is_err());
        assert_eq!(parse("").unwrap().rows.len(), ROWS.len());
    }

    #[test]
    fn a_rival_that_was_not_built_is_named() {
        let error = subjects(Some(&["nothing".to_owned()])).unwrap_err().to_string();
        assert!(error.contains("no rival nothing"), "{error}");
        assert_eq!(subjects(None).unwrap().len(), RIVALS.len() + 2);
    }
}

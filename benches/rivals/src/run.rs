//! Rounds of turns. Every turn is a process of its own, so that no store pays for the memory,
//! the threads or the files that another one left open, and one that fails ends itself alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use annals_benches::Result;

use crate::floors;
use crate::rows::{Content, Kind, ROWS, Row, Size};
use crate::store::Rival;
use crate::stores;
use crate::turns::{self, Figure};

/// What a process of ours is asked for, as its first argument.
pub const TURN: &str = "turn";
/// The same: fill a store and close it.
pub const FILL: &str = "fill";
/// The same: fill a store and be killed.
pub const KILL: &str = "kill";

/// Begins the line that a turn answers with.
const ANSWER: &str = "figure";

/// How long the disk comes to rest before a turn.
const REST: Duration = Duration::from_millis(200);

/// The floor, annals, or a rival.
#[derive(Debug, Clone, Copy)]
pub enum Subject {
    /// The loops without a store.
    Floor,
    /// A store.
    Store(Rival),
}

impl Subject {
    /// By its name.
    pub fn find(name: &str) -> Option<Self> {
        if name == floors::NAME {
            return Some(Self::Floor);
        }
        stores::find(name).map(Self::Store)
    }

    /// As in the table.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Floor => floors::NAME,
            Self::Store(rival) => rival.name,
        }
    }

    fn fits(&self, kind: Kind) -> std::result::Result<Option<&'static str>, &'static str> {
        match self {
            Self::Floor if floors::fits(kind) => Ok(None),
            Self::Floor => Err("no floor stands beside this row"),
            Self::Store(rival) => kind.fits(rival),
        }
    }
}

/// What one subject came to in one row.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Whose it is.
    pub name: &'static str,
    /// Its turns, in the order of the rounds; empty if it has none.
    pub figures: Vec<Figure>,
    /// Why it has none, or what to know of those that it has.
    pub note: Option<String>,
}

/// Runs a row: a turn of each subject in each round.
///
/// # Errors
/// If the disk fails. A subject that fails has a note instead of figures.
pub fn row(row: Row, subjects: &[Subject], size: Size, place: &Path) -> Result<Vec<Cell>> {
    let mut cells = Vec::new();
    for subject in subjects {
        let name = subject.name();
        let (ready, note) = match subject.fits(row.kind) {
            Ok(note) => match prepare(row, *subject, size, place) {
                Ok(()) => (true, note.map(str::to_owned)),
                Err(error) => (false, Some(format!("could not be filled: {error}"))),
            },
            Err(why) => (false, Some(why.to_owned())),
        };
        cells.push((ready, Cell { name, figures: Vec::new(), note }));
    }
    // What a store takes on disk is the same every time.
    let rounds = if row.kind == Kind::Disk { 1 } else { size.rounds };
    for _ in 0..rounds {
        for (ready, cell) in cells.iter_mut().filter(|(ready, _)| *ready) {
            std::thread::sleep(REST);
            match one_turn(row, cell.name, size, place) {
                Ok(figure) => cell.figures.push(figure),
                Err(error) => {
                    *ready = false;
                    cell.figures.clear();
                    cell.note = Some(format!("failed: {error}"));
                }
            }
        }
    }
    Ok(cells.into_iter().map(|(_, cell)| cell).collect())
}

/// Where a subject's filled store lies.
fn filled(row: Row, name: &str, place: &Path) -> PathBuf {
    place.join(format!("{:?}-{name}", row.kind.content()))
}

fn prepare(row: Row, subject: Subject, size: Size, place: &Path) -> Result<()> {
    let content = row.kind.content();
    if content == Content::Nothing || row.kind == Kind::OpenKilled {
        return Ok(());
    }
    let path = filled(row, subject.name(), place);
    if path.exists() {
        return Ok(());
    }
    ask(FILL, subject.name(), row, size, &path).map(drop)
}

/// Removes the filled stores that no row from `rest` on needs.
///
/// # Errors
/// If they cannot be removed.
pub fn tidy(row: Row, rest: &[Row], subjects: &[Subject], place: &Path) -> Result<()> {
    if rest.iter().any(|other| other.kind.content() == row.kind.content()) {
        return Ok(());
    }
    subjects.iter().try_for_each(|subject| remove(&filled(row, subject.name(), place)))
}

fn remove(path: &Path) -> Result<()> {
    match path.metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path)?,
        Ok(_) => fs::remove_file(path)?,
        Err(_) => {}
    }
    Ok(())
}

fn one_turn(row: Row, name: &str, size: Size, place: &Path) -> Result<Figure> {
    let fresh = place.join(TURN);
    let path = match row.kind {
        Kind::Append { .. } => fresh.clone(),
        Kind::OpenKilled => {
            ask(KILL, name, row, size, &fresh)?;
            fresh.clone()
        }
        _ => filled(row, name, place),
    };
    let answer = ask(TURN, name, row, size, &path);
    remove(&fresh)?;
    parse(&answer?)
}

/// Starts a process of ours and returns what it printed.
fn ask(what: &str, name: &str, row: Row, size: Size, path: &Path) -> Result<String> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([what, name, row.name]).arg(path);
    command.args([size.seconds.to_string(), size.replay_bytes.to_string()]);
    command.args([size.streams.to_string(), size.warm_events.to_string()]);
    let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output()?;
    let killed = what == KILL && output.status.code().is_none();
    if output.status.success() || killed {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().last().unwrap_or("it ended without a word").to_owned().into())
}

fn parse(answer: &str) -> Result<Figure> {
    let line = answer.lines().rev().find_map(|line| line.strip_prefix(ANSWER));
    let mut words = line.ok_or("a turn gave no figure")?.split_whitespace();
    let value = words.next().ok_or("a turn gave no figure")?.parse()?;
    let mut latency = || words.next().and_then(|word| word.parse().ok());
    Ok(Figure { value, p50: latency(), p99: latency() })
}

fn say(figure: Figure) -> String {
    let latency = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
    format!("{ANSWER} {} {} {}", figure.value, latency(figure.p50), latency(figure.p99))
}

/// What a process does that [`row`] started. Returns what it prints.
///
/// # Errors
/// Those of the turn; if the arguments are not those of `ask`.
pub fn answer(what: &str, given: &[String]) -> Result<String> {
    let [name, row, path, seconds, replay_bytes, streams, warm_events] = given else {
        return Err("not the arguments of a turn".into());
    };
    let subject = Subject::find(name).ok_or("no such subject")?;
    let row = ROWS.iter().find(|known| known.name == row).ok_or("no such row")?;
    let (kind, path) = (row.kind, Path::new(path));
    let size = Size {
        rounds: 1,
        seconds: seconds.parse()?,
        replay_bytes: replay_bytes.parse()?,
        streams: streams.parse()?,
        warm_events: warm_events.parse()?,
    };
    match (what, subject) {
        (FILL, Subject::Floor) => floors::fill(kind.content(), size, path)?,
        (TURN, Subject::Floor) => return Ok(say(floors::turn(kind, size, path)?)),
        (TURN, Subject::Store(rival)) => return Ok(say(turns::turn(&rival, kind, size, path)?)),
        (FILL, Subject::Store(rival)) => {
            turns::fill(&rival, kind.content(), size, path)?.close()?;
        }
        (KILL, Subject::Store(rival)) => {
            let _open = turns::fill(&rival, kind.content(), size, path)?;
            std::process::abort();
        }
        _ => return Err("not asked of this subject".into()),
    }
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_understood_behind_whatever_a_store_prints() {
        let figure = Figure { value: 1234.5, p50: None, p99: Some(7) };
        assert_eq!(parse(&format!("chatter\n{}\n", say(figure))).unwrap(), figure);
        assert!(parse("chatter").is_err());
    }

    #[test]
    fn a_prepared_store_is_kept_while_a_row_needs_it() {
        let place = tempfile::tempdir().unwrap();
        let row_of = |name| *ROWS.iter().find(|row| row.name == name).unwrap();
        let subjects = [Subject::find("annals").unwrap()];
        let path = filled(row_of("w4"), "annals", place.path());
        fs::create_dir(&path).unwrap();
        tidy(row_of("w4"), &[row_of("w6"), row_of("w5")], &subjects, place.path()).unwrap();
        assert!(path.exists());
        tidy(row_of("w6"), &[row_of("w5")], &subjects, place.path()).unwrap();
        assert!(!path.exists());
    }
}

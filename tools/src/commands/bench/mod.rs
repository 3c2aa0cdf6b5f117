//! `annals bench`: measures the log on a user's own disk, and tells what came of it.
//!
//! * `words`: works and figures as people read them
//! * `table`: the table and its JSON
//! * `report`: one page with plots
//!
//! What is measured, and how, lives in `annals_benches::survey`.

mod report;
mod table;
mod words;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use annals::{Occurred, Timestamp};
use annals_benches::machine;
use annals_benches::survey::{self, About, Part, Plan, Stopped, Survey, Way, Word, rows};

use crate::cli::{Bench, BenchChild, Durability};
use crate::error::{Answer, Failure};
use crate::interrupt::stop_on_interrupt;
use crate::output::progress::Progress;
use crate::output::{Output, note, units};
use crate::time;

/// How often somebody who sees no bar is told how far it has come.
const TELL: Duration = Duration::from_secs(30);

pub(super) fn run(asked: &Bench, output: &mut Output) -> Result<Answer, Failure> {
    if let Some(survey) = read_all(&asked.from)? {
        tell(&survey, asked, output)?;
        return Ok(Answer::Yes);
    }
    let (directory, plan) = plan(asked)?;
    for file in [&asked.data, &asked.report].into_iter().flatten() {
        can_be_written(file)?;
    }
    let mut survey = Survey { about: about(&plan, &directory), facts: Vec::new() };
    if survey.about.is_in_memory() {
        note(format_args!("{}", words::in_memory(&directory.display().to_string())));
    }
    let stop = stop_on_interrupt()?;
    let measured = measure(&plan, &directory, &stop, &mut survey);
    "yes".clone_into(&mut survey.about.complete);
    let failed = match measured {
        Err(error) if error.is::<Stopped>() => {
            "no, it was stopped".clone_into(&mut survey.about.complete);
            None
        }
        Err(error) => {
            survey.about.complete = format!("no: {error}");
            Some(failure(&directory, error))
        }
        Ok(()) => None,
    };
    tell(&survey, asked, output)?;
    failed.map_or(Ok(Answer::Yes), Err)
}

/// The process that is killed.
pub(super) fn child(asked: &BenchChild) -> Result<Answer, Failure> {
    let ran = survey::child::run(&asked.words, &mut std::io::stdout(), &mut std::io::stdin());
    ran.map(|()| Answer::Yes).map_err(|error| Failure::Bench(error.to_string()))
}

/// Where to measure what.
fn plan(asked: &Bench) -> Result<(PathBuf, Plan), Failure> {
    let usage = |what: &str, why: String| Failure::Usage { what: what.to_owned(), why };
    let mut directory = asked.dir.clone().unwrap_or_else(|| PathBuf::from("."));
    let mut parts = asked.parts.clone();
    // A part is taken for one also where no directory stands before it.
    if !directory.exists()
        && let Some(part) = directory.to_str().and_then(Part::of)
    {
        parts.insert(0, part);
        directory = PathBuf::from(".");
    }
    if !directory.is_dir() {
        let name = directory.display().to_string();
        return Err(usage(&name, "there is no such directory".to_owned()));
    }
    let own = std::env::current_exe();
    let own = own.map_err(|source| Failure::Input { name: "this program".to_owned(), source })?;
    let child: Vec<OsString> = vec![own.into(), "bench-child".into()];
    let mut plan = if asked.quick { Plan::quick(child) } else { Plan::full(child) };
    if !parts.is_empty() {
        plan.parts = parts;
    }
    plan.rounds = asked.rounds.map_or(plan.rounds, std::num::NonZero::get);
    plan.turn = asked.seconds.unwrap_or(plan.turn);
    if !asked.durability.is_empty() {
        plan.durabilities = asked.durability.iter().map(|level| way(*level)).collect();
    }
    for (given, list) in [
        (&asked.threads, &mut plan.threads),
        (&asked.batch, &mut plan.batches),
        (&asked.payload, &mut plan.payloads),
        (&asked.tickets, &mut plan.tickets),
        (&asked.streams, &mut plan.streams),
        (&asked.replay_size, &mut plan.log_bytes),
    ] {
        if !given.is_empty() {
            list.clone_from(given);
            list.sort_unstable();
        }
    }
    plan.check().map_err(|error| usage("bench", error.to_string()))?;
    Ok((directory, plan))
}

const fn way(level: Durability) -> Way {
    match level {
        Durability::Durable => Way::Durable,
        Durability::Written => Way::Written,
        Durability::Buffered => Way::Buffered,
    }
}

/// What the figures will be of. The machine's name is not in it.
fn about(plan: &Plan, directory: &Path) -> About {
    let words: Vec<_> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    About {
        command: format!("annals {}", words.join(" ")),
        date: now(),
        version: format!("annals {}", env!("CARGO_PKG_VERSION")),
        machine: machine::describe(),
        file_system: machine::file_system(directory).unwrap_or_default(),
        load: machine::load().unwrap_or_default(),
        turns: format!(
            "{} of {} a side, after one that does not count",
            units::counted(u64::from(plan.rounds), "round"),
            units::duration(plan.turn)
        ),
        complete: String::new(),
    }
}

/// The time, to the second.
fn now() -> String {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
    let nanos = i64::try_from(since).unwrap_or_default().saturating_mul(1_000_000_000);
    time::text(Occurred::utc(Timestamp::from_nanos(nanos))).replace(".000000000", "")
}

/// Takes the figures, and shows how far it has got.
fn measure(
    plan: &Plan,
    directory: &Path,
    stop: &AtomicBool,
    survey: &mut Survey,
) -> annals_benches::Result<()> {
    let progress = Progress::turns();
    let mut told = Instant::now();
    let mut watch = |at: &survey::Progress| {
        let doing = || format!("{}: {}", at.work.part.word(), words::work(&at.work));
        progress.total(at.total);
        progress.at(at.done);
        progress.say(doing());
        if progress.is_hidden() && told.elapsed() >= TELL && !stop.load(Ordering::Relaxed) {
            told = Instant::now();
            note(format_args!("turn {} of {}, {}", at.done + 1, at.total, doing()));
        }
    };
    survey::run(plan, directory, stop, &mut watch, &mut survey.facts)
}

/// Prints, and writes what was asked for.
fn tell(survey: &Survey, asked: &Bench, output: &mut Output) -> Result<(), Failure> {
    let rows = rows(&survey.facts);
    if rows.is_empty() {
        // Nothing takes the place of what an earlier run wrote.
        note(format_args!("nothing was measured"));
        return table::print(survey, &rows, output);
    }
    if let Some(file) = &asked.data {
        write(file, &survey.to_text())?;
    }
    if let Some(file) = &asked.report {
        write(file, &report::page(survey, &rows))?;
    }
    table::print(survey, &rows, output)?;
    for file in [&asked.data, &asked.report].into_iter().flatten() {
        note(format_args!("written: {}", file.display()));
    }
    Ok(())
}

/// What is in all of these files, if there are any.
fn read_all(files: &[PathBuf]) -> Result<Option<Survey>, Failure> {
    let mut all: Option<Survey> = None;
    for file in files {
        let survey = read(file)?;
        match &mut all {
            None => all = Some(survey),
            Some(all) => all.join(survey).map_err(|why| Failure::Usage {
                what: file.display().to_string(),
                why: format!("it does not go with the files before it: {why}"),
            })?,
        }
    }
    Ok(all)
}

fn read(file: &Path) -> Result<Survey, Failure> {
    let name = file.display().to_string();
    let text =
        fs::read_to_string(file).map_err(|source| Failure::Input { name: name.clone(), source })?;
    Survey::from_text(&text).map_err(|why| Failure::Usage {
        what: name,
        why: format!("it is no table of `annals bench --data`: {why}"),
    })
}

/// Refuses, before minutes are spent, a file that could not be written after them.
fn can_be_written(file: &Path) -> Result<(), Failure> {
    let wrong =
        |why: &str| Err(Failure::Usage { what: file.display().to_string(), why: why.to_owned() });
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    if file.is_dir() {
        return wrong("it is a directory, not a file");
    }
    if !parent.is_none_or(Path::is_dir) {
        return wrong("there is no such directory to write it to");
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    fs::write(file, text)
        .map_err(|source| Failure::Written { name: file.display().to_string(), source })
}

/// An error of the survey, with where it was.
fn failure(directory: &Path, error: Box<dyn std::error::Error + Send + Sync>) -> Failure {
    let name = directory.display().to_string();
    let error = match error.downcast::<annals::Error>() {
        Ok(source) => return Failure::Log { log: name, source: *source },
        Err(error) => error,
    };
    match error.downcast::<std::io::Error>() {
        Ok(source) => Failure::Written { name, source: *source },
        Err(error) => Failure::Bench(error.to_string()),
    }
}

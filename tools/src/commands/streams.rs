//! `annals streams`: names and versions.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use annals::Reader;
use serde::Serialize;

use crate::cli::Streams;
use crate::error::{Answer, Failure, OfLog};
use crate::open::reader;
use crate::output::style::{DIM, NAME};
use crate::output::{Output, printable, units};

/// Where versions are not known beforehand, their column has this width.
const VERSION_WIDTH: usize = 10;

#[derive(Serialize)]
struct Stream<'a> {
    stream: &'a str,
    version: u64,
    /// Version of its newest snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<u64>,
}

pub(crate) fn run(asked: &Streams, output: &mut Output) -> Result<Answer, Failure> {
    let log = &reader(&asked.log)?;
    match asked.longest {
        Some(most) => print_longest(log, asked, most, output)?,
        None => each(log, asked, |name, version| {
            print(output, log, asked, VERSION_WIDTH, name, version)
        })?,
    }
    Ok(Answer::Yes)
}

/// Hands on the streams that were asked for, sorted by name.
fn each(
    log: &Reader,
    asked: &Streams,
    mut take: impl FnMut(&str, u64) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let category = asked.category.as_deref().unwrap_or_default();
    // A name of the category starts with it, so the longer of the two is what to
    // look up; both are checked.
    let prefix = if category.len() > asked.prefix.len() { category } else { &asked.prefix };
    let mut streams = log.streams(prefix).of(&asked.log)?;
    while let Some(stream) = streams.next().of(&asked.log)? {
        let in_category = asked
            .category
            .as_deref()
            .is_none_or(|category| stream.name.split('-').next() == Some(category));
        if in_category && stream.name.starts_with(&asked.prefix) {
            take(stream.name, stream.version)?;
        }
    }
    Ok(())
}

/// Keeps no more than `most` names in memory, however many streams there are.
fn print_longest(
    log: &Reader,
    asked: &Streams,
    most: usize,
    output: &mut Output,
) -> Result<(), Failure> {
    // The shortest is on top of the heap, and of equally long ones the last by name.
    let mut longest = BinaryHeap::new();
    each(log, asked, |name, version| {
        longest.push(Reverse((version, Reverse(name.to_owned()))));
        if longest.len() > most {
            longest.pop();
        }
        Ok(())
    })?;
    let longest = longest.into_sorted_vec();
    let width = longest.first().map_or(0, |Reverse((version, _))| units::count(*version).len());
    for Reverse((version, Reverse(name))) in &longest {
        print(output, log, asked, width, name, *version)?;
    }
    Ok(())
}

fn print(
    output: &mut Output,
    log: &Reader,
    asked: &Streams,
    width: usize,
    stream: &str,
    version: u64,
) -> Result<(), Failure> {
    let snapshot = log.snapshot(stream).of(&asked.log)?.map(|snapshot| snapshot.version());
    if output.is_json() {
        return output.object(&Stream { stream, version, snapshot });
    }
    let snapshot = snapshot.map(|version| format!("  {DIM}snapshot at {version}{DIM:#}"));
    output.line(format_args!(
        "{:>width$}  {NAME}{}{NAME:#}{}",
        units::count(version),
        printable(stream),
        snapshot.unwrap_or_default()
    ))
}

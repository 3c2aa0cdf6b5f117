//! The table on standard output, and the same as JSON.

use annals_benches::survey::{Figure, Row, Survey, Word};
use serde::Serialize;
use serde_json::{Value, json};

use super::words;
use crate::error::Failure;
use crate::output::style::{BAD, DIM, HEADING};
use crate::output::{Output, printable, units};

pub(super) const COLUMNS: [&str; 6] = ["floor", "annals", "ratio", "spread", "p50", "p99"];

/// A line of `--json`.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line<'a> {
    About {
        command: &'a str,
        date: &'a str,
        version: &'a str,
        machine: &'a str,
        file_system: &'a str,
        in_memory: bool,
        load_before: &'a str,
        turns: &'a str,
    },
    Row {
        part: &'a str,
        way: &'a str,
        threads: u64,
        in_flight: u64,
        batch: u64,
        payload_bytes: u64,
        streams: u64,
        log_bytes: u64,
        measure: &'a str,
        unit: &'a str,
        floor: Value,
        annals: Value,
        ratio: Value,
        p50_ns: Value,
        p99_ns: Value,
        noisy: bool,
    },
    Summary {
        complete: &'a str,
        rows: usize,
        noisy: usize,
    },
}

/// Prints every row.
pub(super) fn print(survey: &Survey, rows: &[Row], output: &mut Output) -> Result<(), Failure> {
    if output.is_json() {
        return objects(survey, rows, output);
    }
    let about = &survey.about;
    let on = if about.file_system.is_empty() { "unknown file system" } else { &about.file_system };
    output.line(format_args!("{}, {}", printable(&about.machine), printable(on)))?;
    output.line(format_args!(
        "{DIM}{}; {}{DIM:#}",
        printable(&about.turns),
        printable(&about.date)
    ))?;
    if about.is_in_memory() {
        output.line(format_args!("{BAD}{}{BAD:#}", words::in_memory("this")))?;
    }
    let cells: Vec<_> = rows.iter().map(cells).collect();
    let first = rows.iter().map(|row| words::work(&row.work).chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = COLUMNS
        .iter()
        .enumerate()
        .map(|(column, name)| {
            let mine = cells.iter().filter_map(|cells| cells.get(column));
            mine.map(|cell| cell.chars().count()).chain([name.len()]).max().unwrap_or(0)
        })
        .collect();
    let mut part = None;
    for (row, cells) in rows.iter().zip(&cells) {
        if part != Some(row.work.part) {
            part = Some(row.work.part);
            output.line(format_args!("\n{HEADING}{}{HEADING:#}", words::part(row.work.part)))?;
            let names = padded(COLUMNS.iter().copied(), &widths);
            output.line(format_args!("{DIM}  {:first$}{names}{DIM:#}", ""))?;
        }
        let noisy = if row.noisy { "  noisy" } else { "" };
        let line = padded(cells.iter().map(String::as_str), &widths);
        output.line(format_args!("  {:first$}{line}{noisy}", words::work(&row.work)))?;
    }
    after(survey, rows, output)
}

fn after(survey: &Survey, rows: &[Row], output: &mut Output) -> Result<(), Failure> {
    output.line(format_args!(
        "\n{DIM}Medians; the ratio is annals by floor, pair by pair, and the spread is its least and \
         its greatest: of rates more is better, of times less. p50 and p99 are floor / \
         annals.{DIM:#}"
    ))?;
    let noisy = rows.iter().filter(|row| row.noisy).count();
    if noisy > 0 {
        output.line(format_args!(
            "{} noisy: one side alone differs by more than a quarter from turn to turn, so \
             that its figure means little",
            units::counted(units::wide(noisy), "row")
        ))?;
    }
    if survey.about.complete != "yes" {
        output.line(format_args!("{BAD}complete{BAD:#}: {}", printable(&survey.about.complete)))?;
    }
    Ok(())
}

/// What stands in each column.
pub(super) fn cells(row: &Row) -> [String; COLUMNS.len()] {
    let pair = |pair: Option<(f64, f64)>| {
        pair.map_or(String::new(), |(floor, annals)| {
            format!("{} / {}", words::nanos(floor), words::nanos(annals))
        })
    };
    [
        words::figure(row.measure, row.floor.median),
        words::figure(row.measure, row.annals.median),
        ratio(row.ratio.median),
        format!("{}–{}", ratio(row.ratio.least), ratio(row.ratio.most)),
        pair(row.p50),
        pair(row.p99),
    ]
}

fn ratio(value: f64) -> String {
    if value < 0.095 { format!("{value:.3}") } else { format!("{value:.2}") }
}

fn padded<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
    cells.zip(widths).map(|(cell, width)| format!("  {cell:>width$}")).collect()
}

fn objects(survey: &Survey, rows: &[Row], output: &mut Output) -> Result<(), Failure> {
    let about = &survey.about;
    output.object(&Line::About {
        command: &about.command,
        date: &about.date,
        version: &about.version,
        machine: &about.machine,
        file_system: &about.file_system,
        in_memory: about.is_in_memory(),
        load_before: &about.load,
        turns: &about.turns,
    })?;
    for row in rows {
        let work = &row.work;
        output.object(&Line::Row {
            part: work.part.word(),
            way: work.way.word(),
            threads: work.threads,
            in_flight: work.in_flight,
            batch: work.batch,
            payload_bytes: work.payload,
            streams: work.streams,
            log_bytes: work.log_bytes,
            measure: row.measure.word(),
            unit: row.unit,
            floor: figure(&row.floor),
            annals: figure(&row.annals),
            ratio: figure(&row.ratio),
            p50_ns: pair_object(row.p50),
            p99_ns: pair_object(row.p99),
            noisy: row.noisy,
        })?;
    }
    let noisy = rows.iter().filter(|row| row.noisy).count();
    output.object(&Line::Summary { complete: &about.complete, rows: rows.len(), noisy })
}

fn figure(figure: &Figure) -> Value {
    json!({ "median": figure.median, "least": figure.least, "most": figure.most })
}

fn pair_object(pair: Option<(f64, f64)>) -> Value {
    pair.map_or(Value::Null, |(floor, annals)| json!({ "floor": floor, "annals": annals }))
}

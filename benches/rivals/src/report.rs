//! The table, in Markdown: a line for each row, a column for each subject.

use std::collections::BTreeMap;
use std::io::{self, Write};

use annals_benches::measure::{median, range};

use crate::floors;
use crate::rows::{Row, Unit};
use crate::run::Cell;
use crate::stores::ANNALS;
use crate::turns::Figure;

/// A side whose own turns differ by more than this factor is marked as noisy.
pub const NOISY: f64 = 1.25;

/// Fewer rounds than this have no spread to speak of.
const LEAST_ROUNDS: usize = 3;

/// A run with more than one noisy figure in this many says that it is too noisy.
const NOISY_ONE_IN: usize = 4;

/// Behind a figure whose side was noisy.
const MARK: &str = " ~";

/// What was left out or must be known, with the rows that it is true of.
pub type Notes = BTreeMap<(&'static str, String), Vec<&'static str>>;

/// Figures, and those that were noisy, of all rows so far.
#[derive(Debug, Default)]
pub struct Tally {
    figures: usize,
    noisy: usize,
}

/// Writes the head of the table.
///
/// # Errors
/// If `out` cannot be written.
pub fn head(out: &mut impl Write, names: &[&str]) -> io::Result<()> {
    writeln!(out, "| work | {} |", names.join(" | "))?;
    writeln!(out, "|---|{}", "---|".repeat(names.len()))
}

/// Writes a row: of each side the median, of each rival also annals' ratio to it, with the
/// least and the greatest of the rounds.
///
/// # Errors
/// If `out` cannot be written.
pub fn row(
    out: &mut impl Write,
    row: Row,
    cells: &[Cell],
    notes: &mut Notes,
    tally: &mut Tally,
) -> io::Result<()> {
    let unit = row.kind.unit();
    let annals = cells.iter().find(|cell| cell.name == ANNALS.name);
    write!(out, "| {} {} ", row.name, row.title)?;
    for cell in cells {
        if let Some(note) = &cell.note {
            notes.entry((cell.name, note.clone())).or_default().push(row.name);
        }
        let text = if cell.figures.is_empty() {
            "–".to_owned()
        } else {
            tally.figures += 1;
            tally.noisy += usize::from(is_noisy(&cell.figures));
            figure(cell, annals, unit)
        };
        write!(out, "| {text} ")?;
    }
    writeln!(out, "|")
}

/// Writes what the table cannot say by itself.
///
/// # Errors
/// If `out` cannot be written.
pub fn foot(out: &mut impl Write, notes: &Notes, tally: &Tally, rounds: usize) -> io::Result<()> {
    writeln!(
        out,
        "\nMedians of {rounds} turns each, all sides in turns, each turn a process of its own. \
         ×: annals by this side, turn by turn, median (least–greatest); for rates more than 1 is \
         ahead, for times and bytes less.{MARK}: this side's own turns differ by more than a \
         factor {NOISY}."
    )?;
    if rounds < LEAST_ROUNDS {
        writeln!(out, "\nFewer than {LEAST_ROUNDS} rounds: the spread says nothing.")?;
    }
    if tally.noisy * NOISY_ONE_IN > tally.figures {
        writeln!(
            out,
            "\nTHIS RUN IS TOO NOISY: {} of {} figures; run it again while nothing else runs.",
            tally.noisy, tally.figures
        )?;
    }
    if !notes.is_empty() {
        writeln!(out, "\nLeft out, or to be known:\n")?;
    }
    for ((name, note), rows) in notes {
        writeln!(out, "* {name}, {}: {note}", rows.join(" "))?;
    }
    Ok(())
}

fn values(figures: &[Figure]) -> Vec<f64> {
    figures.iter().map(|figure| figure.value).collect()
}

fn is_noisy(figures: &[Figure]) -> bool {
    let (least, most) = range(&values(figures));
    most > least * NOISY
}

fn figure(cell: &Cell, annals: Option<&Cell>, unit: Unit) -> String {
    let mut text = amount(median(&values(&cell.figures)), unit);
    let latency = |of: fn(&Figure) -> Option<u64>| -> Option<f64> {
        let found: Vec<f64> =
            cell.figures.iter().filter_map(|figure| of(figure).map(|ns| ns as f64)).collect();
        (!found.is_empty()).then(|| median(&found))
    };
    if let Some(p50) = latency(|figure| figure.p50) {
        text += &format!(", p50 {}", time(p50));
    }
    if let Some(p99) = latency(|figure| figure.p99) {
        text += &format!(", p99 {}", time(p99));
    }
    if is_noisy(&cell.figures) {
        text += MARK;
    }
    let annals = annals.filter(|annals| annals.name != cell.name && !annals.figures.is_empty());
    let Some(annals) = annals else { return text };
    let pairs = annals.figures.iter().zip(&cell.figures);
    let ratios: Vec<f64> =
        pairs.map(|(annals, other)| annals.value / other.value).filter(|r| r.is_finite()).collect();
    if ratios.is_empty() {
        return text;
    }
    let (least, most) = range(&ratios);
    // The floor's is the bar that annals is held against, a rival's is how far it is behind.
    let of = if cell.name == floors::NAME { "annals ×" } else { "×" };
    format!("{text}, {of}{} ({}–{})", ratio(median(&ratios)), ratio(least), ratio(most))
}

fn ratio(value: f64) -> String {
    match value {
        value if value >= 10.0 => format!("{value:.0}"),
        value if value >= 0.1 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}

fn amount(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Rate if value >= 1e6 => format!("{:.2} M/s", value / 1e6),
        Unit::Rate if value >= 1e5 => format!("{:.0} k/s", value / 1e3),
        Unit::Rate => format!("{value:.0}/s"),
        Unit::Time => time(value),
        Unit::Bytes if value >= f64::from(1 << 20) => {
            format!("{:.1} MiB", value / f64::from(1 << 20))
        }
        Unit::Bytes => format!("{value:.0} B"),
    }
}

fn time(nanos: f64) -> String {
    match nanos {
        nanos if nanos >= 1e9 => format!("{:.2} s", nanos / 1e9),
        nanos if nanos >= 1e7 => format!("{:.0} ms", nanos / 1e6),
        nanos if nanos >= 1e6 => format!("{:.1} ms", nanos / 1e6),
        nanos => format!("{:.1} us", nanos / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::ROWS;

    fn cell(name: &'static str, values: &[f64], note: Option<&str>) -> Cell {
        let figures = values.iter().map(|value| Figure::new(*value)).collect();
        Cell { name, figures, note: note.map(str::to_owned) }
    }

    #[test]
    fn a_line_tells_medians_ratios_spreads_and_noise() {
        let cells = [
            cell("floor", &[8000.0, 8000.0, 8000.0], None),
            cell("annals", &[7000.0, 8000.0, 9000.0], None),
            cell("other", &[4000.0, 4000.0, 4000.0], None),
            cell("none", &[], Some("it cannot")),
        ];
        let (mut out, mut notes, mut tally) = (Vec::new(), Notes::new(), Tally::default());
        row(&mut out, ROWS[0], &cells, &mut notes, &mut tally).unwrap();
        foot(&mut out, &notes, &tally, 2).unwrap();
        let text = String::from_utf8(out).unwrap();
        for part in [
            "8000/s, annals ×1.00 (0.88–1.12)",
            "| 8000/s ~ |",
            "4000/s, ×2.00 (1.75–2.25)",
            "| – |",
            "* none, w1: it cannot",
            "TOO NOISY: 1 of 3",
            "Fewer than 3 rounds",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn amounts_are_told_in_their_unit() {
        assert_eq!(amount(1_500_000.0, Unit::Rate), "1.50 M/s");
        assert_eq!(amount(3.2e6, Unit::Time), "3.2 ms");
        assert_eq!(amount(326.4, Unit::Bytes), "326 B");
        assert_eq!(amount(20.0 * f64::from(1 << 20), Unit::Bytes), "20.0 MiB");
    }
}

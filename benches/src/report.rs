//! The table, in Markdown, so that it can be put into DESIGN.md as it is.

use std::io::{self, Write};
use std::time::Duration;

use crate::measure::{Pairs, Turn, median, range};

const COLUMNS: [(&str, usize); 6] =
    [("work", 48), ("floor", 10), ("annals", 10), ("ratio", 5), ("spread", 17), ("p99", 21)];

/// Writes the head of the table.
///
/// # Errors
/// If `out` cannot be written.
pub fn head(out: &mut impl Write) -> io::Result<()> {
    line(out, &COLUMNS.map(|(name, _)| name.to_owned()))?;
    let rules = COLUMNS.map(|(_, width)| "-".repeat(width));
    line(out, &rules)
}

/// Writes one row: medians of both sides, the median of the pairs' ratios, and the
/// least and the greatest of those.
///
/// # Errors
/// If `out` cannot be written.
pub fn row(out: &mut impl Write, name: &str, title: &str, pairs: &Pairs) -> io::Result<()> {
    let ratios = pairs.ratios();
    let (least, most) = range(&ratios);
    let noisy = if pairs.is_noisy() { " (noisy)" } else { "" };
    let cells = [
        format!("{name} {title}"),
        rate(median_of(&pairs.floor, |turn| Some(turn.rate))),
        rate(median_of(&pairs.annals, |turn| Some(turn.rate))),
        format!("{:.2}", median(&ratios)),
        format!("{least:.2}–{most:.2}{noisy}"),
        p99(pairs),
    ];
    line(out, &cells)
}

fn line(out: &mut impl Write, cells: &[String; COLUMNS.len()]) -> io::Result<()> {
    for (cell, (_, width)) in cells.iter().zip(COLUMNS) {
        write!(out, "| {cell:width$} ")?;
    }
    writeln!(out, "|")
}

fn median_of(turns: &[Turn], value: impl Fn(&Turn) -> Option<f64>) -> f64 {
    median(&turns.iter().filter_map(value).collect::<Vec<_>>())
}

fn p99(pairs: &Pairs) -> String {
    let of = |turns: &[Turn]| median_of(turns, |turn| turn.p99.as_ref().map(Duration::as_secs_f64));
    let (floor, annals) = (of(&pairs.floor), of(&pairs.annals));
    if floor.is_nan() || annals.is_nan() {
        return String::new();
    }
    format!("{:.2} / {:.2} ms ({:.2})", floor * 1e3, annals * 1e3, annals / floor)
}

/// Events a second, with as many digits as mean something.
fn rate(per_second: f64) -> String {
    if per_second >= 1e6 {
        format!("{:.2} M/s", per_second / 1e6)
    } else if per_second >= 1e5 {
        format!("{:.0} k/s", per_second / 1e3)
    } else {
        format!("{per_second:.0}/s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_tells_medians_ratio_and_spread() {
        let turn = |rate, millis| Turn { rate, p99: Some(Duration::from_millis(millis)) };
        let pairs = Pairs {
            floor: vec![turn(2e6, 2), turn(2e6, 2), turn(2e6, 2)],
            annals: vec![turn(1.8e6, 3), turn(1.7e6, 3), turn(1.9e6, 3)],
        };
        let mut out = Vec::new();
        row(&mut out, "w", "work", &pairs).unwrap();
        let text = String::from_utf8(out).unwrap();
        for part in ["2.00 M/s", "1.80 M/s", "0.90", "0.85–0.95", "2.00 / 3.00 ms (1.50)"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("noisy"));
    }
}

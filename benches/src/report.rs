//! The table, in Markdown, so that it can be put into DESIGN.md as it is; and the figures as
//! JSON.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

use crate::measure::{Figure, NOISY, Pairs, Turn, median, range};
use crate::rows::Row;
use crate::rows::bar::{Verdict, bytes_text, rate_text, time_text};

const COLUMNS: [(&str, usize); 10] = [
    ("work", 57),
    ("floor", 9),
    ("annals", 9),
    ("ratio", 5),
    ("spread", 23),
    ("full floor", 10),
    ("to it", 5),
    ("p99: floor / annals", 27),
    ("bar", 46),
    ("verdict", 53),
];

/// Writes what a full floor is, and the head of the table.
///
/// # Errors
/// If `out` cannot be written.
pub fn head(out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "The floor is the least that the device, the memory or the scheduler must do. The full \
         floor is the least of a log that keeps what annals keeps: ids that are there once, \
         positions, versions, times, CRCs of heads and payloads, and tables in memory by id, \
         stream, type and category; nothing of annals is in it.\n"
    )?;
    line(out, &COLUMNS.map(|(name, _)| name.to_owned()))?;
    let rules = COLUMNS.map(|(_, width)| "-".repeat(width));
    line(out, &rules)
}

/// What the columns are, to stand below the table.
pub fn legend(rounds: usize) -> String {
    format!(
        "Medians of {rounds} turns each (of fewer, where a turn is long), floors and annals in \
         turns; ratios and spread are of the pairs, the spread of those to the floor. p50 of single calls where the figure is a \
         time. Noisy: the turns of one side differ by more than {NOISY:.2} times, and the row \
         should be run again on a quieter machine; the factor stands there."
    )
}

/// Writes one row: medians of both sides, the median of the pairs' ratios, the least and the
/// greatest of those, and how it stands to its bars.
///
/// # Errors
/// If `out` cannot be written.
pub fn row(out: &mut impl Write, row: &Row, pairs: &Pairs) -> io::Result<()> {
    let ratios = pairs.ratios_of(|turn| row.figure.of(turn));
    let (least, most) = range(&ratios);
    let unrest = pairs.unrest(row.figure);
    let noisy = if unrest > NOISY { format!(" noisy: {unrest:.1}") } else { String::new() };
    let figure = |turns: &[Turn]| text(row.figure, median_of(turns, |turn| row.figure.of(turn)));
    let mut verdict =
        row.bars.iter().map(|bar| bar.judge(pairs).text()).collect::<Vec<_>>().join("; ");
    if !verdict.is_empty() && unrest > NOISY {
        verdict.push_str(" (noisy)");
    }
    let (full, to_full) = match median(&pairs.ratios_to_full(|turn| row.figure.of(turn))) {
        ratio if ratio.is_nan() => Default::default(),
        ratio => (figure(&pairs.full), format!("{ratio:.2}")),
    };
    let cells = [
        format!("{} {}", row.name, row.title),
        figure(&pairs.floor),
        figure(&pairs.annals),
        format!("{:.2}", median(&ratios)),
        format!("{least:.2}–{most:.2}{noisy}"),
        full,
        to_full,
        details(row, pairs),
        row.bars.iter().map(|bar| bar.text()).collect::<Vec<_>>().join("; "),
        verdict,
    ];
    line(out, &cells)
}

/// The row as JSON: medians, every turn, and the bars with what is missing. Rates are events a
/// second, times seconds.
pub fn json(row: &Row, pairs: &Pairs) -> Value {
    let turns = |turns: &[Turn]| -> Vec<Value> {
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        let turn = |turn: &Turn| match row.figure {
            Figure::Bytes => json!({ "bytes": turn.bytes }),
            Figure::Rate | Figure::P50 => json!({
                "rate": turn.rate,
                "p50": seconds(turn.p50),
                "p99": seconds(turn.p99),
                "sync_before": seconds(turn.sync),
            }),
        };
        turns.iter().map(turn).collect()
    };
    let bars = row.bars.iter().map(|bar| {
        let (met, missed_by) = match bar.judge(pairs) {
            Verdict::Met => (Some(true), None),
            Verdict::MissedBy(part) => (Some(false), Some(part)),
            Verdict::Unknown => (None, None),
        };
        json!({ "bar": bar.text(), "met": met, "missed_by": missed_by })
    });
    let ratios = pairs.ratios_of(|turn| row.figure.of(turn));
    // What is not a number is null.
    let full_ratios = pairs.ratios_to_full(|turn| row.figure.of(turn));
    json!({
        "name": row.name,
        "title": row.title,
        "figure": match row.figure {
            Figure::Rate => "rate",
            Figure::P50 => "p50",
            Figure::Bytes => "bytes",
        },
        "floor": median_of(&pairs.floor, |turn| row.figure.of(turn)),
        "annals": median_of(&pairs.annals, |turn| row.figure.of(turn)),
        "ratio": median(&ratios),
        "ratios": ratios,
        "full_floor": median_of(&pairs.full, |turn| row.figure.of(turn)),
        "ratio_to_full_floor": median(&full_ratios),
        "ratios_to_full_floor": full_ratios,
        "unrest": pairs.unrest(row.figure),
        "noisy": pairs.unrest(row.figure) > NOISY,
        "bars": bars.collect::<Vec<_>>(),
        "turns": {
            "floor": turns(&pairs.floor),
            "full_floor": turns(&pairs.full),
            "annals": turns(&pairs.annals),
            "beside": turns(&pairs.beside),
        },
    })
}

fn line(out: &mut impl Write, cells: &[String; COLUMNS.len()]) -> io::Result<()> {
    for (cell, (_, width)) in cells.iter().zip(COLUMNS) {
        write!(out, "| {cell:width$} ")?;
    }
    writeln!(out, "|")
}

fn median_of(turns: &[Turn], value: impl Fn(&Turn) -> f64) -> f64 {
    median(&turns.iter().map(value).collect::<Vec<_>>())
}

fn text(figure: Figure, value: f64) -> String {
    match figure {
        Figure::Rate => rate_text(value),
        Figure::P50 => time_text(value),
        Figure::Bytes => bytes_text(value),
    }
}

/// What else a row has to say: the slow calls, or what came before it.
fn details(row: &Row, pairs: &Pairs) -> String {
    let seconds = |time: Option<Duration>| time.map_or(f64::NAN, |time| time.as_secs_f64());
    let sync = median_of(&pairs.annals, |turn| seconds(turn.sync));
    if !sync.is_nan() {
        return format!("after a sync of {}", time_text(sync));
    }
    let of = |turns: &[Turn]| median_of(turns, |turn| seconds(turn.p99));
    let (floor, annals) = (of(&pairs.floor), of(&pairs.annals));
    if floor.is_nan() || annals.is_nan() || row.figure == Figure::Bytes {
        return String::new();
    }
    let ratio = median(&pairs.ratios_of(|turn| seconds(turn.p99)));
    format!("{} / {} ({ratio:.2})", time_text(floor), time_text(annals))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::table::named;

    fn pairs() -> Pairs {
        let turn = |rate, millis| {
            let p99 = Some(Duration::from_millis(millis));
            Turn { p99, ..Turn::new(rate, Duration::from_secs(1)) }
        };
        Pairs {
            floor: vec![turn(2_000_000, 2), turn(2_000_000, 2), turn(2_000_000, 2)],
            annals: vec![turn(1_800_000, 3), turn(1_700_000, 3), turn(1_900_000, 3)],
            ..Pairs::default()
        }
    }

    #[test]
    fn a_row_tells_medians_ratio_spread_and_bars() {
        let mut out = Vec::new();
        row(&mut out, &named("w2-64")[0], &pairs()).unwrap();
        let text = String::from_utf8(out).unwrap();
        let parts = ["2.00 M/s", "1.80 M/s", "0.90", "0.85–0.95", "2.00 ms / 3.00 ms (1.50)"];
        for part in
            parts.into_iter().chain(["≥ 0.90 of floor; p99 ≤ 1.2 of floor", "met; missed by 25%"])
        {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains("noisy"));
        let mut noisy = pairs();
        noisy.annals[0].rate /= 2.0;
        let mut out = Vec::new();
        row(&mut out, &named("w1")[0], &noisy).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("noisy: 2."));
    }

    #[test]
    fn a_full_floor_stands_beside_the_floor_where_there_is_one() {
        let cells = |pairs: &Pairs| {
            let mut out = Vec::new();
            row(&mut out, &named("w3")[0], pairs).unwrap();
            let line = String::from_utf8(out).unwrap();
            let cells: Vec<_> = line.split('|').map(|cell| cell.trim().to_owned()).collect();
            assert_eq!(cells.len(), COLUMNS.len() + 2);
            (cells[6].clone(), cells[7].clone())
        };
        let mut with = pairs();
        assert_eq!(cells(&with), (String::new(), String::new()));
        assert!(json(&named("w3")[0], &with)["full_floor"].is_null());
        with.full = with.annals.iter().map(|turn| Turn::of_rate(turn.rate * 1.25)).collect();
        assert_eq!(cells(&with), ("2.25 M/s".to_owned(), "0.80".to_owned()));
        let value = json(&named("w3")[0], &with);
        assert_eq!(
            (&value["full_floor"], &value["ratio_to_full_floor"]),
            (&2_250_000.0.into(), &0.8.into())
        );
    }

    #[test]
    fn the_figures_are_there_for_programs() {
        let value = json(&named("w2-64")[0], &pairs());
        assert_eq!(value["annals"], 1_800_000.0);
        assert_eq!(value["bars"][0]["met"], true);
        assert_eq!(value["bars"][1]["met"], false);
        assert_eq!(value["turns"]["floor"].as_array().map(Vec::len), Some(3));
    }
}

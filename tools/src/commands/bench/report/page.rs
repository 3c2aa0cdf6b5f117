//! The page around the plots: what the figures were taken on, and the table of all rows.

use std::fmt::Write;

use annals_benches::survey::{Part, Row, Survey, Word};

use super::super::{table, words};
use super::figures;
use super::markup::escape;

const STYLE: &str = include_str!("style.css");

/// The whole page.
pub(in super::super) fn page(survey: &Survey, rows: &[Row]) -> String {
    let mut html = String::new();
    html.push_str("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    let _ = writeln!(
        html,
        "<title>annals bench, {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>",
        escape(&survey.about.date)
    );
    head(&mut html, survey, rows);
    for (part, word) in Part::WORDS {
        let plots = figures::plots(&survey.facts, *part);
        if plots.is_empty() {
            continue;
        }
        let _ = writeln!(
            html,
            "<section id=\"{word}\">\n<h2>{}</h2>\n<p>{}</p>\n<div class=\"plots\">",
            words::part(*part),
            escape(words::floor(*part))
        );
        for plot in plots {
            html.push_str(&plot.to_html());
        }
        html.push_str("</div>\n</section>\n");
    }
    all_rows(&mut html, rows);
    html.push_str("</body>\n</html>\n");
    html
}

fn head(html: &mut String, survey: &Survey, rows: &[Row]) {
    let about = &survey.about;
    html.push_str("<header>\n<h1>annals bench</h1>\n<dl>\n");
    for (name, value) in about.fields() {
        if !value.is_empty() {
            let _ = writeln!(html, "<dt>{name}</dt><dd>{}</dd>", escape(value));
        }
    }
    html.push_str("</dl>\n");
    if about.is_in_memory() {
        let _ = writeln!(html, "<p class=\"bad\">{}.</p>", escape(&words::in_memory("The place")));
    }
    if about.complete != "yes" {
        let _ = writeln!(
            html,
            "<p class=\"bad\">The run did not come to its end: {}.</p>",
            escape(&about.complete)
        );
    }
    html.push_str(
        "<p>Each plot has a floor beside the log: a small loop that does only what cannot be \
         left out. Both ran in turns, on the same disk, in the same minutes; a point is the \
         median of the rounds, the thin line through it reaches from the least to the greatest. \
         What counts is how far the two lines lie apart: absolute figures drift with the \
         machine and the hour.</p>\n",
    );
    let noisy = rows.iter().filter(|row| row.noisy).count();
    if noisy > 0 {
        let _ = writeln!(
            html,
            "<p>{noisy} of {} rows are noisy: one side alone differs by more than a quarter from \
             turn to turn. The table says which.</p>",
            rows.len()
        );
    }
    html.push_str("</header>\n");
}

fn all_rows(html: &mut String, rows: &[Row]) {
    html.push_str(
        "<section id=\"rows\">\n<h2>All rows</h2>\n<p>Medians; the ratio is annals by floor, pair \
         by pair, and the spread is its least and its greatest: of rates more is better, of \
         times less. p50 and p99 are floor / annals.</p>\n<div class=\"wide\"><table>\n\
         <thead><tr><th>work</th>",
    );
    for name in table::COLUMNS {
        let _ = write!(html, "<th>{name}</th>");
    }
    html.push_str("<th></th></tr></thead>\n<tbody>\n");
    let mut part = None;
    for row in rows {
        if part != Some(row.work.part) {
            part = Some(row.work.part);
            let columns = table::COLUMNS.len() + 2;
            let name = words::part(row.work.part);
            let _ = writeln!(html, "<tr class=\"part\"><th colspan=\"{columns}\">{name}</th></tr>");
        }
        let _ = write!(html, "<tr><th>{}</th>", escape(&words::work(&row.work)));
        for cell in table::cells(row) {
            let _ = write!(html, "<td>{}</td>", escape(&cell));
        }
        let _ = writeln!(html, "<td>{}</td></tr>", if row.noisy { "noisy" } else { "" });
    }
    html.push_str("</tbody>\n</table></div>\n</section>\n");
}

//! A plot: its drawing, and its table for those who cannot or need not see it.

use std::fmt::Write;

use annals_benches::survey::histogram_step;

use super::markup::escape;
use super::scale::{Scale, Unit};

/// Small, so that on a small screen the letters stay as large as the text around them.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 40.0;

/// The least room that a letter, and the gap between two labels, needs.
const LETTER: f64 = 6.2;
const GAP: f64 = 8.0;

/// What an axis says.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    pub(super) label: &'static str,
    pub(super) unit: Unit,
}

/// How the points of a plot are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// Lines over sizes that were moved over.
    Sizes,
    /// Lines over percentiles.
    Percentiles,
    /// Bars, each as wide as a step of a histogram.
    Steps,
}

/// One line or set of bars.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) name: String,
    /// A floor's line is dashed and its marks are hollow.
    pub(super) floor: bool,
    pub(super) points: Vec<Point>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) x: f64,
    /// The median of the rounds.
    pub(super) y: f64,
    /// The least and the greatest of them.
    pub(super) spread: Option<(f64, f64)>,
}

#[derive(Debug, Clone)]
pub(super) struct Plot {
    pub(super) id: String,
    pub(super) title: String,
    /// What stayed while the rest was moved.
    pub(super) note: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) marks: Marks,
    pub(super) series: Vec<Series>,
}

impl Plot {
    /// The figure with its heading, drawing, legend and table.
    pub(super) fn to_html(&self) -> String {
        let mut html = String::new();
        let id = escape(&self.id);
        let _ = writeln!(
            html,
            "<figure><figcaption>{}<small>{}</small></figcaption>",
            escape(&self.title),
            escape(&self.note)
        );
        html.push_str(&self.legend());
        let _ = writeln!(
            html,
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{id}-t \
             {id}-d\"><title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>",
            escape(&self.title),
            escape(&self.description())
        );
        self.draw(&mut html);
        html.push_str("</svg>\n");
        html.push_str(&self.table());
        html.push_str("</figure>\n");
        html
    }

    /// What is seen, in words.
    fn description(&self) -> String {
        let names: Vec<_> = self.series.iter().map(|series| series.name.as_str()).collect();
        format!(
            "{} ({}) over {} ({}): {}. The figures are in the table below.",
            self.y.label,
            unit_name(self.y.unit),
            self.x.label,
            unit_name(self.x.unit),
            names.join(", ")
        )
    }

    fn legend(&self) -> String {
        let mut html = String::from("<ul class=\"legend\">");
        for series in &self.series {
            let mark = match self.marks {
                Marks::Steps => {
                    "<rect class=\"bar\" x=\"3\" y=\"2\" width=\"18\" height=\"8\"/>".to_owned()
                }
                _ => format!("<path d=\"M0 6H24\"/>{}", mark(12.0, 6.0, series.floor)),
            };
            let _ = write!(
                html,
                "<li><svg class=\"{}\" viewBox=\"0 0 24 12\" width=\"24\" height=\"12\" \
                 aria-hidden=\"true\">{mark}</svg>{}</li>",
                class(series),
                escape(&series.name)
            );
        }
        html.push_str("</ul>\n");
        html
    }

    fn draw(&self, html: &mut String) {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x = match self.marks {
            Marks::Percentiles => Scale::of_percentiles(points().map(|point| point.x)),
            Marks::Sizes => Scale::of_sizes(points().map(|point| point.x)),
            Marks::Steps => {
                let ends = points().flat_map(|point| [point.x, step_end(point.x)]);
                Scale::of_sizes(ends)
            }
        };
        let figures = points().flat_map(|point| {
            let (least, most) = point.spread.unwrap_or((point.y, point.y));
            [least, point.y, most]
        });
        let y = match self.marks {
            Marks::Steps => Scale::of_shares(figures),
            _ => Scale::of_figures(figures),
        };
        self.axes(html, &x, &y);
        for series in &self.series {
            let _ = write!(html, "<g class=\"{}\">", class(series));
            match self.marks {
                Marks::Steps => self.bars(html, series, &x, &y),
                _ => self.line(html, series, &x, &y),
            }
            html.push_str("</g>\n");
        }
    }

    fn axes(&self, html: &mut String, x: &Scale, y: &Scale) {
        let bottom = HEIGHT - BOTTOM;
        let right = WIDTH - RIGHT;
        let hint = if y.is_log() { ", log scale" } else { "" };
        html.push_str("<g class=\"axis\">");
        let _ = write!(
            html,
            "<text class=\"label\" x=\"2\" y=\"12\">{}{hint}</text>",
            escape(self.y.label)
        );
        let label = (LEFT + right) / 2.0;
        let _ = write!(
            html,
            "<text class=\"label\" x=\"{label:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 6.0,
            escape(self.x.label)
        );
        for tick in y.ticks() {
            let at = down(y.place(tick));
            let _ = write!(
                html,
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{right}\"/><text x=\"{:.1}\" \
                 y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 5.0,
                at + 3.5,
                self.y.unit.tick(tick)
            );
        }
        let _ = write!(html, "<path class=\"base\" d=\"M{LEFT} {bottom}H{right}\"/>");
        let mut free = 0.0;
        for tick in self.x_ticks(x) {
            let at = across(x.place(tick));
            let _ = write!(html, "<path class=\"base\" d=\"M{at:.1} {bottom}v4\"/>");
            let text = self.x.unit.tick(tick);
            let half = text.chars().count() as f64 * LETTER / 2.0;
            let middle = at.clamp(half, WIDTH - half);
            if middle - half < free {
                continue;
            }
            free = middle + half + GAP;
            let _ = write!(
                html,
                "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
                bottom + 15.0
            );
        }
        html.push_str("</g>\n");
    }

    /// Sizes that were moved over stand at the axis themselves.
    fn x_ticks(&self, x: &Scale) -> Vec<f64> {
        if self.marks != Marks::Sizes {
            return x.ticks();
        }
        let points = self.series.iter().flat_map(|series| &series.points);
        let mut sizes: Vec<_> = points.map(|point| point.x).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        sizes
    }

    fn line(&self, html: &mut String, series: &Series, x: &Scale, y: &Scale) {
        let place = |point: &Point| (across(x.place(point.x)), down(y.place(point.y)));
        let mut path = String::new();
        for (index, point) in series.points.iter().enumerate() {
            let (across, down) = place(point);
            let _ = write!(path, "{}{across:.1} {down:.1}", if index == 0 { 'M' } else { 'L' });
        }
        let _ = write!(html, "<path class=\"line\" d=\"{path}\"/>");
        for point in &series.points {
            let (across, middle) = place(point);
            if let Some((least, most)) = point.spread {
                let (low, high) = (down(y.place(least)), down(y.place(most)));
                let _ =
                    write!(html, "<path class=\"spread\" d=\"M{across:.1} {low:.1}V{high:.1}\"/>");
            }
            let _ = write!(
                html,
                "<g class=\"point\"><title>{}</title>{}</g>",
                escape(&self.told(series, point)),
                mark(across, middle, series.floor)
            );
        }
    }

    fn bars(&self, html: &mut String, series: &Series, x: &Scale, y: &Scale) {
        let base = down(0.0);
        for point in &series.points {
            let (from, to) = (across(x.place(point.x)), across(x.place(step_end(point.x))));
            let top = down(y.place(point.y));
            let _ = write!(
                html,
                "<rect class=\"bar\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{:.1}\" \
                 height=\"{:.1}\"><title>{}</title></rect>",
                (to - from).max(0.5),
                (base - top).max(0.5),
                escape(&self.told(series, point))
            );
        }
    }

    fn told(&self, series: &Series, point: &Point) -> String {
        let (x, y) = (self.x.unit.exact(point.x), self.y.unit.exact(point.y));
        format!("{}: {y} at {x}", series.name)
    }

    fn table(&self) -> String {
        let mut html =
            String::from("<details><summary>The figures</summary><div class=\"wide\"><table>");
        let _ = write!(
            html,
            "<thead><tr><th></th><th>{}</th><th>{}</th><th>least</th><th>most</th></tr></thead><tbody>",
            escape(self.x.label),
            escape(self.y.label)
        );
        for series in &self.series {
            for point in &series.points {
                let end = |end| self.y.unit.exact(end);
                let (least, most) = point
                    .spread
                    .map_or_else(Default::default, |(least, most)| (end(least), end(most)));
                let _ = write!(
                    html,
                    "<tr><th>{}</th><td>{}</td><td>{}</td><td>{least}</td><td>{most}</td></tr>",
                    escape(&series.name),
                    self.x.unit.exact(point.x),
                    self.y.unit.exact(point.y),
                );
            }
        }
        html.push_str("</tbody></table></div></details>\n");
        html
    }
}

const fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "number",
        Unit::Rate => "in a second",
        Unit::Bytes => "bytes",
        Unit::Nanos => "time",
        Unit::Percent => "percent",
        Unit::Percentile => "percentile",
    }
}

const fn class(series: &Series) -> &'static str {
    if series.floor { "floor" } else { "annals" }
}

/// A mark that is told apart by its form, too.
fn mark(x: f64, y: f64, floor: bool) -> String {
    if floor {
        format!(
            "<rect class=\"mark\" x=\"{:.1}\" y=\"{:.1}\" width=\"6\" height=\"6\"/>",
            x - 3.0,
            y - 3.0
        )
    } else {
        format!("<circle class=\"mark\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>")
    }
}

fn step_end(from: f64) -> f64 {
    from * histogram_step()
}

fn across(place: f64) -> f64 {
    LEFT + place * (WIDTH - LEFT - RIGHT)
}

fn down(place: f64) -> f64 {
    HEIGHT - BOTTOM - place * (HEIGHT - BOTTOM - TOP)
}

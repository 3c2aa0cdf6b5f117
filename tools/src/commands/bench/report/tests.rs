//! The page is whole: every tag closed, every plot labelled, every figure in it.

use annals_benches::survey::{About, Fact, Measure, Part, Plan, Side, Survey, Way, Work, rows};

use super::page::page;
use super::scale::Unit;

const PERCENTILES: [f64; 3] = [50.0, 99.0, 100.0];

/// Every work of a full plan, each figure another one.
fn survey() -> Survey {
    let mut facts = Vec::new();
    for (number, work) in Plan::full(Vec::new()).works().into_iter().enumerate() {
        for (side, offset) in [(Side::Floor, 0), (Side::Annals, 1)] {
            for round in 1..=3 {
                let value = f64::from(round) + ((number * 2 + offset + 1) * 10_007) as f64;
                let fact = Fact { work, side, measure: told(&work), at: 0.0, round, value };
                if work.part != Part::Tail {
                    facts.push(fact);
                }
                let latency = Fact { measure: Measure::Latency, ..fact };
                facts.extend(PERCENTILES.map(|at| Fact { at, value: value + at, ..latency }));
                if (work.way, work.threads) == (Way::Durable, 1) {
                    facts.push(Fact { measure: Measure::Calls, at: 120_000.0, ..fact });
                }
            }
        }
    }
    let about = About { complete: "yes".to_owned(), ..About::default() };
    Survey { about, facts }
}

fn told(work: &Work) -> Measure {
    if work.part == Part::Open { Measure::Time } else { Measure::Rate }
}

fn html(survey: &Survey) -> String {
    page(survey, &rows(&survey.facts))
}

/// The names of all tags, those that end one with their slash; panics on one that is cut off.
fn tags(html: &str) -> Vec<&str> {
    let html = html.strip_prefix("<!DOCTYPE html>").expect("the kind of page comes first");
    html.split('<').skip(1).map(|tag| tag.split_once('>').expect("a tag ends").0).collect()
}

#[test]
fn every_tag_that_is_opened_is_closed_in_its_place() {
    let page = html(&survey());
    let mut open = Vec::new();
    for tag in tags(&page) {
        let name = tag.split([' ', '\n']).next().unwrap();
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{tag}");
        } else if name != "meta" && !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<&str>::new());
    let mut ids: Vec<_> =
        page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "an id stands once");
}

#[test]
fn every_plot_has_a_title_two_labels_a_legend_and_a_table() {
    let page = html(&survey());
    let plots: Vec<_> = page.split("<figure>").skip(1).collect();
    assert!(plots.len() >= 20, "{} plots", plots.len());
    for plot in plots {
        let plot = plot.split("</figure>").next().unwrap();
        let title = plot.split("<figcaption>").nth(1).unwrap().split('<').next().unwrap();
        assert!(!title.is_empty() && plot.contains(&format!("-t\">{title}</title>")), "{title}");
        assert_eq!(plot.matches("<text class=\"label\"").count(), 2, "{title}");
        let labels = plot.split("<text class=\"label\"").skip(1);
        for label in labels {
            let text = label.split('>').nth(1).unwrap().split('<').next().unwrap();
            assert!(!text.is_empty(), "{title}");
        }
        assert_eq!(plot.matches("<li>").count(), 2, "{title}");
        let points = plot.matches("<g class=\"point\">").count()
            + plot.matches("<rect class=\"bar\"").count()
            - 2 * usize::from(plot.contains("<rect class=\"bar\""));
        let rows = plot.matches("<tr><th>").count() - 1;
        assert_eq!(points, rows, "{title}: as many rows as points");
        assert!(points >= 2, "{title}");
        assert!(!plot.contains("NaN") && !plot.contains("inf"), "{title}");
    }
}

#[test]
fn every_work_and_its_curves_are_drawn() {
    let survey = survey();
    let page = html(&survey);
    for row in rows(&survey.facts).iter().filter(|row| row.work.part != Part::Tail) {
        let unit = if row.measure == Measure::Time { Unit::Nanos } else { Unit::Rate };
        for figure in [row.floor, row.annals] {
            let told = format!(": {} at ", unit.exact(figure.median));
            assert!(page.contains(&told), "{:?} {told}", row.work);
        }
    }
    for heading in [
        "Durable append by threads",
        "Written append by batch",
        "Buffered append by payload",
        "Durable append by tickets in flight",
        "Latency of durable append, 128 threads",
        "How long a sync takes",
        "Replay by payload",
        "Replay by size of the log",
        "Latency of reading a stream",
        "Opening a log that was closed",
        "Opening a log after a kill",
        "From append to a waiting cursor, written",
    ] {
        assert!(page.contains(&format!("<figcaption>{heading}<small>")), "{heading}");
    }
}

#[test]
fn names_are_no_markup_and_nothing_comes_from_elsewhere() {
    let mut survey = survey();
    survey.about.command = "annals bench '<script>alert(\"1\")</script>' & more".to_owned();
    survey.about.complete = "no: <b>it broke</b>".to_owned();
    let page = html(&survey);
    assert!(page.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39; &amp; more"));
    assert!(page.contains("did not come to its end: no: &lt;b&gt;it broke&lt;/b&gt;."));
    for other in ["<script", "<b>", "http", "src=", "href", "url(", "@import"] {
        assert!(!page.contains(other), "{other}");
    }
}

#[test]
fn a_survey_of_one_work_or_of_none_is_a_page_too() {
    let mut survey = survey();
    let first = survey.facts[0].work;
    survey.facts.retain(|fact| fact.work == first);
    let page = html(&survey);
    assert!(page.contains("Durable append by threads") && !page.contains("by batch<small>"));
    assert!(!page.contains("NaN"), "one size is an axis too");
    survey.facts.clear();
    assert!(!html(&survey).contains("<figure>"));
}

#[test]
fn memory_is_no_disk() {
    let mut survey = survey();
    assert!(!html(&survey).contains("class=\"bad\""));
    survey.about.file_system = "tmpfs".to_owned();
    assert!(html(&survey).contains("is in memory, not on a disk"));
}

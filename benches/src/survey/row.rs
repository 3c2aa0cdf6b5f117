//! Medians and spreads of one work, from its facts.

use super::fact::{Fact, Measure, Side, Work};
use crate::measure::{Pairs, Turn, median, range};

/// The middle of the rounds, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// The median.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub most: f64,
}

impl Figure {
    /// Of these values; none of none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let (least, most) = range(values);
        (!values.is_empty()).then(|| Self { median: median(values), least, most })
    }
}

/// What a work came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The work.
    pub work: Work,
    /// What the figures say.
    pub measure: Measure,
    /// The unit of the figures.
    pub unit: &'static str,
    /// The floor's.
    pub floor: Figure,
    /// The log's.
    pub annals: Figure,
    /// The log's by the floor's, pair by pair. Of rates more is better, of times less.
    pub ratio: Figure,
    /// Half of the calls took no longer: floor and log, in nanoseconds.
    pub p50: Option<(f64, f64)>,
    /// 99 of 100 calls took no longer.
    pub p99: Option<(f64, f64)>,
    /// One side alone differs so much from turn to turn that its figure means little.
    pub noisy: bool,
}

/// A row for each work, in the order in which they were measured.
pub fn rows(facts: &[Fact]) -> Vec<Row> {
    let mut works: Vec<Work> = Vec::new();
    for fact in facts {
        if !works.contains(&fact.work) {
            works.push(fact.work);
        }
    }
    works.into_iter().filter_map(|work| row(facts, work)).collect()
}

/// What is told of a work first: its rate, else its time, else its usual latency.
fn row(facts: &[Fact], work: Work) -> Option<Row> {
    let figures = |measure, at| {
        let of = |side| values(facts, &work, side, measure, at);
        (of(Side::Floor), of(Side::Annals))
    };
    let told = [(Measure::Rate, 0.0), (Measure::Time, 0.0), (Measure::Latency, 50.0)];
    let (measure, (floor, annals)) = told
        .into_iter()
        .map(|(measure, at)| (measure, figures(measure, at)))
        .find(|(_, (floor, annals))| !floor.is_empty() && !annals.is_empty())?;
    let latency = |at| {
        let (floor, annals) = figures(Measure::Latency, at);
        Some((Figure::of(&floor)?.median, Figure::of(&annals)?.median))
    };
    let turns = |values: &[f64]| values.iter().map(|rate| Turn::of_rate(*rate)).collect();
    let pairs = Pairs { floor: turns(&floor), annals: turns(&annals), ..Pairs::default() };
    Some(Row {
        work,
        measure,
        unit: measure.unit(work.part),
        floor: Figure::of(&floor)?,
        annals: Figure::of(&annals)?,
        ratio: Figure::of(&pairs.ratios())?,
        p50: latency(50.0),
        p99: latency(99.0),
        noisy: pairs.is_noisy(),
    })
}

fn values(facts: &[Fact], work: &Work, side: Side, measure: Measure, at: f64) -> Vec<f64> {
    let mine = facts.iter().filter(|fact| {
        fact.work == *work
            && fact.side == side
            && fact.measure == measure
            && fact.at.total_cmp(&at).is_eq()
    });
    mine.map(|fact| fact.value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::{Part, Way};

    #[test]
    fn a_row_has_medians_and_the_ratios_of_pairs() {
        let work = Work::new(Part::Append, Way::Durable);
        let mut facts = Vec::new();
        for (round, floor, annals) in [(1, 100.0, 90.0), (2, 50.0, 45.0), (3, 80.0, 40.0)] {
            for (side, value) in [(Side::Floor, floor), (Side::Annals, annals)] {
                let fact = Fact { work, side, measure: Measure::Rate, at: 0.0, round, value };
                facts.push(fact);
                facts.push(Fact { measure: Measure::Latency, at: 99.0, ..fact });
            }
        }
        let rows = rows(&facts);
        let [row] = &rows[..] else { panic!("{rows:?}") };
        assert!((row.floor.median - 80.0).abs() < 1e-9 && (row.annals.median - 45.0).abs() < 1e-9);
        let ratio = [row.ratio.median, row.ratio.least, row.ratio.most];
        assert!(ratio.iter().zip([0.9, 0.5, 0.9]).all(|(a, b)| (a - b).abs() < 1e-9), "{row:?}");
        assert_eq!((row.p50, row.p99), (None, Some((80.0, 45.0))));
        assert!(row.noisy);
    }
}

//! Turns of floor and annals side by side.

use std::time::Duration;

use super::{Figure, Turn};
use crate::Result;

/// How long the disk and the background get to come to rest between two turns, so that
/// one side does not pay for what the other left behind.
pub const REST: Duration = Duration::from_millis(300);

/// A side whose turns differ by more than this factor says that the run was noisy.
pub const NOISY: f64 = 1.25;

/// Floor and annals, turn by turn.
#[derive(Debug, Clone, Default)]
pub struct Pairs {
    /// The floor's turns.
    pub floor: Vec<Turn>,
    /// Those of annals, each beside the floor's with the same index.
    pub annals: Vec<Turn>,
    /// Those of another use of annals that a bar is given in, if it is.
    pub beside: Vec<Turn>,
}

impl Pairs {
    /// Runs both in turns: one turn each to warm up, which is not counted, then
    /// `rounds`.
    ///
    /// # Errors
    /// Those of the turns.
    pub fn run(
        rounds: usize,
        floor: impl FnMut() -> Result<Turn>,
        annals: impl FnMut() -> Result<Turn>,
    ) -> Result<Self> {
        Self::run_beside(rounds, floor, annals, None::<fn() -> Result<Turn>>)
    }

    /// As [`run`](Self::run), with a third side, if there is one.
    ///
    /// # Errors
    /// Those of the turns.
    pub fn run_beside(
        rounds: usize,
        mut floor: impl FnMut() -> Result<Turn>,
        mut annals: impl FnMut() -> Result<Turn>,
        mut beside: Option<impl FnMut() -> Result<Turn>>,
    ) -> Result<Self> {
        let mut pairs = Self::default();
        for round in 0..=rounds {
            std::thread::sleep(REST);
            let turn = floor()?;
            std::thread::sleep(REST);
            let other = annals()?;
            let third = match &mut beside {
                Some(beside) => {
                    std::thread::sleep(REST);
                    Some(beside()?)
                }
                None => None,
            };
            if round > 0 {
                pairs.floor.push(turn);
                pairs.annals.push(other);
                pairs.beside.extend(third);
            }
        }
        Ok(pairs)
    }

    /// The ratio of the rates of each pair.
    pub fn ratios(&self) -> Vec<f64> {
        self.ratios_of(|turn| Figure::Rate.of(turn))
    }

    /// The ratio of each pair, by some number of a turn.
    pub fn ratios_of(&self, number: impl Fn(&Turn) -> f64) -> Vec<f64> {
        let pairs = self.floor.iter().zip(&self.annals);
        pairs.map(|(floor, annals)| number(annals) / number(floor)).collect()
    }

    /// Whether one side's rate differs so much from turn to turn that its figure means
    /// little.
    pub fn is_noisy(&self) -> bool {
        self.unrest(Figure::Rate) > NOISY
    }

    /// By what factor the turns of one side differ, of the side where they differ more.
    pub fn unrest(&self, figure: Figure) -> f64 {
        let sides = [&self.floor, &self.annals].into_iter();
        let spread = sides.map(|turns| {
            let (least, most) =
                range(&turns.iter().map(|turn| figure.of(turn)).collect::<Vec<_>>());
            most / least
        });
        spread.fold(1.0, f64::max)
    }
}

/// The one in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle).copied().unwrap_or(f64::NAN);
    if sorted.len().is_multiple_of(2) {
        let lower = middle.checked_sub(1).and_then(|lower| sorted.get(lower).copied());
        return f64::midpoint(lower.unwrap_or(upper), upper);
    }
    upper
}

/// The least and the greatest.
pub fn range(values: &[f64]) -> (f64, f64) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (least, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_and_a_ratio_is_of_a_pair() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        let turn = |events| Turn::new(events, Duration::from_secs(1));
        let (floor, annals) = (vec![turn(100), turn(50)], vec![turn(90), turn(45)]);
        let pairs = Pairs { floor, annals, beside: Vec::new() };
        assert!(pairs.ratios().iter().all(|ratio| (ratio - 0.9).abs() < 1e-9));
        assert!(pairs.is_noisy());
    }
}

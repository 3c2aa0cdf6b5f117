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
    /// Those of the floor that keeps what annals keeps, if there is one.
    pub full: Vec<Turn>,
    /// Those of annals, each beside the floors' with the same index.
    pub annals: Vec<Turn>,
    /// Those of another use of annals that a bar is given in, if it is.
    pub beside: Vec<Turn>,
}

/// Does a turn of one side.
pub type Go<'g> = &'g mut dyn FnMut() -> Result<Turn>;

/// What is done in turns.
#[expect(missing_debug_implementations, reason = "what does turns has nothing to show")]
pub struct Contest<'g> {
    /// The floor.
    pub floor: Go<'g>,
    /// The floor that keeps what annals keeps.
    pub full: Option<Go<'g>>,
    /// annals.
    pub annals: Go<'g>,
    /// Another use of annals that a bar is given in.
    pub beside: Option<Go<'g>>,
}

impl Pairs {
    /// Runs all sides in turns: one turn each to warm up, which is not counted, then
    /// `rounds`.
    ///
    /// # Errors
    /// Those of the turns.
    pub fn run(rounds: usize, contest: Contest<'_>) -> Result<Self> {
        let mut pairs = Self::default();
        let mut sides = [
            (Some(contest.floor), &mut pairs.floor),
            (contest.full, &mut pairs.full),
            (Some(contest.annals), &mut pairs.annals),
            (contest.beside, &mut pairs.beside),
        ];
        for round in 0..=rounds {
            for (side, turns) in &mut sides {
                let Some(side) = side else { continue };
                std::thread::sleep(REST);
                let turn = side()?;
                if round > 0 {
                    turns.push(turn);
                }
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
        ratios(&self.floor, &self.annals, number)
    }

    /// The same to the full floor; none where there is no full floor.
    pub fn ratios_to_full(&self, number: impl Fn(&Turn) -> f64) -> Vec<f64> {
        ratios(&self.full, &self.annals, number)
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

fn ratios(floor: &[Turn], annals: &[Turn], number: impl Fn(&Turn) -> f64) -> Vec<f64> {
    let pairs = floor.iter().zip(annals);
    pairs.map(|(floor, annals)| number(annals) / number(floor)).collect()
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

    fn turn(events: u64) -> Turn {
        Turn::new(events, Duration::from_secs(1))
    }

    #[test]
    fn a_median_is_the_middle_and_a_ratio_is_of_a_pair() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        let (floor, annals) = (vec![turn(100), turn(50)], vec![turn(90), turn(45)]);
        let full = vec![turn(60), turn(30)];
        let pairs = Pairs { floor, full, annals, beside: Vec::new() };
        assert!(pairs.ratios().iter().all(|ratio| (ratio - 0.9).abs() < 1e-9));
        let to_full = pairs.ratios_to_full(|turn| turn.rate);
        assert!(to_full.len() == 2 && to_full.iter().all(|ratio| (ratio - 1.5).abs() < 1e-9));
        assert!(pairs.is_noisy());
    }

    #[test]
    fn sides_take_turns_and_the_first_turns_warm_up() {
        let order = std::cell::RefCell::new(Vec::new());
        let side = |events: u64| {
            let order = &order;
            move || {
                order.borrow_mut().push(events);
                Ok(turn(events))
            }
        };
        let (mut floor, mut full, mut annals, mut beside) = (side(1), side(2), side(3), side(4));
        let both = Contest { floor: &mut floor, full: None, annals: &mut annals, beside: None };
        let pairs = Pairs::run(1, both).unwrap();
        assert!(pairs.full.is_empty() && pairs.ratios_to_full(|turn| turn.rate).is_empty());
        assert_eq!(order.take(), [1, 3, 1, 3]);
        let all = Contest {
            floor: &mut floor,
            full: Some(&mut full),
            annals: &mut annals,
            beside: Some(&mut beside),
        };
        let pairs = Pairs::run(1, all).unwrap();
        assert_eq!(order.take(), [1, 2, 3, 4, 1, 2, 3, 4]);
        let sides = [pairs.floor, pairs.full, pairs.annals, pairs.beside];
        for (turns, rate) in sides.iter().zip([1.0, 2.0, 3.0, 4.0]) {
            assert!(turns.len() == 1 && turns.iter().all(|turn| (turn.rate - rate).abs() < 1e-9));
        }
    }
}

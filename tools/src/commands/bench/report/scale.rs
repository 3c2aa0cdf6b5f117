//! From values to places along an axis, and what stands at it.

use super::super::words;
use crate::output::units;

/// What the values of an axis are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// How many of something.
    Count,
    /// How many in a second.
    Rate,
    Bytes,
    Nanos,
    /// Parts of a hundred.
    Percent,
    /// The share of calls that took no longer.
    Percentile,
}

impl Unit {
    /// As it stands at an axis: short.
    pub(super) fn tick(self, value: f64) -> String {
        match self {
            Self::Count if value < 9_999.5 => units::count_of(value),
            Self::Count | Self::Rate => short(value),
            Self::Bytes => bytes(value),
            Self::Nanos => nanos(value),
            Self::Percent => format!("{}%", plain(value)),
            Self::Percentile if value >= 100.0 => "max".to_owned(),
            Self::Percentile => plain(value),
        }
    }

    /// As it stands in a table: exact enough.
    pub(super) fn exact(self, value: f64) -> String {
        match self {
            Self::Count => units::count_of(value),
            Self::Rate => format!("{}/s", units::count_of(value)),
            Self::Bytes => bytes(value),
            Self::Nanos => words::nanos(value),
            Self::Percent => format!("{value:.2}%"),
            Self::Percentile => self.tick(value),
        }
    }
}

/// Without zeros at the end.
fn plain(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn scaled(value: f64, step: f64, names: [&str; 4]) -> String {
    let mut left = value;
    let mut name = "";
    for (index, next) in names.into_iter().enumerate() {
        if index > 0 {
            left /= step;
        }
        name = next;
        if left < step * 0.9995 {
            break;
        }
    }
    let digits = if left < 9.95 { 2 } else { usize::from(left < 99.5) };
    let text = format!("{left:.digits$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    };
    format!("{text}{name}")
}

fn short(value: f64) -> String {
    scaled(value, 1000.0, ["", "k", "M", "G"])
}

fn bytes(value: f64) -> String {
    scaled(value, 1024.0, [" B", " KiB", " MiB", " GiB"])
}

fn nanos(value: f64) -> String {
    scaled(value, 1000.0, [" ns", " µs", " ms", " s"])
}

/// How values are laid along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spacing {
    Linear,
    Log,
    /// Each nine of a percentile takes as much room as the one before.
    Nines,
}

/// An axis over some values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    spacing: Spacing,
    low: f64,
    high: f64,
}

/// Where the longest of all calls stands, in nines.
const LONGEST: f64 = 5.6;

/// Values that lie further apart than this are laid out by their logarithm.
const WIDE: f64 = 8.0;

impl Scale {
    /// For figures: from zero, or by the logarithm where they lie far apart.
    pub(super) fn of_figures(values: impl Iterator<Item = f64>) -> Self {
        let (least, most) = range(values);
        if least > 0.0 && most > least * WIDE {
            let (low, high) = ((least / 1.15).log10(), (most * 1.15).log10());
            return Self { spacing: Spacing::Log, low, high };
        }
        Self::of_shares([most].into_iter())
    }

    /// For shares: from zero, so that areas can be compared.
    pub(super) fn of_shares(values: impl Iterator<Item = f64>) -> Self {
        let (_, most) = range(values);
        Self { spacing: Spacing::Linear, low: 0.0, high: if most > 0.0 { most * 1.1 } else { 1.0 } }
    }

    /// For sizes that were moved over: by the logarithm, with room at both ends.
    pub(super) fn of_sizes(values: impl Iterator<Item = f64>) -> Self {
        let (least, most) = range(values.filter(|value| *value > 0.0));
        let (low, high) = (least.log10(), most.log10());
        let room = if high - low > 1e-9 { (high - low) * 0.06 } else { 0.5 };
        Self { spacing: Spacing::Log, low: low - room, high: high + room }
    }

    /// For percentiles.
    pub(super) fn of_percentiles(values: impl Iterator<Item = f64>) -> Self {
        let most = values.filter(|value| *value < 100.0).map(nines).fold(1.0, f64::max);
        let high = if most > 4.5 { LONGEST } else { most + 0.6 };
        Self { spacing: Spacing::Nines, low: 0.0, high }
    }

    /// Whether equal distances are equal factors.
    pub(super) fn is_log(&self) -> bool {
        self.spacing == Spacing::Log
    }

    /// Where a value lies, from 0 to 1.
    pub(super) fn place(&self, value: f64) -> f64 {
        let at = match self.spacing {
            Spacing::Linear => value,
            Spacing::Log => value.max(f64::MIN_POSITIVE).log10(),
            Spacing::Nines if value >= 100.0 => self.high,
            Spacing::Nines => nines(value),
        };
        ((at - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// Round values to stand at the axis.
    pub(super) fn ticks(&self) -> Vec<f64> {
        match self.spacing {
            Spacing::Linear => linear_ticks(self.high),
            Spacing::Log => log_ticks(self.low, self.high),
            Spacing::Nines => [50.0, 90.0, 99.0, 99.9, 99.99, 99.999]
                .into_iter()
                .filter(|tick| nines(*tick) < self.high - 0.3)
                .chain([100.0])
                .collect(),
        }
    }
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (least, most) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if least.is_finite() { (least, most) } else { (1.0, 1.0) }
}

/// 90 is one nine, 99 are two.
fn nines(percentile: f64) -> f64 {
    -(1.0 - percentile / 100.0).max(1e-9).log10()
}

fn linear_ticks(high: f64) -> Vec<f64> {
    let rough = high / 4.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= rough)
        .unwrap_or(rough);
    (0..=5).map(|index| f64::from(index) * step).take_while(|tick| *tick <= high).collect()
}

fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let factors: &[f64] = if high - low > 2.5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let mut ticks = Vec::new();
    let mut power = low.floor();
    while power <= high {
        let mine = factors.iter().map(|factor| factor * 10_f64.powf(power));
        ticks.extend(mine.filter(|tick| (low..=high).contains(&tick.log10())));
        power += 1.0;
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_short_and_round() {
        assert_eq!(Unit::Rate.tick(1_500_000.0), "1.5M");
        assert_eq!(Unit::Rate.tick(200.0), "200");
        assert_eq!(Unit::Count.tick(100_000.0), "100k");
        assert_eq!(Unit::Count.tick(4096.0), "4,096");
        assert_eq!(Unit::Bytes.tick(65_536.0), "64 KiB");
        assert_eq!(Unit::Bytes.tick(1_048_576.0), "1 MiB");
        assert_eq!(Unit::Nanos.tick(250_000.0), "250 µs");
        assert_eq!(Unit::Nanos.tick(10_f64.powf(6.0)), "1 ms");
        assert_eq!(Unit::Percentile.tick(99.9), "99.9");
        assert_eq!(linear_ticks(33_000.0), [0.0, 10_000.0, 20_000.0, 30_000.0]);
        assert_eq!(log_ticks(2.9, 5.2).len(), 7);
    }

    #[test]
    fn places_keep_the_order_of_values() {
        let values = [3.0, 40.0, 500.0, 6000.0];
        for scale in [Scale::of_figures(values.into_iter()), Scale::of_sizes(values.into_iter())] {
            let places = values.map(|value| scale.place(value));
            assert!(places.is_sorted() && places[0] < places[3], "{places:?}");
            assert!(places.iter().all(|place| (0.0..=1.0).contains(place)));
        }
        let scale = Scale::of_percentiles([50.0, 99.9, 100.0].into_iter());
        assert!(scale.place(50.0) < scale.place(99.9) && scale.place(99.9) < scale.place(100.0));
        let one = Scale::of_sizes([7.0].into_iter());
        assert!((one.place(7.0) - 0.5).abs() < 1e-9);
    }
}

//! What a row is to reach, as data, and whether it did.

use std::time::Duration;

use crate::measure::{Figure, Pairs, Turn, median};

/// A bar. All of those of a row have to be met, by the medians of its turns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// The rate, at least so much of the floor's; the median of the pairs.
    OfFloor(f64),
    /// The rate, at least so much of the floor's or so much of this log's own other use that
    /// is measured beside it, whichever is less.
    OfFloorOrBeside(f64, f64),
    /// So many events a second, at least.
    Rate(f64),
    /// The median of single calls, at most.
    P50(Duration),
    /// The median of single calls, at most so much above the floor's.
    P50OverFloor(Duration),
    /// 99 of 100 calls, at most.
    P99(Duration),
    /// 99 of 100 calls, at most so many times the floor's.
    P99OfFloor(f64),
    /// Bytes, at most.
    Bytes(f64),
}

/// How far a bar was met.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// It was.
    Met,
    /// Missed by this part of the bar: 0.1 is a tenth too slow, too late or too large.
    MissedBy(f64),
    /// There is nothing to judge by.
    Unknown,
}

impl Bar {
    /// Whether these turns meet it.
    pub fn judge(self, pairs: &Pairs) -> Verdict {
        let of = |turns: &[Turn], number: &dyn Fn(&Turn) -> f64| {
            median(&turns.iter().map(number).collect::<Vec<_>>())
        };
        let p99 = |turn: &Turn| turn.p99.as_ref().map_or(f64::NAN, Duration::as_secs_f64);
        let p50 = |turn: &Turn| Figure::P50.of(turn);
        let rate = |turn: &Turn| turn.rate;
        match self {
            Self::OfFloor(part) => at_least(median(&pairs.ratios()), part),
            Self::OfFloorOrBeside(part, of_beside) => {
                let floor = part * of(&pairs.floor, &rate);
                let beside = of_beside * of(&pairs.beside, &rate);
                at_least(of(&pairs.annals, &rate), floor.min(beside))
            }
            Self::Rate(least) => at_least(of(&pairs.annals, &rate), least),
            Self::P50(most) => at_most(of(&pairs.annals, &p50), most.as_secs_f64()),
            Self::P50OverFloor(over) => {
                let most = of(&pairs.floor, &p50) + over.as_secs_f64();
                at_most(of(&pairs.annals, &p50), most)
            }
            Self::P99(most) => at_most(of(&pairs.annals, &p99), most.as_secs_f64()),
            Self::P99OfFloor(times) => at_most(median(&pairs.ratios_of(p99)), times),
            Self::Bytes(most) => at_most(of(&pairs.annals, &|turn| Figure::Bytes.of(turn)), most),
        }
    }

    /// The bar in words.
    pub fn text(self) -> String {
        match self {
            Self::OfFloor(part) => format!("≥ {part:.2} of floor"),
            Self::OfFloorOrBeside(part, of_beside) => {
                format!("≥ {part:.2} of floor or {of_beside:.2} of w3")
            }
            Self::Rate(least) => format!("≥ {}", rate_text(least)),
            Self::P50(most) => format!("p50 ≤ {}", time_text(most.as_secs_f64())),
            Self::P50OverFloor(over) => format!("p50 ≤ floor + {}", time_text(over.as_secs_f64())),
            Self::P99(most) => format!("p99 ≤ {}", time_text(most.as_secs_f64())),
            Self::P99OfFloor(times) => format!("p99 ≤ {times:.1} of floor"),
            Self::Bytes(most) => format!("≤ {}", bytes_text(most)),
        }
    }
}

impl Verdict {
    /// The verdict in words.
    pub fn text(self) -> String {
        match self {
            Self::Met => "met".to_owned(),
            Self::MissedBy(part) => format!("missed by {:.0}%", (part * 100.0).ceil()),
            Self::Unknown => "unknown".to_owned(),
        }
    }
}

fn at_least(value: f64, least: f64) -> Verdict {
    verdict(value >= least, 1.0 - value / least)
}

fn at_most(value: f64, most: f64) -> Verdict {
    verdict(value <= most, value / most - 1.0)
}

fn verdict(met: bool, missed: f64) -> Verdict {
    match (met, missed.is_nan()) {
        (true, _) => Verdict::Met,
        (false, false) => Verdict::MissedBy(missed),
        (false, true) => Verdict::Unknown,
    }
}

/// Events a second, with as many digits as mean something.
pub fn rate_text(per_second: f64) -> String {
    if per_second >= 1e6 {
        format!("{:.2} M/s", per_second / 1e6)
    } else if per_second >= 1e5 {
        format!("{:.0} k/s", per_second / 1e3)
    } else {
        format!("{per_second:.0}/s")
    }
}

/// A time in the unit that suits it.
pub fn time_text(seconds: f64) -> String {
    if seconds >= 1e-3 {
        format!("{:.2} ms", seconds * 1e3)
    } else if seconds >= 1e-4 {
        format!("{:.0} us", seconds * 1e6)
    } else {
        format!("{:.2} us", seconds * 1e6)
    }
}

/// Bytes in the unit that suits them.
pub fn bytes_text(bytes: f64) -> String {
    let mib = bytes / f64::from(1 << 20);
    if mib >= 1.0 { format!("{mib:.1} MiB") } else { format!("{bytes:.0} B") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(events: u64, p50: u64, p99: u64) -> Turn {
        let (p50, p99) = (Duration::from_micros(p50), Duration::from_micros(p99));
        Turn { p50: Some(p50), p99: Some(p99), ..Turn::new(events, Duration::from_secs(1)) }
    }

    #[test]
    fn a_bar_is_met_at_itself_and_missed_beyond() {
        let pairs = Pairs {
            floor: vec![turn(1000, 100, 200)],
            annals: vec![turn(900, 104, 240)],
            beside: vec![turn(1200, 0, 0)],
            ..Pairs::default()
        };
        let micros = Duration::from_micros;
        let bars = [
            (Bar::OfFloor(0.9), Bar::OfFloor(0.95)),
            (Bar::OfFloorOrBeside(0.95, 0.7), Bar::OfFloorOrBeside(0.95, 0.8)),
            (Bar::Rate(900.0), Bar::Rate(901.0)),
            (Bar::P50(micros(104)), Bar::P50(micros(103))),
            (Bar::P50OverFloor(micros(5)), Bar::P50OverFloor(micros(3))),
            (Bar::P99(micros(241)), Bar::P99(micros(239))),
            (Bar::P99OfFloor(1.21), Bar::P99OfFloor(1.19)),
        ];
        for (met, missed) in bars {
            assert_eq!(met.judge(&pairs), Verdict::Met, "{met:?}");
            assert!(
                matches!(missed.judge(&pairs), Verdict::MissedBy(by) if by > 0.0),
                "{missed:?}"
            );
        }
        assert_eq!(Bar::Bytes(1.0).judge(&pairs), Verdict::Unknown);
        let bytes = Pairs { annals: vec![Turn::of_bytes(375.0)], ..Pairs::default() };
        assert_eq!(Bar::Bytes(375.0).judge(&bytes), Verdict::Met);
        assert_eq!(Bar::Bytes(300.0).judge(&bytes).text(), "missed by 25%");
    }
}

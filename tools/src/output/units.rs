//! Counts, sizes, times and rates as people read them.

use std::time::Duration;

/// `1234567` as `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    group(&number.to_string())
}

/// A number as the nearest count: `8229.4` as `8,229`.
pub(crate) fn count_of(number: f64) -> String {
    group(&format!("{number:.0}"))
}

/// A count with its word: `1 event`, `2 events`, `3 batches`.
pub(crate) fn counted(number: u64, one: &str) -> String {
    let ending = match number {
        1 => "",
        _ if one.ends_with("ch") || one.ends_with("sh") => "es",
        _ => "s",
    };
    format!("{} {one}{ending}", count(number))
}

/// Bytes, in the binary unit that leaves one to four digits: `1.9 MiB`.
pub(crate) fn bytes(number: u64) -> String {
    scaled(number as f64)
}

/// A span of time, in the unit that leaves one to three digits: `12.5 ms`.
pub(crate) fn duration(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    match seconds {
        s if s >= 100.0 => format!("{s:.0} s"),
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 0.001 => format!("{:.1} ms", s * 1e3),
        s => format!("{:.0} µs", s * 1e6),
    }
}

/// A span of time that may be long: `12.5 ms`, `35 min`, `40 h`, `3 days`.
pub(crate) fn span(span: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match span.as_secs() {
        seconds if seconds < 2 * MINUTE => duration(span),
        seconds if seconds < 2 * HOUR => format!("{} min", seconds / MINUTE),
        seconds if seconds < 2 * DAY => format!("{} h", seconds / HOUR),
        seconds => format!("{} days", count(seconds / DAY)),
    }
}

/// How many in a second: `40,842 events/s`.
pub(crate) fn rate(number: u64, what: &str, span: Duration) -> String {
    format!("{} {what}/s", count_of(per_second(number, span)))
}

/// How many bytes in a second: `9.8 MiB/s`.
pub(crate) fn byte_rate(number: u64, span: Duration) -> String {
    format!("{}/s", scaled(per_second(number, span)))
}

/// A length in memory as a number for the functions here.
pub(crate) fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn per_second(number: u64, span: Duration) -> f64 {
    // A clock that did not move is taken for its smallest step.
    number as f64 / span.as_secs_f64().max(1e-9)
}

fn scaled(bytes: f64) -> String {
    let mut left = bytes;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if left < 1024.0 {
            let digits = usize::from(unit != "B" && left < 100.0);
            return format!("{left:.digits$} {unit}");
        }
        left /= 1024.0;
    }
    format!("{left:.1} PiB")
}

/// Digits in groups of three.
fn group(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(262_200), "262,200");
        assert_eq!(counted(1, "event"), "1 event");
        assert_eq!(counted(1_434, "stream"), "1,434 streams");
        assert_eq!(counted(0, "batch"), "0 batches");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(2_052_504), "2.0 MiB");
        assert_eq!(bytes(300 << 20), "300 MiB");
        assert_eq!(bytes(u64::MAX), "16384.0 PiB");
        assert_eq!(duration(Duration::from_micros(250)), "250 µs");
        assert_eq!(duration(Duration::from_millis(12)), "12.0 ms");
        assert_eq!(duration(Duration::from_secs(3)), "3.00 s");
        let spans = [(3, "3.00 s"), (119, "119 s"), (120, "2 min"), (7_300, "2 h")];
        for (seconds, text) in spans.into_iter().chain([(172_799, "47 h"), (172_800, "2 days")]) {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
        assert_eq!(rate(8_577, "events", Duration::from_millis(100)), "85,770 events/s");
        assert_eq!(byte_rate(1 << 20, Duration::from_secs(1)), "1.0 MiB/s");
    }
}

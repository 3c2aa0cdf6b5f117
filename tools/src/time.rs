//! Instants as RFC 3339 text, in and out, so that a text comes back as it was given:
//! with its UTC offset and the digits of its fraction.

use std::io::{self, Write};

use annals::{Occurred, Timestamp};
use jiff::civil::DateTime;
use jiff::tz::Offset;

const NANO_DIGITS: usize = 9;
const SECONDS_PER_MINUTE: i32 = 60;

/// Why a text is no instant that can be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TimeError {
    #[error("it is not of the form 2024-05-01T12:30:00.250+02:00 (or Z)")]
    Shape,
    #[error("the fraction has {found} digits, the limit is 9")]
    Fraction { found: usize },
    #[error("there is no such date, time or offset")]
    NoSuchTime,
    #[error("the offset -00:00 says that the offset is unknown; write Z")]
    UnknownOffset,
    #[error("it is not between the years 1677 and 2262")]
    Range,
}

/// Reads an RFC 3339 text (upper-case `T` and `Z`).
pub(crate) fn parse(text: &str) -> Result<Occurred, TimeError> {
    let (date_time, rest) = text.split_at_checked(19).ok_or(TimeError::Shape)?;
    let [year, month, day, hour, minute, second] =
        numbers(date_time, *b"dddd-dd-ddTdd:dd:dd").ok_or(TimeError::Shape)?;
    let (fraction, zone) = split_fraction(rest)?;
    let offset_minutes = parse_zone(zone)?;
    let small = |number: i16| i8::try_from(number).map_err(|_| TimeError::NoSuchTime);
    let nanos = format!("{fraction:0<NANO_DIGITS$}").parse().map_err(|_| TimeError::Shape)?;
    let civil = DateTime::new(
        year,
        small(month)?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        small(second)?,
        nanos,
    )
    .map_err(|_| TimeError::NoSuchTime)?;
    let instant = offset(offset_minutes.unwrap_or(0))
        .and_then(|offset| offset.to_timestamp(civil).ok())
        .ok_or(TimeError::NoSuchTime)?;
    let nanos = i64::try_from(instant.as_nanosecond()).map_err(|_| TimeError::Range)?;
    let digits = u8::try_from(fraction.len()).map_err(|_| TimeError::Shape)?;
    Ok(Occurred { at: Timestamp::from_nanos(nanos), offset_minutes, fraction_digits: digits })
}

/// Writes it as RFC 3339. Digits that are not zero are always written, however few
/// were asked for.
pub(crate) fn write(out: &mut impl Write, occurred: Occurred) -> io::Result<()> {
    let minutes = occurred.offset_minutes.unwrap_or(0);
    let no_such = || io::Error::new(io::ErrorKind::InvalidData, "an offset of a day or more");
    let civil = offset(minutes)
        .zip(jiff::Timestamp::from_nanosecond(i128::from(occurred.at.as_nanos())).ok())
        .map(|(offset, instant)| offset.to_datetime(instant))
        .ok_or_else(no_such)?;
    write!(
        out,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        civil.year(),
        civil.month(),
        civil.day(),
        civil.hour(),
        civil.minute(),
        civil.second()
    )?;
    let fraction = format!("{:09}", civil.subsec_nanosecond());
    let digits = usize::from(occurred.fraction_digits).max(fraction.trim_end_matches('0').len());
    if let Some(shown) = fraction.get(..digits).filter(|shown| !shown.is_empty()) {
        write!(out, ".{shown}")?;
    }
    match occurred.offset_minutes {
        None => out.write_all(b"Z"),
        Some(minutes) => {
            let sign = if minutes < 0 { '-' } else { '+' };
            let minutes = minutes.unsigned_abs();
            write!(out, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
        }
    }
}

/// As text; empty for what cannot be written, which the log does not hold.
pub(crate) fn text(occurred: Occurred) -> String {
    let mut out = Vec::with_capacity(35);
    match write(&mut out, occurred) {
        Ok(()) => String::from_utf8(out).unwrap_or_default(),
        Err(_) => String::new(),
    }
}

fn offset(minutes: i16) -> Option<Offset> {
    Offset::from_seconds(i32::from(minutes) * SECONDS_PER_MINUTE).ok()
}

/// The runs of digits in `text`, which must look like `picture`: `d` is a digit,
/// everything else stands for itself.
fn numbers<const PICTURE: usize, const N: usize>(
    text: &str,
    picture: [u8; PICTURE],
) -> Option<[i16; N]> {
    if text.len() != PICTURE {
        return None;
    }
    let mut found = [0; N];
    let mut slots = found.iter_mut();
    let mut slot = slots.next()?;
    for (byte, expected) in text.bytes().zip(picture) {
        match expected {
            b'd' if byte.is_ascii_digit() => *slot = *slot * 10 + i16::from(byte - b'0'),
            b'd' => return None,
            other if other == byte => slot = slots.next()?,
            _ => return None,
        }
    }
    slots.next().is_none().then_some(found)
}

/// The digits behind the point, and what follows them.
fn split_fraction(rest: &str) -> Result<(&str, &str), TimeError> {
    let Some(rest) = rest.strip_prefix('.') else { return Ok(("", rest)) };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if digits > NANO_DIGITS {
        return Err(TimeError::Fraction { found: digits });
    }
    rest.split_at_checked(digits).filter(|_| digits > 0).ok_or(TimeError::Shape)
}

fn parse_zone(zone: &str) -> Result<Option<i16>, TimeError> {
    if zone == "Z" {
        return Ok(None);
    }
    let (sign, clock) = match zone.split_at_checked(1) {
        Some(("+", clock)) => (1, clock),
        Some(("-", clock)) => (-1, clock),
        _ => return Err(TimeError::Shape),
    };
    let [hours, minutes] = numbers(clock, *b"dd:dd").ok_or(TimeError::Shape)?;
    if hours > 23 || minutes > 59 {
        return Err(TimeError::NoSuchTime);
    }
    match sign * (hours * 60 + minutes) {
        0 if sign < 0 => Err(TimeError::UnknownOffset),
        minutes => Ok(Some(minutes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_back_as_it_was_given() {
        for given in [
            "2010-10-02T09:20:39.266+02:00",
            "2016-10-21T11:36:02+02:00",
            "2016-10-21T11:36:02Z",
            "2016-10-21T11:36:02+00:00",
            "2016-10-21T11:36:02.000000Z",
            "2016-10-21T11:36:02.5-11:30",
            "1969-12-31T23:59:59.999999999-00:01",
            "1677-09-21T00:12:43.145224193Z",
            "2262-04-11T23:47:16.854775807Z",
            "2024-02-29T00:00:00.120+23:59",
        ] {
            assert_eq!(text(parse(given).unwrap()), given);
        }
    }

    #[test]
    fn the_instant_is_the_one_meant() {
        let nanos = |text| parse(text).unwrap().at.as_nanos();
        assert_eq!(nanos("1970-01-01T00:00:00Z"), 0);
        assert_eq!(nanos("1970-01-01T02:00:00.000000001+02:00"), 1);
        assert_eq!(nanos("1969-12-31T23:00:00.5-01:00"), 500_000_000);
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for (given, error) in [
            ("", TimeError::Shape),
            ("2024-05-01", TimeError::Shape),
            ("2024-05-01T12:30:00", TimeError::Shape),
            ("2024-05-01 12:30:00Z", TimeError::Shape),
            ("2024-05-01T12:30:00z", TimeError::Shape),
            ("2024-05-01T12:30:00.Z", TimeError::Shape),
            ("2024-05-01T12:30:00+0200", TimeError::Shape),
            ("2024-05-01T12:30:00Zé", TimeError::Shape),
            ("2024-05-01T12:30:0é+02:00", TimeError::Shape),
            ("+024-05-01T12:30:00Z", TimeError::Shape),
            ("2024-05-01T12:30:00.1234567890Z", TimeError::Fraction { found: 10 }),
            ("2023-02-29T00:00:00Z", TimeError::NoSuchTime),
            ("2024-13-01T00:00:00Z", TimeError::NoSuchTime),
            ("2024-05-01T24:00:00Z", TimeError::NoSuchTime),
            ("2024-05-01T23:59:60Z", TimeError::NoSuchTime),
            ("2024-05-01T12:30:00+24:00", TimeError::NoSuchTime),
            ("2024-05-01T12:30:00-00:00", TimeError::UnknownOffset),
            ("2300-01-01T00:00:00Z", TimeError::Range),
            ("0001-01-01T00:00:00Z", TimeError::Range),
        ] {
            assert_eq!(parse(given), Err(error), "{given}");
        }
    }

    #[test]
    fn digits_that_count_are_never_dropped() {
        let at = Timestamp::from_nanos(1_500_000_000);
        let short = Occurred { at, offset_minutes: None, fraction_digits: 0 };
        assert_eq!(text(short), "1970-01-01T00:00:01.5Z");
    }
}

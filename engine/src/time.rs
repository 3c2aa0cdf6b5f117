//! Instants: when an event was recorded, and when it occurred.
//!
//! No calendar: texts such as RFC 3339 are read and written by the programs
//! around the log.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An instant, in nanoseconds since 1970-01-01 00:00:00 UTC: from the year 1677 to
/// 2262.
///
/// ```
/// use annals::Timestamp;
/// let instant = Timestamp::from_nanos(1_000_000_000);
/// assert!(instant > Timestamp::from_nanos(0));
/// assert_eq!(instant.as_nanos(), 1_000_000_000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant `nanos` nanoseconds after (or before, if negative) 1970.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since 1970; negative before.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// The same instant in the standard library's words.
    pub fn to_system_time(self) -> SystemTime {
        let span = Duration::from_nanos(self.0.unsigned_abs());
        if self.0 < 0 { UNIX_EPOCH - span } else { UNIX_EPOCH + span }
    }
}

/// When an event happened in the world, as its author wrote it down: an instant,
/// the UTC offset of the clock that was read, and how many digits of a second
/// were given.
///
/// Two of these can be equal as instants and differ in offset; order them by
/// [`at`](Self::at).
///
/// ```
/// use annals::{NewEvent, Occurred, Timestamp};
/// // 2023-11-14T23:13:20.5+01:00
/// let at = Timestamp::from_nanos(1_700_000_000_500_000_000);
/// let occurred = Occurred { at, offset_minutes: Some(60), fraction_digits: 1 };
/// let event = NewEvent::new("DoorOpened").occurred_at(occurred);
/// # let _ = event;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Occurred {
    /// The instant.
    pub at: Timestamp,
    /// Minutes east of UTC, from -1439 to 1439; `None` where the text said `Z`.
    pub offset_minutes: Option<i16>,
    /// Digits after the second's point, 0 to 9, so that the text comes back as it was
    /// given.
    pub fraction_digits: u8,
}

impl Occurred {
    /// At `at`, in UTC, to the nanosecond.
    ///
    /// ```
    /// use annals::{Occurred, Timestamp};
    /// assert_eq!(Occurred::utc(Timestamp::from_nanos(5)).offset_minutes, None);
    /// ```
    pub const fn utc(at: Timestamp) -> Self {
        Self { at, offset_minutes: None, fraction_digits: 9 }
    }
}

//! What a caller expects of a stream before it appends.

use std::fmt;

/// Where a stream must be for a batch to commit. There is no default: every write
/// says what it relies on.
///
/// ```
/// use annals::Expected;
/// assert!(Expected::NoStream.allows(0) && !Expected::NoStream.allows(1));
/// assert!(Expected::Exact(3).allows(3));
/// assert!(Expected::Exists.allows(7) && Expected::Any.allows(0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expected {
    /// Anywhere.
    Any,
    /// Nothing was ever appended to it: the same as `Exact(0)`.
    NoStream,
    /// Something was appended to it.
    Exists,
    /// Its last event has this version.
    Exact(u64),
}

impl Expected {
    /// Whether a stream at `version` (0: nothing yet) is as expected.
    pub const fn allows(self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::NoStream => version == 0,
            Self::Exists => version > 0,
            Self::Exact(exact) => version == exact,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => formatter.write_str("any version"),
            Self::NoStream => formatter.write_str("no stream"),
            Self::Exists => formatter.write_str("an existing stream"),
            Self::Exact(version) => write!(formatter, "version {version}"),
        }
    }
}

//! Bugs that must be found: if the fuzzer does not find these, it finds nothing.

use annals::planted::Bug;

use super::segments::segments;
use crate::explore::plant;
use crate::oracle::Broken;

/// As the target `segments`, in a log that does not check payloads. With debug assertions
/// alone: other builds cannot plant bugs.
///
/// # Errors
/// When the bug shows.
pub fn canary(bytes: &[u8]) -> Result<(), Broken> {
    plant(Some(Bug::PayloadUnchecked));
    let outcome = segments(bytes);
    plant(None);
    outcome
}

//! Bugs that must be found: if the fuzzer does not find these, it finds nothing.

use std::sync::Arc;

use annals::Reading;
use annals::planted::Bug;

use super::input::Input;
use super::look::How;
use super::segments::{drafted, segments};
use crate::check::options;
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

/// What [`deep`] answers with when it was reached.
pub const REACHED: &str = "a bug behind valid checksums";

/// A bug that stands behind every checksum of a log, in the field of an event that one log of
/// four has: whoever finds it reaches what stands there.
///
/// # Errors
/// When the bug shows.
pub fn deep(bytes: &[u8]) -> Result<(), Broken> {
    let ((draft, how), _) = drafted(&mut Input::new(bytes), How::read);
    let Some(draft) = draft else { return Ok(()) };
    let options = options(Reading::Pread).strict(how.strict);
    let Ok(reader) = options.open_reader_on(Arc::new(draft.disk())) else { return Ok(()) };
    let mut all = reader.read_all();
    while let Ok(Some(event)) = all.next() {
        if event.schema() > 1 << 16 && event.tags().count() > 0 {
            return Err(Broken::new(REACHED, format!("{event:?}")));
        }
    }
    Ok(())
}

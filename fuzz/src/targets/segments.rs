//! The segment-recovery target: changes to the segments of a log.
//!
//! Where nothing is sealed again, what the log shows must be what was appended. Where
//! checksums are made to fit, anything may be said, calmly.

use super::bases::base;
use super::edit::{Draft, Seals};
use super::input::Input;
use super::look::{Expect, How, look};
use crate::oracle::Broken;

/// A byte says which log and which seals, two how it is opened, the others what is changed.
///
/// # Errors
/// What the log should not have answered.
pub fn segments(bytes: &[u8]) -> Result<(), Broken> {
    let mut input = Input::new(bytes);
    let (draft, seals) = drafted(&mut input, How::read);
    let (Some(draft), how) = draft else { return Ok(()) };
    let expect = match seals {
        Seals::None => Expect::Only(&draft.base().told),
        _ => Expect::Calm,
    };
    look(&draft.disk(), how, expect).map(drop)
}

/// What an input makes: a changed log, and what else its first bytes say.
pub(super) fn drafted<T>(
    input: &mut Input<'_>,
    how: impl FnOnce(&mut Input<'_>) -> T,
) -> ((Option<Draft>, T), Seals) {
    let which = input.byte();
    let seals = match which >> 6 {
        0 => Seals::None,
        1 | 2 => Seals::Changed,
        _ => Seals::Chain,
    };
    let how = how(input);
    let draft = base(usize::from(which & 0x3F)).map(|base| {
        let mut draft = Draft::new(base);
        draft.apply(input, seals != Seals::None);
        draft.seal(seals);
        draft
    });
    ((draft, how), seals)
}

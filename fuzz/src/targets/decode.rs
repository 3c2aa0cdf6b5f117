//! The record-decode target: arbitrary bytes as a segment, or over part of a valid one.
//!
//! What is asked: no panic, and memory bounded by the input. Whether what is read is
//! right is asked elsewhere; here a log may say anything but must say it calmly.

use super::bases::base;
use super::edit::Draft;
use super::input::Input;
use super::look::{Expect, How, look};
use crate::format::{DATA, overwrite};
use crate::oracle::Broken;

/// The longest input that is looked at.
const LONGEST: usize = 64 << 10;

/// Three bytes say how it is opened and where the others go: they are the first segment,
/// or stand in a valid one at its start, at its first group, or behind that.
///
/// # Errors
/// What the log should not have answered.
pub fn decode(bytes: &[u8]) -> Result<(), Broken> {
    let mut input = Input::new(bytes);
    let (how, place) = (How::read(&mut input), input.byte());
    let Some(base) = base(usize::from(place >> 7) * 3) else { return Ok(()) };
    let (mut draft, bytes) = (Draft::new(base), input.rest());
    let bytes = bytes.get(..LONGEST.min(bytes.len())).unwrap_or_default();
    let Some(first) = base.names.first() else { return Ok(()) };
    let at = match place & 3 {
        0 => {
            draft.edit(first).clear();
            0
        }
        1 => 0,
        2 => DATA,
        _ => DATA + usize::from(place >> 2 & 31) * 64,
    };
    let segment = draft.edit(first);
    if segment.len() < at + bytes.len() {
        segment.resize(at + bytes.len(), 0);
    }
    overwrite(segment, at, bytes);
    look(&draft.disk(), how, Expect::Calm).map(drop)
}

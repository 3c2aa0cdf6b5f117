//! Without what stands around it: one record at its offset, its payload, and group
//! frames wherever they stand.

use super::step::{Fault, RecordStep, Window};
use crate::limits;
use crate::planted::{self, Bug};
use crate::record::checksum::{self, Seed};
use crate::record::field::wide;
use crate::record::frame::GroupFrame;
use crate::record::head::{Head, RecordHead};
use crate::record::layout::{self, group, kind, padded};

/// Reads and checks the single record of this kind at `offset`, without what stands
/// around it.
pub(crate) fn record_at<'a, H: RecordHead>(
    window: &Window<'a>,
    seed: Seed,
    offset: u64,
) -> Result<RecordStep<'a, H>, Fault> {
    let bytes = window.from(offset).unwrap_or_default();
    let head = Head::read(bytes, seed, offset).map_err(|_| {
        let needed = offset.saturating_add(wide(layout::head::MAX)).min(window.limit);
        if needed > window.end() { Fault::Short { needed } } else { Fault::Garbage }
    })?;
    let payload = payload(&head, bytes, offset, window)?;
    RecordStep::read(&head, offset, payload).ok_or(Fault::Malformed)
}

/// The payload of a record, checked; its end must be within the window.
#[inline]
pub(super) fn payload<'a>(
    head: &Head<'a>,
    bytes: &'a [u8],
    offset: u64,
    window: &Window<'a>,
) -> Result<&'a [u8], Fault> {
    let end = head.total_len().and_then(|len| offset.checked_add(wide(len)));
    let end = end.filter(|end| *end <= window.limit).ok_or(Fault::Malformed)?;
    // No record is larger, so neither is what is read for one.
    if head.payload_len > limits::EVENT_BYTES {
        return Err(Fault::Malformed);
    }
    let header_len = head.bytes.len();
    let padded_len = padded(head.payload_len).ok_or(Fault::Malformed)?;
    let filled =
        bytes.get(header_len..header_len + padded_len).ok_or(Fault::Short { needed: end })?;
    if checksum::of(filled) != head.payload_crc && !planted::active(Bug::PayloadUnchecked) {
        return Err(Fault::Payload);
    }
    filled.get(..head.payload_len).ok_or(Fault::Malformed)
}

/// Looks for group frames of this log from `from` on, wherever one could start, and
/// gives each frame whose header holds, with its offset. Time is linear in the
/// bytes: a header is only checked where kind and length look like a frame.
pub(crate) fn frames_beyond(
    window: Window<'_>,
    seed: Seed,
    from: u64,
) -> impl Iterator<Item = (u64, GroupFrame)> {
    let bytes = window.from(from).unwrap_or_default();
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(here) = bytes.get(at..).filter(|here| here.len() >= group::LEN) {
            let offset = from + wide(at);
            at += layout::ALIGN;
            let candidate = here.get(layout::head::KIND) == Some(&kind::GROUP);
            if !candidate {
                continue;
            }
            let Ok(head) = Head::read(here, seed, offset) else { continue };
            if let Some(frame) = GroupFrame::decode(&head) {
                return Some((offset, frame));
            }
        }
        None
    })
}

//! Disks as a power cut may have left them, from what a disk was told.
//!
//! A disk must keep what was flushed. Of what came after the last flush it may keep any
//! part, in any order: here each piece of 4 KiB, cut at multiples of 4 KiB of the disk, is
//! kept or lost by itself. Pieces that were written twice may stay as they were the first
//! time.

use annals_fuzz::numbers::Numbers;

use super::recorder::{Recorder, Request, pieces};

/// One disk that a power cut may have left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// So many requests are kept in any case.
    pub flushed: usize,
    /// The power went when there had been so many.
    pub told: usize,
    /// How many pieces of those in between there are, and how many of them are kept.
    pub pieces: usize,
    pub kept: usize,
}

/// Has `check` look at the disks that a power cut at these moments may have left, until it
/// says that it has seen enough. Moments are counted in requests, and ascend. While it looks,
/// the recorder's image is that disk.
pub fn each(
    recorder: &Recorder,
    requests: &[Request],
    moments: &[usize],
    numbers: &mut Numbers,
    mut check: impl FnMut(Left) -> bool,
) {
    let mut flushed = 0;
    for told in moments {
        let before = &requests[..*told];
        let is_flush = |request: &Request| matches!(request, Request::Flush);
        let until = before.iter().rposition(is_flush).map_or(0, |place| place + 1);
        requests[flushed..until].iter().for_each(|request| recorder.keep(request));
        flushed = until;
        let left = cut(recorder, &before[flushed..], flushed, numbers);
        if !check(left) {
            return;
        }
    }
}

/// Puts some of what came after the last flush on the image.
fn cut(recorder: &Recorder, after: &[Request], flushed: usize, numbers: &mut Numbers) -> Left {
    let written: Vec<(u64, &[u8])> = after
        .iter()
        .filter_map(|request| match request {
            Request::Write { at, bytes } => Some(pieces(*at, bytes)),
            Request::Flush => None,
        })
        .flatten()
        .collect();
    // Of ten: how many are kept of all, or of those up to some place.
    let share = [0, 1, 3, 5, 7, 9, 10][numbers.below(7) as usize];
    let spared = numbers.below(written.len() as u64 + 1) as usize;
    let all_before = numbers.below(3) == 0;
    let kept: Vec<_> = (0..)
        .zip(&written)
        .filter(|(index, _)| (all_before && *index < spared) || numbers.below(10) < share)
        .map(|(_, piece)| *piece)
        .collect();
    let left =
        Left { flushed, told: flushed + after.len(), pieces: written.len(), kept: kept.len() };
    recorder.renew(kept);
    left
}

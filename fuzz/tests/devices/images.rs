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

/// Goes through the recorded requests, and has `check` look at about `wanted` disks: those
/// at flushes, with nothing lost, and those between two, with some of it lost. While it
/// looks, the recorder's image is that disk.
pub fn each(
    recorder: &Recorder,
    requests: &[Request],
    wanted: u64,
    numbers: &mut Numbers,
    mut check: impl FnMut(Left) -> bool,
) {
    // Stretches of requests that end with a flush, or with the end.
    let stretches = requests.split_inclusive(|request| matches!(request, Request::Flush));
    let total = stretches.clone().count().max(1) as u64;
    let mut flushed = 0;
    for (index, stretch) in (1..).zip(stretches) {
        // As many looks as are due by now; one in four is at what the flush leaves.
        let due = |stretch: u64, of: u64| stretch * of / total;
        let looks = |of: u64| due(index, of) - due(index - 1, of);
        for _ in 0..looks(wanted - wanted / 4) {
            // Never with the flush: what it covers cannot be lost any more.
            let told = numbers.below(stretch.len() as u64) as usize;
            let left = cut(recorder, &stretch[..told], flushed, numbers);
            if !check(left) {
                return;
            }
        }
        stretch.iter().for_each(|request| recorder.keep(request));
        flushed += stretch.len();
        if looks(wanted / 4) > 0 {
            recorder.renew([]);
            if !check(Left { flushed, told: flushed, pieces: 0, kept: 0 }) {
                return;
            }
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

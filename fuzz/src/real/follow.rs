//! A reader in another process than the writer's: it follows the log in a directory
//! with cursors of both visibilities, keeps its place outside the log, and tells what
//! it was shown.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use annals::{
    Checkpoint, Cursor, CursorOptions, Error, Options, Reader, Reading, Start, Visibility,
};

use super::watch::Watched;
use crate::oracle::Broken;

/// What a reader keeps of its place: one for each visibility.
#[derive(Debug, Clone, Copy, Default)]
pub struct Places([Option<Checkpoint>; 2]);

/// What a cursor has delivered: visibility, position, id of the event there.
#[derive(Debug, Default)]
pub struct Followed {
    delivered: Vec<(Visibility, u64, u128)>,
    kept: Vec<(Visibility, u128, Checkpoint)>,
    /// How often a cursor was opened too early.
    pub early: u64,
    /// What was wrong.
    pub broken: Option<Broken>,
}

/// How long a writer may take to find the end.
const PATIENCE: Duration = Duration::from_secs(5);

const VISIBILITIES: [Visibility; 2] = [Visibility::Durable, Visibility::Written];

impl Followed {
    /// Tells it to who watches, and where to go on.
    ///
    /// # Errors
    /// What was wrong.
    pub fn tell(self, watched: &mut Watched, places: &mut Places) -> Result<(), Broken> {
        for (visibility, position, id) in self.delivered {
            watched.delivered(visibility, position, id);
        }
        for (visibility, id, checkpoint) in self.kept {
            watched.keeps(visibility, id, checkpoint);
            let at = usize::from(visibility == Visibility::Written);
            if let Some(place) = places.0.get_mut(at) {
                *place = Some(checkpoint);
            }
        }
        self.broken.map_or(Ok(()), Err)
    }
}

/// Follows the log in a directory until it is over, and then once more to the end.
pub fn follow(directory: &Path, places: Places, pread: bool, over: &AtomicBool) -> Followed {
    let mut followed = Followed::default();
    let Err(error) = try_follow(directory, places, pread, over, &mut followed) else {
        return followed;
    };
    followed.broken = Some(Broken::new("9: a reader beside the writer goes on", error));
    followed
}

fn try_follow(
    directory: &Path,
    places: Places,
    pread: bool,
    over: &AtomicBool,
    followed: &mut Followed,
) -> Result<(), String> {
    let reading = if pread { Reading::Pread } else { Reading::Mapped };
    let options = Options::new().reading(reading);
    let text = |error: Error| error.to_string();
    let reader = loop {
        match options.open_reader(directory) {
            Ok(reader) => break reader,
            Err(Error::NotFound { .. }) if over.load(Ordering::Relaxed) => return Ok(()),
            Err(Error::NotFound { .. }) => std::thread::sleep(Duration::from_micros(200)),
            Err(error) => return Err(text(error)),
        }
    };
    let mut cursors = Vec::new();
    for (visibility, place) in VISIBILITIES.into_iter().zip(places.0) {
        let cursor = open_cursor(&reader, visibility, place, followed).map_err(text)?;
        cursors.push((visibility, cursor));
    }
    loop {
        // Asked before looking, so that the last look is to the end of what is left.
        let last = over.load(Ordering::Relaxed);
        let mut some = false;
        for (visibility, cursor) in &mut cursors {
            let wait = if some { Duration::ZERO } else { Duration::from_millis(1) };
            some |= look(*visibility, cursor, wait, followed)?;
        }
        if last && !some {
            break;
        }
    }
    for (visibility, cursor) in &cursors {
        if let Some((_, _, id)) = followed.delivered.iter().rfind(|(of, ..)| of == visibility) {
            let checkpoint = cursor.checkpoint().map_err(text)?;
            followed.kept.push((*visibility, *id, checkpoint));
        }
    }
    Ok(())
}

/// A writer that looks for the end of what another one left does not know yet how far
/// it is; a reader that is opened meanwhile knows no more than the segments prove. So
/// its place can be beyond the head for that while, and no longer.
fn open_cursor(
    reader: &Reader,
    visibility: Visibility,
    place: Option<Checkpoint>,
    followed: &mut Followed,
) -> annals::Result<Cursor> {
    let options = CursorOptions::new().visibility(visibility);
    let start = place.map_or(Start::Beginning, Start::Checkpoint);
    let until = Instant::now() + PATIENCE;
    loop {
        match reader.cursor_with(start, &options) {
            Err(Error::BeyondHead { .. }) if Instant::now() < until => followed.early += 1,
            opened => return opened,
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// One look with a cursor. Whether there was something.
fn look(
    visibility: Visibility,
    cursor: &mut Cursor,
    wait: Duration,
    followed: &mut Followed,
) -> Result<bool, String> {
    let from = cursor.position();
    let events = cursor.wait(wait).map_err(|error| error.to_string())?;
    let mut id = None;
    for (expected, event) in (from + 1..).zip(events.iter()) {
        if event.position() != expected {
            return Err(format!("{event:?} delivered for {expected}"));
        }
        id = Some(event.id().as_u128());
    }
    let Some(id) = id else { return Ok(false) };
    followed.delivered.push((visibility, cursor.position(), id));
    Ok(true)
}

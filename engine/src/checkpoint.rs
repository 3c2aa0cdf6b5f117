//! A reader's place that is kept outside the log.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// A reader's place in a log, to be kept outside of it and to go on from after a
/// restart.
///
/// A position alone can lie: where a tail was lost that the reader had seen, or the log
/// is a copy that was restored, other events get the same positions. So the place names
/// the log and the epoch: each opening for writing draws a new one, and every event
/// is of the epoch that wrote it. A cursor that is opened at a checkpoint whose event is
/// not the one that the reader saw is refused with
/// [`Error::Diverged`](crate::Error::Diverged).
///
/// Start with the [visibility](crate::CursorOptions::visibility) that it was made with: to a
/// cursor that asks for durable events, one that is written and not durable yet is
/// [`BeyondHead`](crate::Error::BeyondHead).
///
/// Made by [`Cursor::checkpoint`](crate::Cursor::checkpoint). As text it is
/// `log/epoch/position`, which parses back.
///
/// ```
/// use annals::{Batch, Checkpoint, Expected, Log, NewEvent, Start};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Log::open(path)?;
/// log.append(Batch::new().write("a", Expected::Any, [NewEvent::new("Happened")]))?;
/// let mut cursor = log.cursor(Start::Beginning)?;
/// cursor.poll(100)?;
/// let kept = cursor.checkpoint()?.to_string();
///
/// let checkpoint: Checkpoint = kept.parse()?;
/// assert_eq!(checkpoint.position, 1);
/// assert!(log.cursor(Start::Checkpoint(checkpoint))?.poll(100)?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// The log's identity.
    pub log: Uuid,
    /// The epoch that wrote the event at the position; nil at position 0.
    pub epoch: Uuid,
    /// Position of the last event that was seen; 0 before the first.
    pub position: u64,
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.log, self.epoch, self.position)
    }
}

/// A text that is no [`Checkpoint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a checkpoint is written log/epoch/position")]
#[non_exhaustive]
pub struct NotACheckpoint;

impl FromStr for Checkpoint {
    type Err = NotACheckpoint;

    fn from_str(text: &str) -> Result<Self, NotACheckpoint> {
        let mut parts = text.split('/');
        let checkpoint = (|| {
            let log = Uuid::try_parse(parts.next()?).ok()?;
            let epoch = Uuid::try_parse(parts.next()?).ok()?;
            let position = parts.next()?.parse().ok()?;
            parts.next().is_none().then_some(Self { log, epoch, position })
        })();
        checkpoint.ok_or(NotACheckpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_read_back_from_its_text_and_nothing_else_is_one() {
        let checkpoint = Checkpoint {
            log: Uuid::from_u128(7),
            epoch: Uuid::from_u128(u128::MAX),
            position: u64::MAX - 1,
        };
        let text = checkpoint.to_string();
        assert_eq!(text.parse(), Ok(checkpoint));
        for wrong in ["", "7", "/", "//1", &format!("{text}/"), &format!("{text}0"), &text[1..]] {
            assert_eq!(wrong.parse::<Checkpoint>(), Err(NotACheckpoint), "{wrong}");
        }
    }
}

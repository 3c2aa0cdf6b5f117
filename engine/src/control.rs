//! The control file: how far the log is, for readers in other processes.
//!
//! The writer maps it and stores places as it publishes them; readers map it read-only.
//! A second file is theirs to write: there they say that they wait, so that the writer
//! calls the system only if somebody does. Both are derived. Without them readers go by
//! what the segments prove.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::io::{SharedWords, Storage, low_half};
use crate::place::Place;
use crate::planted::{self, Bug};
use crate::record::layout::control as layout;
use crate::record::layout::segment as segment_layout;
use crate::segment::name;
use crate::visibility::Visibility;

/// Which of two words is of a level.
const fn of(visibility: Visibility) -> usize {
    match visibility {
        Visibility::Durable => 0,
        Visibility::Written => 1,
    }
}

/// The word that counts how often an end was published.
const fn turn_of(visibility: Visibility) -> usize {
    match visibility {
        Visibility::Durable => layout::DURABLE,
        Visibility::Written => layout::WRITTEN,
    }
}

/// The words of the pair of a turn, place and position: the next one is written into the
/// other pair, so one that was read is whole if the turn is what it was.
const fn pair_of(visibility: Visibility, turn: u64) -> [usize; 2] {
    let [even, odd] = layout::PAIRS;
    let at = turn_of(visibility) + if turn.is_multiple_of(2) { even } else { odd };
    [at, at + 1]
}

/// The low and the high half.
const fn halves(number: u128) -> [u64; 2] {
    let bytes = number.to_le_bytes();
    let (low, high) = bytes.split_at(size_of::<u64>());
    match (low.first_chunk(), high.first_chunk()) {
        (Some(low), Some(high)) => [u64::from_le_bytes(*low), u64::from_le_bytes(*high)],
        _ => [0, 0],
    }
}

fn whole([low, high]: [u64; 2]) -> u128 {
    u128::from(high) << u64::BITS | u128::from(low)
}

/// The file under a name, at least as long as its words, and never cut.
fn shared(storage: &dyn Storage, name: &str, words: usize, len: usize) -> io::Result<Words> {
    let file = match storage.open(name, true) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => storage.create(name)?,
        other => other?,
    };
    if file.len()? < crate::record::field::wide(len) {
        // Written, not only made longer: a store into a hole on a full disk ends the process.
        file.write_all_at(&vec![0; len], 0)?;
    }
    file.share(words, true)
}

type Words = Arc<dyn SharedWords>;

/// Who writes, and where the log is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    pub(crate) log: u128,
    pub(crate) epoch: u128,
    pub(crate) durable: (Place, u64),
    pub(crate) written: (Place, u64),
}

/// A writer is about to find out where the log ends: until it has, what an earlier one
/// said holds no more.
pub(crate) fn unsettle(storage: &dyn Storage) {
    let words = storage.open(name::CONTROL, true).and_then(|file| file.share(layout::WORDS, true));
    if let Ok(words) = words {
        words.store(layout::GENERATION, words.load(layout::GENERATION) | 1);
    }
}

/// The writer's side.
#[derive(Debug)]
pub(crate) struct Control {
    words: Words,
    readers: Words,
    instance: u64,
}

impl Control {
    /// Sets the files up, making them if they are not there.
    pub(crate) fn set_up(storage: &dyn Storage, start: &Start) -> io::Result<Self> {
        let words = shared(storage, name::CONTROL, layout::WORDS, segment_layout::DATA)?;
        let readers_len = layout::READERS_WORDS * size_of::<u64>();
        let readers = shared(storage, name::READERS, layout::READERS_WORDS, readers_len)?;
        let [instance, _] = halves(storage.random());
        let generation = words.load(layout::GENERATION) | 1;
        words.store(layout::GENERATION, generation);
        let pairs = [(layout::LOG, start.log), (layout::EPOCH, start.epoch)];
        for ([low, high], number) in pairs {
            let [low_half, high_half] = halves(number);
            words.store(low, low_half);
            words.store(high, high_half);
        }
        words.store(layout::PROCESS, storage.process_id().into());
        words.store(layout::INSTANCE, instance);
        words.store(layout::CLOSED, 0);
        words.store(layout::FAILED, 0);
        words.store(layout::MAGIC, layout::MAGIC_WORD);
        readers.store(layout::READERS_INSTANCE, instance);
        let control = Self { words, readers, instance };
        control.put(Visibility::Durable, start.durable);
        control.put(Visibility::Written, start.written);
        control.words.store(layout::GENERATION, generation.wrapping_add(1));
        control.wake_all();
        Ok(control)
    }

    /// Whether both files are still the ones under their names.
    pub(crate) fn stands(&self, storage: &dyn Storage) -> bool {
        let same = |name, words, at| {
            let file = storage.open(name, false);
            file.and_then(|file| file.share(words, false))
                .is_ok_and(|words| words.load(at) == self.instance)
        };
        same(name::CONTROL, layout::WORDS, layout::INSTANCE)
            && same(name::READERS, layout::READERS_WORDS, layout::READERS_INSTANCE)
    }

    fn put(&self, visibility: Visibility, (place, position): (Place, u64)) {
        let turn = self.words.load(turn_of(visibility)).wrapping_add(1);
        let [place_at, position_at] = pair_of(visibility, turn);
        self.words.store(place_at, place.to_bits());
        self.words.store(position_at, position);
        self.words.store(turn_of(visibility), turn);
    }

    /// An end has moved.
    pub(crate) fn publish(&self, visibility: Visibility, place: Place, position: u64) {
        self.put(visibility, (place, position));
        self.wake(visibility);
    }

    /// Wakes those who wait for a level, if somebody does.
    fn wake(&self, visibility: Visibility) {
        let [waiting, wake] =
            [layout::WAITING, layout::WAKE].map(|pair| pair.get(of(visibility)).copied());
        let (Some(waiting), Some(wake)) = (waiting, wake) else { return };
        if self.readers.load(waiting) == 0 {
            return;
        }
        // Those who still wait say so again. One who died has cost one call.
        self.readers.store(waiting, 0);
        if !planted::active(Bug::WakeWordKept) {
            self.words.store(wake, self.words.load(wake).wrapping_add(1));
        }
        self.words.wake(wake);
    }

    fn wake_all(&self) {
        self.wake(Visibility::Durable);
        self.wake(Visibility::Written);
    }

    /// A write or a sync failed: nothing that is not durable by now will be.
    pub(crate) fn fail(&self) {
        self.words.store(layout::FAILED, 1);
    }

    /// The log was closed: nothing moves until somebody opens it again.
    pub(crate) fn close(&self) {
        self.words.store(layout::CLOSED, 1);
        self.wake_all();
    }
}

/// What the control file says of a writer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said {
    pub(crate) log: u128,
    pub(crate) epoch: u128,
    pub(crate) closed: bool,
}

/// A reader's side.
#[derive(Debug, Clone)]
pub(crate) struct ControlView {
    words: Words,
    readers: Option<Words>,
}

impl ControlView {
    /// Opens the files as they are under their names now.
    pub(crate) fn open(storage: &dyn Storage) -> io::Result<Self> {
        let words = storage.open(name::CONTROL, false)?.share(layout::WORDS, false)?;
        // Who may not write there is not woken, and looks from time to time.
        let readers = storage
            .open(name::READERS, true)
            .and_then(|file| file.share(layout::READERS_WORDS, true))
            .ok();
        Ok(Self { words, readers })
    }

    /// What it says; `None` if it is not set up, or that is being done.
    pub(crate) fn said(&self) -> Option<Said> {
        let generation = self.words.load(layout::GENERATION);
        let pair = |[low, high]: [usize; 2]| whole([self.words.load(low), self.words.load(high)]);
        let said = Said {
            log: pair(layout::LOG),
            epoch: pair(layout::EPOCH),
            closed: self.words.load(layout::CLOSED) != 0,
        };
        let whole = generation.is_multiple_of(2)
            && self.words.load(layout::MAGIC) == layout::MAGIC_WORD
            && self.words.load(layout::GENERATION) == generation;
        whole.then_some(said)
    }

    /// Whether the last writer of this log could not make durable what stands behind the
    /// durable end that it says. That holds until a writer has recovered, who wrote it again.
    pub(crate) fn has_failed(&self, log: u128) -> bool {
        let [low, high] = layout::LOG.map(|at| self.words.load(at));
        self.words.load(layout::FAILED) == 1 && whole([low, high]) == log
    }

    /// How far the log is.
    pub(crate) fn end(&self, visibility: Visibility) -> (Place, u64) {
        let mut turn = self.words.load(turn_of(visibility));
        loop {
            let [place, position] = pair_of(visibility, turn).map(|at| self.words.load(at));
            match self.words.load(turn_of(visibility)) {
                same if same == turn => return (Place::from_bits(place), position),
                newer => turn = newer,
            }
        }
    }

    /// Sleeps until an end has moved beyond `place`, or for `time`; may return early.
    pub(crate) fn wait(&self, visibility: Visibility, place: Place, time: Duration) {
        let [waiting, wake] =
            [layout::WAITING, layout::WAKE].map(|pair| pair.get(of(visibility)).copied());
        let (Some(waiting), Some(wake)) = (waiting, wake) else { return };
        let before = low_half(self.words.load(wake));
        let late = planted::active(Bug::ReaderNotedLate);
        let time = match &self.readers {
            Some(readers) => {
                if !late {
                    readers.store(waiting, 1);
                }
                time
            }
            None => time.min(UNTOLD),
        };
        // What moved in between may have seen nobody to wake. While another writer sets the
        // words they say nothing yet, and it wakes all when they do.
        let moved = self.said().is_some() && self.end(visibility).0 > place;
        if !moved {
            if let Some(readers) = self.readers.as_ref().filter(|_| late) {
                readers.store(waiting, 1);
            }
            self.words.wait(wake, before, time);
        }
    }
}

/// How often a reader looks that cannot say that it waits.
const UNTOLD: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::io::sim::SimStorage;

    /// Found by the model `processes::reopened`: a writer had published and closed, and the
    /// next one was still recovering. A reader that waited saw an end beyond its own, was not
    /// to believe it, and looked again at once, over and over, for as long as that took.
    #[test]
    fn a_reader_sleeps_while_the_next_writer_recovers() {
        let disk = SimStorage::new();
        let (before, end) = (Place::new(1, 4096), Place::new(1, 8192));
        let start = Start { log: 1, epoch: 2, durable: (before, 1), written: (before, 1) };
        let first = Control::set_up(&disk, &start).unwrap();
        let view = ControlView::open(&disk).unwrap();
        first.publish(Visibility::Durable, end, 2);
        first.close();
        unsettle(&disk);
        let time = Duration::from_millis(50);
        let begin = Instant::now();
        view.wait(Visibility::Durable, before, time);
        assert!(begin.elapsed() >= time, "it did not sleep");
        // What the next writer says ends the wait.
        let start = Start { epoch: 3, durable: (end, 2), written: (end, 2), ..start };
        let second = std::thread::scope(|threads| {
            let waits = threads.spawn(|| {
                let begin = Instant::now();
                view.wait(Visibility::Durable, before, Duration::from_secs(60));
                begin.elapsed()
            });
            std::thread::sleep(time);
            let second = Control::set_up(&disk, &start);
            assert!(waits.join().unwrap() < Duration::from_secs(30), "it was not woken");
            second
        });
        assert!(second.is_ok());
    }
}

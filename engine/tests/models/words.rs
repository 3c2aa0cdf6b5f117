//! The words that the programs are written in.

use std::sync::Arc;
use std::time::Duration;

use annals::io::Storage;
use annals::io::sim::{CallKind, Failure, Fault, LoseAll, Nth, SimStorage};
use annals::{
    Background, Batch, Cursor, Durability, Error, Events, Expected, Log, NewEvent, Options,
};

pub(crate) use shuttle::thread::JoinHandle;

/// Small segments: making space would be most of the work otherwise.
pub(crate) fn options() -> Options {
    Options::new().segment_bytes(16 << 10)
}

pub(crate) fn storage(disk: &SimStorage) -> Arc<dyn Storage> {
    Arc::new(disk.clone())
}

pub(crate) fn open(disk: &SimStorage, options: &Options) -> Arc<Log> {
    Arc::new(options.open_on(storage(disk)).unwrap())
}

pub(crate) fn one(stream: &str, expected: Expected) -> Batch {
    sized(stream, expected, 0)
}

/// A batch of one event with so much data.
pub(crate) fn sized(stream: &str, expected: Expected, bytes: usize) -> Batch {
    let mut batch = Batch::new();
    let data = vec![7; bytes];
    batch.write(stream, expected, [NewEvent::new("Happened").data(&data)]);
    batch
}

pub(crate) fn spawn<T: Send + 'static>(
    program: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    shuttle::thread::spawn(program)
}

/// The streams of all events, in order, of what a crash of this kind leaves now: for
/// `Durable` a power cut that loses all it may, for `Written` a killed process.
pub(crate) fn left(disk: &SimStorage, level: Durability) -> Vec<String> {
    let cut = disk.fork();
    if level == Durability::Durable {
        cut.power_cut(LoseAll);
    }
    let log = options().background(Background::Inline).open_on(storage(&cut)).unwrap();
    let events = log.read_all().collect().unwrap();
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event.as_event().position(), index as u64 + 1, "positions are dense");
    }
    events.iter().map(|event| event.as_event().stream().to_owned()).collect()
}

/// What was promised, and the disk as it was then: looked at when the threads are done, so
/// that looking costs no schedules.
pub(crate) struct Promise {
    pub(crate) position: u64,
    stream: String,
    level: Durability,
    then: SimStorage,
}

impl Promise {
    pub(crate) fn new(position: u64, stream: &str, level: Durability, disk: &SimStorage) -> Self {
        Self { position, stream: stream.to_owned(), level, then: disk.fork() }
    }

    pub(crate) fn check(&self) {
        let Self { position, stream, level, then } = self;
        if *level > Durability::Buffered {
            let there = left(then, *level);
            let found = there.get(*position as usize - 1);
            assert_eq!(found, Some(stream), "{position} was called {level:?}");
        }
    }
}

/// Checks promises, and that their positions are 1, 2, 3 and so on.
pub(crate) fn check_dense(promises: impl IntoIterator<Item = Promise>) {
    let mut promises: Vec<_> = promises.into_iter().collect();
    promises.sort_by_key(|promise| promise.position);
    for (index, promise) in promises.iter().enumerate() {
        assert_eq!(promise.position, index as u64 + 1, "positions are dense");
        promise.check();
    }
}

pub(crate) fn joined<T>(threads: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    // All are begun before the first is waited for.
    let threads: Vec<_> = threads.into_iter().collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// Closes a log that all others have let go of.
pub(crate) fn close(log: Arc<Log>) -> Result<(), Error> {
    Arc::into_inner(log).expect("nobody else has the log").close()
}

/// The `nth` sync of data from now on fails.
pub(crate) fn fail_sync(disk: &SimStorage, nth: u64) {
    disk.fail(Fault::new(Nth::Of(CallKind::SyncData, nth), Failure::Device));
}

/// Longer than any model: where time stands nothing ends by it.
pub(crate) const LONG: Duration = Duration::from_secs(3600);

/// What a cursor hands out next, which must go on where it was.
pub(crate) fn next(cursor: &mut Cursor) -> Result<Events, Error> {
    let before = cursor.position();
    let events = cursor.wait(LONG)?;
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event.position(), before + 1 + index as u64, "each once, in order");
    }
    Ok(events)
}

/// Waits for events up to a position; each must be there after a power cut at the moment
/// when it is handed out.
pub(crate) fn follow(cursor: &mut Cursor, upto: u64, disk: &SimStorage) -> Vec<Promise> {
    let mut promises = Vec::new();
    while cursor.position() < upto {
        let events = next(cursor).unwrap();
        if let Some(last) = events.iter().last() {
            let level = Durability::Durable;
            promises.push(Promise::new(last.position(), last.stream(), level, disk));
        }
    }
    promises
}

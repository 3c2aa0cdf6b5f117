//! A writer and readers of other processes on one simulated disk.

use std::sync::Arc;
use std::time::Duration;

use annals::io::sim::SimStorage;
use annals::{
    Background, Batch, Cursor, Durability, Expected, Log, NewEvent, Options, Reader, Visibility,
};

pub(crate) fn options() -> Options {
    Options::new().background(Background::Inline).segment_bytes(16 << 10)
}

pub(crate) fn open(disk: &SimStorage) -> Log {
    options().open_on(Arc::new(disk.clone())).unwrap()
}

pub(crate) fn reader(disk: &SimStorage) -> Reader {
    options().open_reader_on(Arc::new(disk.clone())).unwrap()
}

pub(crate) fn written(disk: &SimStorage) -> Reader {
    options().visibility(Visibility::Written).open_reader_on(Arc::new(disk.clone())).unwrap()
}

pub(crate) fn append(log: &Log, stream: &str, bytes: usize, level: Durability) -> u64 {
    let mut batch = Batch::new();
    let data = vec![7; bytes];
    let event = NewEvent::new("Happened").data(&data).tag("tagged");
    batch.write(stream, Expected::Any, [event]);
    log.append_with(&batch, level).unwrap().last_position()
}

/// Everything that is there, one after the other.
pub(crate) fn drain(cursor: &mut Cursor) -> Vec<u64> {
    let mut positions = Vec::new();
    loop {
        let events = cursor.poll(7).unwrap();
        if events.is_empty() {
            return positions;
        }
        positions.extend(events.iter().map(|event| event.position()));
    }
}

/// As long as it takes a reader to look for a writer again.
pub(crate) fn until_it_looks() {
    std::thread::sleep(Duration::from_millis(150));
}

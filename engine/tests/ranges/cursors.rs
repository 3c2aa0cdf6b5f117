//! Many cursors at once, in this process and in another one: each is handed every event,
//! once and in order.

use std::process::Command;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use annals::{
    Batch, Cursor, CursorOptions, Expected, Filter, Log, NewEvent, Options, Reader, Reading, Start,
};

const CURSORS: usize = 1000;
const CURSORS_ELSEWHERE: usize = 100;
const BATCHES: u64 = 150;
/// Each batch has an event of either stream.
const EVENTS: u64 = 2 * BATCHES;

/// Where the log of the test lies that this process was started by.
const OF_ANOTHER: &str = "ANNALS_TEST_READ_FROM";

/// Waits until it has been handed everything up to the last event, and looks at the order.
fn sees_everything(cursor: &mut Cursor, step: u64) {
    let mut last = 0;
    while last < EVENTS {
        let events = cursor.wait(Duration::from_secs(60)).unwrap();
        assert!(!events.is_empty(), "nothing came after {last}");
        for event in &events {
            assert_eq!(event.position(), last + step);
            last = event.position();
        }
    }
    assert!(cursor.poll(1).unwrap().is_empty());
    assert_eq!((cursor.position(), cursor.scanned_to()), (EVENTS, EVENTS));
}

/// Every fifth one with a filter: it is handed every second event.
fn cursor(reader: &Reader, n: usize) -> (Cursor, u64) {
    if n.is_multiple_of(5) {
        let options = CursorOptions::new().filter(Filter::new().stream("even"));
        (reader.cursor_with(Start::Beginning, &options).unwrap(), 2)
    } else {
        (reader.cursor(Start::Beginning).unwrap(), 1)
    }
}

fn spawn<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    work: impl FnOnce() + Send + 'scope,
) -> thread::ScopedJoinHandle<'scope, ()> {
    thread::Builder::new().stack_size(256 << 10).spawn_scoped(scope, work).unwrap()
}

fn append(log: &Log) {
    let lines = [b'x'; 300];
    for _ in 0..BATCHES {
        let mut batch = Batch::new();
        for stream in ["odd", "even"] {
            batch.write(stream, Expected::Any, [NewEvent::new("T").data(&lines)]);
        }
        log.append(&batch).unwrap();
    }
}

#[test]
fn a_thousand_waiting_cursors_each_see_every_event() {
    let folder = tempfile::tempdir().unwrap();
    let log = Options::new().segment_bytes(16 << 10).open(folder.path()).unwrap();
    let all_wait = Barrier::new(CURSORS + 1);
    thread::scope(|scope| {
        for n in 0..CURSORS {
            let (log, all_wait) = (&log, &all_wait);
            spawn(scope, move || {
                let (mut cursor, step) = cursor(log, n);
                all_wait.wait();
                sees_everything(&mut cursor, step);
            });
        }
        all_wait.wait();
        append(&log);
    });
}

#[test]
fn a_hundred_cursors_of_another_process_each_see_every_event() {
    let folder = tempfile::tempdir().unwrap();
    let log = Options::new().segment_bytes(16 << 10).open(folder.path()).unwrap();
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["cursors::what_another_process_does", "--exact", "--nocapture"])
        .env(OF_ANOTHER, folder.path())
        .spawn()
        .unwrap();
    // It says that all of its cursors wait.
    let ready = folder.path().join("ready");
    for _ in 0..6000 {
        if ready.exists() || other.try_wait().unwrap().is_some() {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    assert!(ready.exists());
    append(&log);
    assert!(other.wait().unwrap().success());
}

/// Nothing, but in a process that the test above started.
#[test]
fn what_another_process_does() {
    let Some(path) = std::env::var_os(OF_ANOTHER) else { return };
    let readers = [Reading::Mapped, Reading::Pread]
        .map(|reading| Options::new().reading(reading).open_reader(&path).unwrap());
    let all_wait = Barrier::new(CURSORS_ELSEWHERE + 1);
    thread::scope(|scope| {
        for n in 0..CURSORS_ELSEWHERE {
            let (reader, all_wait) = (&readers[n % 2], &all_wait);
            spawn(scope, move || {
                let (mut cursor, step) = cursor(reader, n);
                all_wait.wait();
                sees_everything(&mut cursor, step);
            });
        }
        all_wait.wait();
        std::fs::write(std::path::Path::new(&path).join("ready"), b"").unwrap();
    });
}

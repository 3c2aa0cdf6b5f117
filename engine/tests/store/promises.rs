//! The trait that event sourcing stands on says of a log what the log says of itself.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use annals::sourcing::{Store, StoreReader, Tail};
use annals::{
    Batch, Durability, Expected, Filter, Log, NewEvent, NewSnapshot, Reader, Start, Uuid,
};

fn store() -> (tempfile::TempDir, Arc<dyn Store>) {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(directory.path()).unwrap();
    (directory, Arc::new(log))
}

fn append(store: &dyn Store, stream: &str, types: &[&str]) {
    let events = types.iter().copied().map(NewEvent::new);
    store.append(Batch::new().write(stream, Expected::Any, events)).unwrap();
}

fn polled(tail: &mut dyn Tail, max: usize) -> Vec<String> {
    let mut types = Vec::new();
    let each = &mut |event: annals::Event<'_>| types.push(event.event_type().to_owned());
    assert_eq!(tail.poll(max, each).unwrap(), types.len());
    types
}

#[test]
fn a_stream_is_read_from_a_version_until_it_is_enough() {
    let (_directory, store) = store();
    append(&*store, "a", &["1", "2", "3", "4"]);
    let mut seen = Vec::new();
    store
        .read("a", 2, &mut |event| {
            seen.push(event.version());
            if event.version() < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .unwrap();
    assert_eq!(seen, [2, 3]);
    store.read("b", 0, &mut |_| unreachable!()).unwrap();
}

/// Snapshots that are refused are passed over one by one, the newest first; those of another
/// schema are not offered.
#[test]
fn a_stream_is_loaded_from_the_newest_snapshot_that_is_taken() {
    let (_directory, store) = store();
    for (version, schema) in [(1, 1), (2, 1), (3, 2), (4, 1)] {
        append(&*store, "a", &["T"]);
        let snapshot = NewSnapshot::new(schema).data(b"s");
        store.append(Batch::new().snapshot("a", version, snapshot)).unwrap();
    }
    append(&*store, "a", &["T"]);
    for (taken, offered, events) in [
        (4, vec![4], vec![5]),
        (2, vec![4, 2], vec![3, 4, 5]),
        (0, vec![4, 2, 1], vec![1, 2, 3, 4, 5]),
    ] {
        let (mut seen, mut versions) = (Vec::new(), Vec::new());
        let restore = &mut |snapshot: &annals::Snapshot| {
            seen.push(snapshot.version());
            snapshot.version() == taken
        };
        let version = store
            .load("a", 1, restore, &mut |event| {
                versions.push(event.version());
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!((version, seen, versions), (5, offered, events));
    }
}

#[test]
fn a_tail_waits_for_what_does_not_match_and_says_how_far_it_has_looked() {
    let (_directory, store) = store();
    let mut tail = store.tail(Start::Beginning, &Filter::new().category("order")).unwrap();
    assert!(!tail.wait(Duration::ZERO).unwrap());
    append(&*store, "stock-1", &["no"]);
    assert!(tail.wait(Duration::from_secs(5)).unwrap());
    assert!(polled(&mut *tail, 10).is_empty());
    assert_eq!((tail.scanned_to(), tail.checkpoint().unwrap().position), (1, 1));
    append(&*store, "order-1", &["a", "b", "c"]);
    assert_eq!(polled(&mut *tail, 2), ["a", "b"]);
    assert_eq!(polled(&mut *tail, 2), ["c"]);
    assert_eq!(tail.scanned_to(), store.head().unwrap());
}

#[test]
fn what_a_log_says_a_reader_in_another_process_says_too() {
    let (directory, store) = store();
    let id = Uuid::from_u128(7);
    let mut batch = Batch::new();
    batch
        .once("key")
        .write("b", Expected::NoStream, [NewEvent::new("T").id(id)])
        .write("a", Expected::NoStream, [NewEvent::new("T"), NewEvent::new("T")])
        .snapshot("a", 2, NewSnapshot::new(1))
        .state("x/1", 5, NewSnapshot::new(3))
        .state("x/0", 6, NewSnapshot::new(4));
    store.append_with(&batch, Durability::Buffered).unwrap();
    store.append(Batch::new().state("y", 5, NewSnapshot::new(3))).unwrap();
    store.sync().unwrap();
    let reader = Reader::open(directory.path()).unwrap();
    let readers: [&dyn StoreReader; 3] = [&*store, &store, &reader];
    for reader in readers {
        assert_eq!(reader.version("a").unwrap(), 2);
        assert_eq!(reader.snapshot("a").unwrap().unwrap().version(), 2);
        assert_eq!(reader.state("x/1", 3).unwrap().unwrap().version(), 5);
        assert!(reader.state("x/1", 4).unwrap().is_none());
        assert_eq!(reader.states("x/").unwrap(), ["x/0", "x/1"]);
        assert_eq!(reader.states("").unwrap().len(), 3);
        assert_eq!(reader.event(id).unwrap().unwrap().as_event().stream(), "b");
        assert_eq!(reader.head().unwrap(), 3);
        let outcome = reader.outcome("key").unwrap().unwrap();
        assert_eq!((outcome.positions(), outcome.version("a")), (1..=3, Some(2)));
        assert!(outcome.is_deduplicated());
        assert!(reader.outcome("other").unwrap().is_none());
        let mut streams = Vec::new();
        reader
            .streams("", &mut |name, version| {
                streams.push((name.to_owned(), version));
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(streams, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
    }
}

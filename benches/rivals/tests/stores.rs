//! Every store that was built gives back what it was given: in order, byte for byte, and
//! after a reopen. A figure of a store that loses or changes events would mean nothing.
#![allow(clippy::unwrap_used)]

use annals_benches::workload::Workload;
use annals_rivals::source::{Names, Source};
use annals_rivals::store::{Durability, Event, Rival, Setup, Store, Work};
use annals_rivals::stores::{ANNALS, RIVALS};

const SETUP: Setup =
    Setup { durability: Durability::Durable, threads: 1, bytes: 1 << 20, kept: true };

const STREAMS: usize = 5;

/// What of an event must come back. annals makes the ids itself.
type Kept = (u128, String, String, Vec<u8>);

fn kept(rival: &Rival, event: &Event<'_>) -> Kept {
    let id = if rival.name == ANNALS.name { 0 } else { event.id };
    (id, event.stream.to_owned(), event.kind.to_owned(), event.data.to_vec())
}

fn every_store(test: impl Fn(&Rival)) {
    for rival in std::iter::once(&ANNALS).chain(RIVALS) {
        eprintln!("{}", rival.name);
        test(rival);
    }
}

fn replayed(rival: &Rival, store: &dyn Store) -> Vec<Kept> {
    let mut found = Vec::new();
    store.replay(&mut |event| found.push(kept(rival, &event))).unwrap();
    found
}

/// Appends batches of 1 to `batches` events and returns all of them.
fn append(rival: &Rival, store: &dyn Store, batches: usize) -> Vec<Kept> {
    let (workload, names) = (Workload::new(), Names::new(STREAMS));
    let mut source = Source::new(&workload, &names, 0);
    let mut appender = store.appender().unwrap();
    let mut given = Vec::new();
    for events in 1..=batches {
        let mut batch = Vec::new();
        source.batch(events, &mut batch);
        batch.push(source.any());
        appender.append(&batch).unwrap();
        given.extend(batch.iter().map(|event| kept(rival, event)));
    }
    given
}

#[test]
fn what_was_appended_comes_back_in_order_and_after_a_reopen() {
    every_store(|rival| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let store = (rival.open)(&path, SETUP).unwrap();
        // More events than any of them hands out at a time.
        let mut given = append(rival, store.as_ref(), 60);
        assert_eq!(replayed(rival, store.as_ref()), given);
        store.close().unwrap();

        let store = (rival.open)(&path, SETUP).unwrap();
        assert_eq!(replayed(rival, store.as_ref()), given);
        given.extend(append(rival, store.as_ref(), 3));
        assert_eq!(replayed(rival, store.as_ref()), given);
        store.close().unwrap();
    });
}

#[test]
fn a_stream_is_read_with_its_own_events_alone() {
    every_store(|rival| {
        if rival.can(Work::Streams).is_err() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let store = (rival.open)(&directory.path().join("store"), SETUP).unwrap();
        let given = append(rival, store.as_ref(), 10);
        let names = Names::new(STREAMS);
        for number in 0..STREAMS {
            let mut found = Vec::new();
            let stream = names.get(number);
            store.read_stream(stream, &mut |event| found.push(kept(rival, &event))).unwrap();
            let of_stream = given.iter().filter(|(_, name, ..)| name == stream);
            assert!(of_stream.eq(&found), "{stream}");
        }
        store.close().unwrap();
    });
}

#[test]
fn what_is_appended_less_safely_is_there_after_a_close() {
    every_store(|rival| {
        for (durability, _) in rival.early {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("store");
            let setup = Setup { durability: *durability, ..SETUP };
            let store = (rival.open)(&path, setup).unwrap();
            let mut given = append(rival, store.as_ref(), 5);
            if rival.can(Work::Expected).is_ok() {
                let (workload, names) = (Workload::new(), Names::new(STREAMS));
                let event = Source::new(&workload, &names, 1).any();
                store.appender().unwrap().append_expected(&event).unwrap();
                given.push(kept(rival, &event));
            }
            store.close().unwrap();
            let store = (rival.open)(&path, SETUP).unwrap();
            assert_eq!(replayed(rival, store.as_ref()), given, "{durability:?}");
            store.close().unwrap();
        }
    });
}

#[test]
fn nothing_of_several_threads_is_lost() {
    const THREADS: usize = 4;
    every_store(|rival| {
        if rival.can(Work::Threads).is_err() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let setup = Setup { threads: 4, ..SETUP };
        let store = (rival.open)(&directory.path().join("store"), setup).unwrap();
        let (workload, names) = (Workload::new(), Names::new(STREAMS));
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (store, workload, names) = (store.as_ref(), &workload, &names);
                scope.spawn(move || {
                    let mut source = Source::new(workload, names, thread.try_into().unwrap());
                    let mut appender = store.appender().unwrap();
                    (0..25).for_each(|_| appender.append(&[source.any()]).unwrap());
                });
            }
        });
        assert_eq!(replayed(rival, store.as_ref()).len(), THREADS * 25);
        store.close().unwrap();
    });
}

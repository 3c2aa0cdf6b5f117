//! The conformance suite: a log passes it, so does an engine of another kind, and each check
//! names the fault that it is meant to find.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use annals::io::sim::SimStorage;
use annals::sourcing::{Store, conformance};
use annals::{Background, Log, Options};

use crate::faults::MEANT;
use crate::memory::Memory;

fn passes(make: &conformance::Make<'_>) {
    conformance::check_all(make).unwrap();
}

#[test]
fn a_log_in_a_directory_does_what_every_store_must() {
    let directories = RefCell::new(Vec::new());
    passes(&|| {
        let directory = tempfile::tempdir().unwrap();
        let log = Log::open(directory.path()).unwrap();
        directories.borrow_mut().push(directory);
        Arc::new(log)
    });
}

/// Small segments, so that what is checked lies in several.
#[test]
fn a_log_on_the_simulated_disk_does_what_every_store_must() {
    for background in [Background::Thread, Background::Inline] {
        let options = Options::new().background(background).segment_bytes(16 << 10);
        let seed = Cell::new(0);
        passes(&|| {
            let disk = SimStorage::new();
            disk.set_seed(seed.replace(seed.get() + 1));
            Arc::new(options.open_on(Arc::new(disk)).unwrap())
        });
    }
}

/// What dereferences to a store is one. Two logs in memory had one identity, so that a
/// checkpoint of one was taken by the other.
#[test]
fn a_shared_log_does_what_every_store_must() {
    passes(&|| Arc::new(Arc::new(Log::temporary().unwrap())));
}

#[test]
fn an_engine_of_another_kind_does_what_every_store_must() {
    passes(&|| Arc::new(Memory::new()));
}

#[test]
fn each_fault_is_named_by_the_check_that_is_meant_for_it() {
    for (fault, name) in MEANT {
        let check = conformance::checks().find(|check| check.name == *name);
        let Some(check) = check else { panic!("no check {name}") };
        match check.run(&|| Arc::new(Memory::with(*fault))) {
            Ok(()) => panic!("{fault:?} is not seen by {name}"),
            Err(failure) => {
                assert_eq!((failure.check, failure.promise), (check.name, check.promise));
                assert!(!failure.seen.contains("panic"), "{fault:?}: {failure}");
            }
        }
    }
}

#[test]
fn each_check_has_a_fault_that_it_finds_and_a_name_of_its_own() {
    let mut names: Vec<_> = conformance::checks().map(|check| check.name).collect();
    let unproven = names.iter().find(|name| !MEANT.iter().any(|(_, meant)| meant == *name));
    assert_eq!(unproven, None);
    let checks = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), checks);
    assert!(conformance::checks().all(|check| check.promise.ends_with('.')));
}

/// All failures are told, also behind a check that panics.
#[test]
fn what_fails_is_told_with_its_promise_and_what_was_seen() {
    let failures = conformance::check_all(&|| -> Arc<dyn Store> { panic!("no store") });
    let failures = failures.unwrap_err();
    assert_eq!(failures.failures.len(), conformance::checks().count());
    let text = failures.to_string();
    assert!(text.contains("an_event_is_found_by_its_id: An event is found by its id"), "{text}");
    assert!(text.contains("seen: a panic: no store"), "{text}");
}

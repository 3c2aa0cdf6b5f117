//! What events are found by in the index, as the commit fills it and as it is made from the log.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
use std::path::Path;

use annals::io::OsStorage;
use annals::{Background, Batch, Expected, Log, NewEvent, Options, verify};
use annals_index::{Kind, Run};

fn open(path: &Path) -> Log {
    Options::new().background(Background::Inline).segment_bytes(16 << 10).open(path).unwrap()
}

/// Events with and without the rarer fields, in several segments.
fn fill(log: &Log) {
    for n in 0..200u64 {
        let (order, customer) = (format!("order-{}-x", n % 7), format!("customer:{}", n % 10));
        let data = [0; 300];
        let mut batch = Batch::new();
        let placed = NewEvent::new("Placed").data(&data).schema(2).content_type("text/plain");
        let placed = placed.tag(&customer).tag("all").tag(&customer).metadata(b"m");
        batch.write(&order, Expected::Any, [placed.correlation("cart-3").caused_by("command-1")]);
        batch.write("stock", Expected::Any, [NewEvent::new("Reserved").correlation("cart-4")]);
        batch.write("-odd", Expected::Any, [NewEvent::new("Noted").json("{}")]);
        log.append(&batch).unwrap();
    }
}

/// Every key of a kind over all runs, with the number of its events.
fn keys(path: &Path, kind: Kind) -> Vec<(String, u64)> {
    let mut all = std::collections::BTreeMap::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|extension| extension == "idx") {
            let run = Run::open(std::fs::read(file).unwrap()).unwrap();
            for found in run.keys(kind, "") {
                let (key, count) = found.unwrap();
                *all.entry(key.to_owned()).or_default() += count;
            }
        }
    }
    all.into_iter().collect()
}

fn check(path: &Path) {
    let of = |kind, expected: &[(&str, u64)]| {
        let found = keys(path, kind);
        assert!(
            found.iter().map(|(key, n)| (key.as_str(), *n)).eq(expected.iter().copied()),
            "{found:?}"
        );
    };
    of(Kind::Category, &[("", 200), ("order", 200), ("stock", 200)]);
    of(Kind::Type, &[("Noted", 200), ("Placed", 200), ("Reserved", 200)]);
    of(Kind::Correlation, &[("cart-3", 200), ("cart-4", 200)]);
    of(Kind::Cause, &[("command-1", 200)]);
    let customers: Vec<_> = (0..10).map(|n| format!("customer:{n}")).collect();
    let tags = [("all", 200)].into_iter().chain(customers.iter().map(|tag| (tag.as_str(), 20)));
    of(Kind::Tag, &tags.collect::<Vec<_>>());
    for kind in [Kind::Snapshot, Kind::State, Kind::Key] {
        of(kind, &[]);
    }
}

#[test]
fn every_key_of_an_event_is_in_the_runs_as_committed_and_as_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let log = open(path);
    fill(&log);
    log.close().unwrap();
    check(path);
    // Byte for byte what the log gives.
    let report = verify(&OsStorage::new(path), &mut |_, _| {}).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

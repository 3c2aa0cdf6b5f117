//! What events are found by in the index, as the commit fills it and as it is made from the log.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
use std::path::Path;

use annals::io::OsStorage;
use annals::{Background, Batch, Expected, Filter, Log, NewEvent, Options, verify};
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

/// The finaliser that run files hash names with: see `index/src/hash.rs`.
const fn mix(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// Another name of 16 bytes with the same hash, of 64 bits, as a name of this kind. The second
/// half of a name makes good for what the first one changes.
fn twin(kind: u8, name: &str) -> String {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
    let seed = mix((16 ^ (u64::from(kind) << 56)).wrapping_add(STEP));
    let (first, second) = (word(&name.as_bytes()[..8]), word(&name.as_bytes()[8..]));
    let after = mix(seed ^ first).wrapping_add(STEP);
    (0_u64..1_000_000)
        .find_map(|n| {
            let other = format!("t-{n:06}");
            let other_after = mix(seed ^ word(other.as_bytes())).wrapping_add(STEP);
            let rest = (second ^ after ^ other_after).to_le_bytes();
            let rest = rest.is_ascii().then(|| std::str::from_utf8(&rest).unwrap())?;
            Some(other + rest)
        })
        .unwrap()
}

/// Other stores look a stream up by a hash of its name.
#[test]
fn two_names_with_one_hash_never_mix() {
    let name = "customer-0000007";
    let (stream, tag) = (twin(0, name), twin(3, name));
    assert!(stream != name && tag != name && stream != tag);
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    for version in 1..=3 {
        let mut batch = Batch::new();
        batch.write(name, Expected::Exact(version - 1), [NewEvent::new("Own").tag(name)]);
        if version == 3 {
            batch.write(&stream, Expected::NoStream, [NewEvent::new("Twin").tag(&tag)]);
        }
        log.append(&batch).unwrap();
    }
    log.close().unwrap();
    // From the run, where the hash decides where a name is looked for.
    let log = open(directory.path());
    for (stream, tag, version) in [(name, name, 3), (stream.as_str(), tag.as_str(), 1)] {
        assert_eq!(log.version(stream).unwrap(), version);
        assert_eq!(log.read(stream).collect().unwrap().len() as u64, version);
        let filter = Filter::new().tag(tag);
        assert_eq!(log.read_all().filter(filter).collect().unwrap().len() as u64, version);
        let mut next = Batch::new();
        next.write(stream, Expected::Exact(version), [NewEvent::new("Next")]);
        assert_eq!(log.append(&next).unwrap().version(stream), Some(version + 1));
    }
}

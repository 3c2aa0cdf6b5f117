//! Snapshots of aggregates: made when a policy says so, passed over when they do not fit, and
//! never anything but a shorter way to the same state.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#[path = "sourcing/account.rs"]
mod account;
#[path = "sourcing/snapshotter.rs"]
mod snapshotter;

use std::sync::Arc;
use std::time::Duration;

use account::{Account, Command, log, pay_in};
use annals::sourcing::{Aggregate, AsOf, Codec, Postcard, Repository, SnapshotPolicy, event_types};
use annals::{Batch, Log, NewSnapshot};
use serde::{Deserialize, Serialize};

fn accounts(log: &Arc<Log>, policy: SnapshotPolicy) -> Repository<Account> {
    Repository::new(log.clone()).snapshots(policy)
}

/// Versions of the snapshots that appear while a stream grows event by event.
fn made(accounts: &Repository<Account>, log: &Log, events: u64) -> Vec<u64> {
    let mut versions = Vec::new();
    for _ in 0..events {
        accounts.execute(1, Command::PayIn(1)).unwrap();
        let newest = log.snapshot("account-1").unwrap().map(|snapshot| snapshot.version());
        versions.extend(newest);
    }
    versions.dedup();
    versions
}

fn put(log: &Log, version: u64, schema: u32, data: &[u8]) {
    let mut batch = Batch::new();
    let snapshot = NewSnapshot::new(schema).data(data).content_type("application/json");
    batch.snapshot("account-1", version, snapshot);
    log.append(&batch).unwrap();
}

#[test]
fn a_snapshot_is_made_in_the_batch_that_makes_it_due() {
    for cache in [0, 5] {
        let log = log();
        let every = accounts(&log, SnapshotPolicy::Every(4)).cache(cache);
        assert_eq!(made(&every, &log, 13), [4, 8, 12]);
        let snapshot = log.snapshot("account-1").unwrap().unwrap();
        assert_eq!((snapshot.schema(), snapshot.position()), (Account::SNAPSHOT_SCHEMA, 12));
        assert_eq!(snapshot.content_type(), Some("application/json"));
        assert_eq!(every.find(1).unwrap().unwrap().state, Account { cents: 13, payments: 13 });
        assert_eq!(made(&accounts(&log, SnapshotPolicy::Never), &log, 9), [12]);
        // Overdue: at once, and then again every so many.
        assert_eq!(made(&accounts(&log, SnapshotPolicy::Every(5)), &log, 7), [23, 28]);
        assert_eq!(log.head(), 29);
    }
}

#[test]
fn a_snapshot_is_made_when_folding_takes_as_long_as_was_said() {
    let log = log();
    // Nothing was folded by this repository before its second command.
    let at_once = accounts(&log, SnapshotPolicy::ReplayCost(Duration::ZERO));
    assert_eq!(made(&at_once, &log, 4), [2, 3, 4]);
    let never = accounts(&log, SnapshotPolicy::ReplayCost(Duration::from_secs(3600)));
    assert_eq!(made(&never, &log, 50), [4]);
}

#[test]
fn a_snapshot_of_another_schema_or_that_does_not_decode_is_passed_over() {
    // factcast #1040, cqrs #193: the state of an older shape was taken for one of today, or the
    // aggregate could not be loaded any more.
    let log = log();
    let all = accounts(&log, SnapshotPolicy::Never);
    for _ in 0..10 {
        all.execute(1, Command::PayIn(1)).unwrap();
    }
    let full = Some(Account { cents: 10, payments: 10 });
    let state = || all.find(1).unwrap().map(|found| found.state);
    assert_eq!(state(), full);
    // To see which one it starts from, this one is a lie.
    put(&log, 4, Account::SNAPSHOT_SCHEMA, br#"{"cents":1004,"payments":4}"#);
    let from_fourth = Some(Account { cents: 1010, payments: 10 });
    assert_eq!(state(), from_fourth);
    put(&log, 5, Account::SNAPSHOT_SCHEMA - 1, br#"{"cents":2005,"payments":5}"#);
    put(&log, 6, Account::SNAPSHOT_SCHEMA + 1, br#"{"cents":3006,"payments":6}"#);
    put(&log, 7, Account::SNAPSHOT_SCHEMA, br#"{"cents":4007}"#);
    put(&log, 8, Account::SNAPSHOT_SCHEMA, b"\xff");
    let mut batch = Batch::new();
    let foreign = NewSnapshot::new(Account::SNAPSHOT_SCHEMA).data(br#"{"cents":1,"payments":1}"#);
    log.append(batch.snapshot("account-1", 9, foreign.content_type("text/x"))).unwrap();
    assert_eq!(state(), from_fourth);
    // With nothing that fits, it is folded from the first event.
    let log = self::log();
    let all = accounts(&log, SnapshotPolicy::Never);
    all.execute(1, Command::PayIn(1)).unwrap();
    put(&log, 1, Account::SNAPSHOT_SCHEMA, b"{}");
    assert_eq!(all.find(1).unwrap().unwrap().state, Account { cents: 1, payments: 1 });
}

#[test]
fn what_was_folded_from_any_snapshot_is_what_is_folded_from_all_events() {
    let log = log();
    let all = accounts(&log, SnapshotPolicy::Every(7));
    let fresh = accounts(&log, SnapshotPolicy::Never);
    let mut expected = Account::default();
    for n in 0..60 {
        if n % 5 == 3 {
            pay_in(&log, "account-1", n, None);
        } else {
            all.execute(1, Command::PayIn(n)).unwrap();
        }
        expected = Account { cents: expected.cents + n, payments: expected.payments + 1 };
        assert_eq!(fresh.find(1).unwrap().unwrap().state, expected);
    }
    assert!(log.snapshot("account-1").unwrap().is_some());
}

#[test]
fn the_past_is_found_however_many_snapshots_are_of_a_later_time() {
    let log = log();
    let all = accounts(&log, SnapshotPolicy::Never);
    for n in 0..60 {
        all.execute(1, Command::PayIn(n)).unwrap();
    }
    // Late ones: made of what was long ago, when all 60 were there.
    for version in 1..=40_u64 {
        let cents: u64 = (0..version).sum();
        let state = Account { cents, payments: version };
        put(&log, version, Account::SNAPSHOT_SCHEMA, &serde_json::to_vec(&state).unwrap());
    }
    for version in 1..=60_u64 {
        let expected = Account { cents: (0..version).sum(), payments: version };
        // Positions and versions are the same numbers here.
        for bound in [AsOf::Version(version), AsOf::Position(version)] {
            let found = all.find_as_of(1, bound).unwrap().unwrap();
            assert_eq!((&found.state, found.version), (&expected, version), "{bound:?}");
        }
    }
}

#[test]
fn a_snapshot_on_request_is_of_today_and_not_written_twice() {
    let log = log();
    let all = accounts(&log, SnapshotPolicy::Never).cache(4);
    assert_eq!(all.snapshot(1).unwrap(), None);
    all.execute(1, Command::PayIn(1)).unwrap();
    pay_in(&log, "account-1", 5, None);
    assert_eq!(all.snapshot(1).unwrap(), Some(2));
    assert_eq!(log.snapshot("account-1").unwrap().unwrap().data(), br#"{"cents":6,"payments":2}"#);
    let at = |log: &Log| log.snapshot("account-1").unwrap().unwrap().recorded_at();
    let first = at(&log);
    for all in [&all, &accounts(&log, SnapshotPolicy::Never)] {
        assert_eq!(all.snapshot(1).unwrap(), Some(2));
    }
    assert_eq!(at(&log), first);
}

#[test]
fn snapshots_that_are_due_are_made_outside_of_any_command() {
    let log = log();
    let all = accounts(&log, SnapshotPolicy::Never);
    for id in 1..=20 {
        for _ in 0..id {
            all.execute(id, Command::PayIn(1)).unwrap();
        }
    }
    pay_in(&log, "accountant-1", 1, None);
    let due = SnapshotPolicy::Every(10);
    assert_eq!(all.snapshot_due(due).unwrap(), 11);
    assert_eq!(all.snapshot_due(due).unwrap(), 0);
    let newest = |id: u64| log.snapshot(&format!("account-{id}")).unwrap();
    assert!(newest(9).is_none());
    assert_eq!(newest(10).unwrap().version(), 10);
    for _ in 0..10 {
        all.execute(20, Command::PayIn(1)).unwrap();
    }
    assert_eq!(all.snapshot_due(due).unwrap(), 1);
    assert_eq!(newest(20).unwrap().version(), 30);
    assert_eq!(all.snapshot_due(SnapshotPolicy::Never).unwrap(), 0);
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Note {
    text: String,
    /// Not for JSON, whose keys are texts.
    by_pair: std::collections::BTreeMap<(u8, u8), u8>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum NoteEvent {
    Written(usize),
    Paired,
}

event_types! { NoteEvent { Written = "written", Paired = "paired" } }

impl Aggregate for Note {
    type Command = usize;
    type Event = NoteEvent;
    type Error = std::convert::Infallible;
    const CATEGORY: &'static str = "note";
    const SNAPSHOT_SCHEMA: u32 = 1;

    fn handle(&self, bytes: &usize) -> Result<Vec<NoteEvent>, Self::Error> {
        Ok(vec![if *bytes == 0 { NoteEvent::Paired } else { NoteEvent::Written(*bytes) }])
    }

    fn apply(&mut self, event: &NoteEvent) {
        match event {
            NoteEvent::Written(bytes) => self.text = "x".repeat(*bytes),
            NoteEvent::Paired => drop(self.by_pair.insert((1, 2), 3)),
        }
    }
}

#[test]
fn a_state_that_is_too_large_or_does_not_encode_is_no_reason_to_refuse_its_events() {
    let log = log();
    let notes = Repository::<Note>::new(log.clone()).snapshots(SnapshotPolicy::Every(1));
    notes.execute(1, 20 << 20).unwrap();
    notes.execute(2, 0).unwrap();
    assert!(log.snapshot("note-1").unwrap().is_none() && log.snapshot("note-2").unwrap().is_none());
    // Who asks for one is told.
    let too_large = notes.snapshot(1).unwrap_err().to_string();
    assert!(too_large.contains("the limit"), "{too_large}");
    let unsaid = notes.snapshot(2);
    assert!(
        matches!(unsaid, Err(annals::sourcing::RepositoryError::Snapshot { .. })),
        "{unsaid:?}"
    );
    notes.execute(1, 5).unwrap();
    assert_eq!(log.snapshot("note-1").unwrap().unwrap().version(), 2);
}

#[test]
fn a_snapshot_by_another_codec_is_read_by_its_content_type() {
    let log = log();
    let all = accounts(&log, SnapshotPolicy::Never);
    all.execute(1, Command::PayIn(1)).unwrap();
    let data = Postcard::encode(&Account { cents: 77, payments: 1 }).unwrap();
    let mut batch = Batch::new();
    let snapshot = NewSnapshot::new(Account::SNAPSHOT_SCHEMA).data(&data);
    batch.snapshot("account-1", 1, snapshot.content_type(Postcard::CONTENT_TYPE));
    log.append(&batch).unwrap();
    assert_eq!(all.find(1).unwrap().unwrap().state.cents, 77);
}

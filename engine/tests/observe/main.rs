//! What a running log tells: every metric and span that is documented is told with the right
//! value, and nothing is told that is not documented.
//!
//! There is one recorder and one subscriber for the process, and so one test: what others
//! would tell meanwhile could not be told apart.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::float_cmp)]

#[path = "../sourcing/account.rs"]
mod account;
mod recorder;
mod subscriber;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use account::{Account, Command};
use annals::io::sim::{CallKind, Failure, Fault, Nth, SimStorage};
use annals::observe;
use annals::sourcing::{
    OnFailure, Processing, Processor, Repository, SnapshotPolicy, SubscriptionOptions,
    Subscriptions,
};
use annals::{Background, Batch, Durability, Event, Expected, Log, NewEvent, Options};

const DOCS: &str = include_str!("../../src/observe/mod.rs");

fn open(disk: &SimStorage) -> Log {
    let options = Options::new().background(Background::Inline).segment_bytes(16 << 10);
    options.open_on(Arc::new(disk.clone())).unwrap()
}

fn batch(stream: &str, expected: Expected, events: usize) -> Batch {
    let mut batch = Batch::new();
    batch.write(stream, expected, vec![NewEvent::new("T").data(&[7; 40]); events]);
    batch
}

/// First cells of the rows of a table, with those behind them.
fn rows(begin: &str) -> Vec<Vec<String>> {
    let rows = DOCS.lines().filter(|line| line.starts_with(begin));
    let cell = |cell: &str| cell.trim().replace('`', "");
    rows.map(|row| row.split('|').skip(1).map(cell).collect()).collect()
}

struct Nothing;

impl Processor for Nothing {
    type State = u64;
    type Error = Infallible;

    fn key(&self, _: &Event<'_>) -> Option<String> {
        None
    }

    fn process(&self, _: &mut u64, _: &Event<'_>, _: &mut Batch) -> Result<(), Infallible> {
        Ok(())
    }
}

#[test]
fn a_log_tells_what_is_documented_and_nothing_else() {
    let (heard, seen) = (recorder::Memory::default(), subscriber::Memory::default());
    metrics::set_global_recorder(heard.clone()).unwrap();
    tracing::subscriber::set_global_default(seen.clone()).unwrap();

    appends(&heard, &seen);
    rolls(&heard, &seen);
    event_sourcing(&heard, &seen);
    failures(&heard, &seen);
    assert_eq!(heard.told(observe::SEGMENTS).level, 0.0);
    assert_eq!(seen.0.lock().unwrap().inside, 0);

    all_that_is_documented(&heard, &seen);
}

fn appends(heard: &recorder::Memory, seen: &subscriber::Memory) {
    let disk = SimStorage::new();
    let log = open(&disk);
    assert_eq!(heard.told(observe::SEGMENTS).level, 1.0);
    assert_eq!(heard.told(observe::RECOVERIES).count, 0);
    assert_eq!(heard.told(observe::RECOVERY_SECONDS).values.len(), 1);
    let syncs = heard.told(observe::SYNC_SECONDS).values.len();

    log.append(&batch("a", Expected::NoStream, 2)).unwrap();
    log.append(&batch("b", Expected::NoStream, 1)).unwrap();
    // Three batches that share a write.
    let tickets = [1, 2, 3].map(|events| {
        log.append_with(&batch("c", Expected::Any, events), Durability::Buffered).unwrap()
    });
    assert_eq!(tickets.len(), 3);
    log.sync().unwrap();
    assert_eq!(heard.told(observe::APPENDED_EVENTS).count, 9);
    assert_eq!(heard.told(observe::APPENDED_BATCHES).count, 5);
    assert_eq!(heard.told(observe::GROUP_BATCHES).values, [1.0, 1.0, 3.0]);
    let bytes: f64 = heard.told(observe::GROUP_BYTES).values.iter().sum();
    assert_eq!(heard.told(observe::APPENDED_BYTES).count as f64, bytes);
    assert!(bytes > 9.0 * 40.0);
    let took = heard.told(observe::SYNC_SECONDS).values;
    assert_eq!(took.len() - syncs, 3);
    assert!(took.iter().all(|seconds| (0.0..60.0).contains(seconds)));

    // What is counted without any feature says the same.
    let activity = log.stats().unwrap().activity.unwrap();
    assert_eq!((activity.events, activity.batches, activity.groups, activity.syncs), (9, 5, 3, 3));
    assert_eq!((activity.bytes as f64, activity.rolls), (bytes, 0));
    log.append_with(&batch("w", Expected::Any, 1), Durability::Written).unwrap();
    let after = log.stats().unwrap().activity.unwrap();
    assert_eq!((after.groups, after.syncs), (4, 3));
    assert!(log.append(&batch("a", Expected::NoStream, 1)).unwrap_err().is_conflict());
    let mut once = batch("a", Expected::Any, 1);
    once.once("message-7");
    for duplicates in 0..3 {
        log.append(&once).unwrap();
        assert_eq!(heard.told(observe::DUPLICATES).count, duplicates);
        assert_eq!(log.stats().unwrap().activity.unwrap().duplicates, duplicates);
    }
    let known = batch("a", Expected::Any, 1);
    log.append(&known).unwrap();
    assert!(log.append(&known).unwrap().is_deduplicated());
    assert_eq!(heard.told(observe::DUPLICATES).count, 3);
    assert_eq!(heard.told(observe::CONFLICTS).count, 1);
    assert_eq!(log.stats().unwrap().activity.unwrap().conflicts, 1);

    let append = seen.kind("annals.append");
    assert!(append.last.starts_with("events=1 bytes="), "{append:?}");
    assert!(seen.kind("annals.write").last.starts_with("batches=1 bytes="));

    // As many calls for many events as for one.
    let calls = |events| {
        let before = heard.0.lock().unwrap().calls;
        log.append(&batch("d", Expected::Any, events)).unwrap();
        heard.0.lock().unwrap().calls - before
    };
    assert_eq!((calls(1), calls(30)), (calls(1), calls(1)));
    log.close().unwrap();
    assert_eq!(heard.told(observe::SEGMENTS).level, 0.0);
}

fn rolls(heard: &recorder::Memory, seen: &subscriber::Memory) {
    let disk = SimStorage::new();
    let log = open(&disk);
    while log.stats().unwrap().activity.unwrap().rolls < 3 {
        log.append(&batch("filler", Expected::Any, 20)).unwrap();
    }
    assert_eq!(heard.told(observe::SEGMENTS).level, 4.0);
    assert_eq!(heard.told(observe::INDEX_RUN_SECONDS).values.len(), 3);
    assert_eq!(seen.kind("annals.roll").count, 3);
    assert_eq!(seen.kind("annals.roll").last, "segment=4 ");
    assert_eq!(seen.kind("annals.index").last, "segment=3 ");
    // Several logs are added up.
    let other = open(&SimStorage::new());
    assert_eq!(heard.told(observe::SEGMENTS).level, 5.0);
    drop((log, other));
    let again = open(&disk);
    assert_eq!(heard.told(observe::SEGMENTS).level, 4.0);
    assert_eq!(heard.told(observe::RECOVERIES).count, 0);
    drop(again);
}

fn event_sourcing(heard: &recorder::Memory, seen: &subscriber::Memory) {
    let log = Arc::new(open(&SimStorage::new()));
    let accounts = Repository::<Account>::new(log.clone()).snapshots(SnapshotPolicy::Never);
    accounts.save(7, Command::Open).unwrap();
    for _ in 0..4 {
        accounts.update(7, Command::PayIn(1)).unwrap();
    }
    let replayed = || heard.told(observe::REPLAYED_EVENTS).values;
    assert_eq!(replayed(), [0.0, 1.0, 2.0, 3.0, 4.0]);
    assert_eq!(seen.kind("annals.command").count, 5);
    assert_eq!(seen.kind("annals.command").last, "stream=\"account-7\" ");
    assert_eq!(accounts.snapshot_due(SnapshotPolicy::Every(5)).unwrap(), 1);
    assert_eq!(heard.told(observe::AGGREGATE_SNAPSHOTS).count, 1);
    assert_eq!(seen.kind("annals.snapshots").last, "category=\"account\" ");
    accounts.find(7).unwrap();
    assert_eq!(replayed().last(), Some(&0.0));
    // Of what is in memory only what others appended is folded.
    let cached = Repository::<Account>::new(log.clone()).cache(4);
    cached.find(7).unwrap();
    accounts.update(7, Command::PayIn(1)).unwrap();
    accounts.update(7, Command::PayIn(1)).unwrap();
    cached.find(7).unwrap();
    assert_eq!(replayed().last(), Some(&2.0));

    let subscriptions = Subscriptions::new(log.clone());
    let options = SubscriptionOptions::new();
    let all = subscriptions.open("mails", &options).unwrap();
    all.consumer().catch_up(OnFailure::stop(), |_| Ok::<(), Infallible>(())).unwrap();
    all.save().unwrap();
    let lag = format!("{} subscription=mails", observe::SUBSCRIPTION_LAG_EVENTS);
    assert_eq!(heard.told(&lag).level, 0.0);
    assert_eq!(seen.kind("annals.deliver").count, 7);
    let last = "subscription=\"mails\" stream=\"account-7\" position=7 ";
    assert_eq!(seen.kind("annals.deliver").last, last);
    let waits = all.consumer();
    log.append(&batch("b", Expected::Any, 3)).unwrap();
    let one = waits.next(std::time::Duration::from_secs(5)).unwrap().unwrap();
    one.ack().unwrap();
    all.save().unwrap();
    assert_eq!(heard.told(&lag).level, 2.0);

    let mut nothing = Processing::open(&subscriptions, "nothing", &options, Nothing).unwrap();
    assert_eq!(nothing.catch_up().unwrap(), 10);
    assert_eq!(seen.kind("annals.step").last, "processor=\"nothing\" events=10 ");
}

fn failures(heard: &recorder::Memory, seen: &subscriber::Memory) {
    let disk = SimStorage::new();
    let log = open(&disk);
    log.append(&batch("a", Expected::Any, 1)).unwrap();
    disk.fail(Fault::new(Nth::Of(CallKind::SyncData, 1), Failure::Device));
    for _ in 0..2 {
        log.append(&batch("a", Expected::Any, 1)).unwrap_err();
    }
    assert_eq!(heard.told(observe::POISONED).count, 1);
    assert_eq!(
        (seen.kind("annals.poisoned").count, seen.kind("annals.poisoned").level),
        (1, "warn".into())
    );
    drop(log);
    disk.clear_faults();
    disk.kill();
    assert_eq!(open(&disk).recovery().discarded, None);
    assert_eq!(heard.told(observe::RECOVERIES).count, 1);
    assert_eq!(heard.told(observe::DISCARDED_BYTES).count, 0);

    // A torn tail: bytes behind the end of a log that was not closed.
    let name = "00000000000000000001.seg";
    let disk = SimStorage::new();
    let log = open(&disk);
    log.append(&batch("a", Expected::Any, 2)).unwrap();
    disk.kill();
    drop(log);
    let mut bytes = disk.read_file(name).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 16;
    bytes[end..end + 100].fill(7);
    disk.write_file(name, &bytes);
    let log = open(&disk);
    let discarded = log.recovery().discarded.clone().unwrap().bytes;
    assert!(discarded >= 100);
    assert_eq!(heard.told(observe::DISCARDED_BYTES).count, discarded);
    assert_eq!(heard.told(observe::RECOVERIES).count, 2);
    let recovered = seen.kind("annals.recovered");
    assert_eq!(recovered.last, format!("head=2 discarded_bytes={discarded} "));
    assert_eq!(recovered.level, "warn");
}

fn all_that_is_documented(heard: &recorder::Memory, seen: &subscriber::Memory) {
    let documented: BTreeSet<_> =
        rows("//! | `annals_").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    assert_eq!(documented.len(), 17);
    let heard = heard.0.lock().unwrap();
    for (told, kinds) in [("told", &heard.kinds), ("described", &heard.described)] {
        let kinds: BTreeSet<_> =
            kinds.iter().map(|(name, kind)| (name.clone(), (*kind).to_owned())).collect();
        assert_eq!(kinds, documented, "{told}");
    }
    let labelled: Vec<_> = heard.told.keys().filter(|name| name.contains(' ')).collect();
    assert!(labelled.iter().all(|name| name.starts_with(observe::SUBSCRIPTION_LAG_EVENTS)));

    let documented: BTreeSet<_> = rows("//! | `annals.")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone(), row[2].clone()))
        .chain([
            ("annals.recovered".into(), "warn".into(), "head, discarded_bytes".into()),
            ("annals.poisoned".into(), "warn".into(), "error".into()),
        ])
        .collect();
    assert_eq!(documented.len(), 12);
    let seen = seen.0.lock().unwrap();
    let told: BTreeSet<_> = seen
        .kinds
        .iter()
        .map(|(name, kind)| (name.clone(), kind.level.clone(), kind.fields.join(", ")))
        .collect();
    assert_eq!(told, documented);
}

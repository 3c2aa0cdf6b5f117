//! What aggregates cost: events folded per find, and, on request, time.
//!
//! `cargo test -p annals --release --test sourcing_costs -- --ignored --nocapture` measures.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
use std::cell::Cell;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals::sourcing::{Aggregate, EventEnum, Repository, SnapshotPolicy, event_types};
use annals::{Batch, Durability, Expected, Log, Options};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Moved {
    In { cents: u64, reference: String },
}

event_types! { Moved { In = "moved-in" } }

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Account {
    cents: u64,
    last: String,
}

thread_local! {
    /// Events that this thread folded.
    static FOLDED: Cell<u64> = const { Cell::new(0) };
}

impl Aggregate for Account {
    type Command = u64;
    type Event = Moved;
    type Error = Infallible;
    const CATEGORY: &'static str = "account";
    const SNAPSHOT_SCHEMA: u32 = 1;

    fn handle(&self, cents: &u64) -> Result<Vec<Moved>, Infallible> {
        Ok(vec![Moved::In { cents: *cents, reference: format!("payment {cents} of a customer") }])
    }

    fn apply(&mut self, event: &Moved) {
        FOLDED.set(FOLDED.get() + 1);
        let Moved::In { cents, reference } = event;
        self.cents += cents;
        self.last.clone_from(reference);
    }
}

/// A stream of so many events with a snapshot every so many, without a command for each.
fn fill(accounts: &Repository<Account>, log: &Log, id: u64, events: u64, every: u64) {
    let stream = format!("account-{id}");
    let mut version = 0;
    while version < events {
        let most = every.min(1000).min(events - version);
        let new: Vec<_> = (0..most)
            .map(|n| Moved::In { cents: n, reference: format!("payment {n} of a customer") })
            .map(|event| event.encode().unwrap())
            .collect();
        let mut batch = Batch::new();
        batch.write(&stream, Expected::Exact(version), new.iter().map(|event| event.as_new()));
        log.append_with(&batch, Durability::Buffered).unwrap();
        version += most;
        if version % every == 0 {
            accounts.snapshot(id).unwrap();
        }
    }
}

#[test]
fn a_find_folds_what_came_after_the_snapshot_however_long_the_stream_is() {
    let log = Arc::new(Log::temporary().unwrap());
    let accounts = Repository::<Account>::new(log.clone()).snapshots(SnapshotPolicy::Never);
    fill(&accounts, &log, 1, 20_040, 500);
    FOLDED.set(0);
    assert_eq!(accounts.find(1).unwrap().unwrap().version, 20_040);
    assert_eq!(FOLDED.get(), 40);
}

#[test]
fn an_update_of_a_state_in_memory_folds_its_own_events_alone() {
    let log = Arc::new(Log::temporary().unwrap());
    let accounts = Repository::<Account>::new(log.clone()).cache(8);
    for n in 0..300 {
        FOLDED.set(0);
        accounts.execute(1, n).unwrap();
        assert_eq!(FOLDED.get(), 1);
    }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}

fn written(directory: &std::path::Path) -> Arc<Log> {
    Arc::new(Options::new().durability(Durability::Written).open(directory).unwrap())
}

#[test]
#[ignore = "prints how long finding takes"]
fn replay_times() {
    let directory = tempfile::tempdir().unwrap();
    let log = written(directory.path());
    let accounts = Repository::<Account>::new(log.clone()).snapshots(SnapshotPolicy::Never);
    println!("find, in microseconds; a snapshot every ... events");
    println!("events   none      10     100    1000");
    for (row, events) in [10_u64, 100, 1000, 10_000, 100_000].into_iter().enumerate() {
        print!("{events:>6}");
        for (column, every) in [u64::MAX, 10, 100, 1000].into_iter().enumerate() {
            let id = (row * 10 + column) as u64;
            fill(&accounts, &log, id, events - 1, every);
            log.sync().unwrap();
            let times = (0..41).map(|_| {
                let start = Instant::now();
                accounts.find(id).unwrap().unwrap();
                start.elapsed()
            });
            print!(" {:>7.1}", median(times.collect()));
        }
        println!();
    }
}

/// Calls per second of eight threads.
fn rate(each: u64, call: impl Fn(u64, u64) + Sync) -> f64 {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let call = &call;
            scope.spawn(move || (0..each).for_each(|n| call(thread, n)));
        }
    });
    8.0 * each as f64 / start.elapsed().as_secs_f64()
}

#[test]
#[ignore = "prints how fast hot aggregates are"]
fn update_rates() {
    const EACH: u64 = 20_000;
    const HOT: u64 = 64;
    for round in 0..3 {
        let directory = tempfile::tempdir().unwrap();
        let log = written(directory.path());
        let plain = rate(EACH, |thread, n| {
            let stream = format!("plain-{}", thread * HOT + n % HOT);
            let event = Moved::In { cents: n, reference: format!("payment {n} of a customer") };
            let event = event.encode().unwrap();
            let mut batch = Batch::new();
            batch.write(&stream, Expected::Exact(n / HOT), [event.as_new()]);
            log.append(&batch).unwrap();
        });
        let accounts = Repository::<Account>::new(log.clone()).cache(10_000);
        let own =
            rate(EACH, |thread, n| drop(accounts.execute(thread * HOT + n % HOT, n).unwrap()));
        let cold = Repository::<Account>::new(log.clone());
        let cold =
            rate(EACH / 10, |thread, n| drop(cold.execute(thread * HOT + n % HOT, n).unwrap()));
        let shared = rate(EACH / 10, |_, n| drop(accounts.execute(n % 4, n).unwrap()));
        println!(
            "{round}: plain {plain:.0}/s; in memory {own:.0}/s, {:.0}%; not in memory {cold:.0}/s; \
             four for all threads {shared:.0}/s",
            100.0 * own / plain
        );
    }
}

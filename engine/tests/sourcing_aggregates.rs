//! Aggregates: created, found, changed, in the middle of other writers, once per key.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#[path = "sourcing/account.rs"]
mod account;
#[path = "sourcing/awaited.rs"]
mod awaited;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use account::{Account, Command, Failure, TooLittle, log, pay_in};
use annals::sourcing::{AsOf, Context, Repository, SnapshotPolicy, Store, Versioned};
use annals::{Batch, Error, Expected, Filter, Log, NewEvent, Timestamp};

fn accounts(log: &Arc<Log>) -> Repository<Account> {
    Repository::new(log.clone())
}

/// A command during which this is done, the first time that it is handled.
fn meet(others: impl Fn() + Send + Sync + 'static) -> (Command, Arc<AtomicU64>) {
    let handled = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&handled);
    let command = Command::Meet(Arc::new(move || {
        if count.fetch_add(1, Ordering::Relaxed) == 0 {
            others();
        }
    }));
    (command, handled)
}

#[test]
fn save_creates_update_needs_it_to_exist_execute_does_either() {
    let log = log();
    let accounts = accounts(&log);
    assert!(accounts.find(1).unwrap().is_none());
    let missing = accounts.update(1, Command::PayIn(1));
    assert!(matches!(missing, Err(Failure::NotFound { stream }) if stream == "account-1"));
    accounts.save(1, Command::Open).unwrap();
    let again = accounts.save(1, Command::Open);
    assert!(matches!(again, Err(Failure::Exists { version: 1, .. })));
    let paid = accounts.update(1, Command::PayIn(500)).unwrap();
    assert_eq!((paid.state.cents, paid.version, paid.position), (500, 2, 2));
    let other = accounts.execute("2", Command::PayIn(7)).unwrap();
    assert_eq!((other.version, other.position), (1, 3));
    let more = accounts.execute("2", Command::PayIn(7)).unwrap();
    assert_eq!((more.state.cents, more.version, more.position), (14, 2, 4));
    assert_eq!(accounts.find("2").unwrap(), Some(more));
    assert_eq!(log.head(), 4);
}

#[test]
fn a_command_that_is_refused_or_changes_nothing_writes_nothing() {
    let log = log();
    let accounts = accounts(&log);
    accounts.save(1, Command::PayIn(5)).unwrap();
    let refused = accounts.update(1, Command::PayOut(6));
    assert!(matches!(refused, Err(Failure::Rejected(TooLittle { cents: 5 }))));
    let same = accounts.update(1, Command::Nothing).unwrap();
    assert_eq!((same.state.cents, same.version, same.position), (5, 1, 1));
    assert_eq!(log.head(), 1);
    assert_eq!(accounts.execute(9, Command::Nothing).unwrap().version, 0);
}

#[test]
fn who_was_slower_decides_again_on_the_newer_state() {
    for cache in [0, 10] {
        let log = log();
        let accounts = accounts(&log).cache(cache);
        accounts.save(1, Command::PayIn(500)).unwrap();
        let others = Arc::clone(&log);
        let (command, handled) = meet(move || pay_in(&others, "account-1", 30, None));
        let after = accounts.update(1, command).unwrap();
        assert_eq!((after.state.cents, after.state.payments, after.version), (531, 3, 3));
        assert_eq!(handled.load(Ordering::Relaxed), 2);
        assert_eq!(accounts.find(1).unwrap(), Some(after));
    }
}

#[test]
fn an_aggregate_that_somebody_else_creates_meanwhile_exists() {
    let log = log();
    let others = Arc::clone(&log);
    let (command, _) = meet(move || pay_in(&others, "account-1", 30, None));
    let result = accounts(&log).save(1, command);
    assert!(matches!(result, Err(Failure::Exists { version: 1, .. })));
}

#[test]
fn retries_are_bounded() {
    let log = log();
    let accounts = accounts(&log).attempts(3);
    let (others, handled) = (Arc::clone(&log), Arc::new(AtomicU64::new(0)));
    let count = Arc::clone(&handled);
    let command = Command::Meet(Arc::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
        pay_in(&others, "account-1", 30, None);
    }));
    let result = accounts.execute(1, command);
    let Err(error @ Failure::Conflict { attempts: 3, .. }) = result else { panic!("{result:?}") };
    assert!(error.is_retryable());
    assert_eq!((handled.load(Ordering::Relaxed), log.version("account-1").unwrap()), (3, 3));
}

#[test]
fn of_many_threads_that_change_one_aggregate_each_gets_through() {
    const THREADS: u64 = 8;
    const EACH: u64 = 200;
    for cache in [0, 4] {
        let log = log();
        let accounts = accounts(&log).cache(cache).snapshots(SnapshotPolicy::Every(50));
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let accounts = &accounts;
                scope.spawn(move || {
                    for n in 0..EACH {
                        let id = if n % 4 == 0 { thread + 10 } else { 1 };
                        accounts.execute(id, Command::PayIn(1)).unwrap();
                    }
                });
            }
        });
        let hot = accounts.find(1).unwrap().unwrap();
        let expected = THREADS * EACH * 3 / 4;
        assert_eq!((hot.state.cents, hot.version), (expected, expected));
        let fresh = Repository::<Account>::new(log.clone()).find(1).unwrap().unwrap();
        assert_eq!(fresh.state, hot.state);
    }
}

#[test]
fn a_state_in_memory_that_is_behind_the_log_costs_reading_on_and_nothing_else() {
    let log = log();
    let accounts = accounts(&log).cache(10);
    accounts.save(1, Command::PayIn(10)).unwrap();
    pay_in(&log, "account-1", 30, None);
    // What would be refused by the state in memory is decided by the newest one.
    let paid = accounts.update(1, Command::PayOut(40)).unwrap();
    assert_eq!((paid.state.cents, paid.version), (0, 3));
    pay_in(&log, "account-1", 2, None);
    assert_eq!(accounts.find(1).unwrap().unwrap().state.cents, 2);
    let nothing = accounts.update(1, Command::Nothing).unwrap();
    assert_eq!((nothing.state.cents, nothing.version), (2, 4));
    // What was refused, or failed, left nothing behind in memory.
    assert!(accounts.update(1, Command::PayOut(3)).is_err());
    assert_eq!(accounts.find(1).unwrap().unwrap().state, Account { cents: 2, payments: 4 });
}

fn once(key: &str) -> Context {
    Context::new().once(key)
}

#[test]
fn a_known_key_gives_the_first_outcome_without_a_decision() {
    let log = log();
    let accounts = accounts(&log).snapshots(SnapshotPolicy::Every(2));
    accounts.save(1, Command::PayIn(10)).unwrap();
    let first = accounts.with(once("m-1")).update(1, Command::PayOut(4)).unwrap();
    assert_eq!((first.state.cents, first.version, first.position), (6, 2, 2));
    for _ in 0..5 {
        accounts.update(1, Command::PayIn(100)).unwrap();
    }
    let handled = Command::Meet(Arc::new(|| panic!("handled")));
    let again = accounts.with(once("m-1")).update(1, handled).unwrap();
    assert_eq!(again, first);
    // Not even that it exists is looked at: it did not, the first time.
    let created = accounts.with(once("m-2")).save(2, Command::Open).unwrap();
    assert_eq!(accounts.with(once("m-2")).save(2, Command::Open).unwrap(), created);
    // After a restart as well.
    let fresh = Repository::<Account>::new(log.clone());
    assert_eq!(fresh.with(once("m-1")).execute(1, Command::PayIn(1)).unwrap(), first);
    assert_eq!(log.version("account-1").unwrap(), 7);
}

#[test]
fn a_key_is_used_up_by_a_command_that_changes_nothing_and_not_by_one_that_is_refused() {
    let log = log();
    let accounts = accounts(&log);
    accounts.save(1, Command::PayIn(10)).unwrap();
    let with_key = accounts.with(once("m-1"));
    assert!(with_key.update(1, Command::PayOut(11)).is_err());
    let nothing = with_key.update(1, Command::Nothing).unwrap();
    assert_eq!((nothing.version, nothing.state.cents), (1, 10));
    accounts.update(1, Command::PayIn(1)).unwrap();
    assert_eq!(with_key.update(1, Command::PayIn(5)).unwrap(), nothing);
    assert_eq!(log.version("account-1").unwrap(), 2);
}

#[test]
fn a_key_that_somebody_uses_during_the_command_gives_that_first_outcome() {
    let log = log();
    let accounts = accounts(&log).cache(10);
    accounts.save(1, Command::PayIn(10)).unwrap();
    let others = Arc::clone(&log);
    let (command, _) = meet(move || pay_in(&others, "account-1", 30, Some("m-1")));
    let after = accounts.with(once("m-1")).update(1, command).unwrap();
    // Theirs, and not the payment of one cent.
    assert_eq!((after.state.cents, after.version), (40, 2));
    assert_eq!(accounts.find(1).unwrap(), Some(after));
    assert_eq!(log.version("account-1").unwrap(), 2);
}

#[test]
fn a_key_of_another_aggregate_is_an_error_and_not_an_outcome() {
    let log = log();
    let accounts = accounts(&log);
    accounts.with(once("m-1")).save(1, Command::Open).unwrap();
    let other = accounts.with(once("m-1")).save(2, Command::Open);
    assert!(matches!(other, Err(Failure::KeyTaken { key, stream })
        if key == "m-1" && stream == "account-2"));
}

#[test]
fn cause_correlation_and_metadata_are_noted_on_every_event_without_being_asked() {
    let log = log();
    let accounts = accounts(&log);
    let context = Context::new().correlation("c").caused_by("m-7").metadata(b"ann");
    accounts.with(context).save(1, Command::Open).unwrap();
    let opened = &log.read("account-1").collect().unwrap()[0];
    let opened = opened.as_event();
    assert_eq!((opened.correlation(), opened.caused_by()), (Some("c"), Some("m-7")));
    assert_eq!(opened.metadata(), b"ann");
    // What an event leads to belongs to the same, or to the event if it is the first.
    accounts.with(Context::of(&opened)).save(2, Command::Open).unwrap();
    pay_in(&log, "account-3", 1, None);
    let first = log.read("account-3").collect().unwrap();
    let first = first[0].as_event();
    accounts.with(Context::of(&first)).save(4, Command::Open).unwrap();
    let noted = |stream: &str, cause: annals::Uuid| {
        let event = log.read(stream).collect().unwrap()[0].clone();
        let event = event.as_event();
        assert_eq!(event.caused_by(), Some(cause.to_string().as_str()));
        event.correlation().unwrap().to_owned()
    };
    assert_eq!(noted("account-2", opened.id()), "c");
    assert_eq!(noted("account-4", first.id()), first.id().to_string());
    // And without a context nothing is made up.
    accounts.update(1, Command::PayIn(1)).unwrap();
    let plain = log.read("account-1").backward().limit(1).collect().unwrap();
    assert_eq!((plain[0].as_event().correlation(), plain[0].as_event().caused_by()), (None, None));
}

#[test]
fn events_carry_the_tags_that_the_state_after_them_gives() {
    let log = log();
    let accounts = accounts(&log);
    accounts.save(1, Command::Open).unwrap();
    accounts.update(1, Command::PayIn(5)).unwrap();
    accounts.update(1, Command::PayIn(2)).unwrap();
    let versions = |tag: &str| {
        let found = log.read_all().filter(Filter::new().tag(tag)).collect().unwrap();
        found.iter().map(|event| event.as_event().version()).collect::<Vec<_>>()
    };
    assert_eq!(versions("payment"), [2, 3]);
    assert_eq!((versions("balance:5"), versions("balance:7")), (vec![2], vec![3]));
}

#[test]
fn an_aggregate_is_found_as_it_was_at_a_version_a_position_a_time() {
    for policy in [SnapshotPolicy::Never, SnapshotPolicy::Every(1), SnapshotPolicy::Every(3)] {
        let log = log();
        let accounts = accounts(&log).snapshots(policy).cache(10);
        let mut past = vec![(0, 0, None)];
        for n in 1..=9 {
            // Other streams in between, and times that differ.
            pay_in(&log, "account-2", 1, None);
            std::thread::sleep(std::time::Duration::from_millis(2));
            let now = accounts.execute(1, Command::PayIn(n)).unwrap();
            past.push((now.version, now.position, Some(now.state)));
        }
        let at = |bound| accounts.find_as_of(1, bound).unwrap();
        let state = |found: Option<Versioned<Account>>| found.map(|found| found.state);
        for (version, position, expected) in &past {
            let by_version = at(AsOf::Version(*version));
            assert_eq!(by_version.as_ref().map_or(0, |found| found.version), *version);
            assert_eq!(&state(by_version), expected);
            // Also at the position of another stream's event that follows.
            for position in [*position, position + 1] {
                assert_eq!(&state(at(AsOf::Position(position))), expected, "{position}");
            }
            if let Some(event) =
                log.read("account-1").from(*version).limit(1).collect().unwrap().first()
                && *version > 0
            {
                let time = event.as_event().recorded_at();
                assert_eq!(&state(at(AsOf::Time(time))), expected);
                let before = Timestamp::from_nanos(time.as_nanos() - 1);
                let earlier = &past[usize::try_from(*version).unwrap() - 1].2;
                assert_eq!(&state(at(AsOf::Time(before))), earlier);
            }
        }
        assert_eq!(state(at(AsOf::Version(u64::MAX))), past[9].2);
        assert_eq!(accounts.find_as_of(3, AsOf::Version(1)).unwrap(), None);
    }
}

#[test]
fn aggregates_that_are_staged_in_one_batch_change_together_or_not_at_all() {
    let log = log();
    let accounts = accounts(&log);
    accounts.save(1, Command::PayIn(10)).unwrap();
    let transfer = |cents, others: &dyn Fn()| {
        let mut batch = Batch::new();
        let from = accounts.stage(&mut batch, 1, &Command::PayOut(cents))?;
        let to = accounts.stage(&mut batch, 2, &Command::PayIn(cents))?;
        others();
        log.append(&batch)?;
        Ok::<_, Failure>((from.state.cents, to.state.cents))
    };
    assert_eq!(transfer(4, &|| ()).unwrap(), (6, 4));
    let beaten = transfer(1, &|| pay_in(&log, "account-2", 1, None));
    assert!(matches!(beaten, Err(Failure::Store(error)) if error.is_conflict()));
    assert!(matches!(transfer(7, &|| ()), Err(Failure::Rejected(_))));
    // Twice in one batch: the second would be decided on what does not hold any more.
    let mut batch = Batch::new();
    accounts.stage(&mut batch, 1, &Command::PayOut(6)).unwrap();
    let again = accounts.stage(&mut batch, 1, &Command::PayOut(6));
    assert!(matches!(again, Err(Failure::Store(Error::Invalid { .. }))));
    let cents = [1, 2].map(|id| accounts.find(id).unwrap().unwrap().state.cents);
    assert_eq!(cents, [6, 5]);
}

#[test]
fn a_stored_event_that_does_not_decode_is_an_error_of_the_aggregate_and_not_passed_over() {
    let log = log();
    let accounts = accounts(&log).cache(10);
    accounts.save(1, Command::PayIn(10)).unwrap();
    let mut batch = Batch::new();
    batch.write("account-1", Expected::Any, [NewEvent::new("frozen").json("{}")]);
    Store::append(&log, &batch).unwrap();
    for accounts in [&accounts, &Repository::new(log.clone())] {
        for _ in 0..2 {
            let found = accounts.find(1);
            assert!(matches!(&found, Err(Failure::Decode(error)) if error.position == 2));
        }
        assert!(matches!(accounts.update(1, Command::PayIn(1)), Err(Failure::Decode(_))));
    }
    assert_eq!(log.head(), 2);
}

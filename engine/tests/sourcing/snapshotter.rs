//! The thread that writes snapshots outside of any command.

use std::sync::Arc;
use std::time::{Duration, Instant};

use annals::io::sim::SimStorage;
use annals::sourcing::{
    Aggregate, Repository, SnapshotPolicy, Snapshotter, SnapshotterStatus, event_types,
};
use annals::{Batch, Expected, Log, NewEvent, Options};
use serde::{Deserialize, Serialize};

use crate::account::{Account, Command, log, pay_in};

const HOUR: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(5);

fn accounts(log: &Arc<Log>) -> Repository<Account> {
    Repository::new(log.clone()).snapshots(SnapshotPolicy::Never)
}

fn pay(accounts: &Repository<Account>, id: u64, times: u64) {
    for _ in 0..times {
        accounts.execute(id, Command::PayIn(1)).unwrap();
    }
}

fn newest(log: &Log, id: u64) -> u64 {
    let snapshot = log.snapshot(&format!("account-{id}")).unwrap();
    snapshot.map_or(0, |snapshot| snapshot.version())
}

/// Waits until two more rounds were ended: the second one began after this was called.
fn two_rounds<A>(snapshotter: &Snapshotter<A>) -> SnapshotterStatus {
    let since = Instant::now();
    for _ in 0..2 {
        let before = snapshotter.status().rounds;
        snapshotter.wake();
        while snapshotter.status().rounds == before {
            assert!(since.elapsed() < Duration::from_secs(30), "it does not go on");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    snapshotter.status()
}

#[test]
fn what_is_due_is_written_down_while_others_append_and_nothing_else_is() {
    const EVERY: u64 = 10;
    let log = log();
    let accounts = accounts(&log);
    let policy = SnapshotPolicy::Every(EVERY);
    let snapshotter = Snapshotter::start(accounts.clone(), policy, SOON).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let accounts = &accounts;
            scope.spawn(move || {
                for round in 0..40 {
                    // Of 20 accounts the last ones get few payments.
                    for id in (writer..20).step_by(2).filter(|id| round % (id + 1) == 0) {
                        pay(accounts, id, 1);
                    }
                }
            });
        }
    });
    let status = two_rounds(&snapshotter);
    assert_eq!((status.failures, status.last_error), (0, None));
    let mut made = 0;
    for id in 0..20 {
        let version = log.version(&format!("account-{id}")).unwrap();
        assert!(version - newest(&log, id) < EVERY, "account {id}");
        assert_eq!(newest(&log, id) > 0, version >= EVERY, "account {id}");
        made += u64::from(version >= EVERY);
        // A snapshot and what came after it is what all events come to.
        let folded = Repository::<Account>::new(log.clone()).find(id).unwrap().unwrap();
        assert_eq!(folded.state, Account { cents: version, payments: version });
    }
    assert!(made > 2 && status.snapshots >= made, "{made} of {}", status.snapshots);
}

/// It asks for the newest snapshots of what had enough events since it knew of one, and of
/// nothing else.
#[test]
fn a_round_asks_for_no_more_than_was_touched() {
    let log = log();
    let accounts = accounts(&log);
    for id in 0..60 {
        pay(&accounts, id, 5);
    }
    // Another one has written some of them down before it is started.
    assert_eq!(accounts.snapshot_due(SnapshotPolicy::Every(5)).unwrap(), 60);
    pay(&accounts, 7, 5);
    let policy = SnapshotPolicy::Every(5);
    let snapshotter = Snapshotter::start(accounts.clone(), policy, HOUR).unwrap();
    let status = two_rounds(&snapshotter);
    assert_eq!((status.asked, status.snapshots), (60, 1));
    pay(&accounts, 8, 4);
    assert_eq!(two_rounds(&snapshotter).asked, 60);
    pay(&accounts, 8, 1);
    pay_in(&log, "accountant-8", 1, None);
    let status = two_rounds(&snapshotter);
    assert_eq!((status.asked, status.snapshots), (61, 2));
    // A command's own snapshot is found before anything is folded.
    let every = Repository::<Account>::new(log.clone()).snapshots(SnapshotPolicy::Every(5));
    pay(&every, 9, 5);
    let status = two_rounds(&snapshotter);
    assert_eq!((status.asked, status.snapshots, status.folded), (62, 2, 2));
    // All of what came is looked at in one round, however much it is.
    let mut many = Batch::new();
    let paid = NewEvent::new("paid-in").json(r#"{"cents":1}"#);
    many.write("account-99", Expected::Any, vec![paid; 5000]);
    log.append(&many).unwrap();
    pay(&accounts, 10, 5);
    assert_eq!(two_rounds(&snapshotter).snapshots, 4);
    assert_eq!((newest(&log, 99), newest(&log, 10)), (5000, 10));
    assert_eq!((newest(&log, 7), newest(&log, 8), newest(&log, 9)), (10, 10, 10));
}

#[test]
fn it_ends_at_once_when_it_is_stopped_or_dropped() {
    let log = log();
    let since = Instant::now();
    for _ in 0..20 {
        let policy = SnapshotPolicy::Every(1);
        let stopped = Snapshotter::start(accounts(&log), policy, HOUR).unwrap();
        assert!(stopped.stop().failures == 0);
        drop(Snapshotter::start(accounts(&log), policy, Duration::MAX).unwrap());
    }
    assert!(since.elapsed() < Duration::from_secs(20));
    // Nothing of it holds the log.
    assert!(Arc::try_unwrap(log).is_ok());
}

#[test]
fn a_disk_that_is_full_is_told_of_and_once_there_is_space_it_goes_on() {
    let disk = SimStorage::new();
    let options = Options::new().segment_bytes(16 << 10);
    let log = Arc::new(options.open_on(Arc::new(disk.clone())).unwrap());
    let accounts = accounts(&log);
    pay(&accounts, 1, 20);
    disk.set_capacity(Some(disk.allocated()));
    let mut filler = Batch::new();
    while log.append(filler.write("x", Expected::Any, [NewEvent::new("T").data(&[1; 900])])).is_ok()
    {
        filler.clear();
    }
    let small = || log.append(Batch::new().write("x", Expected::Any, [NewEvent::new("T")]));
    while small().is_ok() {}
    let snapshotter = Snapshotter::start(accounts, SnapshotPolicy::Every(10), SOON).unwrap();
    let status = two_rounds(&snapshotter);
    assert!(status.failures >= 2 && status.snapshots == 0, "{status:?}");
    let why = status.last_error.unwrap();
    assert!(why.starts_with("stream \"account-1\": no space"), "{why}");
    disk.set_capacity(None);
    assert_eq!(two_rounds(&snapshotter).snapshots, 1);
    assert_eq!(newest(&log, 1), 20);
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Fragile(u64);

#[derive(Debug, Serialize, Deserialize)]
enum Struck {
    Softly,
    Hard,
}

event_types! { Struck { Softly = "softly", Hard = "hard" } }

impl Aggregate for Fragile {
    type Command = bool;
    type Event = Struck;
    type Error = std::convert::Infallible;
    const CATEGORY: &'static str = "fragile";
    const SNAPSHOT_SCHEMA: u32 = 1;

    fn handle(&self, _: &bool) -> Result<Vec<Struck>, Self::Error> {
        Ok(vec![Struck::Softly])
    }

    fn apply(&mut self, event: &Struck) {
        assert!(matches!(event, Struck::Softly), "it broke");
        // What folding costs.
        std::thread::sleep(Duration::from_millis(2));
        self.0 += 1;
    }
}

/// One stream panics, one does not decode; the third one has its snapshot all the same, and so
/// has what comes later.
#[test]
fn what_cannot_be_folded_is_told_of_and_keeps_nothing_else_from_its_snapshot() {
    let log = log();
    let append = |stream: &str, types: &[&'static str]| {
        let events = types.iter().map(|name| NewEvent::new(name).json("{}"));
        log.append(Batch::new().write(stream, Expected::Any, events)).unwrap();
    };
    append("fragile-1", &["softly", "hard"]);
    append("fragile-2", &["softly", "unheard-of"]);
    append("fragile-3", &["softly", "softly"]);
    let all = Repository::<Fragile>::new(log.clone());
    let snapshotter = Snapshotter::start(all, SnapshotPolicy::Every(2), HOUR).unwrap();
    let status = two_rounds(&snapshotter);
    assert!(status.failures >= 4 && status.failures == 2 * status.rounds, "{status:?}");
    assert_eq!(status.snapshots, 1);
    assert!(status.last_error.unwrap().starts_with("stream \"fragile-"));
    append("fragile-4", &["softly", "softly"]);
    assert_eq!(two_rounds(&snapshotter).snapshots, 2);
    let snapshot = log.snapshot("fragile-4").unwrap().unwrap();
    assert_eq!((snapshot.version(), snapshot.data()), (2, &b"2"[..]));
}

/// Each event of it takes 2 ms at the least, so ten of them take more than 20 ms.
#[test]
fn a_snapshot_is_made_when_as_much_was_measured_as_was_said() {
    let log = log();
    let cost = SnapshotPolicy::ReplayCost(Duration::from_millis(20));
    let all = Repository::<Fragile>::new(log.clone()).snapshots(cost);
    for _ in 0..12 {
        all.execute(1, true).unwrap();
    }
    let in_commands = log.snapshot("fragile-1").unwrap().unwrap().version();
    assert!((2..=12).contains(&in_commands), "{in_commands}");
    let never = SnapshotPolicy::ReplayCost(HOUR);
    let all = Repository::<Fragile>::new(log.clone()).snapshots(never);
    for _ in 0..12 {
        all.execute(2, true).unwrap();
    }
    assert!(log.snapshot("fragile-2").unwrap().is_none());
    // What commands have measured is what the snapshotter goes by.
    let snapshotter = Snapshotter::start(all.clone(), cost, HOUR).unwrap();
    assert_eq!(two_rounds(&snapshotter).snapshots, 1);
    assert_eq!(log.snapshot("fragile-2").unwrap().unwrap().version(), 12);
    drop(Snapshotter::start(all, never, HOUR).unwrap());
}

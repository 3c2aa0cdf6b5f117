//! A process that is killed at random while its 4 writers append, two consumers of a
//! subscription write down what they are handed, and a processor folds sums. What must hold is
//! checked from outside: at least once, in order within each stream; sums as of a process
//! that was never killed.
//!
//! `ANNALS_KILLS` and `ANNALS_KILL_EVENTS` say how often and how many; `ANNALS_KILL_SEED` when.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use annals::sourcing::{
    Consumer, OnFailure, Processing, SubscriptionError, SubscriptionOptions, Subscriptions,
};
use annals::{Batch, Durability, Expected, Filter, Log, NewEvent, Uuid};

use crate::crash::{Sum, Sums};

const WRITERS: u64 = 4;
const STREAMS: u64 = 5;

/// What the child is told by.
const CHILD: &str = "ANNALS_KILLED_CHILD";

/// Whether it waits to be killed when it has done what it may.
const WAITS: &str = "ANNALS_KILLED_WAITS";

/// Whether its checkpoints are ahead of its acknowledgements.
const PLANTED: &str = "ANNALS_KILLED_PLANTED";

fn asked(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn events() -> u64 {
    asked("ANNALS_KILL_EVENTS", 4_000) / WRITERS
}

fn kills() -> u64 {
    asked("ANNALS_KILLS", 20)
}

fn stream(writer: u64, n: u64) -> String {
    format!("order-{writer}-{}", n % STREAMS)
}

fn options() -> SubscriptionOptions {
    SubscriptionOptions::new().filter(Filter::new().event_type("T"))
}

/// Appends what this writer has not appended yet, as far as this life may.
fn write(log: &Log, writer: u64) {
    let versions = (0..STREAMS).map(|n| log.version(&stream(writer, n)).unwrap());
    let begin: u64 = versions.sum();
    let of_this_life = events().div_ceil(kills().max(1));
    for n in begin..events().min(begin + of_this_life) {
        let (id, text) = (Uuid::from_u128(u128::from(writer) << 64 | u128::from(n)), n.to_string());
        let event = NewEvent::new("T").id(id).json(&text);
        let mut batch = Batch::new();
        batch.write(&stream(writer, n), Expected::Any, [event]);
        log.append_with(&batch, Durability::Written).unwrap();
    }
}

/// Writes down what is delivered, each before it is acknowledged.
fn follow(consumer: &Consumer, mut file: File, done: &AtomicBool) {
    let pause_every = if std::env::var_os(PLANTED).is_some() { 1 } else { 8 };
    loop {
        let last = done.load(Ordering::SeqCst);
        let handled = consumer.catch_up(OnFailure::stop(), |delivery| {
            let event = delivery.event();
            // Slower than the writers: there is always something that was read and not handled.
            if event.version().is_multiple_of(pause_every) {
                std::thread::sleep(Duration::from_millis(1));
            }
            let line = format!("{} {}\n", event.stream(), event.version());
            file.write_all(line.as_bytes())
        });
        if handled.unwrap() == 0 && last {
            return;
        }
    }
}

/// What the child does in a life. Returns whether everything is done.
fn life(directory: &Path) -> bool {
    let log = Arc::new(Log::open(directory.join("log")).unwrap());
    let subscriptions = Subscriptions::new(log.clone());
    let seen = subscriptions.open("seen", &options().save(50, Duration::from_millis(5))).unwrap();
    let mut sums = Processing::open(&subscriptions, "sums", &options(), Sums).unwrap();
    sums = sums.durability(Durability::Buffered);
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        for _ in 0..2 {
            let path = directory.join("seen");
            let file = OpenOptions::new().create(true).append(true).open(path).unwrap();
            let (consumer, done) = (seen.consumer(), &done);
            threads.spawn(move || follow(&consumer, file, done));
        }
        let (sums, done, log) = (&mut sums, &done, &log);
        threads.spawn(move || {
            while !done.load(Ordering::SeqCst) {
                sums.catch_up().unwrap();
            }
            sums.catch_up().unwrap();
        });
        let writers = [0, 1, 2, 3].map(|writer| threads.spawn(move || write(log, writer)));
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        log.sync().unwrap();
        done.store(true, Ordering::SeqCst);
    });
    let all = (0..WRITERS).all(|writer| {
        (0..STREAMS).map(|n| log.version(&stream(writer, n)).unwrap()).sum::<u64>() == events()
    });
    drop((seen, sums, subscriptions));
    Arc::into_inner(log).unwrap().close().unwrap();
    all
}

#[test]
fn a_child_of_the_test_that_kills() {
    if let Some(directory) = std::env::var_os(CHILD) {
        #[cfg(feature = "planted")]
        if std::env::var_os(PLANTED).is_some() {
            annals::planted::plant_process(annals::planted::Bug::CheckpointAheadOfAcks);
        }
        let all = life(Path::new(&directory));
        if !all && std::env::var_os(WAITS).is_some() {
            std::thread::sleep(Duration::from_secs(60));
        }
        std::process::exit(if all { 3 } else { 4 });
    }
}

/// Kills it after a while, unless it ends by itself. Returns its exit code.
fn kill_after(directory: &Path, time: Option<Duration>, planted: bool) -> Option<i32> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    for (set, name) in [(planted, PLANTED), (time.is_some(), WAITS)] {
        if set {
            command.env(name, "1");
        }
    }
    let mut child = command
        .args(["killed::a_child_of_the_test_that_kills", "--exact", "--nocapture"])
        .env(CHILD, directory)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    if let Some(time) = time {
        std::thread::sleep(time);
        child.kill().unwrap();
    }
    child.wait().unwrap().code()
}

/// Kills it so often, and lets it come to its end. Returns how often it was killed before.
fn kill_and_finish(directory: &Path, planted: bool) -> u64 {
    let mut random = asked("ANNALS_KILL_SEED", 20_261_122);
    let mut killed = 0;
    for _ in 0..kills() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let time = Duration::from_millis(random >> 33 & 127);
        let code = kill_after(directory, Some(time), planted);
        assert!(matches!(code, None | Some(3 | 4)), "{code:?}");
        killed += u64::from(code.is_none());
    }
    let mut code = kill_after(directory, None, planted);
    while code == Some(4) {
        code = kill_after(directory, None, planted);
    }
    assert_eq!(code, Some(3));
    assert!(killed * 2 > kills(), "killed {killed} times");
    killed
}

#[test]
fn killed_at_random_a_consumer_sees_all_in_order_and_a_processor_does_all_once() {
    let directory = tempfile::tempdir().unwrap();
    let killed = kill_and_finish(directory.path(), false);
    let redelivered = check_seen(directory.path());
    check_sums(&Log::open(directory.path().join("log")).unwrap());
    println!("killed {killed} times, {} events, {redelivered} redelivered", events() * WRITERS);
}

#[cfg(feature = "planted")]
#[test]
fn killed_with_its_checkpoint_ahead_a_consumer_is_seen_to_miss_events() {
    let directory = tempfile::tempdir().unwrap();
    kill_and_finish(directory.path(), true);
    let checked = std::panic::catch_unwind(|| check_seen(directory.path()));
    assert!(checked.is_err());
}

/// Each event at least once, none before the one before it in its stream. Returns how many
/// were handed out more than once.
fn check_seen(directory: &Path) -> u64 {
    let text = std::fs::read_to_string(directory.join("seen")).unwrap();
    let mut last = BTreeMap::<&str, u64>::new();
    let (mut lines, mut all) = (0, 0);
    for line in text.lines() {
        let (stream, version) = line.split_once(' ').unwrap();
        let version: u64 = version.parse().unwrap();
        let highest = last.entry(stream).or_default();
        assert!(version <= *highest + 1, "{line} after {highest}");
        *highest = version.max(*highest);
        lines += 1;
    }
    for writer in 0..WRITERS {
        for n in 0..STREAMS {
            let name = stream(writer, n);
            let expected = (events() - n).div_ceil(STREAMS);
            assert_eq!(last.get(name.as_str()), Some(&expected), "{name}");
            all += expected;
        }
    }
    assert_eq!(all, events() * WRITERS);
    lines - all
}

/// The sums, and what was told of them, are what the events say.
fn check_sums(log: &Log) {
    for writer in 0..WRITERS {
        for n in 0..STREAMS {
            let name = stream(writer, n);
            let (mut sum, mut told) = (Sum::default(), Vec::new());
            for event in log.read(&name).collect().unwrap() {
                let text = String::from_utf8(event.as_event().data().to_vec()).unwrap();
                sum.events += 1;
                sum.total += text.parse::<u64>().unwrap();
                if sum.events.is_multiple_of(2) {
                    told.push(sum.total.to_string().into_bytes());
                }
            }
            let state = log.state(&format!("$processor/4/sums/{name}"), 1).unwrap().unwrap();
            assert_eq!(serde_json::from_slice::<Sum>(state.data()).unwrap(), sum, "{name}");
            let found = log.read(&format!("told-{name}")).collect().unwrap();
            let found: Vec<_> = found.iter().map(|event| event.as_event().data()).collect();
            assert_eq!(found, told, "{name}");
        }
    }
}

/// Two processors of one name in a process would each fold for themselves.
#[test]
fn a_processor_shares_its_subscription_with_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let log = Arc::new(Log::open(directory.path()).unwrap());
    let subscriptions = Subscriptions::new(log.clone());
    let first = Processing::open(&subscriptions, "sums", &options(), Sums).unwrap();
    let second = Processing::open(&subscriptions, "sums", &options(), Sums);
    assert!(matches!(second, Err(SubscriptionError::InUse { .. })));
    let plain = subscriptions.open("sums", &options());
    assert!(matches!(plain, Err(SubscriptionError::InUse { .. })));
    drop(first);
    assert!(subscriptions.open("sums", &options()).is_ok());
}

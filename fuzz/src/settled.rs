//! Two threads: an answer that rests on a batch in flight is not given before that
//! batch's outcome, and fails with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use annals::io::sim::{Call, CallKind, Failure, Fault, Nth, SimStorage};
use annals::planted::Bug;
use annals::{Batch, Committed, Error, Expected, Log, NewEvent, NewSnapshot, Reading, Uuid};

use crate::check::must_open;
use crate::explore::plant;
use crate::oracle::Broken;

const INVARIANT: &str = "12: every answer that rests on a failed batch fails with it";

/// How long nothing may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long an answer is given to come too early.
const EARLY: Duration = Duration::from_millis(20);

/// Asks something of the log.
type Question = fn(&Log) -> annals::Result<Committed>;

fn event(id: u128) -> NewEvent<'static> {
    NewEvent::new("Happened").id(Uuid::from_u128(id))
}

/// What can rest on the batch in flight, which writes event 7 to stream a under a key: a
/// conflict, the duplicate, a part of it, an expectation that holds, its key, a snapshot of
/// what it leads to and one of more.
const QUESTIONS: [Question; 7] = [
    |log| log.append(Batch::new().write("a", Expected::NoStream, [event(9)])),
    |log| log.append(Batch::new().write("a", Expected::Any, [event(7)])),
    |log| log.append(Batch::new().write("a", Expected::Any, [event(7), event(8)])),
    |log| log.append(Batch::new().expect("a", Expected::Exists)),
    |log| log.append(Batch::new().once("message")),
    |log| log.append(Batch::new().snapshot("a", 1, NewSnapshot::new(1))),
    |log| log.append(Batch::new().snapshot("a", 2, NewSnapshot::new(1))),
];

/// Asks each question while the batch is being synced, and lets that fail. With a
/// planted bug in both threads.
///
/// # Errors
/// The first answer that came too early, or was none to rely on.
pub fn answers_wait(bug: Option<Bug>) -> Result<(), Broken> {
    for (number, question) in QUESTIONS.into_iter().enumerate() {
        ask(question, bug).map_err(|broken| broken.within(format!("question {number}")))?;
    }
    Ok(())
}

fn ask(question: Question, bug: Option<Bug>) -> Result<(), Broken> {
    let disk = SimStorage::new();
    let log = must_open(&disk, Reading::Mapped)?;
    let failed = |error: Error| Broken::new("10: the log takes appends", error);
    log.append(Batch::new().write("b", Expected::Any, [event(1)])).map_err(failed)?;
    let (told, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let syncing = Arc::new(AtomicBool::new(false));
    let begun = Arc::clone(&syncing);
    disk.on_call(move |call: &Call, _: &SimStorage| {
        if call.kind == CallKind::SyncData
            && let Ok(wait) = wait.lock()
        {
            begun.store(true, Ordering::SeqCst);
            let _until_told = wait.recv_timeout(PATIENCE);
        }
    });
    disk.fail(Fault::new(Nth::Of(CallKind::SyncData, 1), Failure::Device));
    let (early, first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            plant(bug);
            log.append(Batch::new().once("message").write("a", Expected::Any, [event(7)]))
        });
        let until = Instant::now() + PATIENCE;
        while !syncing.load(Ordering::SeqCst) && Instant::now() < until {
            std::thread::yield_now();
        }
        let second = scope.spawn(|| {
            plant(bug);
            question(&log)
        });
        let until = Instant::now() + EARLY;
        while !second.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        let early = second.is_finished();
        let _gone = told.send(());
        (early, first.join(), second.join())
    });
    if early {
        return Err(Broken::new(INVARIANT, format!("answered at once: {second:?}")));
    }
    match (first, second) {
        (Ok(Err(Error::Poisoned { .. })), Ok(Err(Error::Poisoned { .. }))) => Ok(()),
        other => Err(Broken::new(INVARIANT, format!("{other:?}"))),
    }
}

//! What several threads were told by one log can have happened one after the other.
//!
//! Short histories are checked by the search of `stateright`, and by a check in linear time
//! that knows nothing of it; long ones by that alone. Both must refuse histories that were
//! bent, and a log with a planted bug must be seen.
//!
//! `ANNALS_HISTORIES` says how many short ones, `ANNALS_HISTORY_SEED` the first seed,
//! `ANNALS_HISTORY_CALLS` how many calls the threads of a long one make. What threads ask
//! follows from the seed, who comes first does not: so a failure shows the whole history.
#![allow(clippy::unwrap_used)]

use annals::planted::Bug;
use annals_fuzz::history::bend::{BENDS, Bend, bend};
use annals_fuzz::history::call::{Answer, History, Op};
use annals_fuzz::history::order::check;
use annals_fuzz::history::record::Plan;
use annals_fuzz::history::runs::{in_directory, long, short, with_last_read};
use annals_fuzz::history::spec::Spec;
use annals_fuzz::oracle::Broken;
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

fn asked(variable: &str, otherwise: u64) -> u64 {
    let asked = std::env::var(variable).ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn seeds(count: u64) -> std::ops::Range<u64> {
    let first = asked("ANNALS_HISTORY_SEED", 1);
    first..first + count
}

/// The judge of `stateright`.
#[derive(Clone, Default)]
struct Judge(Spec);

impl SequentialSpec for Judge {
    type Op = Op;
    type Ret = Answer;

    fn invoke(&mut self, op: &Op) -> Answer {
        self.0.answer(op)
    }

    fn is_valid_step(&mut self, op: &Op, answer: &Answer) -> bool {
        self.0.allows(op, answer)
    }
}

/// Whether there is an order of the calls that explains all answers.
fn is_linearizable(history: &History) -> bool {
    let history = with_last_read(history);
    let mut moments = Vec::new();
    for call in history.calls.iter().filter(|call| call.op.is_of_one_moment()) {
        moments.push((call.asked, call, true));
        // What an append came to that was told that the log takes no more is not known.
        if !matches!(call.answer, Answer::Poisoned(_)) {
            moments.push((call.answered, call, false));
        }
    }
    moments.sort_by_key(|(moment, ..)| *moment);
    let mut tester = LinearizabilityTester::new(Judge::default());
    for (_, call, begins) in moments {
        let told = if begins {
            tester.on_invoke(call.thread, call.op.clone()).map(drop)
        } else {
            tester.on_return(call.thread, call.answer.clone()).map(drop)
        };
        told.unwrap();
    }
    tester.is_consistent()
}

/// Whether both checks accept a history, and why not.
fn judge(history: &History) -> Result<(), Broken> {
    check(history)?;
    let found = is_linearizable(history);
    if found { Ok(()) } else { Err(Broken::new("linearizable", "there is no order")) }
}

fn again(test: &str, seed: u64) -> String {
    format!(
        "again: ANNALS_HISTORY_SEED={seed} cargo test -p annals-fuzz --test history -- {test} \
         (threads run as they like: try it a few times)"
    )
}

#[test]
fn short_histories_are_linearizable() {
    let (mut calls, mut events, mut crashed) = (0, 0, 0);
    for seed in seeds(asked("ANNALS_HISTORIES", 3_000)) {
        let history = short(seed, None, seed % 4 == 0);
        let again = || again("short", seed);
        let history = history.unwrap_or_else(|broken| panic!("{broken}\n{}", again()));
        if let Err(broken) = judge(&history) {
            panic!("{broken}\n{history}{}", again());
        }
        let checked = check(&history).unwrap();
        calls += checked.calls;
        events += checked.events;
        crashed += checked.crashed;
    }
    println!("{calls} calls, {events} events, {crashed} copies crashed");
    assert!(crashed > 0 && events > 0);
}

#[test]
fn short_histories_in_a_directory_are_linearizable() {
    for seed in seeds(60) {
        let directory = tempfile::tempdir().unwrap();
        let history = in_directory(directory.path(), seed, &Plan::short(seed)).unwrap();
        let judged = judge(&history);
        judged.unwrap_or_else(|broken| panic!("{broken}\n{history}{}", again("directory", seed)));
    }
}

#[test]
fn long_histories_are_in_one_order() {
    let calls = usize::try_from(asked("ANNALS_HISTORY_CALLS", 25_000)).unwrap();
    for seed in seeds(1) {
        let history = long(seed, calls, None).unwrap();
        let began = std::time::Instant::now();
        let checked = check(&history);
        let checked = checked.unwrap_or_else(|broken| panic!("{broken}\n{}", again("long", seed)));
        println!("{checked:?}, checked in {:.2} s", began.elapsed().as_secs_f64());
        assert_eq!(checked.calls, 8 * u64::try_from(calls).unwrap());
    }
}

/// Bugs that histories must show, and whether a sync fails in them.
const BUGS: [(Bug, bool); 13] = [
    (Bug::AnswerNotSettled, false),
    (Bug::PublishBeforeDurable, false),
    (Bug::AcknowledgeBeforeSync, false),
    (Bug::CursorAheadOfSync, false),
    (Bug::WrittenBeforeWrite, false),
    (Bug::SyncDoesNothing, false),
    (Bug::DuplicateCalledDurable, false),
    (Bug::DedupeLostAtReopen, false),
    (Bug::KeyLostAtReopen, false),
    (Bug::PositionsRestarted, false),
    (Bug::LeadersErrorNotShared, true),
    (Bug::SyncRetried, true),
    (Bug::PoisonForgotten, true),
];

#[test]
fn planted_bugs_are_seen_in_short_histories() {
    let mut missed = Vec::new();
    for (bug, faulty) in BUGS {
        let seen = (1..3_000).find_map(|seed| {
            let history = short(seed, Some(bug), faulty);
            let broken = history.and_then(|history| judge(&history)).err();
            broken.map(|broken| (seed, broken))
        });
        match seen {
            Some((after, broken)) => {
                let told: String = broken.to_string().chars().take(150).collect();
                println!("{bug:?}: seen after {after} histories: {told}");
            }
            None => missed.push(bug),
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn planted_bugs_are_seen_in_long_histories() {
    for bug in [Bug::AnswerNotSettled, Bug::CursorAheadOfSync, Bug::DedupeLostAtReopen] {
        let seen = (1..200).find_map(|seed| {
            let history = long(seed, 1_000, Some(bug));
            history.and_then(|history| check(&history)).err()
        });
        let told = seen.unwrap_or_else(|| panic!("{bug:?} was not seen")).to_string();
        println!("{bug:?}: {}", told.chars().take(150).collect::<String>());
    }
}

#[test]
fn bent_histories_are_refused() {
    for how in BENDS {
        let (mut bent, mut agreed) = (0, 0);
        for seed in 1..400 {
            let history = short(seed, None, false).unwrap();
            let Some(history) = bend(&history, how, seed) else { continue };
            bent += 1;
            let refused = check(&history).is_err();
            assert!(refused, "{how:?} was accepted in linear time:\n{history}");
            let found = is_linearizable(&history);
            assert!(!found, "{how:?} was accepted by the search:\n{history}");
            agreed += 1;
        }
        println!("{how:?}: refused {agreed} of {bent}");
        assert!(bent >= 10, "{how:?} was tried {bent} times");
    }
}

#[test]
fn long_histories_that_are_bent_are_refused() {
    let history = long(3, 2_000, None).unwrap();
    check(&history).unwrap_or_else(|broken| panic!("{broken}"));
    for how in BENDS {
        for seed in 0..10 {
            let bent = bend(&history, how, seed).unwrap_or_else(|| panic!("no place for {how:?}"));
            assert!(check(&bent).is_err(), "{how:?} was accepted, seed {seed}");
        }
    }
    assert!(bend(&history, Bend::Lost, 0).is_some_and(|bent| bent.log.len() < history.log.len()));
}

//! The N-th system call of a program that uses a log is its last one, or fails.
//!
//! strace counts the calls and injects. The child has one thread and nothing in the
//! background, so that every run makes the same calls; it tells what happened as every
//! child does, and what must hold afterwards is what must hold after a kill.
//! `ANNALS_SYSCALLS=all` goes on until the child ends untouched.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use annals::planted::Bug;
use annals_fuzz::oracle::{Broken, End};
use annals_fuzz::real::child::ChildPlan;
use annals_fuzz::real::line::Line;
use annals_fuzz::real::recover::{leave_foreign, recover};
use annals_fuzz::real::watch::Watched;

/// Everything that the child appends follows from it.
const SEED: u64 = 3;

/// What is done to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inject {
    /// The process is killed before the call is made.
    Kill,
    /// The call is not made and gives this error, once.
    Once(&'static str),
    /// The same, and every later one.
    Always(&'static str),
}

/// One run of the child.
#[derive(Debug, Clone, Copy)]
struct Case {
    call: &'static str,
    inject: Inject,
    nth: usize,
    bug: Option<Bug>,
}

impl fmt::Display for Case {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, inject, nth, .. } = self;
        match inject {
            Inject::Kill => write!(out, "inject={call}:signal=KILL:when={nth}"),
            Inject::Once(error) => write!(out, "inject={call}:error={error}:when={nth}"),
            Inject::Always(error) => write!(out, "inject={call}:error={error}:when={nth}+"),
        }
    }
}

/// The calls that the log makes, and with which errors they can fail. `write` is what
/// the child tells with, so it is only a moment to be killed at.
const CALLS: [(&str, &[&str]); 15] = [
    ("write", &[]),
    ("pwrite64", &["EIO", "ENOSPC", "EINTR"]),
    ("fdatasync", &["EIO", "ENOSPC"]),
    ("fsync", &["EIO"]),
    ("openat", &["EIO", "EMFILE", "ENOSPC"]),
    ("rename", &["EIO", "ENOSPC"]),
    ("ftruncate", &["EIO", "ENOSPC"]),
    ("unlink", &["EIO", "EROFS"]),
    ("mkdir", &["EACCES"]),
    ("mmap", &["ENOMEM"]),
    ("pread64", &["EIO", "EINTR"]),
    ("statx", &["EIO"]),
    ("getdents64", &["EIO"]),
    ("flock", &["EIO", "ENOLCK"]),
    ("close", &[]),
];

fn child_plan(directory: PathBuf, bug: Option<Bug>) -> ChildPlan {
    let mut child = ChildPlan::new(directory, SEED, 1);
    (child.writers, child.inline, child.batches) = (1, true, 60);
    (child.segment_bytes, child.reopen_every, child.bug) = (16 << 10, 25, bug);
    child
}

/// A directory of a run, in memory if that can be.
fn directory(name: impl fmt::Display) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    place.join(format!("annals-syscalls-{}-{name}", std::process::id()))
}

/// The child under strace.
fn strace(log: &Path, trace: &Path, words: &[String], bug: Option<Bug>) -> Command {
    // Nothing here may take for ever.
    let mut command = Command::new("timeout");
    command
        .args(["-k", "1", "20", "strace", "-f", "-qq", "--seccomp-bpf", "-y", "-s", "32", "-o"])
        .arg(trace)
        .args(words);
    command.arg(env!("CARGO_BIN_EXE_annals-fuzz")).arg("child");
    command.args(child_plan(log.to_owned(), bug).words());
    command.stdin(Stdio::null());
    command
}

/// How many calls of each name come before the child touches its log, and in all; or
/// why there is no telling.
fn counted() -> Result<BTreeMap<&'static str, (usize, usize)>, String> {
    let home = directory("counted");
    leave_foreign(&home.join("log")).unwrap();
    let (log, trace) = (home.join("log"), home.join("trace"));
    let names: Vec<_> = CALLS.iter().map(|(call, _)| *call).collect();
    let words = ["-e".to_owned(), format!("trace={}", names.join(","))];
    let output = strace(&log, &trace, &words, None).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().replace('\n', " "));
    }
    let text = std::fs::read_to_string(&trace).unwrap();
    std::fs::remove_dir_all(&home).unwrap();
    let mut counts: BTreeMap<_, _> = names.iter().map(|call| (*call, (0, 0))).collect();
    let mut touched = false;
    for line in text.lines() {
        touched |= line.contains(log.to_str().unwrap());
        let call = line.split_whitespace().nth(1).and_then(|rest| rest.split('(').next());
        if let Some((before, all)) = call.and_then(|call| counts.get_mut(call)) {
            *all += 1;
            *before += usize::from(!touched);
        }
    }
    Ok(counts)
}

/// What a run showed.
struct Ran {
    /// The call was killed or failed.
    hit: bool,
    acknowledged: u64,
}

fn run(case: Case, name: usize) -> Result<Ran, Broken> {
    let home = directory(name);
    let (log, trace) = (home.join("log"), home.join("trace"));
    leave_foreign(&log).unwrap();
    let words =
        ["-e".to_owned(), format!("trace=write,{}", case.call), "-e".to_owned(), case.to_string()];
    let output = strace(&log, &trace, &words, case.bug).output().unwrap();
    let text = std::fs::read_to_string(&trace).unwrap();
    let killed = text.contains("+++ killed by SIGKILL");
    let mut watched = Watched::new(SEED);
    watched.feed(&output.stdout);
    let acknowledged = watched.counts.acknowledged;
    let checked = (|| {
        if !killed && output.status.code() != Some(0) {
            let what = format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
            return Err(Broken::new("12: an error is an answer, and no panic", what));
        }
        if matches!(case.inject, Inject::Once(_)) {
            is_told(&text)?;
        }
        recover(&mut watched, End::Kill, &log)
    })();
    if checked.is_ok() {
        std::fs::remove_dir_all(&home).unwrap();
    }
    checked.map_err(|broken| broken.within(format!("kept {}", home.display())))?;
    Ok(Ran { hit: killed || text.contains("(INJECTED)"), acknowledged })
}

/// After a failed write or sync of a segment, neither the batch that was on its way is
/// acknowledged nor a later one, and no sync or close succeeds. A call that was
/// interrupted has not failed, and zeros that are written ahead may fail.
fn is_told(trace: &str) -> Result<(), Broken> {
    let failed = |line: &&str| {
        let call = line.contains("fdatasync(") || line.contains("pwrite64(");
        let hit = call && line.contains(".seg>") && line.contains("(INJECTED)");
        hit && !line.contains("EINTR") && !line.contains("\"\\0\\0")
    };
    let told = |line: &'_ str| {
        line.split_once(">, \"").and_then(|(_, text)| text.split_once("\\n")?.0.parse().ok())
    };
    let before = trace.lines().take_while(|line| !failed(line)).filter_map(told);
    let on_its_way = before.filter_map(|line| match line {
        Line::Submit(_, number) => Some(number),
        _ => None,
    });
    let on_its_way = on_its_way.last().unwrap_or(0);
    for line in trace.lines().skip_while(|line| !failed(line)).filter_map(told) {
        match line {
            Line::Failed(..) => return Ok(()),
            Line::Acknowledged(_, number, ..) if number < on_its_way => {}
            Line::Acknowledged(..) | Line::Synced(_) | Line::Closed => {
                return Err(Broken::new("12: after a failed write or sync no later Ok", line));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Runs the cases, several at a time, until one breaks a promise. How many hit their
/// call, and how many batches were acknowledged in all.
fn sweep(cases: &[Case]) -> Result<(usize, u64), String> {
    let (next, totals) = (AtomicUsize::new(0), Mutex::new((0, 0)));
    let broken = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let name = next.fetch_add(0, Ordering::Relaxed) + case.nth * 100_000;
                    match run(*case, name) {
                        Ok(ran) => {
                            let mut totals = totals.lock().unwrap();
                            totals.0 += usize::from(ran.hit);
                            totals.1 += ran.acknowledged;
                        }
                        Err(what) => {
                            broken.lock().unwrap().get_or_insert(format!("-e {case}: {what}"));
                            next.store(cases.len(), Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    broken.into_inner().unwrap().map_or_else(|| Ok(totals.into_inner().unwrap()), Err)
}

fn all_cases(counts: &BTreeMap<&'static str, (usize, usize)>, most: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for (call, errors) in CALLS {
        let (before, all) = counts[call];
        let once = errors.iter().copied().map(Inject::Once);
        // The standard library goes on for as long as it is interrupted.
        let always = errors.iter().copied().filter(|error| *error != "EINTR").map(Inject::Always);
        for inject in once.chain(always).chain([Inject::Kill]) {
            let nths = before + 1..=all.min(before + most);
            cases.extend(nths.map(|nth| Case { call, inject, nth, bug: None }));
        }
    }
    cases
}

#[test]
fn no_call_that_is_the_last_or_fails_breaks_a_promise() {
    let counts = match counted() {
        Ok(counts) => counts,
        Err(why) => return println!("skipped: system calls that fail: no strace: {why}"),
    };
    let all = std::env::var("ANNALS_SYSCALLS").is_ok_and(|asked| asked == "all");
    let cases = all_cases(&counts, if all { usize::MAX } else { 50 });
    let began = Instant::now();
    let (hit, acknowledged) = sweep(&cases).unwrap_or_else(|broken| panic!("{broken}"));
    let took = began.elapsed().as_secs_f64();
    let runs = cases.len();
    println!("{runs} runs, {hit} hit their call, {acknowledged} batches acknowledged, {took:.1} s");
    assert!(hit * 10 > runs * 9, "{hit} of {runs}");
}

//! The N-th system call of a program that uses a log is its last one, or fails.
//!
//! strace counts the calls and injects. The child has one thread and nothing in the
//! background, so that every run makes the same calls; it tells what happened as every
//! child does, and what must hold afterwards is what must hold after a kill. One child
//! makes its log; another one finds what a killed child left.
//!
//! `ANNALS_SYSCALLS=all` goes on until the child ends untouched, and
//! `ANNALS_SYSCALLS=inject=fdatasync:error=EIO:when=3` does that alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

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
    /// A write says that it has written so many bytes and has not. The rest is written,
    /// and before anything is synced or told, that is the N-th time, the process is
    /// killed. So the group that was on its way lacks its beginning.
    Torn { bytes: usize, sync: usize, line: usize },
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
            Inject::Torn { bytes, sync, line } => {
                write!(out, "inject={call}:retval={bytes}:when={nth}")?;
                write!(out, " -e inject=fdatasync:signal=KILL:when={sync}")?;
                write!(out, " -e inject=write:signal=KILL:when={line}")
            }
            Inject::Always(error) => write!(out, "inject={call}:error={error}:when={nth}+"),
        }
    }
}

impl Case {
    /// What strace is told.
    fn words(&self) -> Vec<String> {
        let mut words = vec!["-e".to_owned(), format!("trace=write,fdatasync,{}", self.call)];
        words.push("-e".to_owned());
        words.extend(self.to_string().split(' ').map(str::to_owned));
        words
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

/// What a child starts from.
struct Ground {
    /// What a killed child left, to be copied.
    left: Option<PathBuf>,
    /// What is known of it.
    watched: Watched,
    /// By name, how many calls come before the child touches its log, and in all.
    counts: BTreeMap<&'static str, (usize, usize)>,
    /// The writes of groups: the how-manieth call, and what comes of it if it is torn.
    groups: Vec<(usize, Inject)>,
}

impl Ground {
    fn child(&self, directory: PathBuf, bug: Option<Bug>) -> ChildPlan {
        let mut child = ChildPlan::new(directory, SEED, self.watched.life());
        (child.writers, child.inline) = (1, true);
        (child.segment_bytes, child.bug) = (16 << 10, bug);
        let first = self.left.is_none();
        (child.batches, child.reopen_every) = if first { (60, 25) } else { (12, 0) };
        child
    }

    /// The directory in which a child is to start.
    fn make(&self, home: &Path) -> PathBuf {
        let log = home.join("log");
        leave_foreign(&log).unwrap();
        for entry in self.left.iter().flat_map(|left| std::fs::read_dir(left).unwrap()) {
            let path = entry.unwrap().path();
            std::fs::copy(&path, log.join(path.file_name().unwrap())).unwrap();
        }
        log
    }

    /// Where there is no log yet; or why that cannot be done here.
    fn empty() -> Result<Self, String> {
        let (watched, counts) = (Watched::new(SEED), BTreeMap::new());
        Self { left: None, watched, counts, groups: Vec::new() }.counted()
    }

    /// What a child left that was killed while a group was on its way: a torn tail.
    fn left(&self) -> Result<Self, String> {
        let home = directory(format!("left-{}", RUNS.fetch_add(1, Ordering::Relaxed)));
        let log = self.make(&home);
        let (nth, inject) = self.groups[(self.groups.len() * 2 / 3) | 1];
        let words = Case { call: "pwrite64", inject, nth, bug: None }.words();
        let output = self.strace(&log, &home.join("trace"), &words, None).output().unwrap();
        let mut watched = self.watched.clone();
        watched.feed(&output.stdout);
        assert!(watched.counts.acknowledged > 20, "{:?}", watched.counts);
        watched.pass(End::Kill);
        let counts = BTreeMap::new();
        Self { left: Some(log), watched, counts, groups: Vec::new() }.counted()
    }

    /// The child under strace.
    fn strace(&self, log: &Path, trace: &Path, words: &[String], bug: Option<Bug>) -> Command {
        // Nothing here may take for ever.
        let mut command = Command::new("timeout");
        command.args(["-k", "1", "20", "strace", "-f", "-qq", "-y", "-s", "32", "-o"]).arg(trace);
        if !words.iter().any(|word| word.contains("signal=")) {
            // Faster; strace 6.1 then injects errors, and no signals.
            command.arg("--seccomp-bpf");
        }
        command.args(words);
        command.arg(env!("CARGO_BIN_EXE_annals-fuzz")).arg("child");
        command.args(self.child(log.to_owned(), bug).words());
        command.stdin(Stdio::null());
        command
    }

    /// Counts the calls of a child that is left alone.
    fn counted(mut self) -> Result<Self, String> {
        let home = directory(format!("counted-{}", RUNS.fetch_add(1, Ordering::Relaxed)));
        let (log, trace) = (self.make(&home), home.join("trace"));
        let names: Vec<_> = CALLS.iter().map(|(call, _)| *call).collect();
        let words = ["-e".to_owned(), format!("trace={}", names.join(","))];
        let output = self.strace(&log, &trace, &words, None).output();
        let output = output.map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().replace('\n', " "));
        }
        let text = std::fs::read_to_string(&trace).unwrap();
        std::fs::remove_dir_all(&home).unwrap();
        self.counts = names.iter().map(|call| (*call, (0, 0))).collect();
        let mut touched = false;
        for line in text.lines() {
            touched |= line.contains(log.to_str().unwrap());
            let call = line.split_whitespace().nth(1).and_then(|rest| rest.split('(').next());
            if let Some((before, all)) = call.and_then(|call| self.counts.get_mut(call)) {
                *all += 1;
                *before += usize::from(!touched);
            }
            let writes = line.contains("pwrite64(") && line.contains(".seg>");
            // Zeros, headers, witnesses and what is told of the end are no groups.
            let group =
                writes && !["\"\\0\\0", "ANNALS", "\"witness"].iter().any(|w| line.contains(w));
            let len = line.rsplit("= ").next().and_then(|len| len.parse::<usize>().ok());
            if let Some(len) = len.filter(|_| group) {
                let (sync, line) = (self.counts["fdatasync"].1 + 1, self.counts["write"].1 + 1);
                let torn = [8, (len / 2) & !7].map(|bytes| Inject::Torn { bytes, sync, line });
                self.groups.extend(torn.map(|torn| (self.counts["pwrite64"].1, torn)));
            }
        }
        Ok(self)
    }
}

/// A directory of a run, in memory if that can be.
fn directory(name: impl fmt::Display) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    place.join(format!("annals-syscalls-{}-{name}", std::process::id()))
}

/// What a run showed.
struct Ran {
    /// The call was killed or failed.
    hit: bool,
    /// Opening the log again cut a tail.
    torn: bool,
    acknowledged: u64,
}

/// How many directories there were.
static RUNS: AtomicUsize = AtomicUsize::new(0);

fn run(ground: &Ground, case: Case) -> Result<Ran, Broken> {
    let home = directory(RUNS.fetch_add(1, Ordering::Relaxed));
    let (log, trace) = (ground.make(&home), home.join("trace"));
    let words = case.words();
    let output = ground.strace(&log, &trace, &words, case.bug).output().unwrap();
    let text = std::fs::read_to_string(&trace).unwrap();
    let killed = text.contains("+++ killed by SIGKILL");
    let mut watched = ground.watched.clone();
    watched.feed(&output.stdout);
    let acknowledged = watched.counts.acknowledged - ground.watched.counts.acknowledged;
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
    if checked.is_ok() || case.bug.is_some() {
        std::fs::remove_dir_all(&home).unwrap();
    }
    checked.map_err(|broken| broken.within(format!("kept {}", home.display())))?;
    let hit = killed || text.contains("(INJECTED)");
    Ok(Ran { hit, torn: watched.counts.torn > 0, acknowledged })
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

/// What became of all runs.
#[derive(Debug, Default)]
struct Swept {
    runs: usize,
    hit: usize,
    torn: usize,
    acknowledged: u64,
    broken: Option<String>,
}

/// Runs the cases, several at a time, until one breaks a promise.
fn sweep(ground: &Ground, cases: &[Case]) -> Swept {
    let (next, swept) = (AtomicUsize::new(0), Mutex::new(Swept::default()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(number) else { break };
                    let ran = run(ground, *case);
                    let mut swept = swept.lock().unwrap();
                    swept.runs += 1;
                    match ran {
                        Ok(ran) => {
                            swept.hit += usize::from(ran.hit);
                            swept.torn += usize::from(ran.torn);
                            swept.acknowledged += ran.acknowledged;
                        }
                        Err(broken) => {
                            let again = "cargo test -p annals-fuzz --test syscalls";
                            let text = format!("{broken}\nagain: ANNALS_SYSCALLS='{case}' {again}");
                            swept.broken.get_or_insert(text);
                            next.store(cases.len(), Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    swept.into_inner().unwrap()
}

/// Every call that the log makes, up to so many of a name, with everything that can be
/// done to it.
fn all_cases(ground: &Ground, most: usize, bug: Option<Bug>) -> Vec<Case> {
    let mut cases = Vec::new();
    for (call, errors) in CALLS {
        let (before, all) = ground.counts[call];
        let once = errors.iter().copied().map(Inject::Once);
        // The standard library goes on for as long as it is interrupted.
        let for_good = |error: &&str| *error != "EINTR" && (ground.left.is_none() || most > 50);
        let always = errors.iter().copied().filter(for_good).map(Inject::Always);
        for inject in once.chain(always).chain([Inject::Kill]) {
            let nths = before + 1..=all.min(before.saturating_add(most));
            cases.extend(nths.map(|nth| Case { call, inject, nth, bug }));
        }
    }
    for (nth, inject) in ground.groups.iter().copied().take(most) {
        cases.push(Case { call: "pwrite64", inject, nth, bug });
    }
    cases
}

/// Both grounds, or a line that says why there are none.
fn grounds() -> Option<[Ground; 2]> {
    let both = Ground::empty().and_then(|empty| empty.left().map(|left| [empty, left]));
    both.map_err(|why| println!("skipped: system calls that fail: no strace: {why}")).ok()
}

#[test]
fn no_call_that_is_the_last_or_fails_breaks_a_promise() {
    let Some(grounds) = grounds() else { return };
    let asked = std::env::var("ANNALS_SYSCALLS").unwrap_or_default();
    for ground in &grounds {
        let most = if asked.is_empty() { 50 } else { usize::MAX };
        let mut cases = all_cases(ground, most, None);
        if asked.contains("inject=") {
            cases.retain(|case| case.to_string() == asked);
        }
        let began = Instant::now();
        let swept = sweep(ground, &cases);
        let Swept { runs, hit, torn, acknowledged, broken } = &swept;
        let took = began.elapsed().as_secs_f64();
        let on = if ground.left.is_some() { "what a killed child left" } else { "a new log" };
        println!(
            "on {on}: {runs} runs, {hit} hit their call, {torn} torn tails, \
             {acknowledged} batches acknowledged, \
             {took:.1} s"
        );
        assert!(broken.is_none(), "{}", broken.as_deref().unwrap_or_default());
        // Not all, since a run may take another way; if none did, nothing was tried.
        assert!(hit * 10 >= runs * 9, "{swept:?}");
        assert!(*torn > 10 || !asked.is_empty(), "{swept:?}");
    }
    for left in grounds.iter().filter_map(|ground| ground.left.as_deref()?.parent()) {
        std::fs::remove_dir_all(left).unwrap();
    }
}

/// Faults that show when a call fails, and one that shows when it is the last one.
const SEEN: [Bug; 3] = [Bug::SyncRetried, Bug::PoisonForgotten, Bug::WrittenBeforeWrite];

#[test]
fn faults_that_are_planted_in_the_child_are_seen() {
    let Ok(ground) = Ground::empty() else { return };
    let mut missed = Vec::new();
    for bug in SEEN {
        let began = Instant::now();
        let mut cases = all_cases(&ground, 50, Some(bug));
        cases.retain(|case| match case.inject {
            Inject::Kill => ["write", "pwrite64"].contains(&case.call),
            inject => case.call == "fdatasync" && inject == Inject::Once("EIO"),
        });
        let Swept { runs, broken, .. } = sweep(&ground, &cases);
        let Some(broken) = broken else {
            missed.push(bug);
            continue;
        };
        let took = began.elapsed().as_secs_f64();
        println!("{bug:?}: after {runs} runs in {took:.1} s: {:.160}", broken);
    }
    assert!(missed.is_empty(), "{missed:?}");
}

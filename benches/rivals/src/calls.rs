//! What a store asks of the system, counted with strace: syncs and writes of 100 durable
//! appends, one event each, one thread.
//!
//! What the store's own threads do meanwhile is counted too; a copy into a mapping is no call
//! and cannot be seen.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use annals_benches::Result;
use annals_benches::workload::{STREAMS, Workload};

use crate::source::{Names, Source};
use crate::store::{Durability, Rival, Setup};
use crate::stores::{self, ANNALS, RIVALS};

/// What a process of ours is asked for, as its first argument.
pub const CALLS: &str = "traced-appends";

/// Appends that are counted, and those before them.
const APPENDS: usize = 100;
const WARM_UP: usize = 20;

/// Written on standard error before and after what is counted, so that it is seen in the trace.
const BEGIN: &str = "the appends begin";
const END: &str = "the appends end";

/// How long a store's own threads come to rest before the count.
const REST: Duration = Duration::from_millis(500);

/// What is counted: the column, and the calls in it. Of the writes, those through a
/// descriptor that was opened to sync count in a column of their own.
const COLUMNS: [(&str, &[&str]); 6] = [
    ("fdatasync", &["fdatasync"]),
    ("fsync", &["fsync"]),
    ("msync", &["msync"]),
    ("sync_file_range", &["sync_file_range"]),
    ("writes that sync", &[]),
    ("writes", &["write", "writev", "pwrite64", "pwritev", "pwritev2"]),
];
const SYNCED_WRITES: usize = 4;
const WRITES: usize = 5;

/// The call that tells how a descriptor was opened, and what makes its writes sync.
const OPEN: &str = "openat";
const SYNC_FLAGS: [&str; 2] = ["O_DSYNC", "O_SYNC"];

/// Appends under strace: the process that is traced.
///
/// # Errors
/// Those of the store; if the arguments are not a store and a directory.
pub fn appends(given: &[String]) -> Result<()> {
    let [name, path] = given else { return Err("not a store and a directory".into()) };
    let rival = stores::find(name).ok_or("no such store")?;
    let setup = Setup { durability: Durability::Durable, threads: 1, bytes: 1 << 20, kept: false };
    let store = (rival.open)(Path::new(path), setup)?;
    let (workload, names) = (Workload::new(), Names::new(STREAMS));
    let mut source = Source::new(&workload, &names, 0);
    let mut appender = store.appender()?;
    for _ in 0..WARM_UP {
        appender.append(&[source.any()])?;
    }
    std::thread::sleep(REST);
    say(BEGIN)?;
    for _ in 0..APPENDS {
        appender.append(&[source.any()])?;
    }
    say(END)?;
    drop(appender);
    store.close()
}

fn say(what: &str) -> Result<()> {
    Ok(std::io::stderr().write_all(what.as_bytes())?)
}

/// Traces annals and every rival that was built, and writes a table of what it counted.
///
/// # Errors
/// If strace cannot be started; if a store fails.
pub fn table(out: &mut impl Write, directory: &Path) -> Result<()> {
    let place = tempfile::Builder::new().prefix("annals-rivals-").tempdir_in(directory)?;
    let heads: Vec<&str> = COLUMNS.iter().map(|(head, _)| *head).collect();
    writeln!(out, "| store | {} |", heads.join(" | "))?;
    writeln!(out, "|---|{}", "---:|".repeat(heads.len()))?;
    for rival in std::iter::once(&ANNALS).chain(RIVALS) {
        let counts = count(rival, place.path())?.map(|count| count.to_string());
        let version = stores::version_of(rival.package);
        writeln!(out, "| {} {version} | {} |", rival.name, counts.join(" | "))?;
    }
    Ok(())
}

fn count(rival: &Rival, place: &Path) -> Result<[usize; COLUMNS.len()]> {
    let trace = place.join("trace");
    let mut names = format!("{OPEN},");
    for name in COLUMNS.iter().flat_map(|(_, names)| *names) {
        names += name;
        names.push(',');
    }
    let status = Command::new("strace")
        .args([
            "-f",
            "-qq",
            "-e",
            "signal=none",
            "-e",
            &format!("trace={}", names.trim_end_matches(',')),
        ])
        .arg("-o")
        .arg(&trace)
        .arg(std::env::current_exe()?)
        .args([CALLS, rival.name])
        .arg(place.join(rival.name))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("strace cannot be started: {error}"))?;
    if !status.success() {
        return Err(format!("{} failed under strace", rival.name).into());
    }
    counted(&std::fs::read_to_string(&trace)?)
}

fn counted(trace: &str) -> Result<[usize; COLUMNS.len()]> {
    let (before, rest) = trace.split_once(BEGIN).ok_or("the trace has no beginning")?;
    let (appends, _) = rest.split_once(END).ok_or("the trace has no end")?;
    let synced: Vec<&str> = before.lines().filter_map(opened_to_sync).collect();
    let mut counts = [0; COLUMNS.len()];
    // The first line is the rest of the one that tells the beginning, the last is the one
    // that tells the end.
    let lines: Vec<&str> = appends.lines().collect();
    let lines = lines.get(1..lines.len().saturating_sub(1)).unwrap_or_default();
    for line in lines {
        let Some((call, arguments)) = call_of(line) else { continue };
        let descriptor = arguments.split([',', ')', ' ']).next().unwrap_or_default();
        let mut column = COLUMNS.iter().position(|(_, calls)| calls.contains(&call));
        if column == Some(WRITES) && synced.contains(&descriptor) {
            column = Some(SYNCED_WRITES);
        }
        if let Some(count) = column.and_then(|column| counts.get_mut(column)) {
            *count += 1;
        }
    }
    Ok(counts)
}

/// The call and its arguments of a line such as `1234  fdatasync(5) = 0`. A call that is
/// interrupted by another thread's is told twice, the second time as
/// `<... fdatasync resumed>`, which is none.
fn call_of(line: &str) -> Option<(&str, &str)> {
    let (_, call) = line.trim_start().split_once(char::is_whitespace)?;
    let (call, arguments) = call.trim_start().split_once('(')?;
    call.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        .then_some((call, arguments))
}

/// The descriptor that a line opens, if what is written through it is synced.
fn opened_to_sync(line: &str) -> Option<&str> {
    let (call, arguments) = call_of(line)?;
    let (arguments, descriptor) = arguments.rsplit_once(" = ")?;
    let flags = arguments.rsplit('"').next()?;
    (call == OPEN && SYNC_FLAGS.iter().any(|flag| flags.contains(flag))).then_some(descriptor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_between_the_marks_are_counted_once() {
        let trace = "\
            7 fdatasync(5) = 0\n\
            7 openat(AT_FDCWD, \"O_SYNC\", O_RDWR, 0600) = 5\n\
            7 openat(AT_FDCWD, \"map\", O_RDWR|O_DSYNC|O_CLOEXEC) = 6\n\
            7 write(2, \"the appends begin\", 17) = 17\n\
            7 pwrite64(5, \"x\", 1, 0) = 1\n\
            7 pwrite64(6, \"x\", 1, 0) = 1\n\
            8 fdatasync(5 <unfinished ...>\n\
            7 write(5, \"y\", 1) = 1\n\
            8 <... fdatasync resumed>) = 0\n\
            7 write(2, \"the appends end\", 15) = 15\n\
            7 fsync(5) = 0\n";
        assert_eq!(counted(trace).unwrap(), [1, 0, 0, 0, 1, 2]);
        assert!(counted("").is_err());
    }
}

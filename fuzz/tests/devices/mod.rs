//! Real file systems for tests: who may use them, and a place where nothing is left over.
//!
//! What needs root runs in a process and in a mount namespace of its own ([`alone`]). When
//! that process ends, however it ends, the system takes its mounts away, and with them the
//! loop devices and the files, which lie on a tmpfs that only this namespace has. Guards
//! unmount before that wherever a test can still run them.
//!
//! A third process, `unshare`, stands between the two and is the last in the namespace. The
//! one with the test must not be: while it ends, the system would wait for the unmounting of
//! what is stored in a file system that this very process serves. So signals to the group of
//! the test are kept from both, and the process with the test ends when its input does,
//! which is when the outer one is gone.

// Each test file takes what it needs of this.
#![allow(dead_code, unreachable_pub)]

pub mod child;
pub mod images;
pub mod lives;
pub mod looks;
pub mod mounts;
pub mod recorder;
pub mod served;
pub mod strict;

use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs, io};

use parking_lot::Mutex;

/// Set for the process that runs one test alone; holds the namespace of its parent.
const INSIDE: &str = "ANNALS_TEST_ALONE";

/// Where the tmpfs of a test is mounted. Only its own namespace sees it.
const WORK: &str = "/mnt";

/// How long any program may take, in seconds.
const PROGRAM_SECONDS: &str = "60";

/// Runs the test `name` of this binary alone, with a tmpfs of its own as its working place;
/// or says why not. `programs` are those that it runs, beside those that every test needs;
/// a name that starts with a slash is a file that has to be there.
pub fn alone(name: &str, programs: &[&str], test: impl FnOnce(&Path)) {
    let here = namespace();
    if let Some(outside) = env::var_os(INSIDE) {
        assert!(here.is_some_and(|here| here.as_os_str() != outside), "a namespace of its own");
        run("mount", &["-t", "tmpfs", "-o", "size=4g", "tmpfs", WORK]).unwrap();
        end_with_the_input();
        // What comes next is no longer on the line that says which test runs.
        println!();
        return test(Path::new(WORK));
    }
    if let Some(why) = missing(programs) {
        // Not `println`: what a test that passes prints is not shown.
        io::stderr().write_all(format!("skipped: {name}: {why}\n").as_bytes()).unwrap();
        return;
    }
    let mut inner = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--fork"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(INSIDE, here.unwrap())
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Its input stays open while this waits.
    let input = inner.stdin.take();
    let output = inner.wait_with_output().unwrap();
    drop(input);
    for line in String::from_utf8_lossy(&output.stdout).lines().filter(|line| told(line)) {
        println!("{line}");
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}, alone, {}: {errors}", output.status);
}

/// The connections of the file systems that this process serves.
static SERVED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Notes that this process serves a file system that is mounted there. Before it ends early
/// the connection is cut: a thread that waits for such a file system could not end
/// otherwise, and without it the process that serves it could not either.
pub fn serves(folder: &Path) {
    let control = Path::new("/sys/fs/fuse/connections");
    if fs::read_dir(control).unwrap().next().is_none() {
        run("mount", &["-t", "fusectl", "fusectl", control.to_str().unwrap()]).unwrap();
    }
    let device = fs::metadata(folder).unwrap().dev();
    let minor = device & 0xff | (device >> 12) & !0xff;
    let connection = control.join(minor.to_string());
    assert!(connection.exists(), "{} has a connection", folder.display());
    SERVED.lock().push(connection);
}

/// Ends this process when nobody holds the other end of its input any more.
fn end_with_the_input() {
    std::thread::spawn(|| {
        // Nothing is said: nobody is left to hear it.
        drop(io::stdin().read(&mut [0]));
        for connection in SERVED.lock().drain(..) {
            drop(fs::write(connection.join("abort"), "1"));
        }
        std::process::exit(1);
    });
}

/// Whether a line is the test's own, and not about the run of one test.
fn told(line: &str) -> bool {
    !(line.is_empty() || line == "ok" || ["running ", "test "].iter().any(|w| line.starts_with(w)))
}

fn namespace() -> Option<PathBuf> {
    fs::read_link("/proc/self/ns/mnt").ok()
}

/// Why tests on real file systems cannot run here.
fn missing(programs: &[&str]) -> Option<String> {
    let always = ["timeout", "unshare", "mount", "umount", "id"];
    for program in always.iter().chain(programs) {
        let found = if program.starts_with('/') {
            Path::new(program).exists()
        } else {
            let path = env::var_os("PATH").unwrap_or_default();
            let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
            env::split_paths(&path).chain(system).any(|folder| folder.join(program).exists())
        };
        if !found {
            return Some(format!("there is no {program} (see fuzz/install-tools)"));
        }
    }
    if run("id", &["-u"]).ok()?.trim() != "0" {
        return Some("this is not root".to_owned());
    }
    let probe = ["--mount", "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs", WORK];
    let refused = run("unshare", &probe).err()?;
    Some(format!("no mounts in a namespace: {refused}"))
}

/// Runs a program and gives what it printed; an error carries what it said.
pub fn run(program: &str, arguments: &[&str]) -> io::Result<String> {
    let path = format!("{}:/usr/sbin:/sbin", env::var("PATH").unwrap_or_default());
    let output = Command::new("timeout")
        .args(["--kill-after=5", PROGRAM_SECONDS, program])
        .args(arguments)
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let call = arguments.join(" ");
    Err(io::Error::other(format!("{program} {call}: {}: {said}", output.status)))
}

/// A number from the environment, or what CI runs.
pub fn count(variable: &str, otherwise: u64) -> u64 {
    env::var(variable).ok().map_or(otherwise, |text| text.parse().unwrap())
}

/// The seed of this run: `ANNALS_SEED`, or one drawn from the clock.
pub fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    count("ANNALS_SEED", now.as_secs() ^ (u64::from(now.subsec_nanos()) << 20))
}

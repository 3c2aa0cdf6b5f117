//! Running the program, and reading what it printed.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("it ended by itself"),
            stdout: String::from_utf8(output.stdout).expect("UTF-8 on standard output"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8 on standard error"),
        }
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Ended well.
    #[track_caller]
    pub(crate) fn fine(self) -> Self {
        self.ends_with(0)
    }

    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in: {}", self.stderr);
        }
        self
    }

    /// Every line of standard output, each of which must be a JSON object.
    #[track_caller]
    pub(crate) fn objects(&self) -> Vec<Value> {
        let parse = |line| match serde_json::from_str(line) {
            Ok(value @ Value::Object(_)) => value,
            other => panic!("no JSON object: {line:?}: {other:?}"),
        };
        self.stdout.lines().map(parse).collect()
    }

    /// The only line of standard output.
    #[track_caller]
    pub(crate) fn object(&self) -> Value {
        let mut objects = self.objects();
        assert_eq!(objects.len(), 1, "{}", self.stdout);
        objects.remove(0)
    }
}

pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_annals"));
    command.stdin(Stdio::null());
    command
}

/// Runs the program with these arguments.
pub(crate) fn annals<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ran {
    command().args(arguments).output().expect("the program starts").into()
}

/// The same, with something on standard input.
pub(crate) fn annals_fed<S: AsRef<OsStr>>(
    arguments: impl IntoIterator<Item = S>,
    input: &[u8],
) -> Ran {
    let mut child = command()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    // It may end before it has read everything.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().expect("the program ends").into()
}

/// A directory for a test, with the path of a log in it that is not there yet.
pub(crate) struct Room {
    directory: tempfile::TempDir,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// As an argument.
    pub(crate) fn log(&self) -> String {
        self.path("log").to_str().expect("UTF-8").to_owned()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, bytes).expect("the file is written");
        path.to_str().expect("UTF-8").to_owned()
    }
}

/// A line to import.
pub(crate) fn line(number: u64) -> String {
    format!(
        "{{\"stream\":\"case-{}\",\"type\":\"Noted\",\"id\":\"00000000-0000-4000-8000-{number:012x}\",\
         \"data\":{{\"number\":{number}}}}}\n",
        number % 7
    )
}

/// So many lines to import.
pub(crate) fn lines(count: u64) -> String {
    (1..=count).map(line).collect()
}

/// A log with so many events in it.
pub(crate) fn room_with(count: u64) -> Room {
    let room = Room::new();
    annals_fed(["import", &room.log(), "-"], lines(count).as_bytes()).fine();
    room
}

/// Where real event logs may lie: beside the project, not in it. Without them the
/// tests on real data say so and pass.
fn data_directory() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let asked = std::env::var_os("ANNALS_TEST_DATA").map(PathBuf::from);
    let directory = asked.unwrap_or(beside);
    if directory.join("answers.json").is_file() {
        return Some(directory);
    }
    eprintln!(
        "SKIPPED: no real event logs in {} (or where ANNALS_TEST_DATA says)",
        directory.display()
    );
    None
}

/// A real event log and what is known of it.
pub(crate) struct RealLog {
    pub(crate) file: String,
    /// Its lines, unpacked.
    pub(crate) text: String,
    pub(crate) answers: Value,
}

/// The real event log with this name, if there is any.
pub(crate) fn real_log(name: &str, file: &str) -> Option<RealLog> {
    let directory = data_directory()?;
    let file = directory.join(file);
    let bytes = fs::read(&file).expect("the data file is read");
    let mut text = String::new();
    if file.extension() == Some(OsStr::new("zst")) {
        let mut decoder = zstd::Decoder::new(&bytes[..]).expect("zstd");
        decoder.read_to_string(&mut text).expect("UTF-8 in zstd");
    } else {
        text = String::from_utf8(bytes).expect("UTF-8");
    }
    let answers = fs::read(directory.join("answers.json")).expect("the answers are read");
    let mut answers: Value = serde_json::from_slice(&answers).expect("the answers are JSON");
    let file = file.to_str().expect("UTF-8").to_owned();
    Some(RealLog { file, text, answers: answers[name].take() })
}

/// The fields of a line that an import keeps, with the JSON as it stands there.
#[derive(Deserialize, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) position: Option<u64>,
    pub(crate) version: Option<u64>,
    pub(crate) stream: String,
    #[serde(rename = "type")]
    pub(crate) event_type: String,
    pub(crate) id: &'a str,
    pub(crate) time: &'a str,
    #[serde(borrow)]
    pub(crate) data: &'a RawValue,
    #[serde(borrow)]
    pub(crate) metadata: Option<&'a RawValue>,
}

impl Line<'_> {
    /// What must be equal, as one text.
    pub(crate) fn content(&self) -> [&str; 6] {
        let metadata = self.metadata.map_or("", RawValue::get);
        [&self.stream, &self.event_type, self.id, self.time, self.data.get(), metadata]
    }
}

pub(crate) fn parse_lines(text: &str) -> Vec<Line<'_>> {
    text.lines().map(|line| serde_json::from_str(line).expect("an event's line")).collect()
}

pub(crate) fn sha256(parts: impl IntoIterator<Item = String>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Numbers that look random, by seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

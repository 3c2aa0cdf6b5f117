//! Git histories: every change of every file, whatever it is called.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Room, annals};

/// A repository to play with.
pub(crate) struct Repository {
    path: PathBuf,
    /// Seconds since 1970 of the next commit.
    clock: u64,
}

impl Repository {
    /// A new one; none where there is no git.
    pub(crate) fn new(path: PathBuf) -> Option<Self> {
        let works =
            Command::new("git").arg("--version").output().is_ok_and(|ran| ran.status.success());
        if !works {
            eprintln!("SKIPPED: the program git is not there");
            return None;
        }
        std::fs::create_dir(&path).unwrap();
        let repository = Self { path, clock: 1_700_000_000 };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        Some(repository)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn git(&self, arguments: &[&str]) {
        let date = format!("{} +0200", self.clock);
        let output = Command::new("git")
            .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-C"])
            .arg(&self.path)
            .args(arguments)
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    pub(crate) fn commit(&mut self, subject: &str) {
        self.clock += 60;
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--allow-empty-message", "-m", subject]);
    }

    pub(crate) fn write(&self, name: impl AsRef<Path>, text: &str) {
        let path = self.path.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn argument(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

/// Streams and types, in order.
fn changes(log: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let events = annals(["export", log]).fine().objects();
    events.iter().map(|event| (text(&event["stream"]), text(&event["type"]))).collect()
}

fn known(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(stream, kind)| (format!("file-{stream}"), format!("File{kind}"))).collect()
}

#[test]
fn each_change_of_a_file_is_an_event_of_its_stream() {
    let room = Room::new();
    let Some(mut repository) = Repository::new(room.path("repository")) else { return };
    repository.write("a", "1");
    repository.write("dir/b c", "1");
    repository.commit("first: \"quoted\" 🎉");
    repository.commit("nothing in it");
    repository.write("a", "2");
    repository.git(&["mv", "dir/b c", "moved"]);
    repository.commit("");
    repository.git(&["rm", "--quiet", "a"]);
    repository.commit(":deleted");

    let log = room.log();
    let done = annals(["import", &log, "--git", repository.argument(), "--json"]).fine().object();
    assert_eq!(done["imported"], json!(6));
    let first = known(&[
        ("a", "Added"),
        ("dir/b c", "Added"),
        ("a", "Changed"),
        ("dir/b c", "Deleted"),
        ("moved", "Added"),
        ("a", "Deleted"),
    ]);
    assert_eq!(changes(&log), first);
    let event = annals(["export", &log, "--limit", "1"]).fine().object();
    assert_eq!(event["data"]["subject"], json!("first: \"quoted\" 🎉"));
    assert_eq!(event["data"]["commit"].as_str().unwrap().len(), 40);
    assert_eq!(event["metadata"], json!({ "author": "Ada" }));
    assert_eq!(event["time"], json!("2023-11-15T00:14:20+02:00"));

    let again = annals(["import", &log, "--git", repository.argument(), "--json"]).fine().object();
    assert_eq!((&again["imported"], &again["passed_over"]), (&json!(0), &json!(6)));
    repository.write("new", "1");
    repository.commit("one more");
    let more = annals(["import", &log, "--git", repository.argument(), "--json"]).fine().object();
    assert_eq!((&more["imported"], &more["passed_over"]), (&json!(1), &json!(6)));
}

#[test]
fn a_merge_brings_what_it_changed_on_the_first_parent() {
    let room = Room::new();
    let Some(mut repository) = Repository::new(room.path("repository")) else { return };
    repository.write("a", "1");
    repository.commit("first");
    repository.git(&["checkout", "--quiet", "-b", "side"]);
    repository.write("b", "1");
    repository.commit("on the side");
    repository.write("b", "2");
    repository.commit("again");
    repository.git(&["checkout", "--quiet", "main"]);
    repository.write("c", "1");
    repository.commit("on main");
    repository.git(&["merge", "--quiet", "--no-edit", "side"]);
    annals(["import", &room.log(), "--git", repository.argument()]).fine();
    assert_eq!(changes(&room.log()), known(&[("a", "Added"), ("c", "Added"), ("b", "Added")]));
}

#[cfg(unix)]
#[test]
fn paths_of_any_bytes_are_kept() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let room = Room::new();
    let Some(mut repository) = Repository::new(room.path("repository")) else { return };
    let long = ["d".repeat(200), "e".repeat(200), "f".repeat(200)].join("/");
    repository.write("\"tab\t\" and\nline é", "1");
    repository.write(&long, "1");
    repository.write(OsStr::from_bytes(b"latin-\xe9"), "1");
    std::os::unix::fs::symlink("nowhere", repository.path().join("link")).unwrap();
    repository.commit("odd names");
    std::fs::remove_file(repository.path().join("link")).unwrap();
    repository.write("link", "a file now");
    repository.commit("a link becomes a file");
    annals(["import", &room.log(), "--git", repository.argument()]).fine();
    let events = annals(["export", &room.log()]).fine().objects();
    assert_eq!(events.len(), 5);
    let of = |wanted: &dyn Fn(&Value) -> bool| events.iter().filter(|event| wanted(event)).count();
    assert_eq!(of(&|event| event["stream"] == json!("file-\"tab\t\" and\nline é")), 1);
    assert_eq!(of(&|event| event["data"]["path"] == json!(long)), 1);
    assert_eq!(of(&|event| event["data"]["path_base64"] == json!("bGF0aW4t6Q==")), 1);
    assert_eq!(of(&|event| event["stream"] == json!("file-link")), 2);
    assert_eq!(events[4]["type"], json!("FileChanged"));
}

#[test]
fn a_repository_without_commits_has_no_events() {
    let room = Room::new();
    let Some(repository) = Repository::new(room.path("repository")) else { return };
    let done = annals(["import", &room.log(), "--git", repository.argument(), "--json"]);
    assert_eq!(done.fine().object()["imported"], json!(0));
}

#[test]
fn what_is_no_repository_is_an_error_that_names_it() {
    let room = Room::new();
    let nowhere = room.path("nowhere").to_str().unwrap().to_owned();
    let ran = annals(["import", &room.log(), "--git", &nowhere]).ends_with(3);
    ran.says(&[&nowhere, "what to do"]);
    assert!(!room.path("log").exists());
}

#[test]
fn without_git_the_message_says_so() {
    let room = Room::new();
    let output = crate::support::command()
        .args(["import", &room.log(), "--git", "."])
        .env("PATH", "")
        .output()
        .unwrap();
    let ran = crate::support::Ran::from(output).ends_with(3);
    ran.says(&["`git` cannot be run", "install git"]);
}

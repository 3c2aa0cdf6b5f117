//! The tour: it runs, checks what it shows, and leaves nothing behind.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::git::Repository;
use crate::support::{Ran, Room, annals, command};

/// The program in a directory, with temporary files in a place of their own, and no
/// repository above it.
fn in_directory(directory: &Path, temporary: &Path) -> Command {
    let mut command = command();
    command
        .current_dir(directory)
        .env("TMPDIR", temporary)
        .env("GIT_CEILING_DIRECTORIES", directory.parent().unwrap());
    command
}

fn temporary(room: &Room) -> std::path::PathBuf {
    let path = room.path("temporary");
    fs::create_dir(&path).unwrap();
    path
}

#[test]
fn it_tours_a_git_history_and_clears_up() {
    let room = Room::new();
    let Some(mut repository) = Repository::new(room.path("repository")) else { return };
    for number in 0..40 {
        repository.write(format!("file-{}", number % 5), &number.to_string());
        repository.commit(&format!("change {number}"));
    }
    repository.git(&["rm", "--quiet", "file-3"]);
    repository.commit("away with it");
    let temporary = temporary(&room);
    let output = in_directory(repository.path(), &temporary).arg("demo").output().unwrap();
    let ran = Ran::from(output).fine();
    for words in [
        "the git history of this directory",
        "41 commits: 41 events in 5 streams",
        "the busiest file is file-3: 9 changes by 1 author",
        "of 5 files that ever were, 4 exist",
        "refused, stream \"account-1\" is at version 2, expected version 1",
        "from its snapshot at version 10,000 and 5 events after it",
        "followed 2,000 live",
        "not closed",
        "acknowledged but missing: 0",
        "ok      the fold finds the 4 files that `git ls-tree` lists",
    ] {
        assert!(ran.stdout.contains(words), "{words:?} is not in:\n{}", ran.stdout);
    }
    assert!(!ran.stdout.contains("FAILED"), "{}", ran.stdout);
    assert!(!ran.stdout.contains(temporary.to_str().unwrap()), "{}", ran.stdout);
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn it_tours_a_web_shop_where_there_is_no_history_and_keeps_a_named_log() {
    let room = Room::new();
    let empty = temporary(&room);
    let output = in_directory(&empty, &empty).args(["demo", &room.log()]).output().unwrap();
    let ran = Ran::from(output).fine();
    for words in ["a generated web shop", "no git history", "2,000 orders", "annals streams"] {
        assert!(ran.stdout.contains(words), "{words:?} is not in:\n{}", ran.stdout);
    }
    annals(["verify", &room.log()]).fine();
    // The tour counts what it did itself, so it wants a log of its own.
    let again = in_directory(&empty, &empty).args(["demo", &room.log()]).output().unwrap();
    Ran::from(again).ends_with(2).says(&["must be empty"]);
}

#[test]
fn its_steps_are_objects_with_json() {
    let room = Room::new();
    let empty = temporary(&room);
    let output = in_directory(&empty, &empty).args(["demo", "--json"]).output().unwrap();
    let objects = Ran::from(output).fine().objects();
    let steps: Vec<_> = objects.iter().map(|object| object["step"].as_str().unwrap()).collect();
    let expected = ["import", "fold", "conflict", "snapshot", "tail", "kill", "verify", "check"];
    assert_eq!(steps[..8], expected);
    let end = objects.last().unwrap();
    assert_eq!(end, &json!({ "step": "end", "ok": true, "failed": 0 }));
}

#[test]
fn a_named_repository_must_be_one() {
    let room = Room::new();
    let nowhere = room.path("nowhere").to_str().unwrap().to_owned();
    annals(["demo", "--git", &nowhere]).ends_with(3).says(&[&nowhere]);
}

//! `annals crashtest`: what it says when nothing breaks, and when something does.

use std::ffi::OsStr;

use crate::support::{Room, annals};

#[test]
fn a_run_says_how_much_it_tried_and_the_same_seed_tries_the_same() {
    let counts = |seed: &str| {
        let arguments =
            ["crashtest", "--json", "--steps", "1", "--states", "900", "--threads", "1"];
        let ran = annals([&arguments[..], &["--seed", seed]].concat()).fine();
        let summary = ran.object();
        assert_eq!(summary["kind"], "summary");
        assert_eq!(summary["ok"], true);
        assert!(summary["states"].as_u64().unwrap() >= 900, "{summary}");
        assert!(summary["states_per_second"].as_f64().unwrap() > 0.0, "{summary}");
        ["states", "checks", "recovery_crashes", "programs"].map(|name| summary[name].clone())
    };
    assert_eq!(counts("5"), counts("5"));
    assert_ne!(counts("5"), counts("6"));
}

#[test]
fn a_run_ends_when_its_time_is_over() {
    let ran = annals(["crashtest", "--seconds", "0.3", "--json"]).fine();
    let seconds = ran.object()["seconds"].as_f64().unwrap();
    assert!((0.3..60.0).contains(&seconds), "{seconds}");
}

#[test]
fn a_broken_promise_is_told_with_a_line_that_shows_it_again() {
    let bug = ["--plant", "TailNotCut"];
    let ran = annals([&["crashtest", "--json"], &bug[..]].concat());
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let lines = ran.objects();
    assert_eq!(lines[0]["kind"], "failure");
    assert_eq!(lines[1]["ok"], false);
    let again = lines[0]["again"].as_str().unwrap();
    let words: Vec<_> = again.split('\'').collect();
    let [before, program, after] = words[..] else { panic!("{again}") };
    let arguments: Vec<_> = before.split_whitespace().skip(1).chain([program]).collect();
    let planted: Vec<_> = arguments.iter().copied().chain(after.split_whitespace()).collect();
    let ran = annals(&planted);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stdout.contains("a promise is broken"), "{}", ran.stdout);
    // It is the bug that breaks it.
    annals(&arguments).fine();
}

#[test]
fn processes_are_killed_and_what_they_were_told_is_there() {
    let room = Room::new();
    let place = room.path("");
    let arguments = ["crashtest", "--kill", "--states", "6", "--json", "--dir"];
    let with_place = || arguments.iter().map(OsStr::new).chain([place.as_os_str()]);
    let summary = annals(with_place()).fine().object();
    assert_eq!((&summary["kills"], &summary["ok"]), (&6.into(), &true.into()), "{summary}");
    assert!(summary["acknowledged"].as_u64().unwrap() > 0, "{summary}");
    let left: Vec<_> = std::fs::read_dir(&place).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    // It sees what breaks.
    let bug = ["--plant", "WrittenBeforeWrite", "--states", "400"].map(OsStr::new);
    let ran = annals(with_place().filter(|word| *word != "--states" && *word != "6").chain(bug));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert_eq!(ran.objects()[0]["kind"], "failure");
}

#[test]
fn wrong_arguments_are_told() {
    for wrong in [
        &["--states", "5", "--seconds", "5"][..],
        &["--program", "S G"],
        &["--plant", "Nothing"],
        &["--threads", "0"],
        &["--steps", "40"],
        &["--kill", "--program", "S"],
        &["--dir", "somewhere"],
    ] {
        let ran = annals([&["crashtest"], wrong].concat());
        assert_eq!(ran.code, 2, "{wrong:?}: {}", ran.stdout);
    }
}

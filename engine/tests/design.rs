//! What DESIGN.md says of the tree is so: the tests that it names are there, every planted
//! bug stands beside a promise, and the map has the ranks that are checked.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| format!("{}: {error}", path.display()))
}

fn section<'a>(design: &'a str, heading: &str) -> &'a str {
    let begin = design.find(&format!("\n## {heading}\n")).unwrap() + 1;
    let rest = &design[begin..];
    rest.find("\n## ").map_or(rest, |end| &rest[..end])
}

/// What stands between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The file and the function of each test that is named: `file::function`, and
/// `::function` for another one of the same file.
fn named_tests(section: &str) -> Vec<(String, String)> {
    let mut tests = Vec::new();
    let mut file = String::new();
    for name in quoted(section) {
        let Some((path, function)) = name.rsplit_once("::") else { continue };
        if function.starts_with(|first: char| first.is_uppercase()) || path == "annals::guide" {
            continue;
        }
        match path {
            "" => {}
            path if path.contains('/') => file = path.to_owned(),
            path => file = format!("engine/tests/{path}.rs"),
        }
        tests.push((file.clone(), function.to_owned()));
    }
    tests
}

#[test]
fn every_test_that_stands_beside_a_promise_is_there() {
    let design = text("DESIGN.md");
    let tests = named_tests(section(&design, "Contract and tests"));
    assert!(tests.len() > 80, "{} tests are named", tests.len());
    for (file, function) in tests {
        assert!(text(&file).contains(&format!("fn {function}(")), "{file}: no {function}");
    }
    let files = quoted(section(&design, "Contract and tests")).filter(|name| name.ends_with(".rs"));
    for file in files {
        assert!(root().join(file).exists(), "{file}");
    }
}

#[test]
fn every_planted_bug_stands_beside_a_promise() {
    let design = text("DESIGN.md");
    let named: Vec<_> = quoted(section(&design, "Contract and tests")).collect();
    let planted = text("engine/src/planted.rs");
    let list = planted.split("pub enum Bug {").nth(1).unwrap().split('}').next().unwrap();
    let bugs: Vec<_> = list
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('/') && !line.is_empty())
        .map(|line| line.trim_end_matches(','))
        .collect();
    assert!(bugs.len() > 20);
    for bug in bugs {
        assert!(named.contains(&bug), "{bug}");
    }
}

#[test]
fn the_map_has_the_ranks_that_are_checked() {
    let design = text("DESIGN.md");
    let map = section(&design, "Map of the tree");
    let map = map.split("```").find(|block| block.starts_with("text\n8 ")).unwrap();
    let checks = text("engine/tests/tidy/checks.rs");
    let ranks = checks.split("const RANKS").nth(1).unwrap().split("];").next().unwrap();
    let mut checked = Vec::new();
    for rank in 0..=8 {
        let before = [format!("({rank},"), format!("\n        {rank},")];
        let list = before.iter().find_map(|before| ranks.split(before).nth(1)).unwrap();
        let list = list.split(']').next().unwrap();
        checked.extend(list.split('"').skip(1).step_by(2).map(|module| (rank, module.to_owned())));
    }
    assert!(checked.len() > 35, "{checked:?}");
    let mut rank = 0;
    let mut mapped = Vec::new();
    for line in map.lines().skip(1) {
        if let Some(number) = line.chars().next().and_then(|first| first.to_digit(10)) {
            rank = number;
        }
        // Modules stand before what is said of them, which begins two spaces further on; in a
        // line of nothing but modules there is nothing said.
        let modules = line.get(3..).unwrap_or_default();
        let said = modules.split("  ").map(str::trim).filter(|part| !part.is_empty());
        for part in said.filter(|part| !part.contains(' ')) {
            mapped.push((rank, part.trim_end_matches('/').to_owned()));
        }
    }
    checked.sort();
    mapped.sort();
    assert_eq!(mapped, checked);
}

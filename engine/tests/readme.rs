//! What the README shows is what a user gets.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::Command;

fn readme() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_first_program_of_the_readme_is_the_example() {
    let readme = readme();
    let block = readme.split("```rust\n").nth(1).unwrap().split("```").next().unwrap();
    let example = include_str!("../examples/shop.rs");
    assert!(example.ends_with(block), "README and examples/shop.rs differ");
    let main = block.lines().skip_while(|line| !line.starts_with("fn main"));
    assert!(main.count() <= 15);
}

#[test]
fn the_aggregate_of_the_readme_is_the_example() {
    let readme = readme();
    let block = readme.split("```rust\n").nth(2).unwrap().split("```").next().unwrap();
    let example = include_str!("../examples/bank.rs");
    assert!(example.ends_with(block), "README and examples/bank.rs differ");
}

#[test]
fn the_first_program_of_the_readme_runs_and_prints_what_it_says() {
    runs("shop", 1);
}

#[test]
fn the_aggregate_of_the_readme_runs_and_prints_what_it_says() {
    runs("bank", 2);
}

/// Whether an example prints what the README shows in its text block of this number.
fn runs(example: &str, block: usize) {
    let directory = tempfile::tempdir().unwrap();
    let mut program = std::env::current_exe().unwrap();
    program.pop();
    program.pop();
    program.push("examples");
    program.push(format!("{example}{}", std::env::consts::EXE_SUFFIX));
    // `cargo test` builds the examples; a run of this test alone does not.
    if !program.exists() {
        let built = Command::new(env!("CARGO"))
            .args(["build", "-p", "annals", "--example", example])
            .status();
        assert!(built.unwrap().success());
    }
    let output = Command::new(program).current_dir(directory.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let shown = readme();
    let shown = shown.split("```text\n").nth(block).unwrap().split("```").next().unwrap();
    assert_eq!(printed, shown);
}

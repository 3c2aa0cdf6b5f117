//! The style of the source, as tests: lengths, ranks of modules, single homes of
//! facts, leftovers.
//!
//! Every `.rs` file of the repository is read. Each check is also shown something that
//! it must find, so that one that has gone blind fails. An exception that nothing needs
//! any more is a finding too.

mod checks;
mod source;

use std::io;

use checks::{Findings, Used};
use source::{Source, tree};

/// Fails with the findings, one a line.
fn nothing(findings: &Findings) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

fn over_all(check: impl Fn(&Source) -> Findings) -> io::Result<Findings> {
    Ok(tree()?.iter().flat_map(check).collect())
}

/// What a check says of a snippet, as if it stood in that file.
fn said(check: impl Fn(&Source) -> Findings, path: &str, text: &str) -> String {
    check(&Source::new(path, text)).join("\n")
}

#[test]
fn the_whole_repository_is_read() -> io::Result<()> {
    let sources = tree()?;
    let paths: Vec<_> = sources.iter().map(|source| source.path.as_str()).collect();
    for path in [
        "engine/src/lib.rs",
        "engine/src/record/layout.rs",
        "engine/tests/tidy/main.rs",
        "index/src/lib.rs",
        "tools/src/main.rs",
        "benches/rivals/src/lib.rs",
        "benches/src/lib.rs",
        "fuzz/src/lib.rs",
    ] {
        assert!(paths.contains(&path), "{path} is not among {} files", paths.len());
    }
    assert!(!paths.iter().any(|path| path.contains("target/")));
    Ok(())
}

#[test]
fn files_are_short_and_say_what_lives_in_them_and_functions_are_short() -> io::Result<()> {
    nothing(&over_all(checks::lengths)?);
    Ok(())
}

#[test]
fn modules_of_the_engine_import_only_from_lower_ranks() -> io::Result<()> {
    let lib = include_str!("../../src/lib.rs");
    let names = checks::re_exports(&Source::new("engine/src/lib.rs", lib));
    assert_eq!(names.get("Corrupt").map(String::as_str), Some("error"));
    nothing(&over_all(|source| checks::ranks(source, &names))?);
    Ok(())
}

#[test]
fn each_fact_has_one_home() -> io::Result<()> {
    let used = Used::default();
    let mut findings = over_all(checks::homes)?;
    findings.extend(over_all(checks::file_names)?);
    findings.extend(over_all(|source| checks::layout(source, &used))?);
    findings.extend(used.idle("LAYOUT_ELSEWHERE", checks::LAYOUT_ELSEWHERE.len()));
    findings.extend(over_all(|source| checks::synchronisation(source, &used))?);
    findings.extend(used.idle("SYNC_ELSEWHERE", checks::SYNC_ELSEWHERE.len()));
    nothing(&findings);
    Ok(())
}

#[test]
fn nothing_is_left_over() -> io::Result<()> {
    nothing(&over_all(checks::leftovers)?);
    Ok(())
}

#[test]
fn comments_and_literals_are_told_from_code() {
    let text = "let a = \"// no { comment \\\" \"; // a } comment \"\n\
        /* one /* inside */ another */ let b = '{'; let c = '\\''; let d: &'static str = \"e\";\n\
        let f = r#\"raw \"{\" text\"#; let g = b\"bytes\"; let h = b'}'; for_b(\"b\");";
    let source = Source::new("engine/src/x.rs", text);
    let code = source.code.join("\n");
    assert!(!code.contains(['{', '}', '"', '#']), "{code}");
    assert!(code.contains("let b =") && code.contains("&'static str"), "{code}");
    let literals: Vec<_> = source.literals.iter().map(|l| (l.line, l.text.as_str())).collect();
    let expected = [(0, "// no { comment \\\" "), (1, "e"), (2, "raw \"{\" text"), (2, "bytes")];
    assert_eq!(literals.get(..4), Some(&expected[..]));
    assert_eq!(source.literals.iter().filter(|literal| literal.bytes).count(), 1);
}

#[test]
fn a_long_file_a_long_function_and_a_missing_first_line_are_found() {
    let long = "//! Lines.\n".repeat(501);
    assert!(said(checks::lengths, "a.rs", &long).contains("501 lines"));
    assert!(said(checks::lengths, "a.rs", "use std::io;\n").contains("does not start"));
    let function = |lines| {
        format!("//! A.\nfn f(x: [u8; 2]) -> T\n{{ // }}\n{}}}\n", "let y = \"}\";\n".repeat(lines))
    };
    assert!(
        said(checks::lengths, "a.rs", &function(67)).contains("a.rs:2: a function of 70 lines")
    );
    assert_eq!(said(checks::lengths, "a.rs", &function(66)), "");
    let none = "//! A.\ntrait T { fn a(&self); }\nstruct F { f: fn(u8) -> u8, }\n";
    assert_eq!(
        said(checks::lengths, "a.rs", &format!("{none}{}", "const A: u8 = 1;\n".repeat(99))),
        ""
    );
}

#[test]
fn imports_from_the_same_or_a_higher_rank_are_found_however_they_are_written() {
    let lib =
        Source::new("engine/src/lib.rs", "pub use log::Log;\npub use error::{Error, Result};");
    let names = checks::re_exports(&lib);
    let said = |path: &str, text: &str| said(|s| checks::ranks(s, &names), path, text);
    assert_eq!(said("engine/src/segment/file.rs", "use crate::record::walk;\nuse crate::io;"), "");
    assert_eq!(
        said("engine/src/segment/file.rs", "/// [`Log`](crate::Log)\nuse crate::Error;"),
        ""
    );
    for up in [
        "use crate::commit::Committer;",
        "fn f() { crate::commit::close() }",
        "use crate::{\n    error::{Error, Result},\n    commit::Tail,\n};",
        "use crate::{error, commit};",
    ] {
        assert!(said("engine/src/segment/file.rs", up).contains("imports from `commit`"), "{up}");
    }
    assert!(said("engine/src/segment/file.rs", "use crate::Log;").contains("imports from `log`"));
    assert!(said("engine/src/read/all.rs", "use crate::commit::Tail;").contains("rank 4"));
    assert!(said("engine/src/nowhere.rs", "").contains("no rank"));
    assert!(said("engine/src/log.rs", "use crate::nowhere::X;").contains("no rank"));
    assert!(said("engine/src/options.rs", "use crate::log::Log;").contains("rank 7"));
    let on_top = "engine/src/sourcing/store.rs";
    assert_eq!(said(on_top, "use crate::{Error, Log};\nuse crate::sync::Mutex;"), "");
    assert_eq!(said(on_top, "use crate::sourcing::Store;"), "");
    assert!(said(on_top, "use crate::log::Log;").contains("which no program can"));
    assert!(said("engine/src/log.rs", "use crate::sourcing::Store;").contains("rank 8"));
}

#[test]
fn facts_away_from_home_are_found() {
    for (path, text) in [
        ("engine/src/log.rs", "use std::fs;"),
        ("engine/src/log.rs", "use std::{fs, io};"),
        ("engine/src/log.rs", "unsafe { f() }"),
        ("tools/src/main.rs", "unsafe { f() }"),
        ("engine/src/segment/file.rs", "use crc32fast::Hasher;"),
        ("index/src/run.rs", "memmap2::Mmap::map(&file)"),
    ] {
        assert!(said(checks::homes, path, text).contains("outside its home"), "{path}: {text}");
    }
    assert_eq!(said(checks::homes, "engine/src/log.rs", "// unsafe\n#![allow(unsafe_code)]"), "");
    assert_eq!(said(checks::homes, "tools/src/main.rs", "use std::fs;"), "");
    for name in ["\"{n}.seg\"", "\".idx\"", "\"control\"", "\"lock\"", "\"x.tmp\""] {
        let text = format!("let name = format!({name});");
        assert!(
            said(checks::file_names, "engine/src/log.rs", &text).contains("a file name"),
            "{name}"
        );
    }
    let failed = "Error::io(\"lock\", &place, error)";
    assert_eq!(said(checks::file_names, "engine/src/log.rs", failed), "");
    let used = Used::default();
    let layout = |path: &str, text: &str| said(|s| checks::layout(s, &used), path, text);
    for text in ["u32_at(bytes, 12)", "put_u64(&mut block, 8, x)", "let m = b\"magic\";"] {
        assert!(layout("engine/src/segment/header.rs", text).contains("the layout"), "{text}");
    }
    assert!(!used.idle("LAYOUT_ELSEWHERE", 1).is_empty());
    assert!(layout("engine/src/record/frame.rs", "const LEN: usize = 3;").contains("a constant"));
    assert_eq!(layout("engine/src/record/frame.rs", "pub(crate) const fn f() {}"), "");
    assert_eq!(layout("engine/src/segment/header.rs", "read_at(b, 7); u32_at(b, head::END)"), "");
    let test = "fn f() {}\n#[cfg(test)]\nmod tests {\n    let x = u32_at(b, 7);\n}";
    assert_eq!(layout("engine/src/segment/header.rs", test), "");
}

#[test]
fn synchronisation_away_from_home_is_found() {
    let used = Used::default();
    let said = |path: &str, text: &str| said(|s| checks::synchronisation(s, &used), path, text);
    for text in [
        "use parking_lot::Mutex;",
        "let (a, b) = crossbeam_channel::unbounded();",
        "std::thread::sleep(time);",
        "use std::sync::atomic::{AtomicU64, Ordering};",
        "use std::sync::{Arc, Mutex};",
        "use std::sync::Condvar;",
    ] {
        assert!(said("engine/src/commit/lead.rs", text).contains("outside"), "{text}");
        assert_eq!(said("engine/src/sync/real.rs", text), "");
        assert_eq!(said("tools/src/main.rs", text), "");
        let test = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n    {text}\n}}");
        assert_eq!(said("engine/src/commit/lead.rs", &test), "");
    }
    for text in [
        "use std::sync::{Arc, OnceLock};",
        "fn f(a: std::sync::Weak<Self>) {}",
        "use crate::sync::thread::{self, JoinHandle};",
        "io::Error::other(std::sync::Arc::new(error))",
    ] {
        assert_eq!(said("engine/src/commit/lead.rs", text), "", "{text}");
    }
    assert_eq!(used.idle("SYNC_ELSEWHERE", 3).len(), 3);
    assert_eq!(said("engine/src/io/os.rs", "std::thread::sleep(STEP);"), "");
    assert_eq!(used.idle("SYNC_ELSEWHERE", 3).len(), 2);
}

#[test]
fn leftovers_are_found() {
    let marks = [concat!("// TO", "DO: x"), concat!("// FIX", "ME"), concat!("/* X", "XX */")];
    for text in marks.into_iter().chain(["todo!()", "unimplemented!(\"x\")", "dbg!(x);"]) {
        assert_ne!(said(checks::leftovers, "tools/src/main.rs", text), "", "{text}");
    }
    for folder in ["home", "tmp", "work"] {
        let text = format!("let at = \"/{folder}/x\";");
        assert!(said(checks::leftovers, "tools/src/main.rs", &text).contains("one machine"));
        assert_eq!(said(checks::leftovers, "tools/tests/program/main.rs", &text), "");
    }
    assert_ne!(said(checks::leftovers, "engine/src/log.rs", "println!(\"x\");"), "");
    assert_eq!(said(checks::leftovers, "engine/src/log.rs", "/// println!(\"x\");"), "");
    assert_eq!(said(checks::leftovers, "tools/src/main.rs", "println!(\"x\");"), "");
}

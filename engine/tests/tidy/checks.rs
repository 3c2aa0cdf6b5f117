//! What is checked, and the tables that say what is allowed. A check gives a list of
//! findings; an exception stands in a table with its reason.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Literal, Source, words};

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;

/// The ranks of the engine's modules: one imports only from those of a lower rank.
/// What lies in a folder is one module.
const RANKS: [(usize, &[&str]); 9] = [
    (
        0,
        &[
            "category",
            "checkpoint",
            "durability",
            "expected",
            "guide",
            "limits",
            "place",
            "planted",
            "recovered",
            "sync",
            "time",
            "visibility",
        ],
    ),
    (1, &["error", "io", "names", "observe", "record"]),
    (2, &["committed", "event", "horizon", "options", "segment", "snapshot"]),
    (3, &["batch", "catalog", "control", "filter", "tail"]),
    (4, &["read", "watermark"]),
    (5, &["commit", "cursor", "recovery", "stats"]),
    (6, &["follower", "reader", "verify"]),
    (7, &["log", "repair"]),
    (8, &["sourcing"]),
];

/// The module that stands on what every program can use, and what it may import besides
/// what `lib.rs` re-exports: public modules, its own macro, what is told of a running log, locks
/// that a model sees, and planted faults.
const ON_TOP: (&str, [&str; 5]) =
    ("sourcing", ["event_types", "limits", "observe", "sync", "planted"]);

/// Words that stand in one place only: the word, where it is looked for, its homes.
const HOMES: [(&str, &[&str], &[&str]); 5] = [
    // `map` names the type of what it maps, and opens nothing.
    // Checkpoints outside the log lie in files of their own.
    (
        "fs",
        &["engine/src/", "index/src/"],
        &["engine/src/io/os.rs", "engine/src/io/map.rs", "engine/src/sourcing/follower.rs"],
    ),
    ("unsafe", &[""], &["engine/src/io/map.rs", BENCHES_MAP, RIVALS_LMDB]),
    ("memmap2", &[""], &["engine/src/io/map.rs", BENCHES_MAP]),
    ("crc32fast", &["engine/src/"], &["engine/src/record/checksum.rs"]),
    ("bincode", &["engine/", "index/src/"], &["index/src/footer.rs", "index/src/layout.rs"]),
];

/// The one module of the benches that maps files, for floors without the log.
const BENCHES_MAP: &str = "benches/src/floors/map.rs";

/// heed opens LMDB through functions that are `unsafe`, because of its mapping.
const RIVALS_LMDB: &str = "benches/rivals/src/stores/lmdb.rs";

/// What threads wait for each other with, or see each other's stores by.
const SYNCHRONISATION: [&str; 5] =
    ["parking_lot", "crossbeam_channel", "atomic_wait", "std::thread", "core::sync"];

/// What `std::sync` has without anything waiting in it.
const NOT_WAITED_FOR: [&str; 3] = ["Arc", "Weak", "OnceLock"];

/// Its one home: what is named elsewhere no model sees.
const SYNC_HOME: &str = "engine/src/sync/";

/// Synchronisation away from home: file, what it names, why.
pub(crate) const SYNC_ELSEWHERE: [(&str, &str, &str); 3] = [
    ("engine/src/io/map.rs", "std::sync", "words in a mapping, which are the system's"),
    ("engine/src/io/map.rs", "std::thread", "waits for another process where it is not woken"),
    ("engine/src/io/os.rs", "std::thread", "waits for a lock of the system"),
];

/// Parts of file names, and where they may stand in a literal. The storage makes the
/// lock by itself, so it has to know that one name.
const FILE_NAMES: [&str; 5] = [".seg", ".idx", ".tmp", "control", "lock"];
const NAMES_HOME: &str = "engine/src/segment/name.rs";
const STORAGE: &str = "engine/src/io/mod.rs";

const LAYOUT_HOME: &str = "engine/src/record/layout.rs";

/// Numbers of the layout outside its home: file, line of code, why.
pub(crate) const LAYOUT_ELSEWHERE: [(&str, &str, &str); 0] = [];

pub(crate) type Findings = Vec<String>;

pub(crate) fn lengths(source: &Source) -> Findings {
    let mut findings = Vec::new();
    if !source.text.starts_with("//!") {
        findings.push(source.at(0, "the file does not start by saying what lives in it"));
    }
    if source.code.len() > FILE_LINES {
        findings.push(source.at(FILE_LINES, format!("{} lines", source.code.len())));
    }
    for (line, _) in
        source.code.iter().enumerate().filter(|(_, line)| words(line, "fn").next().is_some())
    {
        let len = function_lines(source.code.get(line..).unwrap_or_default());
        if len >= FUNCTION_LINES {
            findings.push(source.at(line, format!("a function of {len} lines")));
        }
    }
    findings
}

/// How many lines the function takes that starts on the first of these; 0 if it has no
/// body.
fn function_lines(code: &[String]) -> usize {
    let (mut braces, mut brackets) = (0_i32, 0_i32);
    for (index, line) in code.iter().enumerate() {
        let from = if index == 0 { words(line, "fn").next().unwrap_or_default() } else { 0 };
        for c in line.chars().skip(line.get(..from).map_or(0, |skipped| skipped.chars().count())) {
            match c {
                '(' | '[' => brackets += 1,
                ')' | ']' => brackets -= 1,
                '{' => braces += 1,
                '}' => braces -= 1,
                _ => {}
            }
            let bare = braces == 0 && brackets == 0;
            if bare && c == '}' {
                return index + 1;
            }
            if bare && c == ';' || brackets < 0 {
                return 0;
            }
        }
    }
    0
}

fn rank(module: &str) -> Option<usize> {
    RANKS.iter().find(|(_, modules)| modules.contains(&module)).map(|(rank, _)| *rank)
}

/// What `lib.rs` re-exports: a name, and the module that it is of.
pub(crate) fn re_exports(lib: &Source) -> BTreeMap<String, String> {
    let code = lib.code.join(" ");
    let uses = code.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next());
    let mut names = BTreeMap::new();
    for (module, list) in uses.filter_map(|path| path.split_once("::")) {
        for name in list.split(|c: char| !c.is_alphanumeric() && c != '_') {
            names.insert(name.to_owned(), module.trim().to_owned());
        }
    }
    names
}

/// The names that follow `crate::`, also in braces.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let name_of = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut found = Vec::new();
    for (line, code) in source.code.iter().enumerate() {
        for at in words(code, "crate") {
            let rest = source.code.get(line..).unwrap_or_default().join(" ");
            let Some(path) = rest.get(at..).and_then(|rest| rest.strip_prefix("crate::")) else {
                continue;
            };
            let Some(list) = path.strip_prefix('{') else {
                found.push((line, name_of(path)));
                continue;
            };
            let mut depth = 0;
            let mut start = true;
            for (index, c) in list.char_indices().take_while(|(_, c)| *c != ';') {
                if start && depth == 0 && !c.is_whitespace() && c != '}' {
                    found.push((line, name_of(list.get(index..).unwrap_or_default())));
                }
                start = (start && c.is_whitespace()) || c == ',';
                depth += i32::from(c == '{') - i32::from(c == '}');
            }
        }
    }
    found
}

pub(crate) fn ranks(source: &Source, re_exports: &BTreeMap<String, String>) -> Findings {
    let Some(path) = source.path.strip_prefix("engine/src/").filter(|path| *path != "lib.rs")
    else {
        return Vec::new();
    };
    let from = path.split(['/', '.']).next().unwrap_or_default();
    let Some(own) = rank(from) else {
        return vec![source.at(0, format!("module `{from}` has no rank"))];
    };
    let mut findings = Vec::new();
    for (line, name) in imports(source) {
        let to = re_exports.get(&name).unwrap_or(&name).as_str();
        let (on_top, besides) = ON_TOP;
        match rank(to) {
            _ if to == from => {}
            _ if from == on_top => {
                if !re_exports.contains_key(&name) && !besides.contains(&name.as_str()) {
                    let what = format!("`{from}` imports `crate::{name}`, which no program can");
                    findings.push(source.at(line, what));
                }
            }
            None => findings.push(source.at(line, format!("`crate::{name}` has no rank"))),
            Some(rank) if rank < own => {}
            Some(rank) => {
                let what = format!("`{from}` (rank {own}) imports from `{to}` (rank {rank})");
                findings.push(source.at(line, what));
            }
        }
    }
    findings
}

/// Which exceptions were needed.
#[derive(Default)]
pub(crate) struct Used(RefCell<BTreeSet<(&'static str, usize)>>);

impl Used {
    fn note(&self, exception: Option<(&'static str, usize)>) {
        self.0.borrow_mut().extend(exception);
    }

    pub(crate) fn idle(&self, table: &'static str, len: usize) -> Findings {
        let used = self.0.borrow();
        let idle = (0..len).filter(|at| !used.contains(&(table, *at)));
        idle.map(|at| format!("{table}[{at}]: nothing needs this exception any more")).collect()
    }
}

pub(crate) fn homes(source: &Source) -> Findings {
    let mut findings = Vec::new();
    for (word, folders, homes) in HOMES {
        if !source.within(folders) || homes.contains(&source.path.as_str()) {
            continue;
        }
        let lines =
            source.code.iter().enumerate().filter(|(_, line)| words(line, word).next().is_some());
        findings
            .extend(lines.map(|(line, _)| source.at(line, format!("`{word}` outside its home"))));
    }
    findings
}

/// Locks, atomics, channels and threads that do not come from their home. Tests in the
/// sources may have their own.
pub(crate) fn synchronisation(source: &Source, used: &Used) -> Findings {
    if !source.within(&["engine/src/"]) || source.within(&[SYNC_HOME]) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (line, code) in source.product_code() {
        let named = SYNCHRONISATION.iter().find(|word| words(code, word).next().is_some());
        // The path, and whatever of it is imported, in braces or not.
        let of_std = words(code, "std::sync").flat_map(|at| {
            let rest = code.get(at + "std::sync".len()..).unwrap_or_default();
            let rest = rest.split(';').next().unwrap_or_default();
            let names = rest.split(|c: char| !c.is_alphanumeric() && c != '_');
            names.filter(|name| !name.is_empty()).take(if rest.starts_with("::{") { 9 } else { 1 })
        });
        let waits = of_std.into_iter().any(|name| !NOT_WAITED_FOR.contains(&name));
        let Some(named) = named.copied().or(waits.then_some("std::sync")) else { continue };
        let excepted = SYNC_ELSEWHERE
            .iter()
            .position(|(path, what, _)| source.path == *path && named == *what);
        match excepted {
            Some(at) => used.note(Some(("SYNC_ELSEWHERE", at))),
            None => findings.push(source.at(line, format!("`{named}` outside `{SYNC_HOME}`"))),
        }
    }
    findings
}

pub(crate) fn file_names(source: &Source) -> Findings {
    let home = source.path == NAMES_HOME || source.path == STORAGE;
    if home || !source.within(&["engine/src/", "index/src/"]) {
        return Vec::new();
    }
    let is_name = |literal: &&Literal| {
        let text = literal.text.as_str();
        // The lock is also something that is done.
        let line = source.text.lines().nth(literal.line).unwrap_or_default();
        let operation = text == "lock" && line.contains("io(\"lock\",");
        let named = |part: &str| text == part || (part.starts_with('.') && text.contains(part));
        !operation && FILE_NAMES.iter().any(|part| named(part))
    };
    let found = source.product_literals().filter(is_name);
    let what = |text: &str| format!("a file name outside its home: {text:?}");
    found.map(|literal| source.at(literal.line, what(&literal.text))).collect()
}

pub(crate) fn layout(source: &Source, used: &Used) -> Findings {
    if !source.within(&["engine/src/"]) || source.path == LAYOUT_HOME {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let magic = source.product_literals().filter(|literal| literal.bytes);
    let what = "magic bytes outside the layout";
    findings.extend(magic.map(|literal| source.at(literal.line, what)));
    for (line, code) in source.product_code() {
        let excepted = LAYOUT_ELSEWHERE
            .iter()
            .position(|(path, part, _)| source.path == *path && code.contains(part));
        if excepted.is_some() {
            used.note(excepted.map(|at| ("LAYOUT_ELSEWHERE", at)));
        } else if offsets(code).any(|offset| offset != 0) {
            findings.push(source.at(line, "an offset in numbers outside the layout"));
        }
        let item = code.trim().trim_start_matches("pub(crate) ").strip_prefix("const ");
        let constant = item.is_some_and(|rest| rest.starts_with(|c: char| c.is_uppercase()));
        if constant && source.path.starts_with("engine/src/record/") {
            findings.push(source.at(line, "a constant of the layout outside it"));
        }
    }
    findings
}

/// The offsets given in numbers to what reads and writes fields.
fn offsets(code: &str) -> impl Iterator<Item = usize> + '_ {
    let kinds = ["u16", "u32", "u64", "u128", "i16", "i64", "array", "put_"];
    kinds.into_iter().flat_map(move |kind| {
        code.match_indices(kind).filter_map(move |(at, _)| {
            let (call, arguments) = code.get(at..)?.split_once('(')?;
            let put = ["put_u", "put_i", "put_bytes"].iter().any(|put| call.starts_with(put));
            let field = put || call.ends_with("_at");
            field.then(|| arguments.split([',', ')']).nth(1)?.trim().parse().ok())?
        })
    })
}

pub(crate) fn leftovers(source: &Source) -> Findings {
    let mut findings = Vec::new();
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    for (line, text) in source.text.lines().enumerate() {
        let found = marks.iter().filter(|mark| words(text, mark).next().is_some());
        findings.extend(found.map(|mark| source.at(line, mark)));
    }
    let calls = |line: &str, names: &[&str]| {
        let called = |name: &&str| {
            words(line, name)
                .any(|at| line.get(at + name.len()..).is_some_and(|rest| rest.starts_with('!')))
        };
        names.iter().find(|name| called(name)).map(|name| format!("{name}!"))
    };
    let unfinished = source.code.iter().enumerate();
    findings.extend(unfinished.filter_map(|(line, code)| {
        Some(source.at(line, calls(code, &["todo", "unimplemented", "dbg"])?))
    }));
    if source.within(&["engine/src/", "index/src/"]) {
        findings.extend(source.product_code().filter_map(|(line, code)| {
            Some(source.at(line, calls(code, &["println", "eprintln", "print", "eprint"])?))
        }));
    }
    let machine = ["home", "work", "tmp", "Users"].map(|folder| format!("/{folder}/"));
    let of_machine = |literal: &&Literal| machine.iter().any(|path| literal.text.contains(path));
    let paths = source.product_literals().filter(of_machine);
    let what = |text: &str| format!("a path of one machine: {text:?}");
    findings.extend(paths.map(|literal| source.at(literal.line, what(&literal.text))));
    findings
}

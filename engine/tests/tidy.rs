//! The style of the source, as tests: lengths, ranks of modules, single homes of
//! facts, leftovers.
//!
//! Reads every `.rs` file of the repository. What a check says is a list of
//! findings; the second half of this file shows each check something that it must
//! find. An exception stands in a table with its reason, and one that nothing needs
//! any more is a finding too.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;

/// The ranks of the engine's modules: one imports only from those of a lower rank.
/// What lies in a folder is one module.
const RANKS: [(usize, &[&str]); 8] = [
    (0, &["committed", "expected", "limits", "place", "planted", "recovered", "sync", "time"]),
    (1, &["error", "io", "record", "watermark"]),
    (2, &["batch", "event", "options", "segment"]),
    (3, &["catalog"]),
    (4, &["commit", "read"]),
    (5, &["cursor", "recovery"]),
    (6, &["stats", "verify"]),
    (7, &["log"]),
];

/// Imports that the ranks forbid: from, to, why.
const UPWARD: [(&str, &str, &str); 1] =
    [("options", "log", "`Options::open` gives the log that it opens")];

/// Words that stand in one place only: the word, where it is looked for, its homes.
const HOMES: [(&str, &[&str], &[&str]); 6] = [
    // `map` names the type of what it maps, and opens nothing.
    ("fs", &["engine/src/", "index/src/"], &["engine/src/io/os.rs", "engine/src/io/map.rs"]),
    ("unsafe", &[""], &["engine/src/io/map.rs", BENCHES_MAP]),
    ("memmap2", &[""], &["engine/src/io/map.rs", BENCHES_MAP]),
    ("crc32fast", &["engine/src/"], &["engine/src/record/checksum.rs"]),
    ("atomic_wait", &["engine/src/", "index/src/"], &["engine/src/sync.rs"]),
    ("bincode", &["engine/", "index/src/"], &["index/src/footer.rs", "index/src/layout.rs"]),
];

/// The one module of the benches that maps files, for floors without the log.
const BENCHES_MAP: &str = "benches/src/map.rs";

/// Parts of file names, and where they may stand in a literal. The storage makes the
/// lock by itself, so it has to know that one name.
const FILE_NAMES: [&str; 5] = [".seg", ".idx", ".tmp", "control", "lock"];
const NAMES_HOME: &str = "engine/src/segment/name.rs";
const STORAGE: &str = "engine/src/io/os.rs";

const LAYOUT_HOME: &str = "engine/src/record/layout.rs";

/// Numbers of the layout outside its home: file, line of code, why.
const LAYOUT_ELSEWHERE: [(&str, &str, &str); 1] = [(
    "engine/src/record/event.rs",
    "i16_at(bytes, 8)",
    "the three fields of `occurred`, whose layout is a comment beside their flag",
)];

/// A file, taken apart.
struct Source {
    path: String,
    text: String,
    /// The text with comments and the insides of literals blanked, line by line.
    code: Vec<String>,
    /// String literals and the lines that they start on; whether of bytes.
    literals: Vec<(usize, String, bool)>,
    /// From this line on everything is tests: 0 for a file of tests.
    tests_from: usize,
}

type Findings = Vec<String>;

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let (blanked, literals) = blank(text);
        let code: Vec<String> = blanked.lines().map(str::to_owned).collect();
        let is_test = |path: &str| path.contains("/tests/") || path.ends_with("tests.rs");
        let pairs = code.iter().zip(code.iter().skip(1));
        let module = |(line, next): (&String, &String)| {
            line.trim() == "#[cfg(test)]" && next.starts_with("mod ") && next.ends_with('{')
        };
        let marked = pairs.map(module).position(|found| found).unwrap_or(code.len());
        let tests_from = if is_test(path) { 0 } else { marked };
        Self { path: path.to_owned(), text: text.to_owned(), code, literals, tests_from }
    }

    fn within(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }

    fn product_code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.iter().take(self.tests_from).map(String::as_str).enumerate()
    }

    fn product_literals(&self) -> impl Iterator<Item = &(usize, String, bool)> {
        self.literals.iter().filter(|(line, ..)| *line < self.tests_from)
    }

    fn at(&self, line: usize, what: impl std::fmt::Display) -> String {
        format!("{}:{}: {what}", self.path, line + 1)
    }
}

/// Blanks comments and the insides of literals; gives the string literals.
fn blank(text: &str) -> (String, Vec<(usize, String, bool)>) {
    let chars: Vec<char> = text.chars().collect();
    let (mut out, mut literals) = (String::with_capacity(text.len()), Vec::new());
    let (mut at, mut line) = (0, 0);
    while let Some(&here) = chars.get(at) {
        let after_name = out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let bytes =
            here == 'b' && !after_name && chars.get(at + 1).is_some_and(|c| "\"r'".contains(*c));
        let start = at + usize::from(bytes);
        let end = comment_end(&chars, at).or_else(|| {
            let raw = !after_name || bytes;
            raw.then(|| raw_end(&chars, start)).flatten().or_else(|| quoted_end(&chars, start))
        });
        let end = end.unwrap_or(at + 1);
        let piece: String = chars.get(at..end).unwrap_or_default().iter().collect();
        if end == at + 1 {
            out.push(here);
        } else {
            let quoted = piece.trim_start_matches(['b', 'r', '#']);
            if let Some(inside) = quoted.strip_prefix('"') {
                let inside = inside.trim_end_matches('#').trim_end_matches('"');
                literals.push((line, inside.to_owned(), bytes));
            }
            out.extend(piece.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        line += piece.matches('\n').count();
        at = end;
    }
    (out, literals)
}

fn starts(chars: &[char], at: usize, text: &str) -> bool {
    text.chars().enumerate().all(|(index, c)| chars.get(at + index) == Some(&c))
}

fn comment_end(chars: &[char], at: usize) -> Option<usize> {
    if starts(chars, at, "//") {
        let len = chars.iter().skip(at).position(|c| *c == '\n');
        return Some(len.map_or(chars.len(), |len| at + len));
    }
    starts(chars, at, "/*").then_some(())?;
    let (mut depth, mut end) = (1, at + 2);
    while depth > 0 && end < chars.len() {
        match (starts(chars, end, "/*"), starts(chars, end, "*/")) {
            (true, _) => (depth, end) = (depth + 1, end + 2),
            (_, true) => (depth, end) = (depth - 1, end + 2),
            _ => end += 1,
        }
    }
    Some(end)
}

fn raw_end(chars: &[char], at: usize) -> Option<usize> {
    (chars.get(at) == Some(&'r')).then_some(())?;
    let hashes = chars.iter().skip(at + 1).take_while(|c| **c == '#').count();
    let open = at + 1 + hashes;
    (chars.get(open) == Some(&'"')).then_some(())?;
    let close = format!("\"{}", "#".repeat(hashes));
    (open + 1..chars.len()).find(|end| starts(chars, *end, &close)).map(|end| end + close.len())
}

/// The end of a string or character; a lifetime is neither.
fn quoted_end(chars: &[char], at: usize) -> Option<usize> {
    let quote = *chars.get(at).filter(|c| **c == '"' || **c == '\'')?;
    let character = chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'');
    if quote == '\'' && !character {
        return None;
    }
    let mut end = at + 1;
    while let Some(c) = chars.get(end) {
        match c {
            '\\' => end += 2,
            c if *c == quote => return Some(end + 1),
            _ => end += 1,
        }
    }
    Some(end)
}

/// Where `word` stands in a line by itself, not as a part of another one.
fn words<'a>(line: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let (before, from) = line.split_at(*at);
        !before.ends_with(part) && !from.split_at(word.len()).1.starts_with(part)
    })
}

fn lengths(source: &Source) -> Findings {
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
fn re_exports(lib: &Source) -> BTreeMap<String, String> {
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

fn ranks(source: &Source, re_exports: &BTreeMap<String, String>, used: &Used) -> Findings {
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
        let excepted = UPWARD.iter().position(|(a, b, _)| (*a, *b) == (from, to));
        match rank(to) {
            _ if to == from => {}
            None => findings.push(source.at(line, format!("`crate::{name}` has no rank"))),
            Some(rank) if rank < own => {}
            Some(_) if excepted.is_some() => used.note(excepted.map(|at| ("UPWARD", at))),
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
struct Used(RefCell<BTreeSet<(&'static str, usize)>>);

impl Used {
    fn note(&self, exception: Option<(&'static str, usize)>) {
        self.0.borrow_mut().extend(exception);
    }

    fn idle(&self, table: &'static str, len: usize) -> Findings {
        let used = self.0.borrow();
        let idle = (0..len).filter(|at| !used.contains(&(table, *at)));
        idle.map(|at| format!("{table}[{at}]: nothing needs this exception any more")).collect()
    }
}

fn homes(source: &Source) -> Findings {
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

fn file_names(source: &Source) -> Findings {
    let home = source.path == NAMES_HOME || source.path == STORAGE;
    if home || !source.within(&["engine/src/", "index/src/"]) {
        return Vec::new();
    }
    let is_name = |(line, text, _): &&(usize, String, bool)| {
        // The lock is also something that is done.
        let operation =
            source.text.lines().nth(*line).is_some_and(|at| at.contains("io(\"lock\","));
        FILE_NAMES.iter().any(|part| text == part || (part.starts_with('.') && text.contains(part)))
            && !(operation && text == "lock")
    };
    let found = source.product_literals().filter(is_name);
    found
        .map(|(line, text, _)| source.at(*line, format!("a file name outside its home: {text:?}")))
        .collect()
}

fn layout(source: &Source, used: &Used) -> Findings {
    if !source.within(&["engine/src/"]) || source.path == LAYOUT_HOME {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let magic = source.product_literals().filter(|(.., bytes)| *bytes);
    findings.extend(magic.map(|(line, ..)| source.at(*line, "magic bytes outside the layout")));
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
            let field =
                call.starts_with("put_u") || call.starts_with("put_i") || call.ends_with("_at");
            field.then(|| arguments.split([',', ')']).nth(1)?.trim().parse().ok())?
        })
    })
}

fn leftovers(source: &Source) -> Findings {
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
    let machine = ["/home/", "/work/", "/tmp/", "/Users/"];
    let paths = source
        .product_literals()
        .filter(|(_, text, _)| machine.iter().any(|path| text.contains(path)));
    findings.extend(
        paths.map(|(line, text, _)| source.at(*line, format!("a path of one machine: {text:?}"))),
    );
    findings
}

/// Every source file of the repository.
fn tree() -> io::Result<Vec<Source>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{folder}{name}");
            if entry.file_type()?.is_dir() {
                if !name.starts_with('.') && name != "target" {
                    folders.push(path + "/");
                }
            } else if name.ends_with(".rs") {
                sources.push(Source::new(&path, &fs::read_to_string(entry.path())?));
            }
        }
    }
    Ok(sources)
}

fn check(check: impl Fn(&Source) -> Findings) -> io::Result<()> {
    let findings: Findings = tree()?.iter().flat_map(check).collect();
    none(&findings)
}

fn none(findings: &[String]) -> io::Result<()> {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
    Ok(())
}

//! A source file, taken apart: its code without comments and literals, its literals,
//! and where its tests start. Good enough for the style of this repository; no parser.

use std::path::Path;
use std::{fs, io};

/// A file, taken apart.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text with comments and the insides of literals blanked, line by line.
    pub(crate) code: Vec<String>,
    pub(crate) literals: Vec<Literal>,
    /// From this line on everything is tests: 0 for a file of tests.
    pub(crate) tests_from: usize,
}

/// A string literal.
pub(crate) struct Literal {
    /// The line that it starts on, from 0.
    pub(crate) line: usize,
    pub(crate) text: String,
    /// Whether it is of bytes.
    pub(crate) bytes: bool,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
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

    pub(crate) fn within(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }

    pub(crate) fn product_code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.iter().take(self.tests_from).map(String::as_str).enumerate()
    }

    pub(crate) fn product_literals(&self) -> impl Iterator<Item = &Literal> {
        self.literals.iter().filter(|literal| literal.line < self.tests_from)
    }

    pub(crate) fn at(&self, line: usize, what: impl std::fmt::Display) -> String {
        format!("{}:{}: {what}", self.path, line + 1)
    }
}

/// Blanks comments and the insides of literals; gives the string literals.
fn blank(text: &str) -> (String, Vec<Literal>) {
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
                literals.push(Literal { line, text: inside.to_owned(), bytes });
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
pub(crate) fn words<'a>(line: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let (before, from) = line.split_at(*at);
        !before.ends_with(part) && !from.split_at(word.len()).1.starts_with(part)
    })
}

/// Every source file of the repository.
pub(crate) fn tree() -> io::Result<Vec<Source>> {
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

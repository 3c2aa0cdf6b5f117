//! What each store does, as a table: the part of a comparison that no figure tells.

use crate::store::{Durability, Rival};
use crate::stores::{self, ANNALS, RIVALS};

/// The heads of the columns.
const HEADS: [&str; 7] = [
    "store",
    "a durable append",
    "written",
    "buffered",
    "checked on read",
    "streams",
    "less than annals",
];

/// The table of annals and every rival that was built, in Markdown.
pub fn table() -> String {
    let mut lines = vec![line(&HEADS), line(&HEADS.map(|_| "---"))];
    lines.extend(std::iter::once(&ANNALS).chain(RIVALS).map(about));
    lines.join("\n")
}

/// The line of one store.
pub fn about(rival: &Rival) -> String {
    let early = |wanted| {
        let way = rival.early.iter().find(|(durability, _)| *durability == wanted);
        way.map_or("–", |(_, what)| *what)
    };
    let name = format!("{} {}", rival.name, stores::version_of(rival.package));
    line(&[
        &name,
        rival.durable,
        early(Durability::Written),
        early(Durability::Buffered),
        rival.checksum,
        rival.streams,
        rival.less,
    ])
}

fn line(cells: &[&str; HEADS.len()]) -> String {
    format!("| {} |", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_says_of_every_store_what_the_code_says() {
        let readme = include_str!("../README.md");
        for rival in std::iter::once(&ANNALS).chain(RIVALS) {
            let line = about(rival);
            assert!(readme.contains(&line), "not in README.md:\n{line}");
        }
    }
}

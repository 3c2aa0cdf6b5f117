//! Reads what `git log` prints: commits, and the files that each changed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::ChildStdout;

use super::entry::{Change, Commit, event_of};
use super::program::{GitError, Running, head_commit};
use crate::error::Failure;
use crate::incoming::{Item, Origin};

/// With `-z` every part ends in a zero byte: a commit's head, and for each file the
/// raw line (which starts with a colon, the first one of a commit after a line end)
/// and the path. Heads start with a hash, so the two cannot be confused.
///
/// `-m` with `--first-parent` compares a merge with its first parent, in all
/// versions of git; options that a user's configuration might turn on are turned off.
const ARGUMENTS: &[&str] = &[
    "-c",
    "log.showRoot=true",
    "-c",
    "log.showSignature=false",
    "log",
    "--first-parent",
    "-m",
    "--reverse",
    "--raw",
    "-z",
    "--no-abbrev",
    "--no-renames",
    "--no-color",
    "--no-ext-diff",
    "--no-notes",
    "--no-mailmap",
    "--no-decorate",
    "--ignore-submodules=none",
    "--encoding=UTF-8",
    "--date=raw",
    "--format=%H%n%ad%n%an%n%s",
];

/// The events of a repository's history, oldest first.
pub(crate) struct History {
    running: Option<(Running, BufReader<ChildStdout>)>,
    /// The commit that it ends with, if there is any.
    head: Option<String>,
    commit: Commit,
    /// Commits seen so far.
    commits: u64,
}

impl History {
    /// Starts reading. A repository without commits has a history without events.
    pub(crate) fn open(repository: &Path) -> Result<Self, GitError> {
        let head = head_commit(repository)?;
        let running = match &head {
            Some(head) => {
                let arguments = [ARGUMENTS, &[head, "--"]].concat();
                let (running, output) = Running::start(repository, &arguments)?;
                Some((running, BufReader::new(output)))
            }
            None => None,
        };
        Ok(Self { running, head, commit: Commit::default(), commits: 0 })
    }

    /// The commit that the history ends with; `None` where nothing was committed yet.
    pub(crate) fn head(&self) -> Option<&str> {
        self.head.as_deref()
    }

    /// How many commits were read so far.
    pub(crate) const fn commits(&self) -> u64 {
        self.commits
    }

    fn next_item(&mut self) -> Result<Option<Item>, GitError> {
        loop {
            let Some(part) = self.part()? else { return self.end() };
            let raw = part.strip_prefix(b"\n").unwrap_or(&part);
            if let Some(raw) = raw.strip_prefix(b":") {
                let change = Change::from_raw(raw).ok_or_else(|| self.unexpected(raw))?;
                let Some(path) = self.part()? else { return Err(self.unexpected(raw)) };
                let origin = Origin::Commit {
                    commit: self.commit.hash.clone(),
                    path: String::from_utf8_lossy(&path).into_owned(),
                };
                return Ok(Some(Item { origin, event: event_of(&self.commit, change, &path) }));
            }
            self.commit = Commit::from_head(&part).ok_or_else(|| self.unexpected(&part))?;
            self.commits += 1;
        }
    }

    /// What stands before the next zero byte.
    fn part(&mut self) -> Result<Option<Vec<u8>>, GitError> {
        let Some((running, output)) = &mut self.running else { return Ok(None) };
        let mut part = Vec::new();
        output.read_until(0, &mut part).map_err(|source| GitError::Unreadable {
            repository: running.repository().to_owned(),
            source,
        })?;
        Ok(match part.pop() {
            None => None,
            Some(0) => Some(part),
            // The end came before the zero byte.
            Some(_) => return Err(self.unexpected(&part)),
        })
    }

    fn end(&mut self) -> Result<Option<Item>, GitError> {
        // The pipe is closed first: nothing more is read, also not by a next call.
        if let Some((mut running, output)) = self.running.take() {
            drop(output);
            running.finish()?;
        }
        Ok(None)
    }

    fn unexpected(&self, part: &[u8]) -> GitError {
        let repository = match &self.running {
            Some((running, _)) => running.repository().to_owned(),
            None => String::new(),
        };
        let what =
            format!("{:?} after commit {:?}", String::from_utf8_lossy(part), self.commit.hash);
        GitError::Unexpected { repository, what }
    }
}

impl Iterator for &mut History {
    type Item = Result<Item, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_item().map_err(Failure::Git).transpose()
    }
}

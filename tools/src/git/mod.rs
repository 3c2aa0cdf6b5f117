//! The history of a git repository as events, asked of the `git` program.
//!
//! One event for each file that a commit of the first-parent history of HEAD changed,
//! in the order of the commits: stream `file-<path>`, type `FileAdded`, `FileChanged`
//! or `FileDeleted` (a renamed file is deleted and added). Nothing is read from the
//! repository's files directly.

mod entry;
mod history;
mod program;

pub(crate) use entry::{DELETED, STREAM_PREFIX, path_of};
pub(crate) use history::History;
pub(crate) use program::{GitError, files_in};

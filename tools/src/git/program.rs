//! Runs the `git` program, without a shell, and says what went wrong with it.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};

/// Of what git says on standard error, this much is kept.
const MESSAGE_BYTES: u64 = 4 << 10;

/// Why a repository cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    #[error("the program `git` cannot be run: {0}")]
    NotRun(#[source] io::Error),

    #[error("{repository} is no git repository: {message}")]
    NoRepository { repository: String, message: String },

    #[error("git failed on {repository} ({status}): {message}")]
    Failed { repository: String, status: ExitStatus, message: String },

    #[error("the output of git on {repository} cannot be read: {source}")]
    Unreadable { repository: String, source: io::Error },

    #[error("git on {repository} printed what was not expected: {what}")]
    Unexpected { repository: String, what: String },
}

impl GitError {
    pub(crate) const fn advice(&self) -> &'static str {
        match self {
            Self::NotRun(_) => "install git, or import a file of JSON lines",
            Self::NoRepository { .. } => "give the path of a repository that git can read",
            Self::Failed { .. } | Self::Unreadable { .. } | Self::Unexpected { .. } => {
                "see whether `git log` works there; what was imported before stays"
            }
        }
    }
}

/// A git that runs, and its output. Ended when dropped.
pub(super) struct Running {
    repository: String,
    child: Child,
    messages: Option<JoinHandle<Vec<u8>>>,
}

impl Running {
    /// Starts git on a repository.
    pub(super) fn start(
        repository: &Path,
        arguments: &[&str],
    ) -> Result<(Self, ChildStdout), GitError> {
        let mut command = Command::new("git");
        // A hook or an outer git leaves these behind; they would win over `-C`.
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
            command.env_remove(variable);
        }
        command
            .env("LC_ALL", "C")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .arg("--no-pager")
            .arg("-C")
            .arg(repository)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(GitError::NotRun)?;
        let missing = || GitError::NotRun(io::ErrorKind::BrokenPipe.into());
        let output = child.stdout.take().ok_or_else(missing)?;
        let messages = child.stderr.take().ok_or_else(missing)?;
        // Read beside the output: git would wait on a full pipe.
        let messages = thread::spawn(move || {
            let mut kept = Vec::new();
            let mut messages = messages;
            // What cannot be read of a message is not worth an error.
            let _ = messages.by_ref().take(MESSAGE_BYTES).read_to_end(&mut kept);
            let _ = io::copy(&mut messages, &mut io::sink());
            kept
        });
        let repository = repository.display().to_string();
        Ok((Self { repository, child, messages: Some(messages) }, output))
    }

    pub(super) fn repository(&self) -> &str {
        &self.repository
    }

    /// Waits for its end, after its output was read: how it ended, and what it said.
    fn end(&mut self) -> Result<(ExitStatus, String), GitError> {
        let status = self.child.wait().map_err(GitError::NotRun)?;
        let said = self.messages.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        Ok((status, String::from_utf8_lossy(&said).trim().to_owned()))
    }

    /// Waits for its end, which must be a good one.
    pub(super) fn finish(&mut self) -> Result<(), GitError> {
        let (status, message) = self.end()?;
        if status.success() {
            return Ok(());
        }
        Err(GitError::Failed { repository: self.repository.clone(), status, message })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended long ago, which is no error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs git to its end: how it ended, what it printed, what it said.
fn run(repository: &Path, arguments: &[&str]) -> Result<(ExitStatus, Vec<u8>, String), GitError> {
    let (mut running, mut output) = Running::start(repository, arguments)?;
    let mut printed = Vec::new();
    output.read_to_end(&mut printed).map_err(|source| GitError::Unreadable {
        repository: running.repository.clone(),
        source,
    })?;
    let (status, message) = running.end()?;
    Ok((status, printed, message))
}

/// The hash of the commit at HEAD; `None` where nothing was committed yet. That it is a
/// repository is made sure of first.
pub(super) fn head_commit(repository: &Path) -> Result<Option<String>, GitError> {
    let (status, _, message) = run(repository, &["rev-parse", "--git-dir"])?;
    if !status.success() {
        let repository = repository.display().to_string();
        return Err(GitError::NoRepository { repository, message });
    }
    let head = ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"];
    let (status, printed, _) = run(repository, &head)?;
    let hash = String::from_utf8_lossy(&printed).trim().to_owned();
    Ok(status.success().then_some(hash))
}

/// The paths of all files in a commit.
pub(crate) fn files_in(repository: &Path, commit: &str) -> Result<Vec<Vec<u8>>, GitError> {
    let arguments = ["ls-tree", "-r", "-z", "--full-tree", "--name-only", commit];
    let (status, printed, message) = run(repository, &arguments)?;
    if !status.success() {
        let repository = repository.display().to_string();
        return Err(GitError::Failed { repository, status, message });
    }
    let paths = printed.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    Ok(paths.map(<[u8]>::to_vec).collect())
}

//! Where the tour makes its log, and what becomes of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use annals::Uuid;

use crate::error::{Answer, Failure};
use crate::output::note;

/// The directory of the tour's log.
pub(super) enum Place {
    /// Named by the user, who keeps it.
    Given(PathBuf),
    /// Removed at the end, unless there is something to look into.
    Temporary(PathBuf),
}

impl Place {
    /// A directory that was named must have nothing in it: the tour counts what it did
    /// itself.
    pub(super) fn choose(given: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = given else {
            let name = format!("annals-demo-{}", Uuid::new_v4().simple());
            return Ok(Self::Temporary(std::env::temp_dir().join(name)));
        };
        let name = path.display().to_string();
        match fs::read_dir(path).map(|mut entries| entries.next().is_none()) {
            Ok(true) => Ok(Self::Given(path.to_owned())),
            Ok(false) => Err(Failure::Usage {
                what: name,
                why: "the directory must be empty, or not exist yet".to_owned(),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self::Given(path.to_owned()))
            }
            Err(source) => Err(Failure::Input { name, source }),
        }
    }

    pub(super) fn log(&self) -> &Path {
        match self {
            Self::Given(path) | Self::Temporary(path) => path,
        }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Self::Given(path) => path.display().to_string(),
            Self::Temporary(_) => {
                "a temporary directory (`annals demo DIR` keeps the log)".to_owned()
            }
        }
    }

    /// What can be done with the log that is left.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Given(path) => {
                Some(format!("look into it: annals streams {} --longest 10", path.display()))
            }
            Self::Temporary(_) => None,
        }
    }

    /// Clears up, or says where there is something to look into.
    pub(super) fn leave(&self, outcome: &Result<Answer, Failure>) {
        let Self::Temporary(path) = self else { return };
        let nothing_to_see = match outcome {
            Ok(answer) => *answer == Answer::Yes,
            Err(failure) => failure.is_broken_pipe(),
        };
        if !nothing_to_see {
            if path.exists() {
                note(format_args!("the log is kept for a look: {}", path.display()));
            }
            return;
        }
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                note(format_args!("{} could not be removed: {error}", path.display()));
            }
            _ => {}
        }
    }
}

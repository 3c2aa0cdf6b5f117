//! Which files there are. Looks at names and sizes, opens nothing.

use std::collections::BTreeMap;

use crate::error::{Corrupt, Damage, Error, Result};
use crate::io::{EntryKind, Storage};
use crate::segment::name::{self, Named};

/// The files of a log.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Length of each segment, by number.
    pub(crate) segments: BTreeMap<u64, u64>,
    /// Length of each run, by number.
    pub(crate) runs: BTreeMap<u64, u64>,
    /// Names of what a crash left half-written.
    pub(crate) temporaries: Vec<String>,
    pub(crate) control: bool,
    /// Bytes of the lock and control files.
    pub(crate) other_bytes: u64,
}

/// Lists the directory. Segments must be files, and numbered without a gap from 1.
pub(crate) fn survey(storage: &dyn Storage) -> Result<Survey> {
    let survey = survey_with_gaps(storage)?;
    match survey.gap() {
        Some(missing) => Err(damage(missing, Damage::Missing)),
        None => Ok(survey),
    }
}

/// As `survey`, where segments may be missing.
pub(crate) fn survey_with_gaps(storage: &dyn Storage) -> Result<Survey> {
    let mut survey = Survey::default();
    let entries = storage.list().map_err(|error| Error::io("list", &storage.describe(), error))?;
    for entry in entries {
        let is_file = entry.kind == EntryKind::File;
        match name::parse(&entry.name) {
            Named::Segment(number) if is_file => {
                survey.segments.insert(number, entry.len);
            }
            Named::Segment(number) => return Err(damage(number, Damage::NotAFile)),
            Named::Run(number) if is_file => {
                survey.runs.insert(number, entry.len);
            }
            Named::Temporary if is_file => survey.temporaries.push(entry.name),
            Named::Control => {
                survey.control = is_file;
                survey.other_bytes += entry.len;
            }
            Named::Lock | Named::Readers => survey.other_bytes += entry.len,
            Named::Run(_) | Named::Temporary | Named::Foreign => {}
        }
    }
    Ok(survey)
}

impl Survey {
    /// The lowest number that is missing before the highest one.
    pub(crate) fn gap(&self) -> Option<u64> {
        let numbered = (1..).zip(self.segments.keys());
        numbered
            .into_iter()
            .find(|(expected, found)| expected != *found)
            .map(|(missing, _)| missing)
    }

    /// The highest number; 0 if there is no segment.
    pub(crate) fn last(&self) -> u64 {
        self.segments.last_key_value().map_or(0, |(number, _)| *number)
    }
}

/// Damage that concerns a segment as a whole.
pub(crate) fn damage(number: u64, cause: Damage) -> Error {
    Error::Corrupt(Corrupt {
        file: name::segment(number),
        segment: number,
        offset: 0,
        position: None,
        cause,
    })
}

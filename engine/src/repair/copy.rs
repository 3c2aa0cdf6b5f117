//! Copies of files, whole and durable before the files change.

use std::collections::BTreeSet;
use std::io;

use crate::error::{Error, Result};
use crate::io::Storage;
use crate::record::field::wide;
use crate::segment::name;

/// How much is copied at a time.
const PIECE: usize = 1 << 20;

/// The copies of one repair.
#[derive(Debug)]
pub(super) struct Copies {
    /// When the repair began: part of their names.
    time: i64,
    /// How many names were tried.
    tried: u64,
    /// Names of copies and of what they are copies of.
    pub(super) made: Vec<(String, String)>,
}

impl Copies {
    pub(super) fn new(time: i64) -> Self {
        Self { time, tried: 0, made: Vec::new() }
    }

    /// Copies these files, but for those that are not there and those that were copied
    /// before. Nothing else was changed when this fails; what was copied by then is taken
    /// away again.
    pub(super) fn make(&mut self, storage: &dyn Storage, files: &BTreeSet<&str>) -> Result<()> {
        let before = self.made.len();
        for file in files {
            if self.made.iter().any(|(_, original)| original == file) {
                continue;
            }
            if let Err(error) = self.copy(storage, file) {
                for (copy, _) in self.made.drain(before..) {
                    drop(storage.remove(&copy));
                }
                return Err(error);
            }
        }
        let log = storage.describe();
        storage.sync_dir().map_err(|error| Error::io("sync directory of", &log, error))
    }

    fn copy(&mut self, storage: &dyn Storage, original: &str) -> Result<()> {
        let from = match storage.open(original, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(|error| Error::io("open", original, error))?,
        };
        let (copy, unfinished, to) = loop {
            self.tried += 1;
            let copy = name::repair_copy(self.time, self.tried, original);
            let unfinished = name::unfinished_copy(&copy);
            // A copy of the same second is of an earlier try, and stays.
            if storage.open(&copy, false).is_ok() {
                continue;
            }
            match storage.create(&unfinished) {
                Ok(to) => break (copy, unfinished, to),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io("create", &unfinished, error)),
            }
        };
        let write = || -> io::Result<()> {
            let mut piece = vec![0; PIECE];
            let mut at = 0;
            loop {
                let count = from.read_at(&mut piece, at)?;
                if count == 0 {
                    break;
                }
                to.write_all_at(piece.get(..count).unwrap_or_default(), at)?;
                at += wide(count);
            }
            // Before the name: a copy under its own name is whole.
            to.sync_all()?;
            storage.rename(&unfinished, &copy)
        };
        if let Err(error) = write() {
            drop(storage.remove(&unfinished));
            return Err(Error::io("copy", original, error));
        }
        self.made.push((copy, original.to_owned()));
        Ok(())
    }
}

//! What can be done to the files of a log, as values: small, printed as they are, and
//! carried out on copies.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annals::io::sim::SimStorage;

use crate::format::overwrite;
use crate::numbers::Numbers;

/// All files of a disk.
pub type Files = BTreeMap<String, Arc<[u8]>>;

/// The files that are other than they were; `None` for one that is gone.
pub type Changed = BTreeMap<String, Option<Vec<u8>>>;

/// All files of a disk.
pub fn files(disk: &SimStorage) -> Files {
    let names = disk.file_names().into_iter();
    names.filter_map(|name| Some((name.clone(), disk.read_file(&name)?.into()))).collect()
}

/// One thing that happens to a file.
#[derive(Debug, Clone)]
pub enum Hurt {
    /// A bit turns over.
    Flip(usize),
    /// The file ends here.
    Cut(usize),
    /// Bytes are zero.
    Zero(Range<usize>),
    /// Bytes are noise, of this seed.
    Garble(Range<usize>, u64),
    /// Other bytes stand here; what would be behind the end is left out.
    Put(usize, Arc<[u8]>),
    /// The file is gone.
    Lose,
    /// The file, which need not have been there, has other content.
    Replace(Arc<[u8]>),
}

impl Hurt {
    /// Done to the bytes of one file; `None` if it is gone.
    fn apply(&self, bytes: &mut Option<Vec<u8>>) {
        if let Self::Replace(new) = self {
            *bytes = Some(new.to_vec());
        }
        let Some(all) = bytes else { return };
        match self {
            Self::Flip(bit) => {
                if let Some(byte) = all.get_mut(bit / 8) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            Self::Cut(len) => all.truncate(*len),
            Self::Zero(range) => all.get_mut(range.clone()).unwrap_or_default().fill(0),
            Self::Garble(range, seed) => {
                let mut numbers = Numbers::new(*seed);
                for word in all.get_mut(range.clone()).unwrap_or_default().chunks_mut(8) {
                    let noise = numbers.next().to_le_bytes();
                    word.iter_mut().zip(noise).for_each(|(byte, noise)| *byte = noise);
                }
            }
            Self::Put(at, new) => overwrite(all, *at, new),
            Self::Lose => *bytes = None,
            Self::Replace(_) => {}
        }
    }
}

/// What a log is to be judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judge {
    /// It answers with everything or with an error.
    Whole,
    /// It was forged, checksums and all, which no checksum can tell: it answers, or with an
    /// error, and takes it calmly.
    Calm,
}

/// Some files of a log are hurt.
#[derive(Debug, Clone)]
pub struct Damage {
    /// In words.
    pub what: String,
    /// What is done, to which file, in this order.
    pub hurts: Vec<(String, Hurt)>,
    /// Bytes that are as they were, and are worth nothing any more: a group whose checksum
    /// of the one before it is not that of the forged one.
    pub beside: Vec<(String, Range<usize>)>,
    /// What must hold afterwards.
    pub judge: Judge,
}

impl fmt::Display for Damage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.what)
    }
}

impl Damage {
    /// Damage that no checksum was made for.
    pub fn of(what: String, hurts: Vec<(String, Hurt)>) -> Self {
        Self { what, hurts, beside: Vec::new(), judge: Judge::Whole }
    }

    /// Damage to one file that no checksum was made for.
    pub fn to(name: &str, hurt: Hurt, what: impl Into<String>) -> Self {
        Self::of(what.into(), vec![(name.to_owned(), hurt)])
    }

    /// The files that it changes.
    pub fn changed(&self, files: &Files) -> Changed {
        let mut changed = Changed::new();
        for (name, hurt) in &self.hurts {
            let bytes = changed
                .entry(name.clone())
                .or_insert_with(|| files.get(name).map(|bytes| bytes.to_vec()));
            hurt.apply(bytes);
        }
        changed.retain(|name, bytes| bytes.as_deref() != files.get(name).map(|bytes| &**bytes));
        changed
    }
}

/// The first to the last byte that differs; what is behind an end counts as zero.
pub fn difference(old: &[u8], new: &[u8]) -> Option<Range<usize>> {
    let common = old.len().min(new.len());
    let (old, old_rest) = old.split_at_checked(common)?;
    let (new, new_rest) = new.split_at_checked(common)?;
    let rest = if old_rest.is_empty() { new_rest } else { old_rest };
    let within = |found: Option<usize>| found.map(|at| common + at);
    let differ = |(one, other): (&u8, &u8)| one != other;
    let first = old.iter().zip(new).position(differ);
    let first = first.or_else(|| within(rest.iter().position(|byte| *byte != 0)))?;
    let last = within(rest.iter().rposition(|byte| *byte != 0));
    let last = last.or_else(|| old.iter().zip(new).rposition(differ))?;
    Some(first..last + 1)
}

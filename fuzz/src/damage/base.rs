//! A log to damage, and everything that is known of it from outside: which write put
//! which bytes where, what was durable before it, what a witness says.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use annals::io::sim::SimStorage;

use super::hurt::{Changed, Files, difference, files};
use crate::format::DATA;
use crate::oracle::{Broken, Oracle};
use crate::program::{Op, Program};
use crate::run::{Blind, Run};

/// One step as it changed the disk.
#[derive(Debug, Clone)]
struct Write {
    /// File and bytes.
    touched: Vec<(String, Range<usize>)>,
    /// How many batches were written before it.
    before: usize,
    /// How many batches were known to be durable before it: it proves that they were.
    durable: usize,
}

/// A log to damage.
#[derive(Debug)]
pub struct Base {
    /// Its files.
    pub files: Files,
    /// The same, durable, on a disk of which copies cost little.
    pub disk: SimStorage,
    /// What was submitted and acknowledged.
    pub oracle: Oracle,
    writes: Vec<Write>,
    /// So many batches were durable when a witness was written last.
    witnessed: usize,
    /// The same log at earlier times.
    pub older: Vec<Files>,
}

/// A log that is being made.
#[derive(Debug)]
pub struct Making {
    run: Run,
    writes: Vec<Write>,
    older: Vec<Files>,
    witnessed: usize,
    written: usize,
}

/// Which bytes of which files two disks differ in.
fn differences(before: &Files, after: &Files) -> Vec<(String, Range<usize>)> {
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let bytes = |files: &Files, name: &String| files.get(name).cloned().unwrap_or_default();
    let differs = |name: &String| {
        Some((name.clone(), difference(&bytes(before, name), &bytes(after, name))?))
    };
    names.into_iter().filter_map(differs).collect()
}

impl Making {
    /// A log without events; its numbers and ids follow from the seed.
    ///
    /// # Errors
    /// If making it breaks a promise.
    pub fn new(seed: u64) -> Result<Self, Broken> {
        let disk = SimStorage::new();
        disk.set_seed(seed);
        let mut run = Run::new(disk, Arc::new(Blind)).numbered_from(seed << 32);
        run.start()?;
        let (writes, older) = (Vec::new(), Vec::new());
        Ok(Self { run, writes, older, witnessed: 0, written: 0 })
    }

    /// The files as they are now.
    pub fn files(&self) -> Files {
        files(self.run.disk())
    }

    /// One step of a program.
    ///
    /// # Errors
    /// If it breaks a promise.
    pub fn step(&mut self, op: Op) -> Result<(), Broken> {
        self.with(|run| run.step(op))
    }

    /// Anything else that appends, noting what it changes on the disk.
    ///
    /// # Errors
    /// Its own.
    pub fn with(
        &mut self,
        step: impl FnOnce(&mut Run) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        let (before, known) = (self.files(), self.run.oracle());
        step(&mut self.run)?;
        let after = self.files();
        let mut touched = differences(&before, &after);
        touched.retain(|(name, _)| name.ends_with(".seg"));
        // Zeros are written too: those that fill a record up.
        for (_, range) in &mut touched {
            *range = range.start / 8 * 8..range.end.next_multiple_of(8);
        }
        // A first block that changes holds a new witness of what came before.
        if touched.iter().any(|(_, range)| range.start < DATA) {
            self.witnessed = known.durable;
        }
        let placed = self.run.oracle().entries.len();
        if !touched.is_empty() && placed > self.written {
            self.writes.push(Write { touched, before: self.written, durable: known.durable });
            // What is buffered goes with a later write.
            self.written = self.run.oracle().written.max(self.run.oracle().durable);
        }
        self.older.push(before);
        Ok(())
    }

    /// The log as it is now; `close` closes it.
    ///
    /// # Errors
    /// If closing it breaks a promise.
    pub fn done(mut self, close: bool) -> Result<Base, Broken> {
        if close {
            self.run.step(Op::Reopen)?;
            self.witnessed = self.run.oracle().entries.len();
        }
        let files = self.files();
        let disk = SimStorage::new();
        files.iter().for_each(|(name, bytes)| disk.write_file(name, bytes));
        let Self { run, writes, older, witnessed, .. } = self;
        Ok(Base { files, disk, oracle: run.oracle(), writes, witnessed, older })
    }
}

impl Base {
    /// Runs a program of appends; `close` closes the log at the end.
    ///
    /// # Errors
    /// If the program itself breaks a promise.
    pub fn new(program: &Program, close: bool, seed: u64) -> Result<Self, Broken> {
        let mut making = Making::new(seed)?;
        program.0.iter().try_for_each(|op| making.step(*op))?;
        making.done(close)
    }

    /// The names of its own files.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.files.keys().filter(|name| *name != crate::check::FOREIGN)
    }

    /// How few batches a log may have after this damage: all, unless the damage is to a
    /// write behind the last witness, and every write that proves it to have been
    /// durable is hurt as well.
    pub fn least(&self, changed: &Changed, beside: &[(String, Range<usize>)]) -> usize {
        let differs = |(name, bytes): (&String, &Option<Vec<u8>>)| {
            let old = self.files.get(name).map_or(&[][..], |bytes| bytes);
            let new = bytes.as_deref().unwrap_or_default();
            let differs = difference(old, new);
            // Zeros that fill a record up are lost with the end of the file too.
            let range = if new.len() < old.len() {
                differs.map_or(new.len(), |range| range.start.min(new.len()))..old.len()
            } else {
                differs?
            };
            Some((name.clone(), range))
        };
        let hurt: Vec<_> =
            changed.iter().filter_map(differs).chain(beside.iter().cloned()).collect();
        let is_hurt = |write: &Write| {
            write.touched.iter().any(|(name, range)| {
                let meets = |(other, hurt): &(String, Range<usize>)| {
                    other == name && hurt.start < range.end && range.start < hurt.end
                };
                hurt.iter().any(meets)
            })
        };
        let whole = self.writes.iter().filter(|write| !is_hurt(write));
        let proven = whole.map(|write| write.durable).max().unwrap_or(0);
        let lost = self.writes.iter().find(|write| is_hurt(write) && write.before >= proven);
        let written = self.oracle.written.max(self.oracle.durable);
        let lost = lost.map_or(written, |write| write.before);
        lost.max(self.witnessed).min(written)
    }
}

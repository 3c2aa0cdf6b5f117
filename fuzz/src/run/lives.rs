//! How a life of the log ends, and how the next one begins.

use std::sync::Arc;

use annals::io::sim::LoseAll;
use annals::{Durability, Log, Reading};

use super::{Run, lock};
use crate::check::{agrees, open, read_all};
use crate::crash::{once, power_cut};
use crate::oracle::{Broken, End};
use crate::program::What;

impl Run {
    pub(super) fn open(&mut self, end: End) -> Result<(), Broken> {
        if end == End::Cut {
            self.known().power_is_cut();
        }
        let opened = match open(&self.disk, self.reading) {
            Err(_) if self.faulty => {
                self.disk.clear_faults();
                open(&self.disk, self.reading)
            }
            other => other,
        };
        let refused = |error| Broken::new("13: what a crash leaves can be opened", error);
        let log = Arc::new(opened.map_err(refused)?);
        let shown = self.unless_struck(|| read_all(&log))?;
        let settled = {
            let mut oracle = self.known();
            *oracle = oracle.settled(&shown, &oracle.admits(&shown, end)?);
            oracle.clone()
        };
        self.unless_struck(|| {
            agrees(&log, &shown)?;
            settled.marks.iter().try_for_each(|mark| mark.holds(&log))
        })?;
        *lock(&self.shared.log) = Arc::downgrade(&log);
        self.log = Some(log);
        self.poisoned = false;
        self.ask_for_keys()?;
        lock(&self.shared.broken).take().map_or(Ok(()), Err)
    }

    /// Does it again without faults, if one struck: an error may be the answer then.
    pub(super) fn unless_struck<T>(
        &self,
        look: impl Fn() -> Result<T, Broken>,
    ) -> Result<T, Broken> {
        let before = self.disk.faults_struck();
        let seen = look();
        if self.disk.faults_struck() == before {
            return seen;
        }
        self.disk.clear_faults();
        look()
    }

    /// Batches at the end that have a key and show nothing may be there or not: as after
    /// any crash, they are appended again. The oracle is told of what may be there
    /// before: more than the log has, until the answer says it.
    pub(super) fn ask_for_keys(&mut self) -> Result<(), Broken> {
        let oracle = self.oracle();
        let unsure = oracle.entries.get(oracle.durable..).unwrap_or_default();
        let keyed = unsure.iter().filter(|entry| entry.key.is_some()).cloned();
        for entry in keyed.collect::<Vec<_>>() {
            let mut asked = self.oracle();
            match once(&self.log()?, &mut asked, entry) {
                Ok(()) => *self.known() = asked,
                // It may be there all the same: the next opening tells.
                Err(_) if self.faulty => return Ok(()),
                Err(broken) => return Err(broken),
            }
        }
        self.known().assume_absent();
        Ok(())
    }

    pub(super) fn reopen(&mut self) -> Result<(), Broken> {
        let log = self.log.take();
        let placed = self.known().entries.len();
        // The hook may hold it for a moment, but not in this thread.
        let closed = log.and_then(Arc::into_inner).map(Log::close);
        match closed {
            Some(Ok(())) if self.poisoned => {
                let what = "a close succeeded after a failure";
                return Err(Broken::new("12: no Ok after a failed write or sync", what));
            }
            Some(Ok(())) => {
                self.is_as_safe(placed, Durability::Durable, Durability::Durable)?;
            }
            Some(Err(error)) if !self.faulty => {
                return Err(Broken::new("10: a log can be closed", error));
            }
            Some(Err(_)) | None => {}
        }
        self.open(End::Kill)
    }

    pub(super) fn next_life(&mut self, end: End) -> Result<(), Broken> {
        self.log = None;
        self.open(end)
    }

    pub(super) fn die(&mut self, call: u8, seed: u16) -> Result<(), Broken> {
        self.disk.crash_at(call.into());
        self.dying = true;
        let outcome = match seed / 16 % 8 {
            0 => self.append_new(What::Mixed, Durability::Durable),
            1 => self.append_new(What::Roll, Durability::Written),
            2 => self.append_new(What::Key, Durability::Durable),
            3 => self.sync(),
            4 => self.tickets(),
            _ => self.append_new(What::Sector, Durability::Durable),
        };
        self.dying = false;
        outcome?;
        let mut end = End::Kill;
        if seed.is_multiple_of(3) {
            power_cut(&self.disk, seed.into());
            self.known().power_is_cut();
            end = End::Cut;
        } else if seed % 3 == 1 {
            self.disk.kill();
        }
        self.log = None;
        if seed.is_multiple_of(2) {
            // The opening dies too, and some of what it wrote is lost.
            self.disk.rejoin();
            self.disk.crash_at(1 + u64::from(seed / 8) % 6);
            drop(open(&self.disk, Reading::Pread));
        }
        match seed / 4 % 4 {
            0 => self.disk.kill(),
            1 => {
                self.disk.power_cut(LoseAll);
                end = End::Cut;
            }
            _ => {
                power_cut(&self.disk, u64::from(seed) + 1);
                end = End::Cut;
            }
        }
        self.open(end)
    }
}

//! What a program appends, and what the answers say of it.

use std::sync::Arc;

use annals::{Batch, Committed, Durability, Error, Ticket};

use super::Run;
use crate::check::{STATES, append};
use crate::numbers::wide;
use crate::oracle::Broken;
use crate::program::What;
use crate::told::{Entry, Fold, Told};

impl Run {
    pub(super) fn events(&mut self, events: &[(&str, usize)]) -> Entry {
        let told = (self.submitted..)
            .zip(events)
            .map(|(number, (stream, len))| Told::make(stream, 1 << 100 | u128::from(number), *len));
        let entry = Entry::of(told.collect());
        self.submitted += wide(events.len());
        entry
    }

    pub(super) fn key(&mut self) -> Option<Arc<str>> {
        self.submitted += 1;
        Some(format!("message-{}", self.submitted).into())
    }

    /// A new batch; none if it would be empty.
    pub(super) fn make(&mut self, what: What) -> Option<Entry> {
        let oracle = self.oracle();
        let head = oracle.events_of(oracle.entries.len());
        let state = |through| Fold::make(true, STATES[0], through, 60);
        let entry = match what {
            What::Small => self.events(&[("a-1", 30)]),
            What::Sector => self.events(&[("b-1", 700)]),
            What::Batch => self.events(&[("a-1", 20), ("c", 400), ("a-1", 5)]),
            What::Roll => self.events(&[("b-1", 12_050)]),
            What::Snapshot => {
                let version = oracle.version("a-1");
                let fold = Fold::make(false, "a-1", version, 300);
                (version > 0).then(|| Entry { folds: vec![fold], ..Entry::default() })?
            }
            What::State => Entry { folds: vec![state(head)], ..Entry::default() },
            What::Key => Entry { key: self.key(), ..Entry::default() },
            What::Keyed => {
                let key = self.key();
                Entry { key, ..self.events(&[("c", 25)]) }
            }
            What::Mixed => {
                let key = self.key();
                let snapshot = Fold::make(false, "a-1", oracle.version("a-1") + 1, 500);
                let folds = vec![snapshot, state(head + 2)];
                Entry { key, folds, ..self.events(&[("a-1", 15), ("b-1", 90)]) }
            }
        };
        Some(entry)
    }

    pub(super) fn append_new(&mut self, what: What, level: Durability) -> Result<(), Broken> {
        let entry = self.make(what);
        entry.map_or(Ok(()), |entry| self.append(entry, level))
    }

    /// Tells the oracle that a batch is on its way.
    pub(super) fn place(&mut self, entry: &Entry) -> Batch {
        self.last = entry.clone();
        let mut oracle = self.known();
        let batch = oracle.batch(entry);
        if !self.poisoned {
            oracle.entries.push(entry.clone());
        }
        batch
    }

    /// Appends a batch that no program has a letter for.
    ///
    /// # Errors
    /// A broken promise.
    pub fn append(&mut self, entry: Entry, level: Durability) -> Result<(), Broken> {
        let log = self.log()?;
        let batch = self.place(&entry);
        let answer = append(&log, &batch, level)?;
        self.answered(&entry, answer, level)
    }

    /// What an answer to the batch that was placed last says.
    pub(super) fn answered(
        &mut self,
        entry: &Entry,
        answer: annals::Result<Committed>,
        level: Durability,
    ) -> Result<(), Broken> {
        let committed = match answer {
            Ok(committed) => committed,
            Err(error) => return self.refused(&error, true),
        };
        let at = self.known().entries.len();
        self.right(entry, &committed, at)?;
        self.is_as_safe(at, committed.durability(), level)
    }

    /// Whether the numbers of a batch are right, which is the `at`-th of the log.
    pub(super) fn right(
        &self,
        entry: &Entry,
        committed: &Committed,
        at: usize,
    ) -> Result<(), Broken> {
        if self.poisoned {
            let what = "an append succeeded after one had failed";
            return Err(Broken::new("12: no Ok after a failed write or sync", what));
        }
        let oracle = self.known();
        let next = oracle.events_of(at.saturating_sub(1)) + 1;
        if committed.first_position() != next || committed.is_deduplicated() {
            let what = format!("{committed:?}, expected position {next}");
            return Err(Broken::new("8: positions go on after the last one", what));
        }
        let before = oracle.entries.get(..at).unwrap_or_default();
        for told in &entry.events {
            let events = before.iter().flat_map(|entry| &entry.events);
            let version = wide(events.filter(|other| other.stream == told.stream).count());
            if committed.version(&told.stream) != Some(version) {
                return Err(Broken::new("5: versions are dense", format!("{committed:?}")));
            }
        }
        Ok(())
    }

    /// The first so many batches were acknowledged at a level.
    pub(super) fn is_as_safe(
        &self,
        at: usize,
        level: Durability,
        asked: Durability,
    ) -> Result<(), Broken> {
        if level < asked {
            let what = format!("{level:?}, asked for {asked:?}");
            return Err(Broken::new("an answer is at least as safe as asked", what));
        }
        let mut oracle = self.known();
        if level >= Durability::Written {
            oracle.written = oracle.written.max(at);
        }
        if level == Durability::Durable {
            oracle.durable = oracle.durable.max(at);
        }
        Ok(())
    }

    /// A call has failed: what that says about the batch that was placed for it, if one
    /// was.
    pub(super) fn refused(&mut self, error: &Error, placed: bool) -> Result<(), Broken> {
        if self.dying {
            return Ok(());
        }
        if !self.faulty {
            return Err(Broken::new("10: the log takes appends", error));
        }
        match error {
            Error::Poisoned { .. } => self.poisoned = true,
            Error::Full { .. } | Error::Io { .. } if !self.poisoned => {
                if placed {
                    self.known().entries.pop();
                }
            }
            other => return Err(Broken::new("12: a failure says what it is", other)),
        }
        Ok(())
    }

    pub(super) fn submit(
        &mut self,
        level: Durability,
    ) -> Result<Option<(Ticket, Entry, usize)>, Broken> {
        let entry = self.events(&[("a-1", 12)]);
        let batch = self.place(&entry);
        match self.log()?.submit_with(&batch, level) {
            Ok(ticket) => {
                let at = self.known().entries.len();
                Ok(Some((ticket, entry, at)))
            }
            Err(error) => self.refused(&error, true).map(|()| None),
        }
    }

    pub(super) fn tickets(&mut self) -> Result<(), Broken> {
        let levels = [Durability::Durable, Durability::Written, Durability::Buffered];
        let mut tickets = Vec::new();
        for level in levels {
            tickets.push((self.submit(level)?, level));
        }
        // In no order; the first is dropped, and commits all the same.
        for (submitted, level) in tickets.into_iter().skip(1).rev() {
            let Some((ticket, entry, at)) = submitted else { continue };
            match ticket.wait() {
                // It was in memory before anything failed, and that is all it says.
                Ok(_) if level == Durability::Buffered && self.faulty => {}
                Ok(committed) => {
                    self.right(&entry, &committed, at)?;
                    self.is_as_safe(at, committed.durability(), level)?;
                }
                Err(error) => self.refused(&error, false)?,
            }
        }
        Ok(())
    }

    pub(super) fn dropped(&mut self) -> Result<(), Broken> {
        for level in [Durability::Buffered, Durability::Buffered, Durability::Durable] {
            drop(self.submit(level)?);
        }
        Ok(())
    }
}

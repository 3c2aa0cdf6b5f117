//! One command: its key is looked up, it is decided on the newest state, and what it leads to
//! is appended at the version that this has.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::fold::Folded;
use super::{Aggregate, AsOf, Repository, RepositoryError, Versioned};
use crate::observe::span;
use crate::sourcing::{EventEnum, StreamName};
use crate::{Batch, Committed, Expected};

/// Which aggregates a command is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Create,
    Change,
    Either,
}

pub(super) type Done<A> = Result<Versioned<A>, RepositoryError<<A as Aggregate>::Error>>;
type Maybe<A, T> = Result<Option<T>, RepositoryError<<A as Aggregate>::Error>>;

impl<A: Aggregate> Repository<A> {
    pub(super) fn run(&self, stream: &StreamName, command: &A::Command, mode: Mode) -> Done<A> {
        let _span = span::command(stream);
        if let Some(done) = self.done_before(stream)? {
            return Ok(done);
        }
        let attempts = self.attempts.max(1);
        let turns = self.shared.turns.get(place(stream));
        // Whoever is tried again goes first: else it could be beaten by one newcomer after the
        // other until its attempts are used up.
        drop(turns.map(|turn| turn.lock()));
        let mut turn = None;
        for _ in 0..attempts {
            let mut folded = self.load_for(stream, mode)?;
            let events = folded.state.handle(command).map_err(RepositoryError::Rejected)?;
            let Some(batch) = self.decided(stream, &mut folded, &events)? else {
                return Ok(folded.into());
            };
            if let Some(done) = self.concluded(stream, folded, self.store.append(&batch))? {
                return Ok(done);
            }
            turn = turn.or_else(|| turns.map(|turn| turn.lock()));
        }
        Err(RepositoryError::Conflict { stream: stream.to_string(), attempts })
    }

    /// What the first command with the context's key came to, if there was one.
    pub(super) fn done_before(&self, stream: &StreamName) -> Maybe<A, Versioned<A>> {
        let Some(key) = self.context.key() else { return Ok(None) };
        let Some(first) = self.store.outcome(key)? else { return Ok(None) };
        self.first_outcome(stream, key, &first).map(Some)
    }

    /// The newest state, if the command is meant for that.
    pub(super) fn load_for(
        &self,
        stream: &StreamName,
        mode: Mode,
    ) -> Result<Folded<A>, RepositoryError<A::Error>> {
        let folded = self.load(stream)?;
        check(stream, folded.version, mode)?;
        Ok(folded)
    }

    /// The batch of what a command led to, which the state is then; `None` if that is nothing.
    pub(super) fn decided(
        &self,
        stream: &StreamName,
        folded: &mut Folded<A>,
        events: &[A::Event],
    ) -> Maybe<A, Batch> {
        let key = self.context.key();
        if events.is_empty() && key.is_none() {
            return Ok(None);
        }
        let mut batch = Batch::new();
        if let Some(key) = key {
            batch.once(key);
        }
        self.add(&mut batch, stream, folded, events)?;
        Ok(Some(batch))
    }

    /// What came of its append; `None` if somebody else was faster.
    pub(super) fn concluded(
        &self,
        stream: &StreamName,
        mut folded: Folded<A>,
        appended: crate::Result<Committed>,
    ) -> Maybe<A, Versioned<A>> {
        let committed = match appended {
            Ok(committed) => committed,
            Err(error) if error.is_conflict() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if let Some(key) = self.context.key()
            && committed.is_deduplicated()
        {
            // Somebody else used the key since it was looked up.
            return self.first_outcome(stream, key, &committed).map(Some);
        }
        folded.position = folded.position.max(committed.last_position());
        self.shared.cache.put(stream, &folded);
        Ok(Some(folded.into()))
    }

    /// Adds the events of a command to a batch, with what they rest on, and to the state;
    /// and a snapshot of that, if one is due.
    pub(super) fn add(
        &self,
        batch: &mut Batch,
        stream: &StreamName,
        folded: &mut Folded<A>,
        events: &[A::Event],
    ) -> Result<(), RepositoryError<A::Error>> {
        let expected = Expected::Exact(folded.version);
        self.add_expecting(batch, stream, expected, folded, events)
    }

    /// As [`add`](Self::add), where the batch may have events of the stream already.
    pub(super) fn add_expecting(
        &self,
        batch: &mut Batch,
        stream: &StreamName,
        expected: Expected,
        folded: &mut Folded<A>,
        events: &[A::Event],
    ) -> Result<(), RepositoryError<A::Error>> {
        let before = folded.version;
        let mut new = Vec::with_capacity(events.len());
        for event in events {
            folded.state.apply(event);
            folded.version += 1;
            new.push((event.encode()?, folded.state.tags(event)));
        }
        let new = new.iter().map(|(event, tags)| {
            let event = self.context.note(event.as_new());
            tags.iter().fold(event, |event, tag| event.tag(tag))
        });
        batch.write(stream, expected, new);
        if before == 0 {
            // Nobody made it under another category meanwhile.
            for category in [A::CATEGORY].iter().chain(A::FORMER_CATEGORIES) {
                batch.expect(&StreamName::new(category, stream.id())?, Expected::NoStream);
            }
        }
        self.add_due(batch, stream, folded);
        Ok(())
    }

    /// The state that the first command with this key led to.
    fn first_outcome(&self, stream: &StreamName, key: &str, first: &Committed) -> Done<A> {
        if !first.positions().is_empty() && first.version(stream).is_none() {
            let (key, stream) = (key.to_owned(), stream.to_string());
            return Err(RepositoryError::KeyTaken { key, stream });
        }
        let folded = self.fold(stream, Some(AsOf::Position(first.last_position())))?;
        Ok(Versioned { position: first.last_position(), ..folded.into() })
    }
}

fn check<E>(stream: &StreamName, version: u64, mode: Mode) -> Result<(), RepositoryError<E>> {
    let stream = || stream.to_string();
    match mode {
        Mode::Create if version > 0 => Err(RepositoryError::Exists { stream: stream(), version }),
        Mode::Change if version == 0 => Err(RepositoryError::NotFound { stream: stream() }),
        _ => Ok(()),
    }
}

/// Whose turns a stream's commands take.
fn place(stream: &StreamName) -> usize {
    let mut hasher = DefaultHasher::new();
    stream.hash(&mut hasher);
    usize::try_from(hasher.finish() % super::repository::TURNS as u64).unwrap_or(0)
}

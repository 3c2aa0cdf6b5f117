//! What a process does with an input: commands, events, deadlines, compensations, its end.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Process;
use super::deadlines::{Book, Changes, Entry, Key};
use crate::sourcing::aggregate::Staged;
use crate::sourcing::clock::later;
use crate::sourcing::{Aggregate, Context, Repository, RepositoryError, Store, Versioned};
use crate::{Batch, Error, Expected, NewEvent, Timestamp};

/// What all inputs of one step lead to.
#[derive(Default)]
pub(super) struct Work {
    pub(super) batch: Batch,
    staged: Staged,
    pub(super) changes: Changes,
    touched: HashMap<String, Touch>,
    /// The number of the input that is handled.
    pub(super) input: usize,
    fault: Option<Fault>,
}

/// How a stream was written first in this step, and last by which input.
#[derive(Clone, Copy)]
struct Touch {
    by_command: bool,
    input: usize,
}

/// Why the outputs of an input are not all there, whatever its handler returns.
pub(super) enum Fault {
    /// They do not fit into one batch with those of the inputs before.
    Cut,
    /// The store cannot be asked.
    Store(Error),
    /// The handler did what it must not.
    Handler(String),
}

/// Where a [`Process`] puts what an input leads to. All of it, the state, and that the input
/// is handled, become one batch: everything or nothing.
///
/// Events and commands are on behalf of the input: their correlation and their cause are set,
/// as by [`Context::of`]. For a deadline the cause is that of the input that set it.
pub struct Outputs<'o, P: Process> {
    pub(super) work: &'o mut Work,
    pub(super) book: &'o Book,
    pub(super) store: &'o dyn Store,
    pub(super) context: Context,
    pub(super) correlation: &'o str,
    pub(super) now: Timestamp,
    pub(super) compensations: &'o mut Vec<P::Compensation>,
    pub(super) compensate: bool,
    pub(super) end: bool,
}

impl<P: Process> Outputs<'_, P> {
    /// What the process belongs to: its own key.
    pub const fn correlation(&self) -> &str {
        self.correlation
    }

    /// The time, by the clock of the [`ProcessManager`](super::ProcessManager).
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Has an aggregate carry out a command, whether it exists or not. Returns its state after
    /// that, or its refusal, so that the process can go another way at once.
    ///
    /// The command is decided on the newest state, with what earlier commands of the same step
    /// led to; what it leads to is in the batch of the step. If somebody else is faster, the
    /// handler is called again, on what there is then. So a command is carried out exactly
    /// once, with what the process notes of it, wherever it is cut off. The repository's
    /// snapshots and metadata are as ever; its key and its attempts play no part.
    ///
    /// # Errors
    /// Everything that is not the aggregate's refusal: hand it on with `?`. A failure of the
    /// store ends the step, and is not taken for one of the process.
    /// [`Error::Invalid`] if the repository is of another store, or the same input
    /// [wrote](Self::write) the aggregate's stream.
    pub fn execute<A: Aggregate>(
        &mut self,
        repository: &Repository<A>,
        id: impl fmt::Display,
        command: &A::Command,
    ) -> Result<Result<Versioned<A>, A::Error>, RepositoryError<Infallible>> {
        let done = self.try_execute(repository, &id, command);
        if let Err(error) = &done {
            self.work.fail(match error {
                RepositoryError::Store(
                    error @ (Error::Invalid { .. } | Error::TooLarge { .. }),
                ) => Fault::Handler(error.to_string()),
                RepositoryError::Store(error) => Fault::Store(error.clone()),
                other => Fault::Handler(other.to_string()),
            });
        }
        done
    }

    fn try_execute<A: Aggregate>(
        &mut self,
        repository: &Repository<A>,
        id: &dyn fmt::Display,
        command: &A::Command,
    ) -> Result<Result<Versioned<A>, A::Error>, RepositoryError<Infallible>> {
        if !repository.is_on(self.store) {
            let why = "it is of another store than the process";
            return Err(Error::Invalid { what: "repository", why }.into());
        }
        let stream = repository.stream(id)?;
        self.work.touch(&stream, true, Expected::Any)?;
        let Work { staged, batch, .. } = &mut *self.work;
        repository.stage_on(staged, batch, &stream, command, &self.context)
    }

    /// Appends events to a stream, which must be as `expected`. For events of an aggregate, ask
    /// that with [`execute`](Self::execute).
    ///
    /// If the stream is not as expected, the handler is called again, 16 times; after that it
    /// counts as its failure. Events with ids of their own have no place here: were all of
    /// them in the log, nothing of the step would be written.
    pub fn write<'e>(
        &mut self,
        stream: &str,
        expected: Expected,
        events: impl IntoIterator<Item = NewEvent<'e>>,
    ) {
        if self.work.touch(stream, false, expected).is_err() {
            return;
        }
        let (belongs_to, cause) = (self.context.belongs_to(), self.context.cause());
        for mut event in events {
            if let Some(text) = belongs_to {
                event = event.correlation(text);
            }
            if let Some(text) = cause {
                event = event.caused_by(text);
            }
            self.work.batch.write(stream, expected, [event]);
        }
    }

    /// Calls [`Process::deadline`] with this name once it is `at` or later, once, also if the
    /// program is not running then: when it runs again. A name that is set already moves.
    ///
    /// A process has one deadline of each name. What was recorded until its time is handled
    /// before it, however late the program is; while an event waits for another attempt,
    /// deadlines after it wait, too. What is parked is passed by.
    pub fn deadline_at(&mut self, name: &str, at: Timestamp) {
        let (cause, belongs_to) = (self.context.cause(), self.context.belongs_to());
        let (cause, belongs_to) = (cause.map(str::to_owned), belongs_to.map(str::to_owned));
        let entry = Entry { due: at, cause, belongs_to, parked: None };
        self.work.changes.insert(self.key(name), Some(entry));
    }

    /// As [`deadline_at`](Self::deadline_at), that long from [now](Self::now) on.
    pub fn deadline_in(&mut self, name: &str, after: Duration) {
        self.deadline_at(name, later(self.now, after));
    }

    /// The deadline of this name does not come, if there is one.
    pub fn cancel_deadline(&mut self, name: &str) {
        self.work.changes.insert(self.key(name), None);
    }

    /// Notes how to undo what was just done. It is kept with the state, and handed to
    /// [`Process::compensate`] if it comes to [`compensate`](Self::compensate).
    pub fn compensate_with(&mut self, compensation: P::Compensation) {
        self.compensations.push(compensation);
    }

    /// Undoes what was done: once this handler returns, [`Process::compensate`] is called
    /// with everything that was noted by [`compensate_with`](Self::compensate_with), the last
    /// one first. All of that is in the batch of this input, so it is cut off nowhere.
    pub const fn compensate(&mut self) {
        self.compensate = true;
    }

    /// Ends the process when this input is handled: its state, its deadlines, and what was
    /// noted to undo it are dropped. Events that come later with the same correlation are
    /// passed over: it never starts anew.
    pub const fn end(&mut self) {
        self.end = true;
    }

    /// The process has no handler for what it asked for itself.
    pub(super) fn unhandled(&mut self, what: &str) {
        self.work.fail(Fault::Handler(what.to_owned()));
    }

    fn key(&self, name: &str) -> Key {
        Arc::new((self.correlation.to_owned(), name.to_owned()))
    }

    /// Nothing of the process is left but that it ended.
    pub(super) fn drop_deadlines(&mut self) {
        let set = self.work.changes.keys().filter(|key| key.0 == self.correlation).cloned();
        let mut all: Vec<_> = set.collect();
        all.extend(self.book.of(self.correlation));
        self.work.changes.extend(all.into_iter().map(|key| (key, None)));
    }
}

impl<P: Process> fmt::Debug for Outputs<'_, P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Outputs")
            .field("correlation", &self.correlation)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl Work {
    /// The first one counts.
    fn fail(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    pub(super) const fn take_fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }

    /// The input that is handled writes a stream. An earlier one of the same step may have done
    /// so, in a way that does not go together with this in one batch: then the step ends
    /// before this one.
    fn touch(&mut self, stream: &str, by_command: bool, expected: Expected) -> Result<(), Error> {
        let input = self.input;
        let before = self.touched.insert(stream.to_owned(), Touch { by_command, input });
        let Some(before) = before else { return Ok(()) };
        let why = "a command's stream is written besides";
        let mixed = Error::Invalid { what: "batch", why };
        if before.by_command != by_command && before.input == input {
            self.fail(Fault::Handler(mixed.to_string()));
        } else if before.by_command != by_command
            || (before.input != input && expected != Expected::Any)
        {
            self.fail(Fault::Cut);
        } else {
            return Ok(());
        }
        Err(mixed)
    }
}

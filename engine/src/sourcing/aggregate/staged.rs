//! Commands of several aggregates in one batch, each decided on what the batch holds already.

use std::any::Any;
use std::collections::HashMap;
use std::convert::Infallible;

use super::fold::Folded;
use super::{Aggregate, Context, Repository, RepositoryError, Versioned};
use crate::sourcing::{Store, StreamName};
use crate::{Batch, Error, Expected};

/// The states of aggregates as a batch leaves them, by their streams.
#[derive(Default)]
pub(in crate::sourcing) struct Staged {
    by_stream: HashMap<String, Box<dyn Any>>,
}

type Refusable<T, E> = Result<Result<T, E>, RepositoryError<Infallible>>;

impl<A: Aggregate> Repository<A> {
    /// Whether this is the store that it works on.
    pub(in crate::sourcing) fn is_on(&self, store: &dyn Store) -> bool {
        std::ptr::addr_eq(&raw const *self.store, &raw const *store)
    }

    /// The stream of an aggregate, as [`stage_on`](Self::stage_on) is to be told.
    pub(in crate::sourcing) fn stream(
        &self,
        id: &dyn std::fmt::Display,
    ) -> Result<StreamName, RepositoryError<Infallible>> {
        self.stream_of(id).or_else(|error| error.not_refused().and_then(|_| unknown()))
    }

    /// Adds to a batch what a command leads to, decided on the state that the batch leads to,
    /// and on behalf of something. A refusal is no error, and adds nothing.
    ///
    /// What the repository notes beside the data stays; its correlation, cause and key do not
    /// count.
    pub(in crate::sourcing) fn stage_on(
        &self,
        staged: &mut Staged,
        batch: &mut Batch,
        stream: &StreamName,
        command: &A::Command,
        context: &Context,
    ) -> Refusable<Versioned<A>, A::Error> {
        let (mut folded, expected) = match staged.by_stream.get(&**stream) {
            Some(state) => {
                let why = "another kind of aggregate has this stream";
                let other = Error::Invalid { what: "repository", why };
                let folded = state.downcast_ref::<Folded<A>>().ok_or(other)?;
                // What is expected of it stands in the batch.
                (folded.clone(), Expected::Any)
            }
            None => match self.load(stream) {
                Ok(folded) => {
                    let expected = Expected::Exact(folded.version);
                    (folded, expected)
                }
                Err(error) => return error.not_refused().map(Err),
            },
        };
        let events = match folded.state.handle(command) {
            Ok(events) => events,
            // Nobody changed what it was refused for meanwhile.
            Err(refusal) => {
                batch.expect(stream, expected);
                staged.by_stream.insert(stream.to_string(), Box::new(folded));
                return Ok(Err(refusal));
            }
        };
        let on_behalf = self.with(context.clone().beside(&self.context));
        if let Err(error) = on_behalf.add_expecting(batch, stream, expected, &mut folded, &events) {
            return error.not_refused().map(Err);
        }
        staged.by_stream.insert(stream.to_string(), Box::new(folded.clone()));
        Ok(Ok(folded.into()))
    }
}

impl<E> RepositoryError<E> {
    /// The refusal, or what else it is.
    fn not_refused(self) -> Result<E, RepositoryError<Infallible>> {
        Err(match self {
            Self::Rejected(refusal) => return Ok(refusal),
            Self::NotFound { stream } => RepositoryError::NotFound { stream },
            Self::Exists { stream, version } => RepositoryError::Exists { stream, version },
            Self::Conflict { stream, attempts } => RepositoryError::Conflict { stream, attempts },
            Self::KeyTaken { key, stream } => RepositoryError::KeyTaken { key, stream },
            Self::Decode(error) => RepositoryError::Decode(error),
            Self::Encode(error) => RepositoryError::Encode(error),
            Self::Snapshot { stream, cause } => RepositoryError::Snapshot { stream, cause },
            Self::Store(error) => RepositoryError::Store(error),
        })
    }
}

/// Nobody was asked, so nobody refused.
fn unknown<T>() -> Result<T, RepositoryError<Infallible>> {
    Err(Error::Invalid { what: "id", why: "no stream follows from it" }.into())
}

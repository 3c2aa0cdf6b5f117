//! Commands whose decision awaits others. (Feature `async`.)

use std::fmt;
use std::future::Future;

use super::command::{Done, Mode};
use super::{Aggregate, Repository, RepositoryError, Versioned};
use crate::sourcing::StreamName;

/// Decides for an aggregate and awaits others meanwhile: prices, limits, the clock of a bank.
///
/// It stands beside [`Aggregate::handle`], with commands of its own; state and events are those
/// of the aggregate, so both may be used on the same streams. Any runtime will do.
pub trait AsyncHandler<A: Aggregate>: Send + Sync {
    /// What can be asked.
    type Command: Send + Sync;

    /// Decides: the events that the command leads to, none if it changes nothing. As with
    /// [`Aggregate::handle`], it may be called again with the same command on a newer state,
    /// and nothing that it does is taken back then: let it ask, and not do.
    ///
    /// # Errors
    /// Why it refuses.
    fn handle(
        &self,
        state: &A,
        command: &Self::Command,
    ) -> impl Future<Output = Result<Vec<A::Event>, A::Error>> + Send;
}

/// A [`Repository`] whose commands are decided by an [`AsyncHandler`] and awaited.
///
/// The append is awaited, too. States are found as in the repository: they are read where the
/// future is polled, from memory as a rule, and from the disk if it comes to that. A future that
/// is dropped may have carried out its command; with a [key](super::Context::once) it can be
/// tried again.
///
/// A command that meets a conflict is decided again at once. What takes long to decide
/// may so be overtaken again and again, until its attempts are used up: see
/// [`Repository::attempts`].
///
/// ```
/// # use annals::sourcing::{Aggregate, event_types};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// # enum Offered { At { cents: u64 } }
/// # event_types! { Offered { At = "offered-at" } }
/// # #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
/// # struct Offer { cents: u64 }
/// # impl Aggregate for Offer {
/// #     type Command = ();
/// #     type Event = Offered;
/// #     type Error = &'static str;
/// #     const CATEGORY: &'static str = "offer";
/// #     const SNAPSHOT_SCHEMA: u32 = 1;
/// #     fn handle(&self, (): &()) -> Result<Vec<Offered>, &'static str> { Ok(vec![]) }
/// #     fn apply(&mut self, event: &Offered) { let Offered::At { cents } = event; self.cents = *cents; }
/// # }
/// use annals::sourcing::{AsyncHandler, AsyncRepository, Repository};
/// use std::sync::Arc;
/// use annals::Log;
///
/// /// Asks what a thing costs today.
/// struct Prices;
///
/// impl Prices {
///     async fn of(&self, thing: &str) -> u64 {
///         100 * thing.len() as u64
///     }
/// }
///
/// struct MakeOffer { thing: String }
///
/// impl AsyncHandler<Offer> for Prices {
///     type Command = MakeOffer;
///
///     async fn handle(&self, _: &Offer, command: &MakeOffer) -> Result<Vec<Offered>, &'static str> {
///         Ok(vec![Offered::At { cents: self.of(&command.thing).await }])
///     }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Arc::new(Log::open(path)?);
/// let offers = AsyncRepository::new(Repository::<Offer>::new(log), Prices);
/// # pollster::block_on(async {
/// let offer = offers.save(7, MakeOffer { thing: "table".to_owned() }).await?;
/// assert_eq!(offer.state, Offer { cents: 500 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AsyncRepository<A: Aggregate, H> {
    repository: Repository<A>,
    handler: H,
}

impl<A: Aggregate, H: AsyncHandler<A>> AsyncRepository<A, H> {
    /// The aggregates of a repository, with its context, snapshots and cache.
    pub const fn new(repository: Repository<A>, handler: H) -> Self {
        Self { repository, handler }
    }

    /// The repository, to find aggregates with and for commands that need not be awaited.
    pub const fn repository(&self) -> &Repository<A> {
        &self.repository
    }

    /// As [`Repository::save`].
    ///
    /// # Errors
    /// Those of [`Repository::save`].
    pub async fn save(
        &self,
        id: impl fmt::Display,
        command: H::Command,
    ) -> Result<Versioned<A>, RepositoryError<A::Error>> {
        self.run(&self.repository.stream_of(&id)?, &command, Mode::Create).await
    }

    /// As [`Repository::update`].
    ///
    /// # Errors
    /// Those of [`Repository::update`].
    pub async fn update(
        &self,
        id: impl fmt::Display,
        command: H::Command,
    ) -> Result<Versioned<A>, RepositoryError<A::Error>> {
        self.run(&self.repository.stream_of(&id)?, &command, Mode::Change).await
    }

    /// As [`Repository::execute`].
    ///
    /// # Errors
    /// Those of [`Repository::execute`].
    pub async fn execute(
        &self,
        id: impl fmt::Display,
        command: H::Command,
    ) -> Result<Versioned<A>, RepositoryError<A::Error>> {
        self.run(&self.repository.stream_of(&id)?, &command, Mode::Either).await
    }

    async fn run(&self, stream: &StreamName, command: &H::Command, mode: Mode) -> Done<A> {
        let all = &self.repository;
        if let Some(done) = all.done_before(stream)? {
            return Ok(done);
        }
        let attempts = all.attempts.max(1);
        for _ in 0..attempts {
            let mut folded = all.load_for(stream, mode)?;
            let decided = self.handler.handle(&folded.state, command).await;
            let events = decided.map_err(RepositoryError::Rejected)?;
            let Some(batch) = all.decided(stream, &mut folded, &events)? else {
                return Ok(folded.into());
            };
            let appended = all.store.append_async(&batch).await;
            if let Some(done) = all.concluded(stream, folded, appended)? {
                return Ok(done);
            }
        }
        Err(RepositoryError::Conflict { stream: stream.to_string(), attempts })
    }
}

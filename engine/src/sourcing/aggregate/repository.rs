//! Finds aggregates and carries out their commands.

use std::fmt;
use std::sync::Arc;

use super::cache::Cache;
use super::command::Mode;
use super::fold::{Folded, Replayed};
use super::{Aggregate, AsOf, Context, RepositoryError, SnapshotPolicy, Versioned};
use crate::sourcing::stream::is_category;
use crate::sourcing::{Store, StreamName};
use crate::sync::Mutex;
use crate::{Batch, Error, Filter};

/// How many locks retried commands share.
pub(super) const TURNS: usize = 64;

/// All aggregates of one kind in a [`Store`]: finds them and carries out their commands.
///
/// A command is decided by the newest state and appended with the version that the state has.
/// If somebody else was faster, it is decided again on the newer state, a bounded number of
/// times. Clones are cheap and share the cache.
///
/// ```
/// # use annals::sourcing::{Aggregate, Repository, RepositoryError, event_types};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// # enum Counted { Up { by: u64 } }
/// # event_types! { Counted { Up = "counted-up" } }
/// # #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
/// # struct Counter(u64);
/// # impl Aggregate for Counter {
/// #     type Command = u64;
/// #     type Event = Counted;
/// #     type Error = &'static str;
/// #     const CATEGORY: &'static str = "counter";
/// #     const SNAPSHOT_SCHEMA: u32 = 1;
/// #     fn handle(&self, by: &u64) -> Result<Vec<Counted>, &'static str> {
/// #         if *by > 9 { Err("too much") } else { Ok(vec![Counted::Up { by: *by }]) }
/// #     }
/// #     fn apply(&mut self, event: &Counted) { let Counted::Up { by } = event; self.0 += by; }
/// # }
/// use std::sync::Arc;
/// use annals::Log;
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
///
/// let log = Arc::new(Log::open(path)?);
/// let counters = Repository::<Counter>::new(log.clone());
/// counters.save("a", 5)?;
/// let counter = counters.update("a", 3)?;
/// assert_eq!((counter.state, counter.version), (Counter(8), 2));
///
/// assert!(matches!(counters.update("a", 10), Err(RepositoryError::Rejected("too much"))));
/// assert!(matches!(counters.update("b", 1), Err(RepositoryError::NotFound { .. })));
/// assert!(counters.find("b")?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Repository<A> {
    pub(super) store: Arc<dyn Store>,
    pub(super) policy: SnapshotPolicy,
    pub(super) attempts: u32,
    pub(super) context: Arc<Context>,
    pub(super) shared: Arc<Shared<A>>,
}

/// What clones have in common.
#[derive(Debug)]
pub(super) struct Shared<A> {
    pub(super) cache: Cache<A>,
    pub(super) replayed: Replayed,
    /// Commands that met a conflict are tried again one at a time for each stream, and others
    /// begin when none is: or they would beat it again.
    pub(super) turns: [Mutex<()>; TURNS],
}

impl<A> Shared<A> {
    fn new(cache: Cache<A>) -> Self {
        Self {
            cache,
            replayed: Replayed::default(),
            turns: std::array::from_fn(|_| Mutex::new(())),
        }
    }
}

impl<A: Aggregate> Repository<A> {
    /// All aggregates of this kind in a store, such as an `Arc<Log>`. Snapshots are made
    /// every 100 events, nothing is kept in memory, and a command is tried 16 times.
    pub fn new(store: Arc<dyn Store>) -> Self {
        const {
            assert!(is_category(A::CATEGORY), "CATEGORY is empty or has a hyphen");
            let mut former = A::FORMER_CATEGORIES;
            while let [first, rest @ ..] = former {
                assert!(is_category(first), "a former category is empty or has a hyphen");
                former = rest;
            }
        }
        let policy = SnapshotPolicy::Every(100);
        let shared = Arc::new(Shared::new(Cache::new(0)));
        Self { store, policy, attempts: 16, context: Arc::default(), shared }
    }

    /// When snapshots are made. Default: every 100 events.
    #[must_use]
    pub fn snapshots(self, policy: SnapshotPolicy) -> Self {
        Self { policy, ..self }
    }

    /// Keeps so many states in memory, those used last; 0 for none, which is the default.
    /// They may be behind what others append, which costs reading that and nothing else.
    #[must_use]
    pub fn cache(self, aggregates: usize) -> Self {
        Self { shared: Arc::new(Shared::new(Cache::new(aggregates))), ..self }
    }

    /// How often a command is handled before it is given up for
    /// [`RepositoryError::Conflict`]. Default: 16; 0 is the same as 1. Clones of one repository
    /// take turns after the first attempt, so that more are needed only where others write.
    #[must_use]
    pub fn attempts(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    /// The same repository on behalf of something: what it is goes on each event, without
    /// `handle` being asked.
    ///
    /// ```
    /// # use annals::sourcing::{Aggregate, Context, Repository, RepositoryError};
    /// # use annals::Event;
    /// /// Carries out a command because of an event, once, however often the event is seen.
    /// fn react<A: Aggregate>(
    ///     all: &Repository<A>, event: &Event<'_>, id: &str, command: A::Command,
    /// ) -> Result<(), RepositoryError<A::Error>> {
    ///     let context = Context::of(event).once(&format!("billing/{}", event.id()));
    ///     all.with(context).execute(id, command).map(drop)
    /// }
    /// ```
    #[must_use]
    pub fn with(&self, context: Context) -> Self {
        Self { context: Arc::new(context), ..self.clone() }
    }

    /// Events of all these aggregates, also of those with a former category.
    pub fn filter() -> Filter {
        let former = A::FORMER_CATEGORIES.iter();
        former.fold(Filter::new().category(A::CATEGORY), |filter, name| filter.category(name))
    }

    /// The aggregate as it is; `None` if nothing ever happened to it.
    ///
    /// # Errors
    /// [`RepositoryError::Decode`], and those of [`Log::load`](crate::Reader::load).
    pub fn find(
        &self,
        id: impl fmt::Display,
    ) -> Result<Option<Versioned<A>>, RepositoryError<A::Error>> {
        let stream = self.stream_of(&id)?;
        Ok(self.load(&stream)?.existing())
    }

    /// The aggregate as it was; `None` if nothing had happened to it. It is folded from a
    /// snapshot of that time or an earlier one, or from its first event.
    ///
    /// ```
    /// # use annals::sourcing::{Aggregate, AsOf, Repository, RepositoryError};
    /// /// Whether the last thing that happened changed the state.
    /// fn changed<A: Aggregate + PartialEq>(
    ///     all: &Repository<A>, id: u64,
    /// ) -> Result<bool, RepositoryError<A::Error>> {
    ///     let Some(now) = all.find(id)? else { return Ok(false) };
    ///     let before = all.find_as_of(id, AsOf::Version(now.version - 1))?;
    ///     Ok(before.is_none_or(|before| before.state != now.state))
    /// }
    /// ```
    ///
    /// # Errors
    /// Those of [`find`](Self::find).
    pub fn find_as_of(
        &self,
        id: impl fmt::Display,
        bound: AsOf,
    ) -> Result<Option<Versioned<A>>, RepositoryError<A::Error>> {
        let stream = self.stream_of(&id)?;
        Ok(self.fold(&stream, Some(bound))?.existing())
    }

    /// Creates an aggregate by its first command.
    ///
    /// # Errors
    /// [`RepositoryError::Exists`], and those of [`execute`](Self::execute).
    pub fn save(
        &self,
        id: impl fmt::Display,
        command: A::Command,
    ) -> Result<Versioned<A>, RepositoryError<A::Error>> {
        self.run(&self.stream_of(&id)?, &command, Mode::Create)
    }

    /// Carries out a command of an aggregate that exists.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`], and those of [`execute`](Self::execute).
    pub fn update(
        &self,
        id: impl fmt::Display,
        command: A::Command,
    ) -> Result<Versioned<A>, RepositoryError<A::Error>> {
        self.run(&self.stream_of(&id)?, &command, Mode::Change)
    }

    /// Carries out a command, whether the aggregate exists or not. Returns its state after
    /// that.
    ///
    /// # Errors
    /// [`RepositoryError::Rejected`] with what the aggregate says, after which nothing was
    /// written; [`RepositoryError::Conflict`] where others were faster each time;
    /// [`RepositoryError::KeyTaken`], [`RepositoryError::Decode`],
    /// [`RepositoryError::Encode`]; and those of [`Log::append`](crate::Log::append).
    pub fn execute(
        &self,
        id: impl fmt::Display,
        command: A::Command,
    ) -> Result<Versioned<A>, RepositoryError<A::Error>> {
        self.run(&self.stream_of(&id)?, &command, Mode::Either)
    }

    /// Adds to a batch what a command leads to, and returns the state that the aggregate has
    /// once the batch is appended, which is up to the caller: several aggregates can so change
    /// all together or not at all. If the append says that somebody else was faster, start
    /// again with a new batch. The context's key is left to the caller too.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use annals::{Batch, Log};
    /// # use annals::sourcing::{Aggregate, Repository, RepositoryError};
    /// fn both<A: Aggregate>(
    ///     log: &Arc<Log>, [one, other]: [&str; 2], commands: [A::Command; 2],
    /// ) -> Result<(), RepositoryError<A::Error>> {
    ///     let all = Repository::<A>::new(log.clone());
    ///     loop {
    ///         let mut batch = Batch::new();
    ///         all.stage(&mut batch, one, &commands[0])?;
    ///         all.stage(&mut batch, other, &commands[1])?;
    ///         match log.append(&batch) {
    ///             Err(error) if error.is_conflict() => {}
    ///             done => return Ok(done.map(drop)?),
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// Those of [`execute`](Self::execute) that do not come from the append; and
    /// [`Error::Invalid`] for an aggregate whose stream the batch writes already, since its
    /// command would be decided on a state that does not hold any more.
    pub fn stage(
        &self,
        batch: &mut Batch,
        id: impl fmt::Display,
        command: &A::Command,
    ) -> Result<Versioned<A>, RepositoryError<A::Error>> {
        let stream = self.stream_of(&id)?;
        if batch.iter().any(|event| event.stream() == &*stream) {
            let why = "it writes the aggregate's stream already";
            return Err(Error::Invalid { what: "batch", why }.into());
        }
        let mut folded = self.load(&stream)?;
        let events = folded.state.handle(command).map_err(RepositoryError::Rejected)?;
        self.add(batch, &stream, &mut folded, &events)?;
        Ok(folded.into())
    }

    /// The aggregate's stream: under a former category if it is there, or else under
    /// today's.
    pub(super) fn stream_of(
        &self,
        id: &dyn fmt::Display,
    ) -> Result<StreamName, RepositoryError<A::Error>> {
        let name = StreamName::new(A::CATEGORY, id)?;
        if !A::FORMER_CATEGORIES.is_empty() && self.store.version(&name)? == 0 {
            for former in A::FORMER_CATEGORIES {
                let former = StreamName::new(former, id)?;
                if self.store.version(&former)? > 0 {
                    return Ok(former);
                }
            }
        }
        Ok(name)
    }
}

impl<A> Folded<A> {
    fn existing(self) -> Option<Versioned<A>> {
        (self.version > 0).then(|| self.into())
    }
}

impl<A> Clone for Repository<A> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            policy: self.policy,
            attempts: self.attempts,
            context: Arc::clone(&self.context),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<A: Aggregate> fmt::Debug for Repository<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Repository")
            .field("category", &A::CATEGORY)
            .field("snapshots", &self.policy)
            .field("attempts", &self.attempts)
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

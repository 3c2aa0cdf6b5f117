//! A thread that writes down the states of aggregates, outside of any command.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::due::Due;
use super::{Aggregate, Repository, SnapshotPolicy};
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Condvar, Instant, Mutex};
use crate::{Error, Result};

/// Writes down the states of aggregates as they get due, in a thread of its own: commands then
/// pay nothing for snapshots.
///
/// Every `interval` it looks at what was appended since the round before, and writes a snapshot of
/// each aggregate that has, since its newest one, as many events as the policy says. Appends
/// and commands do not wait for it: a snapshot is a batch of its own, appended as any other.
/// Whatever it has written or not, an aggregate is folded to the same state.
///
/// What it costs: its first round lists all streams of the aggregate, and asks for the newest
/// snapshot of those that are long enough. Later rounds read the events of the aggregate's
/// categories that came since, and ask for a snapshot only where the events since the last
/// one that is known are enough; it folds nothing that is not due. It remembers the name and
/// two numbers of each stream with an event since it began, up to 65,536 streams; with more
/// it forgets all and lists them again.
///
/// What fails is counted and told by [`status`](Self::status), and tried again in the next
/// round: an error of the store, an event that does not decode, a panic of the aggregate.
///
/// It ends when it is dropped or [stopped](Self::stop), after the aggregate at hand.
///
/// ```
/// # use annals::sourcing::{Aggregate, Repository, SnapshotPolicy, Snapshotter, event_types};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// # enum Counted { Up }
/// # event_types! { Counted { Up = "counted-up" } }
/// # #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
/// # struct Counter(u64);
/// # impl Aggregate for Counter {
/// #     type Command = ();
/// #     type Event = Counted;
/// #     type Error = &'static str;
/// #     const CATEGORY: &'static str = "counter";
/// #     const SNAPSHOT_SCHEMA: u32 = 1;
/// #     fn handle(&self, _: &()) -> Result<Vec<Counted>, &'static str> { Ok(vec![Counted::Up]) }
/// #     fn apply(&mut self, _: &Counted) { self.0 += 1; }
/// # }
/// use std::sync::Arc;
/// use std::time::Duration;
/// use annals::Log;
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
///
/// let log = Arc::new(Log::open(path)?);
/// // Commands write no snapshots: the snapshotter does.
/// let counters = Repository::<Counter>::new(log.clone()).snapshots(SnapshotPolicy::Never);
/// let every = SnapshotPolicy::Every(100);
/// let snapshotter = Snapshotter::start(counters.clone(), every, Duration::from_secs(60))?;
/// for _ in 0..100 {
///     counters.execute("a", ())?;
/// }
/// snapshotter.wake();
/// # while snapshotter.status().snapshots == 0 { std::thread::sleep(Duration::from_millis(1)); }
/// let status = snapshotter.stop();
/// assert_eq!((status.snapshots, status.failures), (1, 0));
/// assert_eq!(log.snapshot("counter-a")?.map(|snapshot| snapshot.version()), Some(100));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Snapshotter<A> {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    of: PhantomData<fn() -> A>,
}

/// What a [`Snapshotter`] has done since it was started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotterStatus {
    /// Rounds that were ended.
    pub rounds: u64,
    /// Snapshots that were written.
    pub snapshots: u64,
    /// Aggregates that had enough events to be asked for their newest snapshot.
    pub asked: u64,
    /// Aggregates that were folded: those of which a snapshot was due.
    pub folded: u64,
    /// What failed, all rounds together.
    pub failures: u64,
    /// What failed last, with the stream.
    pub last_error: Option<String>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stop: bool,
    /// A round is wanted now.
    wake: bool,
    status: SnapshotterStatus,
}

impl<A> Snapshotter<A> {
    /// Starts with a round at once, and then one every `interval`. The repository's own policy
    /// has nothing to do with it; make that [`Never`](SnapshotPolicy::Never) if commands are to
    /// write none. With [`ReplayCost`](SnapshotPolicy::ReplayCost) what this repository and its
    /// clones fold is measured.
    ///
    /// # Errors
    /// [`Error::Io`] if no thread can be started.
    pub fn start(
        repository: Repository<A>,
        policy: SnapshotPolicy,
        interval: Duration,
    ) -> Result<Self>
    where
        A: Aggregate + Send,
    {
        let shared = Arc::new(Shared::default());
        let run = {
            let shared = Arc::clone(&shared);
            move || shared.run(&mut Due::new(repository, policy), interval)
        };
        let thread = thread::Builder::new().name("annals-snapshots".to_owned()).spawn(run);
        let thread = thread.map_err(|error| Error::Io {
            operation: "start a thread for",
            file: "the snapshotter".to_owned(),
            source: Arc::new(error),
        })?;
        Ok(Self { shared, thread: Some(thread), of: PhantomData })
    }

    /// Has it look now, without waiting for that.
    pub fn wake(&self) {
        self.shared.state.lock().wake = true;
        self.shared.changed.notify_all();
    }

    /// What it has done by now.
    pub fn status(&self) -> SnapshotterStatus {
        self.shared.state.lock().status.clone()
    }

    /// Ends it, and says what it has done.
    pub fn stop(mut self) -> SnapshotterStatus {
        self.end();
        self.status()
    }

    fn end(&mut self) {
        self.shared.state.lock().stop = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl<A> Drop for Snapshotter<A> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<A> fmt::Debug for Snapshotter<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Snapshotter")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// The thread: round after round.
    fn run<A: Aggregate>(&self, due: &mut Due<A>, interval: Duration) {
        loop {
            let round = due.round(&|| self.state.lock().stop);
            let mut state = self.state.lock();
            let status = &mut state.status;
            status.rounds += 1;
            status.snapshots += round.made;
            status.asked += round.asked;
            status.folded += round.folded;
            status.failures += u64::try_from(round.failures.len()).unwrap_or(u64::MAX);
            status.last_error = round.failures.into_iter().last().or(status.last_error.take());
            // A time too far off to be a number is never.
            let until = Instant::now().checked_add(interval);
            while !state.stop && !std::mem::take(&mut state.wake) {
                match until {
                    Some(until) if Instant::now() >= until => break,
                    Some(until) => drop(self.changed.wait_until(&mut state, until)),
                    None => self.changed.wait(&mut state),
                }
            }
            if state.stop {
                return;
            }
        }
    }
}

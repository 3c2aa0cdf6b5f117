//! When the state of an aggregate is written down.

use std::ops::ControlFlow;
use std::time::Duration;

use super::fold::{Folded, Replayed};
use super::{Aggregate, Repository, RepositoryError};
use crate::observe::{self, span};
use crate::sourcing::{Codec, EventEnum};
use crate::{Batch, NewSnapshot, limits};

/// When a [`Repository`] writes down the state of an aggregate, so that the next one who
/// wants it need not fold all of its events. A snapshot goes into the batch of the events
/// that make it due: it costs its bytes, and no write or sync of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotPolicy {
    /// Only when [asked](Repository::snapshot).
    Never,
    /// When so many events came since the last one. 0 is the same as 1.
    Every(u64),
    /// When folding the events since the last one takes so long, as measured by this
    /// repository whenever it folds: nothing is due before it folded something.
    ReplayCost(Duration),
}

impl SnapshotPolicy {
    /// Whether so many events are to be folded no more.
    fn is_due(self, events: u64, replayed: &Replayed) -> bool {
        match self {
            Self::Never => false,
            Self::Every(most) => events >= most.max(1),
            Self::ReplayCost(most) => {
                let each = replayed.nanos_each();
                each > 0 && u128::from(each) * u128::from(events) >= most.as_nanos()
            }
        }
    }
}

impl<A: Aggregate> Repository<A> {
    /// Writes down the state of an aggregate now, unless that was done at its very version.
    /// Returns that version; `None` if there is no such aggregate.
    ///
    /// # Errors
    /// Those of [`find`](Self::find), [`RepositoryError::Snapshot`] if the state does not
    /// encode, and those of [`Log::append`](crate::Log::append).
    pub fn snapshot(
        &self,
        id: impl std::fmt::Display,
    ) -> Result<Option<u64>, RepositoryError<A::Error>> {
        let stream = self.stream_of(&id)?;
        let folded = self.load(&stream)?;
        if folded.version == 0 {
            return Ok(None);
        }
        self.write_down(&stream, &folded)?;
        Ok(Some(folded.version))
    }

    /// Writes down the states of all aggregates for which that is due by a policy, outside of
    /// any command. Returns how many that were. It looks at every stream of the
    /// aggregate's categories, and at the newest snapshot of each that is long enough.
    ///
    /// ```
    /// # use annals::sourcing::{Aggregate, Repository, RepositoryError, SnapshotPolicy};
    /// /// What a thread of the program does every minute.
    /// fn housekeeping<A: Aggregate>(all: &Repository<A>) -> Result<u64, RepositoryError<A::Error>> {
    ///     all.snapshot_due(SnapshotPolicy::Every(100))
    /// }
    /// ```
    ///
    /// # Errors
    /// Those of [`snapshot`](Self::snapshot).
    pub fn snapshot_due(&self, policy: SnapshotPolicy) -> Result<u64, RepositoryError<A::Error>> {
        let _span = span::snapshots(A::CATEGORY);
        let mut made = 0;
        for category in [A::CATEGORY].iter().chain(A::FORMER_CATEGORIES) {
            let mut long = Vec::new();
            self.store.streams(&format!("{category}-"), &mut |stream, version| {
                if policy.is_due(version, &self.shared.replayed) {
                    long.push(stream.to_owned());
                }
                ControlFlow::Continue(())
            })?;
            for stream in long {
                let folded = self.load(&stream)?;
                if policy.is_due(folded.version - folded.snapshot, &self.shared.replayed) {
                    self.write_down(&stream, &folded)?;
                    observe::snapshots(1);
                    made += 1;
                }
            }
        }
        Ok(made)
    }

    /// Whether so many events are due to be folded no more, by a policy and by what folding
    /// has cost here.
    pub(super) fn is_due(&self, policy: SnapshotPolicy, events: u64) -> bool {
        policy.is_due(events, &self.shared.replayed)
    }

    /// Folds a stream and writes its state down, if that is due. Returns the version of the
    /// newest snapshot then, and whether that was written now; or why not.
    pub(super) fn write_down_if_due(
        &self,
        stream: &str,
        policy: SnapshotPolicy,
    ) -> Result<(u64, bool), String> {
        let told = |error: RepositoryError<A::Error>| match error {
            RepositoryError::Store(error) => error.to_string(),
            RepositoryError::Decode(error) => error.to_string(),
            RepositoryError::Snapshot { cause, .. } => format!("it does not encode: {cause}"),
            // What commands alone are told.
            _ => "it cannot be folded".to_owned(),
        };
        let folded = self.load(stream).map_err(told)?;
        if !self.is_due(policy, folded.version - folded.snapshot) {
            return Ok((folded.snapshot, false));
        }
        self.write_down(stream, &folded).map_err(told)?;
        Ok((folded.version, true))
    }

    fn write_down(
        &self,
        stream: &str,
        folded: &Folded<A>,
    ) -> Result<(), RepositoryError<A::Error>> {
        if folded.snapshot == folded.version {
            return Ok(());
        }
        let data = encoded(&folded.state)
            .map_err(|cause| RepositoryError::Snapshot { stream: stream.to_owned(), cause })?;
        let mut batch = Batch::new();
        batch.snapshot(stream, folded.version, new::<A>(&data));
        self.store.append(&batch)?;
        self.shared.cache.put(stream, &Folded { snapshot: folded.version, ..folded.clone() });
        Ok(())
    }

    /// Adds a snapshot to the batch that leads to this state, if one is due. A state that does
    /// not encode, or is too large, is no reason to refuse the events.
    pub(super) fn add_due(&self, batch: &mut Batch, stream: &str, folded: &mut Folded<A>) {
        let events = folded.version - folded.snapshot;
        if !self.policy.is_due(events, &self.shared.replayed) {
            return;
        }
        let Ok(data) = encoded(&folded.state) else { return };
        let others = usize::try_from(batch.bytes()).unwrap_or(usize::MAX);
        if data.len() < limits::EVENT_BYTES / 2 && others < limits::BATCH_BYTES / 2 {
            batch.snapshot(stream, folded.version, new::<A>(&data));
            folded.snapshot = folded.version;
        }
    }
}

fn encoded<A: Aggregate>(state: &A) -> Result<Vec<u8>, crate::sourcing::CodecError> {
    <A::Event as EventEnum>::Codec::encode(state)
}

fn new<A: Aggregate>(data: &[u8]) -> NewSnapshot<'_> {
    let content_type = <<A::Event as EventEnum>::Codec as Codec>::CONTENT_TYPE;
    NewSnapshot::new(A::SNAPSHOT_SCHEMA).data(data).content_type(content_type)
}

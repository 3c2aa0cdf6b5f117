//! Which aggregates a snapshot is due of, found without folding them: the snapshotter's memory.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Aggregate, Repository, SnapshotPolicy};
use crate::observe::{self, span};
use crate::sourcing::Tail;
use crate::{Result, Start};

/// How many streams are remembered; with more, all are listed anew.
const REMEMBERED: usize = 1 << 16;

/// How many events are looked at before it is asked whether to stop.
const PAGE: usize = 1024;

/// A stream that had events since its last snapshot.
#[derive(Debug, Clone, Copy, Default)]
struct Touched {
    version: u64,
    /// Version of the newest snapshot, as far as that is known.
    snapshot: u64,
}

/// What a round came to.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// Snapshots that were written.
    pub(super) made: u64,
    /// Streams whose newest snapshot was asked for.
    pub(super) asked: u64,
    /// Streams that were folded.
    pub(super) folded: u64,
    /// What failed, with where.
    pub(super) failures: Vec<String>,
}

/// Follows the streams of an aggregate, and writes down the states that are due.
#[derive(Debug)]
pub(super) struct Due<A: Aggregate> {
    repository: Repository<A>,
    policy: SnapshotPolicy,
    /// Absent before the streams were listed, and when they must be listed again.
    tail: Option<Box<dyn Tail>>,
    touched: HashMap<String, Touched>,
}

impl<A: Aggregate> Due<A> {
    pub(super) fn new(repository: Repository<A>, policy: SnapshotPolicy) -> Self {
        Self { repository, policy, tail: None, touched: HashMap::new() }
    }

    /// Looks at what came since the last round. Ends early when it is to stop.
    pub(super) fn round(&mut self, stops: &dyn Fn() -> bool) -> Round {
        let _span = span::snapshots(A::CATEGORY);
        let mut round = Round::default();
        if let Err(error) = self.look(stops) {
            round.failures.push(error.to_string());
            // What it has missed is found by listing.
            self.tail = None;
        }
        let due: Vec<_> = self
            .touched
            .iter()
            .filter(|(_, at)| self.repository.is_due(self.policy, at.version - at.snapshot))
            .map(|(stream, _)| stream.clone())
            .collect();
        for stream in due {
            if stops() {
                break;
            }
            round.asked += 1;
            self.write_down(&stream, &mut round);
        }
        round
    }

    fn look(&mut self, stops: &dyn Fn() -> bool) -> Result<()> {
        if self.tail.is_none() || self.touched.len() > REMEMBERED {
            return self.list();
        }
        let (Some(tail), touched) = (&mut self.tail, &mut self.touched) else { return Ok(()) };
        loop {
            let found = tail.poll(PAGE, &mut |event| match touched.get_mut(event.stream()) {
                Some(at) => at.version = at.version.max(event.version()),
                None => {
                    let at = Touched { version: event.version(), snapshot: 0 };
                    touched.insert(event.stream().to_owned(), at);
                }
            })?;
            if found == 0 || stops() || touched.len() > REMEMBERED {
                return Ok(());
            }
        }
    }

    /// All streams that may be due, by their length.
    fn list(&mut self) -> Result<()> {
        let store = &self.repository.store;
        // The tail first: what is appended meanwhile is seen by both.
        let tail = store.tail(Start::End, &Repository::<A>::filter())?;
        self.touched.clear();
        for category in [A::CATEGORY].iter().chain(A::FORMER_CATEGORIES) {
            store.streams(&format!("{category}-"), &mut |stream, version| {
                if self.repository.is_due(self.policy, version) {
                    let at = Touched { version, snapshot: 0 };
                    self.touched.insert(stream.to_owned(), at);
                }
                ControlFlow::Continue(())
            })?;
        }
        self.tail = Some(tail);
        Ok(())
    }

    /// Writes down the state of a stream, unless its newest snapshot is newer than was known.
    fn write_down(&mut self, stream: &str, round: &mut Round) {
        let Some(at) = self.touched.get(stream).copied() else { return };
        let (repository, policy) = (&self.repository, self.policy);
        // A stream that cannot be folded must not keep the others waiting for ever.
        let written = catch_unwind(AssertUnwindSafe(|| -> std::result::Result<_, String> {
            let newest = repository.store.snapshot(stream).map_err(|error| error.to_string())?;
            let fits = newest.filter(|newest| newest.schema() == A::SNAPSHOT_SCHEMA);
            let snapshot = fits.map_or(0, |newest| newest.version()).max(at.snapshot);
            if !repository.is_due(policy, at.version.saturating_sub(snapshot)) {
                return Ok((snapshot, false));
            }
            round.folded += 1;
            repository.write_down_if_due(stream, policy)
        }));
        let failed = match written {
            Ok(Ok((snapshot, made))) => {
                round.made += u64::from(made);
                if made {
                    observe::snapshots(1);
                }
                let version = at.version.max(snapshot);
                self.touched.insert(stream.to_owned(), Touched { version, snapshot });
                return;
            }
            Ok(Err(why)) => why,
            Err(_) => "a panic while it was folded".to_owned(),
        };
        // It stays remembered, and is tried again in the next round.
        round.failures.push(format!("stream {stream:?}: {failed}"));
    }
}

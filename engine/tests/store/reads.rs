//! The reading half of an engine in memory.

use std::ops::ControlFlow;
use std::sync::Arc;

use annals::sourcing::{StoreReader, Tail, Visit};
use annals::{Committed, Error, Filter, OwnedEvent, Result, Snapshot, Start, Timestamp, Uuid};

use crate::faults::Fault;
use crate::memory::{Memory, wide};
use crate::tail::MemoryTail;

impl StoreReader for Memory {
    fn read(&self, stream: &str, from: u64, each: &mut Visit<'_>) -> Result<()> {
        let from = from.saturating_add(u64::from(self.has(Fault::ReadFromTheNext)));
        let events = self.of_stream(&self.held(), stream, from);
        self.hand(&events, each);
        Ok(())
    }

    fn load(
        &self,
        stream: &str,
        schema: u32,
        restore: &mut dyn FnMut(&Snapshot) -> bool,
        each: &mut Visit<'_>,
    ) -> Result<u64> {
        let any_schema = self.has(Fault::OtherSchemaIsOffered);
        let held = self.held();
        let of_stream = |snapshot: &&Snapshot| {
            let schema = any_schema || snapshot.schema() == schema;
            !snapshot.is_state() && snapshot.name() == stream && schema
        };
        let snapshots: Vec<_> = held.snapshots.iter().filter(of_stream).cloned().collect();
        let events = self.of_stream(&held, stream, 1);
        drop(held);
        let taken = snapshots.iter().rev().find(|snapshot| restore(snapshot));
        let again = u64::from(self.has(Fault::LoadRepeatsAnEvent));
        let from = taken.map_or(1, |snapshot| snapshot.version() + 1 - again);
        let mut last = 0;
        let behind = events.iter().filter(|event| event.as_event().version() >= from);
        self.hand(behind, &mut |event| {
            last = event.version();
            each(event)
        });
        if self.has(Fault::LoadSaysWhereItBroke) {
            return Ok(last);
        }
        Ok(events.last().map_or(0, |event| event.as_event().version()))
    }

    fn version(&self, stream: &str) -> Result<u64> {
        Ok(self.version_of(&self.held(), stream))
    }

    fn snapshot(&self, stream: &str) -> Result<Option<Snapshot>> {
        let first_schema = self.has(Fault::NewestOfFirstSchema);
        let of_stream = |snapshot: &&Snapshot| {
            let schema = !first_schema || snapshot.schema() == 1;
            !snapshot.is_state() && snapshot.name() == stream && schema
        };
        Ok(self.held().snapshots.iter().rfind(of_stream).cloned())
    }

    fn streams(
        &self,
        prefix: &str,
        each: &mut dyn FnMut(&str, u64) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut streams: Vec<(String, u64)> = Vec::new();
        for event in &self.held().events {
            let event = event.as_event();
            match streams.iter_mut().find(|(name, _)| name == event.stream()) {
                Some((_, version)) => *version = event.version(),
                None => streams.push((event.stream().to_owned(), event.version())),
            }
        }
        if !self.has(Fault::ListedByAge) {
            streams.sort();
        }
        streams.retain(|(name, _)| name.starts_with(prefix));
        for (name, version) in streams {
            if each(&name, version).is_break() && !self.has(Fault::ListingGoesOn) {
                break;
            }
        }
        Ok(())
    }

    fn event(&self, id: Uuid) -> Result<Option<OwnedEvent>> {
        let held = self.held();
        if self.has(Fault::AnotherId) {
            return Ok(held.events.last().cloned());
        }
        Ok(held.events.iter().find(|event| event.as_event().id() == id).cloned())
    }

    fn outcome(&self, key: &str) -> Result<Option<Committed>> {
        Ok(self.held().outcomes.get(key).cloned())
    }

    fn state(&self, name: &str, schema: u32) -> Result<Option<Snapshot>> {
        let wanted = |snapshot: &&Snapshot| {
            snapshot.is_state() && snapshot.name() == name && snapshot.schema() == schema
        };
        let held = self.held();
        let mut states: Vec<_> = held.snapshots.iter().filter(wanted).collect();
        match self.fault {
            Some(Fault::StateByNumber) => states.sort_by_key(|state| state.version()),
            Some(Fault::StateOneBehind) => drop(states.pop()),
            _ => {}
        }
        Ok(states.pop().cloned())
    }

    fn states(&self, prefix: &str) -> Result<Vec<String>> {
        let held = self.held();
        let states = held.snapshots.iter().filter(|snapshot| snapshot.is_state());
        let mut names: Vec<_> = states.map(|state| state.name().to_owned()).collect();
        names.retain(|name| name.starts_with(prefix));
        if !self.has(Fault::StatesUnsorted) {
            names.sort();
        }
        names.dedup();
        Ok(names)
    }

    fn head(&self) -> Result<u64> {
        let held = self.held();
        match self.fault {
            Some(Fault::SyncDoesNothing) => Ok(wide(held.durable)),
            Some(Fault::HeadIsBehind) => Ok(wide(held.events.len().saturating_sub(1))),
            _ => Ok(held.events.last().map_or(0, |last| last.as_event().position())),
        }
    }

    fn tail(&self, start: Start, filter: &Filter) -> Result<Box<dyn Tail>> {
        let head = self.head()?;
        let scanned = match start {
            Start::Beginning => 0,
            Start::End if self.has(Fault::EndIsTheBeginning) => 0,
            Start::End => head,
            Start::After(position) if position > head && !self.has(Fault::BeyondHeadIsTaken) => {
                return Err(Error::BeyondHead { position, head });
            }
            Start::After(position) if self.has(Fault::AfterIsIncluded) => {
                position.saturating_sub(1)
            }
            Start::After(position) => position,
            Start::At(time) => {
                let late = Timestamp::from_nanos(i64::from(self.has(Fault::TimeIsExcluded)));
                let time = Timestamp::from_nanos(time.as_nanos().saturating_add(late.as_nanos()));
                let held = self.held();
                let before = |event: &&OwnedEvent| event.as_event().recorded_at() < time;
                wide(held.events.iter().take_while(before).count())
            }
            Start::Checkpoint(checkpoint) => {
                let same = checkpoint.log == self.log && checkpoint.position <= head;
                if !same && !self.has(Fault::CheckpointNotCompared) {
                    return Err(Error::Diverged { checkpoint, log: self.log, same_until: 0 });
                }
                checkpoint.position.saturating_sub(u64::from(self.has(Fault::CheckpointOneBack)))
            }
            other => {
                let source = std::io::Error::other(format!("cannot start at {other:?}"));
                let source = Arc::new(source);
                let store = "memory".to_owned();
                return Err(Error::Store { store, retryable: false, source });
            }
        };
        Ok(Box::new(MemoryTail { of: self.clone(), filter: filter.clone(), scanned }))
    }
}

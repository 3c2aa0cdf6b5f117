//! Following an engine in memory.

use std::time::{Duration, Instant};

use annals::sourcing::{StoreReader, Tail};
use annals::{Checkpoint, Event, Filter, Result, Uuid};

use crate::faults::Fault;
use crate::memory::{Memory, pause, wide};

#[derive(Debug)]
pub(crate) struct MemoryTail {
    pub(crate) of: Memory,
    pub(crate) filter: Filter,
    pub(crate) scanned: u64,
}

impl Tail for MemoryTail {
    fn poll(&mut self, max: usize, each: &mut dyn FnMut(Event<'_>)) -> Result<usize> {
        let events = self.of.events();
        let before = self.scanned;
        let mut found = 0;
        for event in events.iter().filter(|event| event.as_event().position() > before) {
            if found == max {
                break;
            }
            self.scanned = event.as_event().position();
            if self.of.has(Fault::FilterForgotten) || self.filter.matches(&event.as_event()) {
                each(event.as_event());
                found += 1;
            }
        }
        match self.of.fault {
            Some(Fault::HandedOutTwice) if found > 0 => self.scanned -= 1,
            Some(Fault::ScannedStays) if found == 0 => self.scanned = before,
            Some(Fault::ScannedIsAhead) => self.scanned = wide(events.len()),
            Some(Fault::TailRunsAhead) if found == 0 && max > 0 => self.scanned += 1,
            _ => {}
        }
        Ok(found)
    }

    fn wait(&mut self, timeout: Duration) -> Result<bool> {
        let since = Instant::now();
        loop {
            match self.of.fault {
                Some(Fault::WaitSaysNo) => return Ok(false),
                Some(Fault::WaitSaysYes) => return Ok(true),
                _ if self.of.head()? > self.scanned => return Ok(true),
                _ if since.elapsed() >= timeout => return Ok(false),
                _ => pause(),
            }
        }
    }

    fn scanned_to(&self) -> u64 {
        self.scanned
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        Ok(Checkpoint { log: self.of.log, epoch: Uuid::nil(), position: self.scanned })
    }
}

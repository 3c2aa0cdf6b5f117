//! What a thread asks, by a seed and by what it was answered before; and how that is asked
//! of a log.

use annals::planted::Bug;
use annals::{
    Batch, Cursor, CursorOptions, Durability, Error, Event, Expected, Log, NewEvent, Start, Uuid,
    Visibility,
};

use super::call::{Answer, Asked, Op, Placed, STREAMS, Seen, UNKNOWN, Write, name};
use super::record::{DURABLE, Plan};
use crate::numbers::{Numbers, digest, narrow, wide};

/// Batches that several threads append, so that each may find it there already.
const SHARED: u64 = 4;

/// One of so many events is large, so that segments are rolled.
const LARGE_OF: u128 = 23;

/// Who asks: one thread.
#[derive(Debug)]
pub struct Asker {
    /// Its number.
    pub thread: usize,
    numbers: Numbers,
    plan: Plan,
    made: u128,
    /// The last version of each stream that it was told of.
    versions: [u64; STREAMS.len()],
    /// The highest position that it was told of.
    position: u64,
    cursors: [Option<Cursor>; 2],
    ended: bool,
}

impl Asker {
    /// The thread of this number.
    pub fn new(seed: u64, thread: usize, plan: &Plan) -> Self {
        let numbers = Numbers::new(digest(&(seed, thread)));
        Self {
            thread,
            numbers,
            plan: plan.clone(),
            made: 0,
            versions: [0; STREAMS.len()],
            position: 0,
            cursors: [None, None],
            ended: false,
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        narrow(self.numbers.below(wide(limit)))
    }

    fn one_of(&mut self, of: u64) -> bool {
        of > 0 && self.numbers.below(of) == 0
    }

    /// Whether a copy of the disk is crashed now.
    pub fn crashes(&mut self) -> bool {
        self.one_of(self.plan.crash_of)
    }

    /// What is planted in it.
    pub const fn bug(&self) -> Option<Bug> {
        self.plan.bug
    }

    /// What it asks next; nothing once the log takes no more appends.
    pub fn think(&mut self) -> Option<Op> {
        if self.ended {
            return None;
        }
        let stream = self.below(self.plan.streams);
        // Where syncs fail, what is only written is shown to cursors and never durable.
        let durable = self.plan.levels == DURABLE || self.one_of(2);
        let visibility = if durable { Visibility::Durable } else { Visibility::Written };
        Some(match self.below(100) {
            0..48 => self.append(),
            48..62 => Op::Version(stream),
            62..74 => Op::Stream(stream, if self.plan.whole { u64::MAX } else { 3 }),
            74..82 if self.plan.whole => Op::All(0, u64::MAX),
            74..82 => Op::All(self.position.saturating_sub(2), 40),
            82..87 => Op::Event(self.known_id()),
            87..95 => Op::Follow(visibility),
            95..97 => Op::Head,
            _ => Op::Sync,
        })
    }

    fn known_id(&mut self) -> u128 {
        let shared = self.numbers.below(SHARED);
        if self.one_of(2) { shared_id(shared) } else { id(self.thread, self.made) }
    }

    fn new_id(&mut self) -> u128 {
        self.made += 1;
        id(self.thread, self.made)
    }

    fn expected(&mut self, stream: usize) -> Expected {
        let known = self.versions.get(stream).copied().unwrap_or_default();
        match self.below(16) {
            0..5 => Expected::Any,
            5..7 => Expected::NoStream,
            7..9 => Expected::Exists,
            9 => Expected::Exact(known + 1),
            _ => Expected::Exact(known),
        }
    }

    fn write(&mut self, stream: usize, events: usize) -> Write {
        let expected = self.expected(stream);
        Write { stream, expected, ids: (0..events).map(|_| self.new_id()).collect() }
    }

    fn append(&mut self) -> Op {
        let stream = self.below(self.plan.streams);
        let other = (stream + 1) % self.plan.streams;
        let mut asked = Asked::default();
        let events = 1 + self.below(2);
        match self.below(20) {
            0 => asked.writes.push(self.write(stream, 0)),
            1..4 => {
                let writes = [self.write(stream, 1), self.write(other, events)];
                asked.writes.extend(writes);
            }
            4..9 => asked = self.shared(),
            9 => {
                asked = self.shared();
                // In part only.
                let more = self.new_id();
                asked.writes.iter_mut().for_each(|write| write.ids.push(more));
            }
            10 if self.plan.whole => asked.key = Some(9),
            10..13 => {
                asked.writes.push(self.write(stream, events));
                let keys = if self.plan.whole { 2 } else { 1 << 16 };
                asked.key = u32::try_from(self.numbers.below(keys)).ok();
            }
            _ => asked.writes.push(self.write(stream, events)),
        }
        let level = self.below(self.plan.levels.len());
        let level = self.plan.levels.get(level).copied().unwrap_or_default();
        Op::Append(asked, level, self.one_of(4))
    }

    /// A batch that other threads append too.
    fn shared(&mut self) -> Asked {
        let number = self.numbers.below(SHARED);
        let stream = narrow(number) % self.plan.streams;
        let write = Write { stream, expected: self.expected(stream), ids: vec![shared_id(number)] };
        Asked { writes: vec![write], key: self.one_of(4).then_some(7) }
    }

    /// Asks the log.
    pub fn ask(&mut self, log: &Log, op: &Op) -> Answer {
        let answer = match op {
            Op::Append(asked, level, ticket) => append(log, asked, *level, *ticket),
            Op::Stream(stream, last) => {
                log.read(name(*stream)).backward().limit(*last).collect().map(events)
            }
            Op::Version(stream) => log.version(name(*stream)).map(Answer::Version),
            Op::All(after, limit) => {
                log.read_all().from(after + 1).limit(*limit).collect().map(events)
            }
            Op::Event(id) => log
                .event(Uuid::from_u128(*id))
                .map(|event| Answer::Event(event.map(|event| event.as_event().position()))),
            Op::Follow(visibility) => self.follow(log, *visibility),
            Op::Head => Ok(Answer::Head(log.head())),
            Op::Sync => log.sync().map(|()| Answer::Synced),
        };
        let answer = answer.unwrap_or_else(|error| refused(&error));
        self.ended |= matches!(answer, Answer::Poisoned(_));
        self.learn(op, &answer);
        answer
    }

    /// All that is new, until there is nothing more.
    fn follow(&mut self, log: &Log, visibility: Visibility) -> annals::Result<Answer> {
        let [durable, written] = &mut self.cursors;
        let place = if visibility == Visibility::Durable { durable } else { written };
        let mut cursor = match place.take() {
            Some(cursor) => cursor,
            None => {
                let options = CursorOptions::new().visibility(visibility);
                log.cursor_with(Start::Beginning, &options)?
            }
        };
        let mut all = Vec::new();
        loop {
            let events = cursor.poll(64)?;
            if events.is_empty() {
                break;
            }
            all.extend(events.iter().map(|event| seen(&event)));
        }
        *place = Some(cursor);
        Ok(Answer::Events(all))
    }

    fn learn(&mut self, op: &Op, answer: &Answer) {
        let mut know = |stream: usize, version: u64| {
            if let Some(known) = self.versions.get_mut(stream) {
                *known = version;
            }
        };
        match (op, answer) {
            (_, Answer::Placed(placed, _)) => {
                placed.versions.iter().for_each(|(stream, version)| know(*stream, *version));
                self.position = self.position.max(placed.last);
            }
            (_, Answer::Conflict(stream, _, actual)) => know(*stream, *actual),
            (Op::Version(stream), Answer::Version(version)) => know(*stream, *version),
            (_, Answer::Events(events)) => {
                let last = events.iter().map(|seen| seen.position).max();
                self.position = self.position.max(last.unwrap_or_default());
            }
            _ => {}
        }
    }
}

/// The id of an event that one thread alone appends.
fn id(thread: usize, number: u128) -> u128 {
    u128::from(wide(thread) + 1) << 64 | number
}

/// The id of an event that several threads append.
pub const fn shared_id(number: u64) -> u128 {
    number as u128 + 1
}

/// The ids of large events that no thread appends.
pub const fn large_id(number: u64) -> u128 {
    LARGE_OF * (1 << 32 | number as u128)
}

/// An event as it is kept here.
pub fn seen(event: &Event<'_>) -> Seen {
    let stream = STREAMS.iter().position(|name| *name == event.stream());
    Seen {
        position: event.position(),
        stream: stream.unwrap_or(UNKNOWN),
        version: event.version(),
        id: if event.data() == data(event.id().as_u128()) { event.id().as_u128() } else { 0 },
        last: event.is_last_of_batch(),
    }
}

fn events(events: Vec<annals::OwnedEvent>) -> Answer {
    Answer::Events(events.iter().map(|event| seen(&event.as_event())).collect())
}

/// What the event of this id holds.
fn data(id: u128) -> Vec<u8> {
    let len = if id.is_multiple_of(LARGE_OF) { 5_000 } else { id % 60 };
    let len = usize::try_from(len).unwrap_or_default();
    id.to_le_bytes().into_iter().cycle().take(len).collect()
}

/// Appends a batch; by a ticket that is waited for, or not.
pub fn append(log: &Log, asked: &Asked, level: Durability, ticket: bool) -> annals::Result<Answer> {
    let mut batch = Batch::new();
    for Write { stream, expected, ids } in &asked.writes {
        if ids.is_empty() {
            batch.expect(name(*stream), *expected);
        }
        let datas: Vec<_> = ids.iter().map(|id| (Uuid::from_u128(*id), data(*id))).collect();
        let events = datas.iter().map(|(id, data)| NewEvent::new("Told").id(*id).data(data));
        batch.write(name(*stream), *expected, events);
    }
    if let Some(key) = asked.key {
        batch.once(&format!("key-{key}"));
    }
    let committed = if ticket {
        log.submit_with(&batch, level).and_then(annals::Ticket::wait)
    } else {
        log.append_with(&batch, level)
    }?;
    let version = |(stream, name): (usize, &&str)| Some((stream, committed.version(name)?));
    let placed = Placed {
        first: committed.first_position(),
        last: committed.last_position(),
        versions: STREAMS.iter().enumerate().filter_map(version).collect(),
        again: committed.is_deduplicated(),
    };
    Ok(Answer::Placed(placed, committed.durability()))
}

fn refused(error: &Error) -> Answer {
    match error {
        Error::WrongExpectedVersion { stream, expected, actual } => {
            let stream = STREAMS.iter().position(|name| name == stream).unwrap_or(UNKNOWN);
            Answer::Conflict(stream, *expected, *actual)
        }
        Error::DuplicateConflict { id, position, .. } => Answer::Partly(id.as_u128(), *position),
        Error::Poisoned { .. } => Answer::Poisoned(error.to_string()),
        other => Answer::Strange(other.to_string()),
    }
}

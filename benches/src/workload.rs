//! The events that both sides append and replay: a 16-byte id, a stream, a type and
//! 256 random bytes.
//!
//! Payloads are slices of one random pool, so that neither side's figure holds
//! the cost of drawing random numbers, and nothing on the way can compress them.

/// Bytes of an event's data.
pub const DATA_BYTES: usize = 256;

/// How many streams events are spread over.
pub const STREAMS: usize = 1000;

/// The type of every event.
pub const EVENT_TYPE: &str = "OrderPlaced";

/// Length of every stream's name.
const STREAM_BYTES: usize = "order-0000".len();

const ID_BYTES: usize = size_of::<u128>();

/// Lengths of the names, and a flag byte: the least that lets a payload be taken apart.
const LENGTHS_BYTES: usize = 4;

/// What an event says, without any framing.
pub const CONTENT_BYTES: usize =
    ID_BYTES + LENGTHS_BYTES + STREAM_BYTES + EVENT_TYPE.len() + DATA_BYTES;

/// Length and CRC in front of a content: the least that a log can frame it with.
pub const FRAME_BYTES: usize = 8;

/// What a floor writes for an event. Smaller than a record of annals on purpose: what
/// annals adds (position, version, time, a CRC of its own for the header, group and
/// batch) counts against annals.
pub const FLOOR_RECORD_BYTES: usize = (FRAME_BYTES + CONTENT_BYTES).next_multiple_of(8);

/// Small enough for the caches: fetching payloads from memory is the caller's cost, not the log's.
const POOL_BYTES: usize = 256 << 10;

/// The pool of data and the names of the streams.
#[derive(Debug)]
pub struct Workload {
    pool: Vec<u8>,
    streams: Vec<String>,
}

impl Default for Workload {
    fn default() -> Self {
        Self::new()
    }
}

impl Workload {
    /// Always the same: two runs differ in the machine, not in the events.
    pub fn new() -> Self {
        Self::of(POOL_BYTES, STREAMS)
    }

    /// The same with a pool of at least so many bytes, for larger slices than the usual pool
    /// has.
    pub fn with_pool(bytes: usize) -> Self {
        Self::of(bytes.max(POOL_BYTES), STREAMS)
    }

    /// The same data, spread over so many streams. From 10,000 streams on their names are
    /// longer; a floor's record keeps its length by its filling, up to a million of them.
    pub fn with_streams(streams: usize) -> Self {
        Self::of(POOL_BYTES, streams)
    }

    fn of(bytes: usize, streams: usize) -> Self {
        let mut random = Random::new(1);
        let mut pool = Vec::with_capacity(bytes.next_multiple_of(size_of::<u64>()));
        while pool.len() < bytes {
            pool.extend_from_slice(&random.draw().to_le_bytes());
        }
        let streams = (0..streams).map(|number| format!("order-{number:04}")).collect();
        Self { pool, streams }
    }

    /// The names of the streams.
    pub fn streams(&self) -> &[String] {
        &self.streams
    }

    /// Every stream, `rounds` times, each round in an order in which neighbours by number are
    /// far apart: who reads one stream finds its events spread over the whole log.
    pub fn rounds(&self, rounds: usize) -> impl Iterator<Item = &str> {
        let streams = self.streams.len().max(1);
        // A prime, so that with a number of streams that it does not divide each comes once.
        let at = move |step: usize| step.wrapping_mul(48_271) % streams;
        let steps = (0..rounds).flat_map(move |_| 0..streams);
        steps.filter_map(move |step| self.streams.get(at(step)).map(String::as_str))
    }

    /// The events of one thread.
    pub fn events(&self, thread: u64) -> Events<'_> {
        Events { workload: self, random: Random::new(thread.wrapping_add(2)) }
    }
}

/// Draws events without end.
#[derive(Debug)]
pub struct Events<'w> {
    workload: &'w Workload,
    random: Random,
}

impl<'w> Events<'w> {
    /// The stream of the next event.
    pub fn stream(&mut self) -> &'w str {
        let index = self.random.below(self.workload.streams.len());
        self.workload.streams.get(index).map_or("order", String::as_str)
    }

    /// The data of the next event.
    pub fn data(&mut self) -> &'w [u8] {
        self.bytes(DATA_BYTES)
    }

    /// Random bytes, at most as many as the pool holds.
    pub fn bytes(&mut self, len: usize) -> &'w [u8] {
        let pool = self.workload.pool.as_slice();
        let start = self.random.below(pool.len().saturating_sub(len).max(1));
        pool.get(start..start.saturating_add(len)).unwrap_or(pool)
    }

    /// A random number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.random.below(bound)
    }

    /// Appends the content of the next event to `out`: what a floor frames.
    pub fn content(&mut self, out: &mut Vec<u8>) {
        let stream = self.stream();
        self.content_of(stream, out);
    }

    /// Appends the content of the next event of this stream to `out`.
    pub fn content_of(&mut self, stream: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.random.draw().to_le_bytes());
        out.extend_from_slice(&self.random.draw().to_le_bytes());
        let stream_len = u16::try_from(stream.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&stream_len.to_le_bytes());
        out.push(u8::try_from(EVENT_TYPE.len()).unwrap_or(u8::MAX));
        out.push(0);
        out.extend_from_slice(stream.as_bytes());
        out.extend_from_slice(EVENT_TYPE.as_bytes());
        out.extend_from_slice(self.data());
    }
}

/// The stream's name in a content, as [`Events::content`] wrote it.
pub fn name_in(content: &[u8]) -> Option<&str> {
    let (lengths, names) = content.get(ID_BYTES..)?.split_first_chunk::<LENGTHS_BYTES>()?;
    let [low, high, ..] = *lengths;
    let name = names.get(..usize::from(u16::from_le_bytes([low, high])))?;
    std::str::from_utf8(name).ok()
}

/// SplitMix64: quick, and good enough that nothing on the way can guess the bytes.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// The same seed draws the same numbers.
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// The next number.
    pub const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, or 0 if there is none.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.draw() % bound).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_has_the_length_that_the_floors_count_with() {
        let workload = Workload::new();
        let mut content = Vec::new();
        workload.events(0).content(&mut content);
        assert_eq!(content.len(), CONTENT_BYTES);
        assert!(name_in(&content).is_some_and(|name| name.starts_with("order-")));
        const { assert!(FLOOR_RECORD_BYTES >= FRAME_BYTES + CONTENT_BYTES) };
    }

    #[test]
    fn every_stream_comes_once_a_round() {
        let workload = Workload::with_streams(1000);
        let mut seen: Vec<_> = workload.rounds(2).collect();
        assert_ne!(seen.first(), seen.get(1));
        seen.sort_unstable();
        assert!(seen.len() == 2000 && seen.chunks(2).all(|pair| pair[0] == pair[1]));
        seen.dedup();
        assert_eq!(seen.len(), 1000);
    }

    #[test]
    fn a_longer_name_fits_a_record_of_the_same_length() {
        let workload = Workload::with_streams(100_000);
        let mut content = Vec::new();
        workload.events(0).content_of("order-99999", &mut content);
        assert!(FRAME_BYTES + content.len() <= FLOOR_RECORD_BYTES);
    }

    #[test]
    fn threads_draw_different_events() {
        let workload = Workload::new();
        assert_ne!(workload.events(1).data(), workload.events(2).data());
    }
}

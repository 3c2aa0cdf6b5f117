//! What is measured, and one figure of it.

/// A set of values that each have one word in data files and on the command line.
pub trait Word: Copy + PartialEq + 'static {
    /// Every value with its word.
    const WORDS: &'static [(Self, &'static str)];

    /// The word of this value.
    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(value, _)| *value == self).map_or("", |(_, word)| word)
    }

    /// The value with this word.
    fn of(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, own)| *own == word).map(|(value, _)| *value)
    }
}

/// A part of a survey, as it can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Appends: by threads, batch, payload, durability; tickets.
    Append,
    /// Appends that expect a version, by the number of streams.
    Streams,
    /// The whole log in order, by payload and by size.
    Replay,
    /// Single streams of a log, by its size.
    Reads,
    /// Opening a log, by its size.
    Open,
    /// From the call of an append to a waiting cursor.
    Tail,
}

impl Word for Part {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Append, "append"),
        (Self::Streams, "streams"),
        (Self::Replay, "replay"),
        (Self::Reads, "reads"),
        (Self::Open, "open"),
        (Self::Tail, "tail"),
    ];
}

/// In which way the work of a part is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Synced to the device when the call returns.
    Durable,
    /// Handed to the operating system when the call returns.
    Written,
    /// In memory when the call returns.
    Buffered,
    /// Durable, one thread with many appends in flight.
    Tickets,
    /// Through a cursor, from the first event on.
    Cursor,
    /// One stream after the other, each at random.
    Stream,
    /// A log that was closed.
    Clean,
    /// A log whose process was killed.
    Killed,
}

impl Word for Way {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Durable, "durable"),
        (Self::Written, "written"),
        (Self::Buffered, "buffered"),
        (Self::Tickets, "tickets"),
        (Self::Cursor, "cursor"),
        (Self::Stream, "stream"),
        (Self::Clean, "clean"),
        (Self::Killed, "killed"),
    ];
}

/// Whose figure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// A loop that does only what cannot be left out.
    Floor,
    /// The log.
    Annals,
}

impl Word for Side {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Floor, "floor"), (Self::Annals, "annals")];
}

/// What a figure says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Events, or reads of a stream, in a second.
    Rate,
    /// Nanoseconds that `at` of 100 calls did not exceed; 100 is the longest.
    Latency,
    /// How many calls took `at` nanoseconds or more, up to the next step of the histogram.
    Calls,
    /// Nanoseconds that the whole work took.
    Time,
}

impl Word for Measure {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Rate, "rate"),
        (Self::Latency, "latency"),
        (Self::Calls, "calls"),
        (Self::Time, "time"),
    ];
}

impl Measure {
    /// The unit of the value.
    pub const fn unit(self, part: Part) -> &'static str {
        match self {
            Self::Rate if matches!(part, Part::Reads) => "reads/s",
            Self::Rate => "events/s",
            Self::Latency | Self::Time => "ns",
            Self::Calls => "calls",
        }
    }
}

/// One thing to measure. A number that does not apply is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Work {
    /// The part that it belongs to.
    pub part: Part,
    /// How it is done.
    pub way: Way,
    /// Threads that append.
    pub threads: u64,
    /// Appends in flight of one thread.
    pub in_flight: u64,
    /// Events of a call.
    pub batch: u64,
    /// Bytes of an event's data.
    pub payload: u64,
    /// Streams of the log.
    pub streams: u64,
    /// Bytes of the log that is read, as its floor has them.
    pub log_bytes: u64,
}

impl Work {
    /// A work whose numbers do not apply yet.
    pub const fn new(part: Part, way: Way) -> Self {
        Self { part, way, threads: 0, in_flight: 0, batch: 0, payload: 0, streams: 0, log_bytes: 0 }
    }
}

/// One figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fact {
    /// What was measured.
    pub work: Work,
    /// Whose figure it is.
    pub side: Side,
    /// What it says.
    pub measure: Measure,
    /// The percentile of a latency, the step of a histogram; 0 where nothing is meant.
    pub at: f64,
    /// In which pair of turns it was taken, from 1 on.
    pub round: u32,
    /// The figure.
    pub value: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each_word_is_of_one_value<W: Word + std::fmt::Debug>() {
        for (value, word) in W::WORDS {
            assert_eq!((W::of(word), value.word()), (Some(*value), *word));
        }
    }

    #[test]
    fn words_and_values_belong_together() {
        each_word_is_of_one_value::<Part>();
        each_word_is_of_one_value::<Way>();
        each_word_is_of_one_value::<Side>();
        each_word_is_of_one_value::<Measure>();
        assert_eq!(Part::of("appends"), None);
    }
}

//! What a child tells its parent: one fact in one line, written at once.

use std::fmt;
use std::str::FromStr;

use annals::{Checkpoint, Durability, Error, Visibility};

/// What kind of answer an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The log takes no more appends until it is opened again.
    Poisoned,
    /// No space: nothing was written, the same may be tried again.
    Full,
    /// The system refused, and nothing was written.
    Io,
    /// Durable data is not what it was.
    Corrupt,
    /// Any other.
    Other,
}

const ANSWERS: [(Answer, &str); 5] = [
    (Answer::Poisoned, "poisoned"),
    (Answer::Full, "full"),
    (Answer::Io, "io"),
    (Answer::Corrupt, "corrupt"),
    (Answer::Other, "other"),
];

impl Answer {
    /// What kind this error is.
    pub const fn of(error: &Error) -> Self {
        match error {
            Error::Poisoned { .. } => Self::Poisoned,
            Error::Full { .. } => Self::Full,
            Error::Io { .. } => Self::Io,
            Error::Corrupt(_) => Self::Corrupt,
            _ => Self::Other,
        }
    }
}

/// A fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// `open HEAD`: the log is open, and so many events are in it.
    Open(u64),
    /// `s WRITER NUMBER`: the batch is about to be submitted, perhaps not for the first
    /// time.
    Submit(u16, u32),
    /// `a WRITER NUMBER FIRST_POSITION LEVEL`: it is acknowledged.
    Acknowledged(u16, u32, u64, Durability),
    /// `t d|w POSITION ID`: a cursor has delivered everything up to that event.
    Delivered(Visibility, u64, u128),
    /// `c d|w ID CHECKPOINT`: what that cursor keeps of its place, after that event.
    Kept(Visibility, u128, Checkpoint),
    /// `y POSITION`: after a sync the head is there, at least.
    Synced(u64),
    /// `e WRITER|open|close|tail ANSWER TEXT`: an error.
    Failed(String, Answer, String),
    /// `b TEXT`: the child itself saw a promise broken.
    Broken(String),
    /// `closed`: what was appended before is durable.
    Closed,
}

const fn level_letter(level: Durability) -> char {
    match level {
        Durability::Buffered => 'b',
        Durability::Written => 'w',
        _ => 'd',
    }
}

const fn visibility_letter(visibility: Visibility) -> char {
    match visibility {
        Visibility::Written => 'w',
        _ => 'd',
    }
}

impl fmt::Display for Line {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(head) => write!(out, "open {head}"),
            Self::Submit(writer, number) => write!(out, "s {writer} {number}"),
            Self::Acknowledged(writer, number, first, level) => {
                write!(out, "a {writer} {number} {first} {}", level_letter(*level))
            }
            Self::Delivered(visibility, position, id) => {
                write!(out, "t {} {position} {id}", visibility_letter(*visibility))
            }
            Self::Kept(visibility, id, checkpoint) => {
                write!(out, "c {} {id} {checkpoint}", visibility_letter(*visibility))
            }
            Self::Synced(head) => write!(out, "y {head}"),
            Self::Failed(who, answer, text) => {
                let word = ANSWERS.iter().find(|(of, _)| of == answer).map_or("", |found| found.1);
                write!(out, "e {who} {word} {}", text.replace('\n', " "))
            }
            Self::Broken(text) => write!(out, "b {}", text.replace('\n', " ")),
            Self::Closed => out.write_str("closed"),
        }
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).ok_or_else(|| format!("no fact is written {text:?}"))
    }
}

fn parse(text: &str) -> Option<Line> {
    if text == "closed" {
        return Some(Line::Closed);
    }
    let (letter, rest) = text.split_once(' ')?;
    if letter == "b" {
        return Some(Line::Broken(rest.to_owned()));
    }
    if letter == "e" {
        let mut words = rest.splitn(3, ' ');
        let (who, word, text) = (words.next()?, words.next()?, words.next()?);
        let (answer, _) = ANSWERS.iter().find(|(_, of)| *of == word)?;
        return Some(Line::Failed(who.to_owned(), *answer, text.to_owned()));
    }
    let mut words = rest.split(' ');
    let mut word = || words.next();
    let line = match letter {
        "open" => Line::Open(word()?.parse().ok()?),
        "y" => Line::Synced(word()?.parse().ok()?),
        "s" => Line::Submit(word()?.parse().ok()?, word()?.parse().ok()?),
        "a" => {
            let (writer, number) = (word()?.parse().ok()?, word()?.parse().ok()?);
            Line::Acknowledged(writer, number, word()?.parse().ok()?, level(word()?)?)
        }
        "t" => Line::Delivered(visibility(word()?)?, word()?.parse().ok()?, word()?.parse().ok()?),
        "c" => Line::Kept(visibility(word()?)?, word()?.parse().ok()?, word()?.parse().ok()?),
        _ => return None,
    };
    words.next().is_none().then_some(line)
}

fn level(word: &str) -> Option<Durability> {
    let levels = [Durability::Buffered, Durability::Written, Durability::Durable];
    levels.into_iter().find(|level| level_letter(*level).to_string() == word)
}

fn visibility(word: &str) -> Option<Visibility> {
    let all = [Visibility::Durable, Visibility::Written];
    all.into_iter().find(|visibility| visibility_letter(*visibility).to_string() == word)
}

#[cfg(test)]
mod tests {
    use annals::Uuid;

    use super::*;

    #[test]
    fn a_fact_is_read_back_as_it_was_told() {
        let (log, epoch) = (Uuid::from_u128(7), Uuid::from_u128(8));
        for line in [
            Line::Open(7),
            Line::Submit(3, 8),
            Line::Acknowledged(3, 8, 1020, Durability::Buffered),
            Line::Delivered(Visibility::Written, 9, u128::MAX),
            Line::Kept(Visibility::Durable, 1, Checkpoint { log, epoch, position: 9 }),
            Line::Synced(0),
            Line::Failed("open".to_owned(), Answer::Full, "no space".to_owned()),
            Line::Broken("so it is".to_owned()),
            Line::Closed,
        ] {
            assert_eq!(line.to_string().parse(), Ok(line));
        }
        for wrong in ["", "open", "open x", "a 1 2 3", "a 1 2 3 x", "s 1 2 3", "t d 4", "close"] {
            assert!(wrong.parse::<Line>().is_err(), "{wrong}");
        }
    }
}

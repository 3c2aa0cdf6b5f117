//! Stored events as the program knows them: through upcasters, in parts.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

use super::codec::{CodecError, decode_by};
use super::content::OfVariant;
use super::raw::RawEvent;
use super::{EventEnum, EventType};
use crate::{Event, Start};

/// One of the events that a stored event is upcast to, as a rule the only one. From
/// [`EventEnum::decode`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<E> {
    /// The event.
    pub event: E,
    /// Where it is.
    pub place: Place,
}

/// The place of a [`Part`] in the log: a position, and there the first part, the second and
/// so on. Who was interrupted between two parts of one event goes on behind the first with it.
///
/// It orders as the log does. [`Place::default`] is before everything.
///
/// ```
/// # use annals::sourcing::{EventEnum, Json, Place, RawEvent, Upcasters, event_types};
/// # use annals::{Batch, Expected, Log, NewEvent};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Serialize, Deserialize)]
/// # enum Step { Done }
/// # event_types! { Step { Done = "done" } upcasters: thrice; }
/// # fn thrice() -> Upcasters {
/// #     let done = || RawEvent::new::<Json>("done", 1, &serde_json::json!({}));
/// #     Upcasters::new().on("all-done", 1, move |_| (0..3).map(|_| done()).collect())
/// # }
/// # let directory = tempfile::tempdir()?;
/// # let log = Log::open(directory.path())?;
/// # log.append(Batch::new().write("a", Expected::Any, [NewEvent::new("all-done").json("{}")]))?;
/// // Kept from the time before: two parts of the first event were handled.
/// let mut reached = Place { position: 1, part: 2 };
///
/// let mut cursor = log.cursor(reached.start())?;
/// for event in &cursor.poll(100)? {
///     for part in Step::decode(&event)?.after(reached) {
///         // Handle `part.event` here, and keep `reached` with what came of it.
///         reached = part.place;
///     }
/// }
/// assert_eq!(reached, Place { position: 1, part: 3 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Place {
    /// Position of the stored event.
    pub position: u64,
    /// The first part is 1; 0 is before it.
    pub part: u32,
}

impl Place {
    /// Where a cursor starts so that nothing behind this place is missed: with the stored
    /// event that it is in.
    pub const fn start(self) -> Start {
        Start::After(self.position.saturating_sub(1))
    }
}

/// What a stored event is to the program, part by part: an iterator of [`Part`]s, made by
/// [`EventEnum::decode`].
#[derive(Debug, Clone)]
pub struct Parts<E> {
    events: smallvec::IntoIter<[E; 1]>,
    /// Of the part that came last.
    place: Place,
}

impl<E> Parts<E> {
    /// Those behind a place.
    #[must_use]
    pub fn after(mut self, place: Place) -> Self {
        while self.len() > 0 && self.next_place() <= place {
            self.next();
        }
        self
    }

    const fn next_place(&self) -> Place {
        Place { part: self.place.part.saturating_add(1), ..self.place }
    }
}

impl<E> Iterator for Parts<E> {
    type Item = Part<E>;

    fn next(&mut self) -> Option<Part<E>> {
        let event = self.events.next()?;
        self.place = self.next_place();
        Some(Part { event, place: self.place })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.events.size_hint()
    }
}

impl<E> ExactSizeIterator for Parts<E> {}

/// A stored event that does not decode.
#[derive(Debug, thiserror::Error)]
#[error("event {position} of stream {stream:?}, as {event_type:?} with schema {schema}: {cause}")]
pub struct DecodeError {
    /// The event's stream.
    pub stream: String,
    /// Its position.
    pub position: u64,
    /// Its type, as far as it was upcast.
    pub event_type: String,
    /// Its schema, as far as it was upcast.
    pub schema: u32,
    /// What is wrong.
    pub cause: DecodeFault,
}

/// Why a stored event does not decode. Part of [`DecodeError`].
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum DecodeFault {
    /// The enum does not name the type with that schema, no upcaster is for it, and the enum
    /// has no variant for what it does not know.
    #[error("the program does not know it")]
    Unknown,
    /// The content is not what the variant holds.
    #[error("the content does not decode: {0}")]
    Content(CodecError),
    /// An upcaster failed.
    #[error("the upcaster failed: {0}")]
    Upcast(CodecError),
    /// Upcasters that lead round in a circle.
    #[error("its upcasters lead back to it")]
    Endless,
}

/// What [`EventEnum::decode`] does.
pub(super) fn decode<E: EventEnum>(event: &Event<'_>) -> Result<Parts<E>, DecodeError> {
    let mut events = SmallVec::new();
    let (event_type, schema) = (event.event_type(), event.schema());
    // Almost all of them: nothing is copied.
    let decoded = if let Some(named) = named::<E>(event_type, schema) {
        let decoded =
            decode_by::<E::Codec, _>(event.content_type(), seed::<E>(named), event.data());
        decoded
            .map(|decoded| events = smallvec![decoded])
            .map_err(|error| (event_type.to_owned(), schema, DecodeFault::Content(error)))
    } else {
        upcast(event.into(), 0, &mut events)
    };
    let place = Place { position: event.position(), part: 0 };
    decoded.map(|()| Parts { events: events.into_iter(), place }).map_err(
        |(event_type, schema, cause)| {
            let (stream, position) = (event.stream().to_owned(), event.position());
            DecodeError { stream, position, event_type, schema, cause }
        },
    )
}

/// Adds what an event leads to after so many steps. An error names what did not decode.
fn upcast<E: EventEnum>(
    raw: RawEvent,
    steps: usize,
    events: &mut SmallVec<[E; 1]>,
) -> Result<(), (String, u32, DecodeFault)> {
    let upcasters = E::upcasters();
    let schema = raw.schema();
    let failed = |event_type: &str, fault| Err((event_type.to_owned(), schema, fault));
    if let Some(named) = named::<E>(raw.event_type(), schema) {
        match raw.decode_with::<E::Codec, _>(seed::<E>(named)) {
            Ok(event) => events.push(event),
            Err(error) => return failed(raw.event_type(), DecodeFault::Content(error)),
        }
    } else if let Some(upcaster) = upcasters.find(raw.event_type(), schema) {
        if steps == upcasters.len() {
            return failed(raw.event_type(), DecodeFault::Endless);
        }
        let event_type = raw.event_type().to_owned();
        match upcaster(raw) {
            Ok(made) => {
                for next in made {
                    upcast(next, steps + 1, events)?;
                }
            }
            Err(error) => return failed(&event_type, DecodeFault::Upcast(error)),
        }
    } else {
        match E::unknown(raw) {
            Ok(event) => events.push(event),
            Err(raw) => return failed(raw.event_type(), DecodeFault::Unknown),
        }
    }
    Ok(())
}

fn named<E: EventEnum>(event_type: &str, schema: u32) -> Option<&'static EventType> {
    E::TYPES.iter().find(|named| named.schema == schema && named.name == event_type)
}

const fn seed<E>(named: &EventType) -> OfVariant<E> {
    OfVariant { variant: named.variant, of: PhantomData }
}

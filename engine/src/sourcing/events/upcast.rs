//! Upcasters: old shapes of events are made into those that the program knows, as they are
//! read.

use std::fmt;

use super::codec::CodecError;
use super::raw::RawEvent;

type Upcast = dyn Fn(RawEvent) -> Result<Vec<RawEvent>, CodecError> + Send + Sync;

/// What to make of the events that an [event enum](super::EventEnum) does not name itself, by
/// type and schema. [The guide](crate::guide::evolution) has a recipe for each kind of change.
///
/// An upcaster makes one stored event into one, several, or none. What it made is upcast again
/// until the enum names it, so each upcaster knows one step alone. The log is not changed.
///
/// ```
/// use annals::sourcing::{Json, RawEvent, Upcasters};
/// use serde_json::{Value, json};
///
/// let upcasters = Upcasters::new()
///     // Whole units became cents.
///     .on("paid-in", 1, |old| {
///         let amount = old.decode::<Value>()?["amount"].as_u64().ok_or("no amount")?;
///         Ok(vec![RawEvent::new::<Json>("paid-in", 2, &json!({ "cents": amount * 100 }))?])
///     })
///     // It was misspelt.
///     .on("payed-in", 1, |old| Ok(vec![old.renamed("paid-in", 1)]))
///     // Nobody needs to know any more.
///     .on("statement-printed", 1, |_| Ok(vec![]));
/// # let _ = upcasters;
/// ```
#[derive(Default)]
pub struct Upcasters {
    /// By type and schema, in order.
    steps: Vec<(String, u32, Box<Upcast>)>,
}

impl Upcasters {
    /// None.
    pub const fn new() -> Self {
        Self { steps: Vec::new() }
    }

    /// Makes events of this type and schema into what `upcast` gives.
    ///
    /// # Panics
    /// If there is an upcaster for them already: one of the two would never be asked.
    #[must_use]
    pub fn on(
        mut self,
        event_type: &str,
        schema: u32,
        upcast: impl Fn(RawEvent) -> Result<Vec<RawEvent>, CodecError> + Send + Sync + 'static,
    ) -> Self {
        let place = self.place(event_type, schema);
        assert!(place.is_err(), "two upcasters for {event_type:?} with schema {schema}");
        let place = place.unwrap_or_else(|place| place);
        self.steps.insert(place, (event_type.to_owned(), schema, Box::new(upcast)));
        self
    }

    pub(super) fn find(&self, event_type: &str, schema: u32) -> Option<&Upcast> {
        let place = self.place(event_type, schema).ok()?;
        self.steps.get(place).map(|(_, _, upcast)| &**upcast)
    }

    /// How many there are: no chain of them is longer, unless it goes round.
    pub(super) const fn len(&self) -> usize {
        self.steps.len()
    }

    fn place(&self, event_type: &str, schema: u32) -> Result<usize, usize> {
        self.steps.binary_search_by(|(of, number, _)| (&**of, *number).cmp(&(event_type, schema)))
    }
}

impl fmt::Debug for Upcasters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.steps.iter().map(|(event_type, schema, _)| (event_type, schema));
        formatter.debug_set().entries(keys).finish()
    }
}

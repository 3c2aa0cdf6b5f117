//! Subscriptions as the store knows them: their states, how far they are, what is parked.

use std::time::Duration;

use super::core::{Result, now};
use super::error::SubscriptionError;
use super::saved::{Marks, PREFIX, SCHEMA, Saved, Skip, Unreadable};
use crate::sourcing::{Store, StoreReader, Tail};
use crate::{Batch, Durability, Error, Filter, NewSnapshot, Start, Timestamp};

/// A subscription and how far it is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SubscriptionStatus {
    /// Its name.
    pub name: String,
    /// Its filter, as text.
    pub filter: String,
    /// Everything up to here is settled: acknowledged, skipped or parked.
    pub checkpoint: u64,
    /// The last position there is.
    pub head: u64,
    /// How many events there are after the checkpoint, whether or not they match.
    pub lag_events: u64,
    /// How long ago the first of them was recorded.
    pub lag_time: Duration,
    /// Streams that are parked, in the order of their names.
    pub parked: Vec<ParkedStream>,
    /// How many events were skipped.
    pub skipped: u64,
    /// The last 16 of them, the newest last.
    pub last_skipped: Vec<Skip>,
    /// How many events are in somebody's hands, if it is open here.
    pub in_flight: usize,
    /// Why saving where it is failed the last time, if it did. It is tried again.
    pub save_error: Option<Error>,
}

/// A stream that waits since one of its events could not be handled.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParkedStream {
    /// The stream.
    pub stream: String,
    /// The event that it waits at: its place in the log.
    pub position: u64,
    /// Its place in the stream. While the stream is replayed it may be that of a later event
    /// that does not match.
    pub version: u64,
    /// How often the event was delivered.
    pub attempts: u32,
    /// Why it could not be handled.
    pub reason: String,
    /// When it was parked.
    pub parked_at: Timestamp,
    /// Whether it is being replayed.
    pub replaying: bool,
}

impl SubscriptionStatus {
    /// How far a subscription is by what the store holds of it; `None` if there is none. For
    /// who cannot write the store, such as a [`Reader`](crate::Reader) beside the process that
    /// has the subscription open: what that process did not save yet is not in it, which is up
    /// to a second of work, or what [`SubscriptionOptions::save`] says.
    ///
    /// ```
    /// use annals::Reader;
    /// use annals::sourcing::SubscriptionStatus;
    /// # use annals::sourcing::{SubscriptionOptions, Subscriptions};
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path();
    /// # let log = std::sync::Arc::new(annals::Log::open(path)?);
    /// # let open = Subscriptions::new(log).open("shipping", &SubscriptionOptions::new())?;
    /// let reader = Reader::open(path)?;
    /// for name in SubscriptionStatus::names(&reader)? {
    ///     if let Some(status) = SubscriptionStatus::find(&reader, &name)? {
    ///         println!("{name} is {} events behind", status.lag_events);
    ///     }
    /// }
    /// # assert_eq!(SubscriptionStatus::names(&reader)?, ["shipping"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SubscriptionError::Unreadable`], and what the store says.
    ///
    /// [`SubscriptionOptions::save`]: crate::sourcing::SubscriptionOptions::save
    pub fn find(store: &dyn StoreReader, name: &str) -> Result<Option<Self>> {
        let Some((filter, marks)) = read(store, name)? else { return Ok(None) };
        of(store, name, filter, &marks).map(Some)
    }

    /// The names of all subscriptions that the store holds something of, in their order; also
    /// of deleted ones, which [`find`](Self::find) does not find.
    ///
    /// # Errors
    /// What the store says.
    pub fn names(store: &dyn StoreReader) -> Result<Vec<String>> {
        names(store)
    }
}

fn state_name(name: &str) -> String {
    format!("{PREFIX}{name}")
}

pub(super) fn add(batch: &mut Batch, name: &str, saved: &Saved) {
    let text = saved.encode();
    let text = std::str::from_utf8(&text).unwrap_or_default();
    let checkpoint = saved.marks.as_ref().map_or(0, Marks::checkpoint);
    batch.state(&state_name(name), checkpoint, NewSnapshot::new(SCHEMA).json(text));
}

/// Writes a state that must not be lost: it is durable when this returns.
pub(super) fn write(store: &dyn Store, name: &str, saved: &Saved) -> Result<()> {
    let mut batch = Batch::new();
    add(&mut batch, name, saved);
    store.append_with(&batch, Durability::Durable)?;
    Ok(())
}

/// What the store knows of a subscription; `None` if there is none.
pub(super) fn read(store: &dyn StoreReader, name: &str) -> Result<Option<(String, Marks)>> {
    let Some(state) = store.state(&state_name(name), SCHEMA)? else { return Ok(None) };
    let unreadable = |why| SubscriptionError::Unreadable { name: name.to_owned(), why };
    let saved = Saved::decode(state.data()).map_err(|error| {
        unreadable(match error {
            Unreadable::Format(format) => format!("its format is {format}"),
            Unreadable::Malformed(why) => why,
        })
    })?;
    if saved.deleted {
        return Ok(None);
    }
    let marks = saved.marks.ok_or_else(|| unreadable("it says no place".to_owned()))?;
    Ok(Some((saved.filter, marks)))
}

/// The names of all subscriptions, deleted ones among them.
pub(super) fn names(store: &dyn StoreReader) -> Result<Vec<String>> {
    let names = store.states(PREFIX)?;
    let own = names.iter().filter_map(|name| name.strip_prefix(PREFIX));
    Ok(own.map(str::to_owned).collect())
}

/// A tail that goes on where a subscription is, if the store holds all that it has settled.
pub(super) fn tail_at(
    store: &dyn StoreReader,
    name: &str,
    filter: &Filter,
    marks: &Marks,
) -> Result<Box<dyn Tail>> {
    let (head, position) =
        (store.head()?, marks.scanned.min(marks.settled_to).max(marks.checkpoint()));
    if position > head {
        let name = name.to_owned();
        return Err(SubscriptionError::BeyondHead { name, position, head });
    }
    Ok(store.tail(Start::After(marks.checkpoint()), filter)?)
}

/// What is known of a subscription with these marks.
pub(super) fn of(
    store: &dyn StoreReader,
    name: &str,
    filter: String,
    marks: &Marks,
) -> Result<SubscriptionStatus> {
    let (checkpoint, head) = (marks.checkpoint(), store.head()?);
    let parked = marks.parked.iter().map(|(stream, parked)| ParkedStream {
        stream: stream.clone(),
        position: parked.position,
        version: parked.version,
        attempts: parked.attempts,
        reason: parked.reason.clone(),
        parked_at: parked.at,
        replaying: parked.replaying,
    });
    Ok(SubscriptionStatus {
        name: name.to_owned(),
        filter,
        checkpoint,
        head,
        lag_events: head.saturating_sub(checkpoint),
        lag_time: lag_time(store, checkpoint, head)?,
        parked: parked.collect(),
        skipped: marks.skipped.count,
        last_skipped: marks.skipped.last.clone(),
        in_flight: 0,
        save_error: None,
    })
}

/// How long ago the first event after a checkpoint was recorded.
pub(in crate::sourcing) fn lag_time(
    store: &dyn StoreReader,
    checkpoint: u64,
    head: u64,
) -> crate::Result<Duration> {
    if checkpoint >= head {
        return Ok(Duration::ZERO);
    }
    let mut recorded = None;
    let mut tail = store.tail(Start::After(checkpoint), &Filter::new())?;
    tail.poll(1, &mut |event| recorded = Some(event.recorded_at().as_nanos()))?;
    let nanos = recorded.map_or(0, |at| now().as_nanos().saturating_sub(at).max(0));
    Ok(Duration::from_nanos(nanos.unsigned_abs()))
}

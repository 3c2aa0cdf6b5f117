//! The control records of a batch: its key, and the snapshots that it carries.

use super::Batch;
use super::check::within;
use super::payloads::Payload;
use super::snapshot::NewSnapshot;
use crate::error::{Error, Result};
use crate::expected::Expected;
use crate::limits;
use crate::record::key::Outcome;
use crate::record::layout;
use crate::record::snapshot::SnapshotParts;

/// What a snapshot is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The stream with this index among the named ones.
    Stream(usize),
    /// A named state.
    State,
}

/// An encoded snapshot of a batch, of a stream or of a named state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Control {
    pub(crate) subject: Subject,
    /// The stream's version; of a named state, the number that its author gave.
    pub(crate) version: u64,
    pub(crate) payload: Payload,
    name_len: usize,
}

impl Batch {
    /// Gives the batch an idempotency key (1 to 255 bytes): the first batch with a key
    /// commits, also one without events; the same key again is answered with the first
    /// one's outcome. A program that handles messages takes the message's name, such as
    /// `billing/message-77`, so that it handles each once.
    ///
    /// A batch has one key. Naming the same one again changes nothing; another one is
    /// [`Error::Invalid`].
    ///
    /// ```
    /// use annals::{Batch, Expected, NewEvent};
    /// let mut batch = Batch::new();
    /// batch
    ///     .once("billing/message-77")
    ///     .write("invoice-3", Expected::Any, [NewEvent::new("Billed")]);
    /// assert!(batch.check().is_ok());
    /// assert!(batch.once("billing/message-78").check().is_err());
    /// ```
    pub fn once(&mut self, key: &str) -> &mut Self {
        let added = self.add_key(key);
        self.noted(added)
    }

    /// Adds a snapshot of a stream: its state, folded from its events up to `version`,
    /// which is 1 at the least. It takes no position and no version.
    ///
    /// A batch that writes the stream too can carry the state that its own events lead
    /// to. Nothing is expected of the stream by this; state that with
    /// [`write`](Self::write) or [`expect`](Self::expect).
    ///
    /// ```
    /// use annals::{Batch, Expected, NewEvent, NewSnapshot};
    /// let mut batch = Batch::new();
    /// batch
    ///     .write("order-17", Expected::Exact(99), [NewEvent::new("OrderPaid")])
    ///     .snapshot("order-17", 100, NewSnapshot::new(1).json(r#"{"paid":true}"#));
    /// assert_eq!(batch.len(), 1);
    /// ```
    pub fn snapshot(&mut self, stream: &str, version: u64, snapshot: NewSnapshot<'_>) -> &mut Self {
        let added = self.add_snapshot(stream, version, snapshot);
        self.noted(added)
    }

    /// Adds a named state (name of 1 to 512 bytes): what a projection or a process keeps
    /// for itself, beside all streams. `through` is its author's number, such as the
    /// position of the last event that went into it. Names of states and of streams
    /// have nothing to do with each other.
    ///
    /// ```
    /// use annals::{Batch, NewSnapshot};
    /// let mut batch = Batch::new();
    /// batch.state("sales-by-day", 1020, NewSnapshot::new(1).json(r#"{"monday":12}"#));
    /// assert!(batch.check().is_ok() && batch.is_empty());
    /// ```
    pub fn state(&mut self, name: &str, through: u64, snapshot: NewSnapshot<'_>) -> &mut Self {
        let added = within("state name", name.len(), limits::STATE_NAME_BYTES)
            .and_then(|()| self.add_control(Subject::State, name, through, snapshot));
        self.noted(added)
    }

    fn add_key(&mut self, key: &str) -> Result<()> {
        within("idempotency key", key.len(), limits::IDEMPOTENCY_KEY_BYTES)?;
        match self.key() {
            Some(present) if present == key => Ok(()),
            Some(_) => {
                Err(Error::Invalid { what: "idempotency key", why: "the batch has another one" })
            }
            None => {
                let encode = |out: &mut Vec<u8>| out.extend_from_slice(key.as_bytes());
                let payload = self.payloads.push("idempotency key", layout::key::LEN, encode)?;
                self.key = Some(payload);
                Ok(())
            }
        }
    }

    fn add_snapshot(&mut self, stream: &str, version: u64, new: NewSnapshot<'_>) -> Result<()> {
        if version == 0 {
            let why = "it is 0: there is nothing to fold before the first event";
            return Err(Error::Invalid { what: "snapshot version", why });
        }
        let index = self.name(stream, Expected::Any)?;
        self.add_control(Subject::Stream(index), stream, version, new)
    }

    fn add_control(
        &mut self,
        subject: Subject,
        name: &str,
        version: u64,
        new: NewSnapshot<'_>,
    ) -> Result<()> {
        new.check()?;
        let NewSnapshot { schema, data, json, content_type } = new;
        let parts = SnapshotParts { schema, name, json, content_type, data };
        let encode = |out: &mut Vec<u8>| parts.encode(out);
        let what = match subject {
            Subject::Stream(_) => "snapshot (bytes)",
            Subject::State => "state (bytes)",
        };
        let payload = self.payloads.push(what, layout::snapshot::LEN, encode)?;
        self.controls.push(Control { subject, version, payload, name_len: name.len() });
        Ok(())
    }

    /// A batch that is nothing but a key for what an earlier batch came to. If the key
    /// cannot be one, that is noted as with [`once`](Self::once).
    pub(crate) fn key_only(key: &str, outcome: Outcome) -> Self {
        let mut batch = Self::new();
        batch.once(key);
        batch.outcome = Some(outcome);
        batch
    }

    /// The idempotency key, if it has one.
    pub fn key(&self) -> Option<&str> {
        std::str::from_utf8(self.payloads.get(self.key?)).ok()
    }

    /// The key as a payload.
    pub(crate) const fn key_payload(&self) -> Option<Payload> {
        self.key
    }

    /// The outcome that its key names, if that is not its own.
    pub(crate) const fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// Its snapshots and states, in the order in which they were added.
    pub(crate) fn controls(&self) -> &[Control] {
        &self.controls
    }

    /// The name of the stream or state that a snapshot is of.
    pub(crate) fn control_name(&self, control: &Control) -> &str {
        let names = self.payloads.get(control.payload).get(layout::snapshot::NAMES..);
        let name = names.and_then(|names| names.get(..control.name_len));
        name.and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
    }

    /// Whether there is anything to write: events, snapshots, states or a key.
    pub(crate) const fn has_records(&self) -> bool {
        !self.events.is_empty() || !self.controls.is_empty() || self.key.is_some()
    }

    /// The payload of a control record with the zeros that fill it up.
    pub(crate) fn filled_control(&self, payload: Payload) -> &[u8] {
        self.payloads.filled(payload.start, payload.len)
    }
}

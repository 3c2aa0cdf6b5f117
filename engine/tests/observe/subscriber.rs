//! A subscriber of spans that remembers what it was told.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// A kind of span or event: level, names of the fields, how many there were, and the values
/// of the last one.
#[derive(Debug, Default, Clone)]
pub(crate) struct Kind {
    pub(crate) level: String,
    pub(crate) fields: Vec<String>,
    pub(crate) count: u64,
    pub(crate) last: String,
}

#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) kinds: BTreeMap<String, Kind>,
    /// Spans that are entered now, over all threads.
    pub(crate) inside: i64,
    spans: u64,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Memory(pub(crate) Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Values {
    text: String,
    message: Option<String>,
}

impl Visit for Values {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message = Some(format!("{value:?}"));
        } else {
            write!(self.text, "{}={value:?} ", field.name()).unwrap();
        }
    }
}

impl Memory {
    fn note(&self, of: &'static Metadata<'static>, values: Values) {
        let name = values.message.unwrap_or_else(|| of.name().to_owned());
        let mut heard = self.0.lock().unwrap();
        let kind = heard.kinds.entry(name).or_default();
        kind.level = of.level().to_string().to_lowercase();
        let fields = of.fields().iter().map(|field| field.name().to_owned());
        kind.fields = fields.filter(|field| field != "message").collect();
        kind.count += 1;
        kind.last = values.text;
    }

    pub(crate) fn kind(&self, name: &str) -> Kind {
        self.0.lock().unwrap().kinds.get(name).cloned().unwrap_or_default()
    }
}

impl Subscriber for Memory {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "annals"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut values = Values::default();
        span.record(&mut values);
        self.note(span.metadata(), values);
        let mut heard = self.0.lock().unwrap();
        heard.spans += 1;
        Id::from_u64(heard.spans)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut values = Values::default();
        event.record(&mut values);
        self.note(event.metadata(), values);
    }

    fn enter(&self, _: &Id) {
        self.0.lock().unwrap().inside += 1;
    }

    fn exit(&self, _: &Id) {
        self.0.lock().unwrap().inside -= 1;
    }
}

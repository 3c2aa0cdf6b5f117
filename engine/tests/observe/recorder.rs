//! A recorder of metrics that remembers what it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

/// What was told under one name and its labels.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) count: u64,
    pub(crate) level: f64,
    pub(crate) values: Vec<f64>,
}

#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) told: BTreeMap<String, Told>,
    /// Names that were told, with their kind; and those that were described.
    pub(crate) kinds: BTreeSet<(String, &'static str)>,
    pub(crate) described: BTreeSet<(String, &'static str)>,
    pub(crate) calls: u64,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Memory(pub(crate) Arc<Mutex<Heard>>);

#[derive(Debug)]
struct Handle(Memory, String);

impl Handle {
    fn tell(&self, told: impl FnOnce(&mut Told)) {
        let mut heard = self.0.0.lock().unwrap();
        heard.calls += 1;
        told(heard.told.entry(self.1.clone()).or_default());
    }
}

impl CounterFn for Handle {
    fn increment(&self, value: u64) {
        self.tell(|told| told.count += value);
    }

    fn absolute(&self, _: u64) {
        panic!("no counter is set");
    }
}

impl GaugeFn for Handle {
    fn increment(&self, value: f64) {
        self.tell(|told| told.level += value);
    }

    fn decrement(&self, value: f64) {
        self.tell(|told| told.level -= value);
    }

    fn set(&self, value: f64) {
        self.tell(|told| told.level = value);
    }
}

impl HistogramFn for Handle {
    fn record(&self, value: f64) {
        self.tell(|told| told.values.push(value));
    }
}

impl Memory {
    fn handle(&self, key: &Key, kind: &'static str) -> Arc<Handle> {
        self.0.lock().unwrap().kinds.insert((key.name().to_owned(), kind));
        let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value()));
        Arc::new(Handle(self.clone(), key.name().to_owned() + &labels.collect::<String>()))
    }

    fn describe(&self, key: &KeyName, unit: Option<Unit>, kind: &'static str) {
        assert!(unit.is_some());
        self.0.lock().unwrap().described.insert((key.as_str().to_owned(), kind));
    }

    pub(crate) fn told(&self, name: &str) -> Told {
        self.0.lock().unwrap().told.get(name).cloned().unwrap_or_default()
    }
}

impl Recorder for Memory {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&key, unit, "counter");
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&key, unit, "gauge");
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&key, unit, "histogram");
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.handle(key, "counter"))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.handle(key, "gauge"))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.handle(key, "histogram"))
    }
}

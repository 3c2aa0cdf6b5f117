//! Subscriptions and processors run on an engine of another kind.

use std::convert::Infallible;
use std::sync::Arc;

use annals::sourcing::{
    OnFailure, Processing, Processor, Store, SubscriptionOptions, Subscriptions,
};
use annals::{Batch, Event, Expected, Filter, NewEvent};

use crate::memory::Memory;

/// Counts the orders of each customer and tells of every second one.
struct Counts;

impl Processor for Counts {
    type State = u64;
    type Error = Infallible;

    fn key(&self, event: &Event<'_>) -> Option<String> {
        event.tags().next().map(str::to_owned)
    }

    fn process(
        &self,
        count: &mut u64,
        _: &Event<'_>,
        output: &mut Batch,
    ) -> Result<(), Infallible> {
        *count += 1;
        if count.is_multiple_of(2) {
            output.write("told", Expected::Any, [NewEvent::new("Told")]);
        }
        Ok(())
    }
}

#[test]
fn subscriptions_and_processors_run_on_an_engine_of_another_kind() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    for n in 0..5 {
        let mut batch = Batch::new();
        let placed = NewEvent::new("Placed").tag("ann");
        batch.write(&format!("order-{n}"), Expected::NoStream, [placed]);
        store.append(&batch).unwrap();
        assert!(store.append(&batch).unwrap().is_deduplicated());
        batch.clear();
        batch.write(&format!("order-{n}"), Expected::NoStream, [NewEvent::new("Placed")]);
        assert!(store.append(&batch).unwrap_err().is_conflict());
    }
    let subscriptions = Subscriptions::new(Arc::clone(&store));
    let orders = SubscriptionOptions::new().filter(Filter::new().category("order"));
    for expected in [5, 0] {
        let mut counts = Processing::open(&subscriptions, "counts", &orders, Counts).unwrap();
        assert_eq!(counts.catch_up().unwrap(), expected);
        assert_eq!(counts.state("ann").unwrap(), Some(5));
        assert_eq!(store.version("told").unwrap(), 2);
    }
    let seen = subscriptions.open("seen", &orders).unwrap();
    let mut streams = Vec::new();
    let park = seen.consumer().catch_up(OnFailure::park(), |delivery| {
        streams.push(delivery.event().stream().to_owned());
        if delivery.event().stream() == "order-3" { Err("no") } else { Ok(()) }
    });
    assert_eq!((park.unwrap(), streams.len()), (4, 5));
    seen.replay("order-3").unwrap();
    let handled = seen.consumer().catch_up(OnFailure::stop(), |_| Ok::<(), Infallible>(()));
    assert_eq!(handled.unwrap(), 1);
    let names = subscriptions.list().unwrap();
    let names: Vec<_> = names.iter().map(|status| status.name.as_str()).collect();
    assert_eq!(names, ["counts", "seen"]);
}

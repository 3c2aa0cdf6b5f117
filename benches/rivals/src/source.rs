//! Draws the events that all stores are given: those of the workload of annals' own benches,
//! over as many streams as a row asks for.

use annals_benches::Result;
use annals_benches::workload::{EVENT_TYPE, Events, Random, Workload};

use crate::store::Event;

/// The names of the streams.
#[derive(Debug)]
pub struct Names(Vec<String>);

impl Names {
    /// So many streams.
    pub fn new(streams: usize) -> Self {
        Self((0..streams).map(|number| format!("order-{number:06}")).collect())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The name of the stream with this number.
    pub fn get(&self, number: usize) -> &str {
        self.0.get(number).map_or("order", String::as_str)
    }
}

/// Draws events without end, for one thread.
#[derive(Debug)]
pub struct Source<'w> {
    events: Events<'w>,
    names: &'w Names,
    random: Random,
}

impl<'w> Source<'w> {
    /// The events of thread `thread`.
    pub fn new(workload: &'w Workload, names: &'w Names, thread: u64) -> Self {
        let random = Random::new(thread.wrapping_add(1 << 32));
        Self { events: workload.events(thread), names, random }
    }

    /// The number of a stream.
    pub fn number(&mut self) -> usize {
        self.random.below(self.names.count())
    }

    /// An event of this stream.
    pub fn event(&mut self, stream: &'w str) -> Event<'w> {
        let id = u128::from(self.random.draw()) << 64 | u128::from(self.random.draw());
        Event { id, stream, kind: EVENT_TYPE, data: self.events.data() }
    }

    /// An event of a stream that is drawn.
    pub fn any(&mut self) -> Event<'w> {
        let number = self.number();
        let names = self.names;
        self.event(names.get(number))
    }

    /// Fills `batch` with `events` events of one stream.
    pub fn batch(&mut self, events: usize, batch: &mut Vec<Event<'w>>) {
        batch.clear();
        let number = self.number();
        let names = self.names;
        for _ in 0..events {
            let event = self.event(names.get(number));
            batch.push(event);
        }
    }
}

/// Hands every stream `per_stream` events, in rounds, the streams in another order each
/// round, so that the events of a stream lie as far apart as they do in a log that grows.
///
/// # Errors
/// Those of `append`, which is called with `per_batch` events at a time.
pub fn spread(
    names: &Names,
    per_stream: usize,
    per_batch: usize,
    mut append: impl FnMut(&[Event<'_>]) -> Result<()>,
) -> Result<u64> {
    let workload = Workload::new();
    let mut source = Source::new(&workload, names, 0);
    let mut order: Vec<usize> = (0..names.count()).collect();
    let mut batch = Vec::with_capacity(per_batch);
    let mut done = 0;
    for _ in 0..per_stream {
        for last in (1..order.len()).rev() {
            let other = source.random.below(last + 1);
            order.swap(last, other);
        }
        for chunk in order.chunks(per_batch) {
            batch.clear();
            for number in chunk {
                let event = source.event(names.get(*number));
                batch.push(event);
            }
            append(&batch)?;
            done += u64::try_from(batch.len())?;
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_gets_its_events() {
        let names = Names::new(7);
        let mut counts = [0; 7];
        let done = spread(&names, 3, 2, |batch| {
            for event in batch {
                counts[(0..7).find(|number| names.get(*number) == event.stream).unwrap()] += 1;
            }
            Ok(())
        });
        assert_eq!(done.unwrap(), 21);
        assert_eq!(counts, [3; 7]);
    }
}

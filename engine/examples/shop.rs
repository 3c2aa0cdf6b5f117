//! The first screen of the README, as a program.

use annals::{Batch, Expected, Log, NewEvent, Start};

fn main() -> annals::Result<()> {
    let log = Log::open("shop.annals")?;
    for (step, version) in [("OrderPlaced", 0), ("OrderShipped", 1), ("OrderCancelled", 1)] {
        let event = NewEvent::new(step).json(r#"{"by":"Ann"}"#);
        match log.append(Batch::new().write("order-17", Expected::Exact(version), [event])) {
            Ok(committed) => println!("{step} is durable at {}", committed.last_position()),
            Err(conflict) if conflict.is_conflict() => println!("{step}: {conflict}"),
            Err(error) => return Err(error),
        }
    }
    for event in &log.cursor(Start::Beginning)?.poll(100)? {
        println!("{} {} {}", event.position(), event.stream(), event.event_type());
    }
    log.close()
}

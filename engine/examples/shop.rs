//! The first screen of the README, as a program.

use annals::{Batch, Error, Expected, Log, NewEvent, Start};

fn main() -> annals::Result<()> {
    let log = Log::open("shop.annals")?;
    let placed = NewEvent::new("OrderPlaced").json(r#"{"total":12}"#);
    log.append(Batch::new().write("order-17", Expected::NoStream, [placed]))?;
    // Two decide on version 1 at the same time: one commits, the other is told.
    for decision in ["OrderShipped", "OrderCancelled"] {
        let decided = NewEvent::new(decision);
        match log.append(Batch::new().write("order-17", Expected::Exact(1), [decided])) {
            Ok(committed) => println!("{decision} is durable at {}", committed.last_position()),
            Err(Error::WrongExpectedVersion { actual, .. }) => {
                println!("conflict: at {actual} now");
            }
            Err(error) => return Err(error),
        }
    }
    for event in &log.cursor(Start::Beginning)?.poll(100)? {
        println!("{} {} {}", event.position(), event.stream(), event.event_type());
    }
    log.close()
}

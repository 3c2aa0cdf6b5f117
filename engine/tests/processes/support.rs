//! What the tests of processes share: a travel agency.

use std::sync::Arc;
use std::time::Duration;

use annals::io::sim::SimStorage;
use annals::sourcing::{
    Aggregate, ManualClock, Outputs, Process, ProcessManager, Repository, RepositoryError,
    SubscriptionOptions, Subscriptions, event_types,
};
use annals::{Background, Batch, Event, Expected, Filter, Log, NewEvent, Options, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum SeatEvent {
    Taken,
    GivenBack,
}

event_types! { SeatEvent { Taken = "taken", GivenBack = "given-back" } }

/// Two seats of a flight, or two rooms of a hotel.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seats {
    pub(crate) taken: u64,
}

pub(crate) enum Seat {
    Take,
    GiveBack,
}

impl Aggregate for Seats {
    type Command = Seat;
    type Event = SeatEvent;
    type Error = &'static str;
    const CATEGORY: &'static str = "seats";
    const SNAPSHOT_SCHEMA: u32 = 1;

    fn handle(&self, seat: &Seat) -> Result<Vec<SeatEvent>, &'static str> {
        match seat {
            Seat::Take if self.taken == 2 => Err("booked up"),
            Seat::Take => Ok(vec![SeatEvent::Taken]),
            Seat::GiveBack => Ok(vec![SeatEvent::GivenBack]),
        }
    }

    fn apply(&mut self, event: &SeatEvent) {
        match event {
            SeatEvent::Taken => self.taken += 1,
            SeatEvent::GivenBack => self.taken -= 1,
        }
    }
}

/// Books what a trip asks for, one thing after the other, and waits for the payment.
pub(crate) struct Trips {
    pub(crate) seats: Repository<Seats>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trip {
    pub(crate) wanted: Vec<String>,
    pub(crate) reminded: u64,
}

/// How long a trip may stay unpaid.
pub(crate) const PAYMENT: Duration = Duration::from_secs(3600);

impl Process for Trips {
    type State = Trip;
    type Compensation = String;
    type Error = RepositoryError<std::convert::Infallible>;
    const STATE_SCHEMA: u32 = 1;

    fn correlation(&self, event: &Event<'_>) -> Option<String> {
        event.stream().strip_prefix("trip-").map(str::to_owned)
    }

    fn handle(
        &self,
        trip: &mut Trip,
        event: &Event<'_>,
        out: &mut Outputs<'_, Self>,
    ) -> Result<(), Self::Error> {
        match event.event_type() {
            "Wanted" => {
                let what = String::from_utf8(event.data().to_vec()).unwrap();
                match out.execute(&self.seats, &what, &Seat::Take)? {
                    Ok(_) => {
                        out.compensate_with(what.clone());
                        out.deadline_in("reminder", PAYMENT / 2);
                        out.deadline_in("payment", PAYMENT);
                        trip.wanted.push(what);
                    }
                    Err(refusal) => {
                        out.compensate();
                        tell(out, refusal);
                        out.end();
                    }
                }
            }
            "Paid" => {
                tell(out, "booked");
                out.end();
            }
            _ => {}
        }
        Ok(())
    }

    fn deadline(
        &self,
        trip: &mut Trip,
        name: &str,
        out: &mut Outputs<'_, Self>,
    ) -> Result<(), Self::Error> {
        tell(out, name);
        if name == "reminder" {
            trip.reminded += 1;
        } else {
            out.compensate();
            out.end();
        }
        Ok(())
    }

    fn compensate(
        &self,
        _trip: &mut Trip,
        what: String,
        out: &mut Outputs<'_, Self>,
    ) -> Result<(), Self::Error> {
        out.execute(&self.seats, &what, &Seat::GiveBack)?.unwrap();
        tell(out, &format!("no {what}"));
        Ok(())
    }
}

fn tell<P: Process>(out: &mut Outputs<'_, P>, what: &str) {
    let stream = format!("told-{}", out.correlation());
    out.write(&stream, Expected::Any, [NewEvent::new("Told").data(what.as_bytes())]);
}

/// What was told of a trip, in order.
pub(crate) fn told(log: &Log, trip: &str) -> Vec<String> {
    texts(log, &format!("told-{trip}"))
}

pub(crate) fn texts(log: &Log, stream: &str) -> Vec<String> {
    let events = log.read(stream).collect().unwrap();
    let text = |data: &[u8]| String::from_utf8(data.to_vec()).unwrap();
    events.iter().map(|event| text(event.as_event().data())).collect()
}

pub(crate) fn append(log: &Log, trip: &str, what: &str, data: &str) -> u64 {
    let mut batch = Batch::new();
    let event = NewEvent::new(what).data(data.as_bytes());
    batch.write(&format!("trip-{trip}"), Expected::Any, [event]);
    log.append(&batch).unwrap().last_position()
}

/// A log on a simulated disk. Nothing happens in the background.
pub(crate) fn open(disk: &SimStorage) -> Arc<Log> {
    let options = Options::new().background(Background::Inline).segment_bytes(64 << 10);
    Arc::new(options.open_on(Arc::new(disk.clone())).unwrap())
}

pub(crate) fn options() -> SubscriptionOptions {
    SubscriptionOptions::new().filter(Filter::new().category("trip"))
}

pub(crate) fn trips(log: &Arc<Log>, clock: &ManualClock) -> ProcessManager<Trips> {
    let process = Trips { seats: Repository::new(log.clone()) };
    managed(log, clock, process)
}

pub(crate) fn managed<P: Process>(
    log: &Arc<Log>,
    clock: &ManualClock,
    process: P,
) -> ProcessManager<P> {
    let subscriptions = Subscriptions::new(log.clone());
    ProcessManager::open(&subscriptions, "trips", &options(), process).unwrap().clock(clock.clone())
}

/// A clock that stands later than any event of a simulated disk is recorded.
pub(crate) fn clock() -> ManualClock {
    ManualClock::new(Timestamp::from_nanos(1_900_000_000_000_000_000))
}

/// How many seats are taken.
pub(crate) fn taken(log: &Arc<Log>, what: &str) -> u64 {
    let seats = Repository::<Seats>::new(log.clone());
    seats.find(what).unwrap().map_or(0, |seats| seats.state.taken)
}

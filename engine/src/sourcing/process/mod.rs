//! Processes (sagas): what leads something through several steps, over several aggregates and
//! over time, and undoes them if it must.
//!
//! * [`manager`]: runs them; [`handling`]: inputs and the batch of a step; [`firing`]: deadlines
//!   that come
//! * [`outputs`]: what comes of an input
//! * [`saved`]: what of a process is in the log, and its format
//! * [`deadlines`]: the deadlines that are open; no I/O

mod deadlines;
#[cfg(test)]
mod deadlines_tests;
mod firing;
mod handling;
mod manager;
mod outputs;
mod saved;

use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Event;

pub use self::firing::Deadline;
pub use self::manager::ProcessManager;
pub use self::outputs::Outputs;

/// A process, also called saga: it follows events, and for each thing that they belong to, such
/// as an order, it keeps a state, has commands carried out, waits for deadlines, and undoes
/// what was done if it cannot go on. [`ProcessManager`] runs it and has an example.
///
/// Its handlers are called again for the same input, with the state as it was, if the step
/// cannot be committed; so they do nothing but change the state and add to the [`Outputs`].
/// What goes out of the store, such as a call of a payment provider, is done by a
/// [subscription](crate::sourcing::Subscription) to an event that the process writes.
///
/// Commands are carried out in the batch of the step, and their refusals come back from the
/// call: so there is no time at which a command is sent and not carried out, nothing has to be
/// sent again after a crash, and what to do instead stands beside what was asked.
///
/// ```
/// # use annals::sourcing::{Aggregate, event_types};
/// # #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
/// # enum Booked { Seat, Back }
/// # event_types! { Booked { Seat = "seat-booked", Back = "seat-given-back" } }
/// # #[derive(Debug, Default, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
/// # struct Seats(u64);
/// # enum Seat { Book, GiveBack }
/// # impl Aggregate for Seats {
/// #     type Command = Seat;
/// #     type Event = Booked;
/// #     type Error = &'static str;
/// #     const CATEGORY: &'static str = "seats";
/// #     const SNAPSHOT_SCHEMA: u32 = 1;
/// #     fn handle(&self, seat: &Seat) -> Result<Vec<Booked>, &'static str> {
/// #         match seat {
/// #             Seat::Book if self.0 == 1 => Err("booked up"),
/// #             Seat::Book => Ok(vec![Booked::Seat]),
/// #             Seat::GiveBack => Ok(vec![Booked::Back]),
/// #         }
/// #     }
/// #     fn apply(&mut self, event: &Booked) {
/// #         match event { Booked::Seat => self.0 += 1, Booked::Back => self.0 -= 1 }
/// #     }
/// # }
/// use std::{error::Error, sync::Arc};
/// use annals::sourcing::{
///     Outputs, Process, ProcessManager, Repository, SubscriptionOptions, Subscriptions,
/// };
/// use annals::{Batch, Event, Expected, Filter, Log, NewEvent};
///
/// /// Books a seat for each leg of a trip: all of them or none.
/// struct Trips {
///     seats: Repository<Seats>,
/// }
///
/// impl Process for Trips {
///     type State = ();
///     type Compensation = String;
///     type Error = Box<dyn Error>;
///     const STATE_SCHEMA: u32 = 1;
///
///     // Its key is the event's own correlation: the trip.
///     fn handle(&self, _: &mut (), event: &Event<'_>, out: &mut Outputs<'_, Self>) -> Result<(), Box<dyn Error>> {
///         let leg = std::str::from_utf8(event.data())?;
///         match out.execute(&self.seats, leg, &Seat::Book)? {
///             Ok(_) => out.compensate_with(leg.to_owned()),
///             Err(refusal) => {
///                 out.write("refused", Expected::Any, [NewEvent::new(refusal)]);
///                 out.compensate();
///                 out.end();
///             }
///         }
///         Ok(())
///     }
///
///     fn compensate(&self, _: &mut (), leg: String, out: &mut Outputs<'_, Self>) -> Result<(), Box<dyn Error>> {
///         out.execute(&self.seats, &leg, &Seat::GiveBack)??;
///         Ok(())
///     }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let log = Arc::new(Log::open(path)?);
/// for (trip, leg) in [("trip-1", "rome"), ("trip-2", "oslo"), ("trip-2", "rome")] {
///     let wanted = NewEvent::new("LegWanted").data(leg.as_bytes()).correlation(trip);
///     log.append(Batch::new().write("legs", Expected::Any, [wanted]))?;
/// }
/// let options = SubscriptionOptions::new().filter(Filter::new().event_type("LegWanted"));
/// let trips = Trips { seats: Repository::new(log.clone()) };
/// let mut trips = ProcessManager::open(&Subscriptions::new(log.clone()), "trips", &options, trips)?;
/// trips.catch_up()?;
/// // Rome was full, so Oslo was given back.
/// assert_eq!((log.version("seats-rome")?, log.version("seats-oslo")?), (1, 2));
/// assert!(trips.has_ended("trip-2")? && !trips.has_ended("trip-1")?);
/// # Ok::<(), Box<dyn Error>>(())
/// ```
pub trait Process: Sized {
    /// What is kept of one process. It is kept as JSON, and written once for each step that
    /// changes it.
    type State: Default + Serialize + DeserializeOwned;

    /// What undoes a thing that was done, kept as JSON: as a rule an enum with what each of
    /// them needs; `()` where nothing is undone.
    type Compensation: Serialize + DeserializeOwned;

    /// Why an input cannot be handled.
    type Error: Display;

    /// Number of the state's shape. Raise it when a change of the fields makes states that were
    /// kept before mean something else, or not decode; [`upgrade`](Self::upgrade) then takes
    /// them over.
    const STATE_SCHEMA: u32;

    /// What an event belongs to: the process that is to handle it; `None` if none is. The
    /// event's own [correlation](Event::correlation), if not said.
    ///
    /// The first event that has a text starts the process. Where others may come first, let
    /// [`handle`](Self::handle) tell by the state whether it was started, and do nothing:
    /// a process whose state stays as it was by default leaves no trace.
    fn correlation(&self, event: &Event<'_>) -> Option<String> {
        event.correlation().map(str::to_owned)
    }

    /// Handles an event.
    ///
    /// # Errors
    /// Its own. What it changed and added is forgotten, then.
    fn handle(
        &self,
        state: &mut Self::State,
        event: &Event<'_>,
        out: &mut Outputs<'_, Self>,
    ) -> Result<(), Self::Error>;

    /// Handles a deadline, which is set no more. A process that sets any needs this: without
    /// it, that one comes is a failure.
    ///
    /// # Errors
    /// Its own. What it changed and added is forgotten, then, and the deadline is still set.
    fn deadline(
        &self,
        _state: &mut Self::State,
        name: &str,
        out: &mut Outputs<'_, Self>,
    ) -> Result<(), Self::Error> {
        out.unhandled(&format!("the process does not handle its deadline {name:?}"));
        Ok(())
    }

    /// Undoes one thing that was done. A process that notes any needs this: without it, that
    /// one is to be undone is a failure.
    ///
    /// # Errors
    /// Its own: then the input that led to it fails, and nothing is undone.
    fn compensate(
        &self,
        _state: &mut Self::State,
        _compensation: Self::Compensation,
        out: &mut Outputs<'_, Self>,
    ) -> Result<(), Self::Error> {
        out.unhandled("the process does not handle its compensations");
        Ok(())
    }

    /// A state that was kept under another [schema number](Self::STATE_SCHEMA), as JSON, as it
    /// is now; `None` if it cannot be taken over, which is an error of the manager.
    fn upgrade(_schema: u32, _state: &str) -> Option<Self::State> {
        None
    }
}

//! The fixture: it passes what is right, and fails what is not.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#[path = "sourcing/account.rs"]
mod account;

use account::{Account, AccountEvent, Command, TooLittle};
use annals::NewEvent;
use annals::sourcing::{Aggregate, Fixture, event_types};
use serde::{Deserialize, Serialize};

fn paid_in(cents: u64) -> AccountEvent {
    AccountEvent::PaidIn { cents }
}

#[test]
fn what_comes_of_a_command_is_events_or_an_error_and_a_state() {
    Fixture::<Account>::given([AccountEvent::Opened, paid_in(500)])
        .when(Command::PayOut(300))
        .then_events([AccountEvent::PaidOut { cents: 300 }])
        .then_state(Account { cents: 200, payments: 2 })
        .when(Command::PayOut(201))
        .then_error(TooLittle { cents: 200 })
        .then_state(Account { cents: 200, payments: 2 });
    Fixture::<Account>::given([])
        .when(Command::Nothing)
        .then_events([])
        .then_state(Account::default());
    Fixture::<Account>::given([paid_in(1)])
        .stored([NewEvent::new("paid-in").json(r#"{"cents":2,"fee":1}"#)])
        .when(Command::PayIn(3))
        .then_events([paid_in(3)])
        .then_state(Account { cents: 6, payments: 3 });
}

#[test]
#[should_panic(expected = "the events, and what was expected")]
fn other_events_than_expected_fail() {
    let then = Fixture::<Account>::given([]).when(Command::PayIn(3));
    drop(then.then_events([paid_in(4)]));
}

#[test]
#[should_panic(expected = "the command failed: TooLittle { cents: 0 }")]
fn an_error_where_events_were_expected_fails() {
    drop(Fixture::<Account>::given([]).when(Command::PayOut(3)).then_events([]));
}

#[test]
#[should_panic(expected = "the error, and what was expected")]
fn events_where_an_error_was_expected_fail() {
    let then = Fixture::<Account>::given([]).when(Command::PayIn(3));
    drop(then.then_error(TooLittle { cents: 0 }));
}

#[test]
#[should_panic(expected = "the state, and what was expected")]
fn another_state_than_expected_fails() {
    let then = Fixture::<Account>::given([]).when(Command::PayIn(3));
    drop(then.then_state(Account { cents: 3, payments: 2 }));
}

/// Each of its variants is wrong in one way.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Wrong {
    #[serde(skip)]
    forgotten: u64,
    count: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum WrongEvent {
    Forgotten,
    Halved {
        #[serde(skip)]
        by: u64,
    },
    #[serde(skip)]
    Unsaid,
}

event_types! { WrongEvent { Forgotten = "forgotten", Halved = "halved", Unsaid = "unsaid" } }

impl Aggregate for Wrong {
    type Command = fn() -> WrongEvent;
    type Event = WrongEvent;
    type Error = ();
    const CATEGORY: &'static str = "wrong";
    const SNAPSHOT_SCHEMA: u32 = 1;

    fn handle(&self, event: &fn() -> WrongEvent) -> Result<Vec<WrongEvent>, ()> {
        Ok(vec![event()])
    }

    fn apply(&mut self, event: &WrongEvent) {
        match event {
            WrongEvent::Forgotten => self.forgotten += 1,
            WrongEvent::Halved { by } => self.count += by,
            WrongEvent::Unsaid => {}
        }
    }
}

#[test]
#[should_panic(expected = "a snapshot of version 1, and the state")]
fn a_state_that_a_snapshot_does_not_hold_fails() {
    drop(Fixture::<Wrong>::given([]).when(|| WrongEvent::Forgotten));
}

#[test]
#[should_panic(expected = "the state after the command, and what is folded")]
fn an_event_that_does_not_come_back_as_it_was_fails() {
    drop(Fixture::<Wrong>::given([]).when(|| WrongEvent::Halved { by: 2 }));
}

#[test]
#[should_panic(expected = "the command failed: Encode")]
fn an_event_that_cannot_be_stored_fails() {
    drop(Fixture::<Wrong>::given([]).when(|| WrongEvent::Unsaid));
}

#[test]
#[should_panic(expected = "a stored event failed")]
fn a_stored_event_that_does_not_decode_fails() {
    drop(Fixture::<Account>::given([]).stored([NewEvent::new("frozen")]));
}

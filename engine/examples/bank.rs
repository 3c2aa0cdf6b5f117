//! The aggregate of the README: what happened, what may be asked, how it is tested, and a
//! projection. (Features `sourcing` and, for the test, `sim`.)
#![allow(missing_docs, unreachable_pub)]

use annals::sourcing::{Aggregate, EventEnum, Repository, event_types};
use annals::{CursorOptions, Log, Start};
use serde::{Deserialize, Serialize};
use std::{error::Error, sync::Arc};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Happened {
    PaidIn { cents: u64 },
    PaidOut { cents: u64 },
}
event_types! { Happened { PaidIn = "paid-in", PaidOut = "paid-out" } }

enum Command {
    PayIn { cents: u64 },
    PayOut { cents: u64 },
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Account {
    cents: u64,
}

impl Aggregate for Account {
    type Command = Command;
    type Event = Happened;
    type Error = &'static str;
    const CATEGORY: &'static str = "account";
    const SNAPSHOT_SCHEMA: u32 = 1;

    fn handle(&self, command: &Command) -> Result<Vec<Happened>, &'static str> {
        Ok(vec![match *command {
            Command::PayIn { cents } => Happened::PaidIn { cents },
            Command::PayOut { cents } if cents > self.cents => return Err("too little"),
            Command::PayOut { cents } => Happened::PaidOut { cents },
        }])
    }

    fn apply(&mut self, event: &Happened) {
        match event {
            Happened::PaidIn { cents } => self.cents += cents,
            Happened::PaidOut { cents } => self.cents -= cents,
        }
    }
}

#[test]
fn nobody_pays_out_more_than_there_is() {
    annals::sourcing::Fixture::<Account>::given([Happened::PaidIn { cents: 500 }])
        .when(Command::PayOut { cents: 300 })
        .then_events([Happened::PaidOut { cents: 300 }])
        .when(Command::PayOut { cents: 201 })
        .then_error("too little");
}

fn main() -> Result<(), Box<dyn Error>> {
    let log = Arc::new(Log::open("bank.annals")?);
    let accounts = Repository::<Account>::new(log.clone());
    accounts.save(17, Command::PayIn { cents: 500 })?; // expects no stream "account-17"
    let account = accounts.update(17, Command::PayOut { cents: 300 })?; // tries again on conflict
    println!("account 17: {} at version {}", account.state.cents, account.version);

    let mut bank = Account::default(); // a projection: over all accounts
    let options = CursorOptions::new().filter(Repository::<Account>::filter());
    for event in &log.cursor_with(Start::Beginning, &options)?.poll(100)? {
        for part in Happened::decode(&event)? {
            bank.apply(&part.event);
        }
    }
    println!("the bank holds {}", bank.cents);
    Ok(())
}

//! A bank account of 100,000 payments: found as fast as one of a hundred, as it is and as it
//! was. (Features `sourcing` and, for the test, `sim`.)
#![allow(missing_docs, unreachable_pub)]

use annals::sourcing::{Aggregate, AsOf, Repository, SnapshotPolicy, event_types};
use annals::{Durability, Log, Options};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Moved {
    In { cents: u64 },
    Out { cents: u64 },
}
event_types! { Moved { In = "paid-in", Out = "paid-out" } }

#[derive(Debug, Clone, Copy)]
enum Command {
    PayIn(u64),
    PayOut(u64),
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Account {
    cents: u64,
    payments: u64,
}

impl Aggregate for Account {
    type Command = Command;
    type Event = Moved;
    type Error = &'static str;
    const CATEGORY: &'static str = "account";
    const SNAPSHOT_SCHEMA: u32 = 1;

    fn handle(&self, command: &Command) -> Result<Vec<Moved>, &'static str> {
        Ok(vec![match *command {
            Command::PayIn(cents) => Moved::In { cents },
            Command::PayOut(cents) if cents > self.cents => return Err("too little"),
            Command::PayOut(cents) => Moved::Out { cents },
        }])
    }

    fn apply(&mut self, event: &Moved) {
        self.payments += 1;
        match event {
            Moved::In { cents } => self.cents += cents,
            Moved::Out { cents } => self.cents -= cents,
        }
    }
}

/// The payment of this number: two in, one out.
const fn payment(number: u64) -> Command {
    if number % 3 == 2 { Command::PayOut(number % 100) } else { Command::PayIn(number % 100 + 1) }
}

/// Makes the payments, with a snapshot in the batch of every hundredth.
fn pay(log: &Arc<Log>, payments: u64) -> Result<Repository<Account>, Box<dyn Error>> {
    let accounts =
        Repository::<Account>::new(log.clone()).snapshots(SnapshotPolicy::Every(100)).cache(1); // or each command would fold some fifty events first
    for number in 0..payments {
        accounts.execute(17, payment(number))?;
    }
    log.sync()?;
    Ok(Repository::new(log.clone()))
}

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let options = Options::new().durability(Durability::Buffered);
    let log = Arc::new(options.open(directory.path())?);

    let begin = Instant::now();
    let accounts = pay(&log, 100_000)?;
    println!("100,000 payments in {:.1} s", begin.elapsed().as_secs_f64());

    let find = |what: &str, bound: Option<AsOf>| -> Result<(), Box<dyn Error>> {
        let begin = Instant::now();
        let found = match bound {
            Some(bound) => accounts.find_as_of(17, bound)?,
            None => accounts.find(17)?,
        };
        let account = found.ok_or("no such account")?;
        println!(
            "{what}: {} cents at version {}, found in {} us",
            account.state.cents,
            account.version,
            begin.elapsed().as_micros()
        );
        Ok(())
    };
    find("today", None)?;
    find("after 50,050 payments", Some(AsOf::Version(50_050)))?;
    find("after the first", Some(AsOf::Version(1)))
}

#[test]
fn an_account_of_100_000_payments_is_what_its_payments_come_to() {
    let log = Arc::new(Log::temporary().expect("a log in memory"));
    let accounts = pay(&log, 100_000).expect("payments");
    let mut expected = Account::default();
    let mut at = Vec::new();
    for number in 0..100_000 {
        for event in expected.handle(&payment(number)).expect("enough") {
            expected.apply(&event);
        }
        at.push(expected.clone());
    }
    let today = accounts.find(17).expect("a find").expect("an account");
    assert_eq!((today.version, &today.state), (100_000, &expected));
    for version in [1, 99, 100, 101, 50_050, 99_999] {
        let then = accounts.find_as_of(17, AsOf::Version(version)).expect("a find");
        let expected = at.iter().zip(1..).find(|(_, at)| *at == version).map(|(then, _)| then);
        assert_eq!(then.map(|then| then.state).as_ref(), expected);
    }
    let snapshot = log.snapshot("account-17").expect("a read").expect("a snapshot");
    assert_eq!(snapshot.version(), 100_000);
}

//! Messages that come more than once, and are handled once. (Feature `sourcing`; for `main` and
//! the tests `sim`.)
//!
//! Every broker and every web hook delivers a message again if it did not hear in time that it
//! was handled. What tells the log that it was is a key, which is in the same batch as what the
//! message led to: both are there, or neither, wherever the program ends.
#![allow(missing_docs, unreachable_pub)]

use std::error::Error;
use std::sync::Arc;

use annals::sourcing::{Aggregate, Context, Repository, RepositoryError, event_types};
use annals::{Batch, Expected, Log, NewEvent};
use serde::{Deserialize, Serialize};

/// What a bank tells: somebody paid.
#[derive(Debug, Clone)]
struct Message {
    /// The sender's own id: the same however often it is sent.
    id: String,
    account: u64,
    cents: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum AccountEvent {
    PaidIn { cents: u64 },
}
event_types! { AccountEvent { PaidIn = "paid-in" } }

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Account {
    cents: u64,
}

impl Aggregate for Account {
    type Command = u64;
    type Event = AccountEvent;
    type Error = &'static str;
    const CATEGORY: &'static str = "account";
    const SNAPSHOT_SCHEMA: u32 = 1;

    fn handle(&self, cents: &u64) -> Result<Vec<AccountEvent>, &'static str> {
        if *cents == 0 { Err("nothing") } else { Ok(vec![AccountEvent::PaidIn { cents: *cents }]) }
    }

    fn apply(&mut self, AccountEvent::PaidIn { cents }: &AccountEvent) {
        self.cents += cents;
    }
}

/// Handles a message, once. The sender may be told so every time.
fn handle(
    accounts: &Repository<Account>,
    message: &Message,
) -> Result<u64, RepositoryError<&'static str>> {
    // Keys are known in the whole log, so the name of who handles is part of it.
    let context = Context::new().once(&format!("bank/{}", message.id)).caused_by(&message.id);
    let account = accounts.with(context).execute(message.account, message.cents)?;
    Ok(account.state.cents)
}

/// The same without an aggregate: one batch with a key. Returns whether it was the first time.
fn note(log: &Log, message: &Message) -> annals::Result<bool> {
    let mut batch = Batch::new();
    let noted = NewEvent::new("MessageNoted").caused_by(&message.id);
    batch.once(&format!("notes/{}", message.id)).write("notes", Expected::Any, [noted]);
    Ok(!log.append(&batch)?.is_deduplicated())
}

fn main() -> Result<(), Box<dyn Error>> {
    let log = Arc::new(Log::temporary()?);
    let accounts = Repository::<Account>::new(log.clone());
    let message = Message { id: "message-77".to_owned(), account: 17, cents: 500 };
    for _ in 0..3 {
        println!("account 17 has {} cents", handle(&accounts, &message)?);
    }
    println!("noted for the first time: {}, {}", note(&log, &message)?, note(&log, &message)?);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use annals::Options;
    use annals::io::sim::{LoseAll, SimStorage};

    use super::*;

    fn message(id: u64) -> Message {
        Message { id: format!("message-{id}"), account: 17, cents: 500 }
    }

    #[test]
    fn redelivered_messages_are_handled_once() {
        let log = Arc::new(Log::temporary().unwrap());
        let accounts = Repository::<Account>::new(log.clone());
        for id in [1, 2, 1, 1, 3, 2] {
            handle(&accounts, &message(id)).unwrap();
            note(&log, &message(id)).unwrap();
        }
        assert_eq!(accounts.find(17).unwrap().unwrap().state.cents, 1500);
        assert_eq!(log.version("notes").unwrap(), 3);
        // The answer is that of the first time.
        assert_eq!(handle(&accounts, &message(1)).unwrap(), 500);
    }

    #[test]
    fn also_when_the_program_ends_anywhere_in_between() {
        for call in 1.. {
            let disk = SimStorage::new();
            disk.crash_at(call);
            let mut ended = false;
            // The broker delivers until it hears that the message was handled.
            for _ in 0..2 {
                let Ok(log) = Options::new().open_on(Arc::new(disk.clone())) else {
                    disk.power_cut(LoseAll);
                    continue;
                };
                let accounts = Repository::<Account>::new(Arc::new(log));
                ended = handle(&accounts, &message(1)).is_ok();
                if !ended {
                    drop(accounts);
                    disk.power_cut(LoseAll);
                }
            }
            let log = Arc::new(Options::new().open_on(Arc::new(disk.clone())).unwrap());
            let found = Repository::<Account>::new(log).find(17).unwrap();
            assert!(ended, "call {call}");
            assert_eq!(found.unwrap().state.cents, 500, "call {call}");
            if call > 40 {
                break;
            }
        }
    }

    #[test]
    fn what_is_refused_does_not_use_up_its_key() {
        let log = Arc::new(Log::temporary().unwrap());
        let accounts = Repository::<Account>::new(log);
        assert!(handle(&accounts, &Message { cents: 0, ..message(1) }).is_err());
        assert_eq!(handle(&accounts, &message(1)).unwrap(), 500);
    }
}

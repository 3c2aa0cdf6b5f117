//! A bank account that can be made to meet others in the middle of a command.
#![allow(dead_code, reason = "each test uses its part of it")]

use std::fmt;
use std::sync::Arc;

use annals::sourcing::{Aggregate, RepositoryError, event_types};
use annals::{Batch, Expected, Log, NewEvent};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum AccountEvent {
    Opened,
    PaidIn { cents: u64 },
    PaidOut { cents: u64 },
}

event_types! {
    AccountEvent { Opened = "opened", PaidIn = "paid-in", PaidOut = "paid-out" }
}

pub(crate) enum Command {
    Open,
    PayIn(u64),
    PayOut(u64),
    Nothing,
    /// Calls this while it is being handled, and then is a payment of one cent.
    Meet(Arc<dyn Fn() + Send + Sync>),
}

impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a command")
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLittle {
    pub(crate) cents: u64,
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) cents: u64,
    pub(crate) payments: u64,
}

impl Aggregate for Account {
    type Command = Command;
    type Event = AccountEvent;
    type Error = TooLittle;
    const CATEGORY: &'static str = "account";
    const SNAPSHOT_SCHEMA: u32 = 2;

    fn handle(&self, command: &Command) -> Result<Vec<AccountEvent>, TooLittle> {
        Ok(vec![match command {
            Command::Open => AccountEvent::Opened,
            Command::PayIn(cents) => AccountEvent::PaidIn { cents: *cents },
            Command::PayOut(cents) if *cents > self.cents => {
                return Err(TooLittle { cents: self.cents });
            }
            Command::PayOut(cents) => AccountEvent::PaidOut { cents: *cents },
            Command::Nothing => return Ok(vec![]),
            Command::Meet(others) => {
                others();
                AccountEvent::PaidIn { cents: 1 }
            }
        }])
    }

    fn apply(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::Opened => {}
            AccountEvent::PaidIn { cents } => {
                self.cents += cents;
                self.payments += 1;
            }
            AccountEvent::PaidOut { cents } => {
                self.cents -= cents;
                self.payments += 1;
            }
        }
    }

    fn tags(&self, event: &AccountEvent) -> Vec<String> {
        match event {
            AccountEvent::Opened => vec![],
            _ => vec!["payment".to_owned(), format!("balance:{}", self.cents)],
        }
    }
}

pub(crate) fn log() -> Arc<Log> {
    Arc::new(Log::temporary().unwrap())
}

/// A payment by somebody who knows nothing of repositories.
pub(crate) fn pay_in(log: &Log, stream: &str, cents: u64, key: Option<&str>) {
    let data = format!(r#"{{"cents":{cents}}}"#);
    let mut batch = Batch::new();
    if let Some(key) = key {
        batch.once(key);
    }
    batch.write(stream, Expected::Any, [NewEvent::new("paid-in").json(&data)]);
    log.append(&batch).unwrap();
}

pub(crate) type Failure = RepositoryError<TooLittle>;

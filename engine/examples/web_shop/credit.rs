//! A customer's credit: how much may be open at a time, and for which orders it is.

use std::collections::BTreeMap;

use annals::sourcing::{Aggregate, event_types};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum CreditEvent {
    Granted { cents: u64 },
    Reserved { order: String, cents: u64 },
    Released { order: String },
}

event_types! {
    CreditEvent {
        Granted = "credit-granted",
        Reserved = "credit-reserved",
        Released = "credit-released",
    }
}

pub enum CreditCommand {
    Grant { cents: u64 },
    Reserve { order: String, cents: u64 },
    Release { order: String },
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Credit {
    granted: u64,
    reserved: BTreeMap<String, u64>,
}

impl Credit {
    pub fn left(&self) -> u64 {
        self.granted.saturating_sub(self.reserved.values().sum())
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("only {left} of the credit are left")]
pub struct TooLittleCredit {
    pub left: u64,
}

impl Aggregate for Credit {
    type Command = CreditCommand;
    type Event = CreditEvent;
    type Error = TooLittleCredit;
    const CATEGORY: &'static str = "credit";
    const SNAPSHOT_SCHEMA: u32 = 1;

    fn handle(&self, command: &CreditCommand) -> Result<Vec<CreditEvent>, TooLittleCredit> {
        Ok(match command {
            CreditCommand::Grant { cents } => vec![CreditEvent::Granted { cents: *cents }],
            CreditCommand::Reserve { cents, .. } if *cents > self.left() => {
                return Err(TooLittleCredit { left: self.left() });
            }
            CreditCommand::Reserve { order, cents } => {
                vec![CreditEvent::Reserved { order: order.clone(), cents: *cents }]
            }
            CreditCommand::Release { order } if self.reserved.contains_key(order) => {
                vec![CreditEvent::Released { order: order.clone() }]
            }
            CreditCommand::Release { .. } => vec![],
        })
    }

    fn apply(&mut self, event: &CreditEvent) {
        match event {
            CreditEvent::Granted { cents } => self.granted += cents,
            CreditEvent::Reserved { order, cents } => {
                self.reserved.insert(order.clone(), *cents);
            }
            CreditEvent::Released { order } => {
                self.reserved.remove(order);
            }
        }
    }
}

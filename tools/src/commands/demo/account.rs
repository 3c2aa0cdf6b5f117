//! Two customers and one account: an append that expects a version, the conflict when
//! somebody else was faster, and the retry that decides again.

use std::path::Path;

use annals::{Batch, Error, Expected, Log, NewEvent};
use serde::Deserialize;
use serde_json::json;

use super::tour::Tour;
use crate::error::{Failure, OfLog};

const STREAM: &str = "account-1";
const OPENED_WITH: u64 = 100;
const ANN_TAKES: u64 = 30;
const BOB_TAKES: u64 = 50;

#[derive(Deserialize)]
struct Amount {
    amount: u64,
}

/// What a decision is made on: the fold of the stream, and the version it is true of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Account {
    version: u64,
    balance: u64,
}

pub(super) fn step(log: &Log, log_path: &Path, tour: &mut Tour<'_>) -> Result<(), Failure> {
    tour.step("Conflict", "two want the same account; nobody is overwritten")?;
    append(log, Expected::NoStream, "AccountOpened", OPENED_WITH).of(log_path)?;
    // Both look before either has written.
    let ann = fold(log, log_path)?;
    let bob = fold(log, log_path)?;
    append(log, Expected::Exact(ann.version), "Withdrawn", ANN_TAKES).of(log_path)?;
    tour.say(format_args!(
        "Ann and Bob both see {} at version {}; Ann withdraws {ANN_TAKES}",
        ann.balance, ann.version
    ))?;
    let head = log.head();
    let refused = append(log, Expected::Exact(bob.version), "Withdrawn", BOB_TAKES);
    let untouched = log.head() == head;
    let conflict = match refused {
        Err(error @ Error::WrongExpectedVersion { .. }) => {
            tour.say(format_args!("Bob withdraws {BOB_TAKES}: refused, {error}"))?;
            true
        }
        Err(other) => return Err(other).of(log_path),
        Ok(_) => false,
    };
    let again = fold(log, log_path)?;
    append(log, Expected::Exact(again.version), "Withdrawn", BOB_TAKES).of(log_path)?;
    let end = fold(log, log_path)?;
    tour.say(format_args!(
        "Bob looks again: {} at version {}, enough; the retry commits, {} are left",
        again.balance, again.version, end.balance
    ))?;
    tour.facts(
        "conflict",
        json!({ "refused": conflict, "balance": end.balance, "version": end.version }),
    )?;
    let expected = Account { version: 3, balance: OPENED_WITH - ANN_TAKES - BOB_TAKES };
    tour.check(
        conflict && untouched && end == expected,
        "the conflict was refused, wrote nothing, and the retry was right".to_owned(),
    );
    Ok(())
}

fn append(
    log: &Log,
    expected: Expected,
    event_type: &str,
    amount: u64,
) -> annals::Result<annals::Committed> {
    let data = json!({ "amount": amount }).to_string();
    let mut batch = Batch::new();
    batch.write(STREAM, expected, [NewEvent::new(event_type).json(&data)]);
    log.append(&batch)
}

fn fold(log: &Log, log_path: &Path) -> Result<Account, Failure> {
    let mut account = Account { version: 0, balance: 0 };
    let mut events = log.read(STREAM);
    while let Some(event) = events.next().of(log_path)? {
        let Amount { amount } = serde_json::from_slice(event.data())
            .map_err(|error| Failure::Tour(format!("an account's event: {error}")))?;
        account.version = event.version();
        account.balance = if event.event_type() == "AccountOpened" {
            amount
        } else {
            account.balance.saturating_sub(amount)
        };
    }
    Ok(account)
}

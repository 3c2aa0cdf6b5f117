//! Aggregates against a model that keeps every state in a list: whatever several repositories
//! with their caches and snapshots, and others, do in whatever order.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#[path = "sourcing/account.rs"]
mod account;

use std::collections::HashMap;
use std::time::Duration;

use account::{Account, Command, Failure, log, pay_in};
use annals::sourcing::{AsOf, Context, Repository, SnapshotPolicy};
use proptest::collection::vec;
use proptest::prelude::*;

const IDS: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    /// By one of the repositories, of this aggregate, this amount in or out, with a key.
    Execute {
        by: usize,
        id: usize,
        cents: u64,
        out: bool,
        key: Option<u8>,
    },
    /// By somebody who knows nothing of repositories.
    PayIn {
        id: usize,
        cents: u64,
    },
    Snapshot {
        by: usize,
        id: usize,
    },
    SnapshotDue {
        by: usize,
        every: u64,
    },
    Find {
        by: usize,
        id: usize,
    },
    FindAsOf {
        by: usize,
        id: usize,
        version: usize,
    },
}

fn steps() -> impl Strategy<Value = Step> {
    let (by, id, cents) = (0..4_usize, 0..IDS, 0..100_u64);
    prop_oneof![
        8 => (by.clone(), id.clone(), cents.clone(), any::<bool>(), proptest::option::of(0..4_u8))
            .prop_map(|(by, id, cents, out, key)| Step::Execute { by, id, cents, out, key }),
        2 => (id.clone(), cents).prop_map(|(id, cents)| Step::PayIn { id, cents }),
        1 => (by.clone(), id.clone()).prop_map(|(by, id)| Step::Snapshot { by, id }),
        1 => (by.clone(), 1..5_u64).prop_map(|(by, every)| Step::SnapshotDue { by, every }),
        3 => (by.clone(), id.clone()).prop_map(|(by, id)| Step::Find { by, id }),
        2 => (by, id, 0..40_usize)
            .prop_map(|(by, id, version)| Step::FindAsOf { by, id, version }),
    ]
}

/// States of each aggregate by version, and what keys came to: aggregate and version.
#[derive(Default)]
struct Model {
    states: [Vec<Account>; IDS],
    keys: HashMap<u8, (usize, usize)>,
}

impl Model {
    fn at(&self, id: usize, version: usize) -> Option<Account> {
        version.checked_sub(1).map(|at| self.states[id][at].clone())
    }

    fn version(&self, id: usize) -> usize {
        self.states[id].len()
    }

    fn push(&mut self, id: usize, change: impl FnOnce(u64) -> u64) {
        let Account { cents, payments } = self.at(id, self.version(id)).unwrap_or_default();
        self.states[id].push(Account { cents: change(cents), payments: payments + 1 });
    }
}

/// What a command came to: state and version, or `None` where it was refused; an error if the
/// key is of another aggregate.
fn expected(model: &mut Model, step: &Step) -> Result<Option<(Account, u64)>, ()> {
    let Step::Execute { id, cents, out, key, .. } = *step else { return Err(()) };
    let told = |model: &Model, version: usize| {
        Some((model.at(id, version).unwrap_or_default(), version as u64))
    };
    if let Some(&(of, version)) = key.as_ref().and_then(|key| model.keys.get(key)) {
        return if of == id { Ok(told(model, version)) } else { Err(()) };
    }
    let now = model.at(id, model.version(id)).unwrap_or_default();
    if out && cents > now.cents {
        return Ok(None);
    }
    model.push(id, |now| if out { now - cents } else { now + cents });
    if let Some(key) = key {
        model.keys.insert(key, (id, model.version(id)));
    }
    Ok(told(model, model.version(id)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn repositories_tell_what_a_list_of_all_states_tells(steps in vec(steps(), 1..120)) {
        let log = log();
        let new = |policy| Repository::<Account>::new(log.clone()).snapshots(policy);
        let all = [
            new(SnapshotPolicy::Never),
            new(SnapshotPolicy::Every(3)).cache(1),
            new(SnapshotPolicy::Every(1)).cache(10),
            new(SnapshotPolicy::ReplayCost(Duration::from_nanos(1))),
        ];
        let mut model = Model::default();
        for step in steps {
            match step.clone() {
                Step::Execute { by, id, cents, out, key } => {
                    let context = key.map_or(Context::new(), |key| Context::new().once(&key.to_string()));
                    let command = if out { Command::PayOut(cents) } else { Command::PayIn(cents) };
                    let told = match all[by].with(context).execute(id, command) {
                        Ok(after) => Ok(Some((after.state, after.version))),
                        Err(Failure::Rejected(_)) => Ok(None),
                        Err(Failure::KeyTaken { .. }) => Err(()),
                        Err(error) => panic!("{error:?}"),
                    };
                    prop_assert_eq!(told, expected(&mut model, &step), "{:?}", step);
                }
                Step::PayIn { id, cents } => {
                    pay_in(&log, &format!("account-{id}"), cents, None);
                    model.push(id, |now| now + cents);
                }
                Step::Snapshot { by, id } => {
                    let version = model.version(id) as u64;
                    prop_assert_eq!(all[by].snapshot(id).unwrap(), (version > 0).then_some(version));
                }
                Step::SnapshotDue { by, every } => {
                    all[by].snapshot_due(SnapshotPolicy::Every(every)).unwrap();
                }
                Step::Find { by, id } => {
                    let found = all[by].find(id).unwrap();
                    prop_assert_eq!(found.as_ref().map_or(0, |found| found.version), model.version(id) as u64);
                    prop_assert_eq!(found.map(|found| found.state), model.at(id, model.version(id)));
                }
                Step::FindAsOf { by, id, version } => {
                    let version = version.min(model.version(id));
                    let found = all[by].find_as_of(id, AsOf::Version(version as u64)).unwrap();
                    prop_assert_eq!(found.map(|found| found.state), model.at(id, version));
                }
            }
        }
    }
}

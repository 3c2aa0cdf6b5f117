//! The first batch with a key commits, and the key names its outcome from then on.

use super::support::{Verdict, append, batch, expecting, holds, refused, same};
use super::{Make, promises};
use crate::{Batch, Expected, NewSnapshot};

promises! {
    a_key_commits_once: "The first batch with a key commits. Another batch with that key writes \
        nothing, whatever it holds and expects, and is answered with the first outcome, \
        marked as deduplicated.";
    a_key_needs_no_events: "A batch without events commits its key and its states once.";
    a_key_names_its_first_outcome: "`outcome` tells what the batch with a key came to, also after \
        more was appended; nothing of a key that no batch had.";
    a_refused_batch_does_not_take_its_key: "A key whose batch was refused is free.";
    a_known_batch_can_be_given_a_key: "A batch whose ids are all known and whose key is not \
        writes the key alone, for the outcome that its ids had.";
}

fn a_key_commits_once(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "a", &["T"])?;
    let mut first = batch("a", &["T", "T"]);
    first.once("message-7");
    let first = store.append(&first)?;
    holds("it is not a duplicate at first", !first.is_deduplicated())?;
    append(&*store, "a", &["T"])?;
    let mut other = expecting("b", Expected::Exact(9), &["T"]);
    other.once("message-7").state("state", 1, NewSnapshot::new(1));
    let again = store.append(&other)?;
    holds("it is a duplicate again", again.is_deduplicated())?;
    same("its positions", again.positions(), first.positions())?;
    same("its version of a", again.version("a"), first.version("a"))?;
    same("its version of b", again.version("b"), None)?;
    same("what was written", (store.version("b")?, store.head()?), (0, 4))?;
    holds("its state is not written", store.state("state", 1)?.is_none())?;
    let mut next = batch("a", &["T"]);
    next.once("message-8");
    holds("another key is new", !store.append(&next)?.is_deduplicated())
}

fn a_key_needs_no_events(make: &Make<'_>) -> Verdict {
    let store = make();
    append(&*store, "a", &["T"])?;
    for (through, duplicate) in [(1, false), (2, true)] {
        let mut handled = Batch::new();
        handled.once("message-7").state("state", through, NewSnapshot::new(1));
        let committed = store.append(&handled)?;
        same("whether it is a duplicate", committed.is_deduplicated(), duplicate)?;
        holds("it has no positions", committed.positions().is_empty())?;
        same("the position that it names", committed.first_position(), 2)?;
    }
    let state = store.state("state", 1)?;
    same("the state", state.map(|state| state.version()), Some(1))
}

fn a_key_names_its_first_outcome(make: &Make<'_>) -> Verdict {
    let store = make();
    holds("an unknown key has no outcome", store.outcome("message-7")?.is_none())?;
    append(&*store, "a", &["T"])?;
    let mut keyed = batch("a", &["T", "T"]);
    keyed.once("message-7");
    store.append(&keyed)?;
    append(&*store, "a", &["T"])?;
    let outcome = store.outcome("message-7")?;
    let Some(outcome) = outcome else { return holds("the key has an outcome", false) };
    same("its positions", outcome.positions(), 2..=3)?;
    same("its version of a", outcome.version("a"), Some(3))?;
    same("its version of b", outcome.version("b"), None)?;
    holds("it is marked as deduplicated", outcome.is_deduplicated())?;
    holds("a longer key is unknown", store.outcome("message-77")?.is_none())
}

fn a_refused_batch_does_not_take_its_key(make: &Make<'_>) -> Verdict {
    let store = make();
    let mut keyed = expecting("a", Expected::Exists, &["T"]);
    keyed.once("message-7");
    refused(store.append(&keyed))?;
    append(&*store, "a", &["T"])?;
    let committed = store.append(&keyed)?;
    holds("it is not a duplicate", !committed.is_deduplicated())?;
    same("its version", committed.version("a"), Some(2))
}

fn a_known_batch_can_be_given_a_key(make: &Make<'_>) -> Verdict {
    let store = make();
    let mut known = batch("a", &["T", "T"]);
    store.append(&known)?;
    append(&*store, "a", &["T"])?;
    known.once("message-7");
    let named = store.append(&known)?;
    same("its positions", named.positions(), 1..=2)?;
    let outcome = store.outcome("message-7")?;
    same("the key's positions", outcome.map(|outcome| outcome.positions()), Some(1..=2))?;
    let mut other = batch("b", &["T"]);
    other.once("message-7");
    same("another batch's positions", store.append(&other)?.positions(), 1..=2)?;
    same("the head", store.head()?, 3)
}

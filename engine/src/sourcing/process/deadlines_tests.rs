//! The book of deadlines against a plain map, over random changes, failed writes and restarts.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::deadlines::{Book, Changes, Entry, Key, PAGE};
use crate::Timestamp;

fn key(process: u8, name: u8) -> Key {
    Arc::new((process.to_string(), name.to_string()))
}

fn at(due: i64) -> Entry {
    Entry { due: Timestamp::from_nanos(due), cause: None, belongs_to: None, parked: None }
}

/// What a step does, and what comes of it.
#[derive(Debug, Clone)]
enum Done {
    Committed,
    Failed,
    Restarted,
}

fn changes() -> impl Strategy<Value = Changes> {
    let entry = (0..50_i64, prop::option::weighted(0.1, Just("no".to_owned())))
        .prop_map(|(due, parked)| Entry { parked, ..at(due) });
    let change = ((0..12_u8, 0..16_u8), prop::option::weighted(0.6, entry));
    prop::collection::vec(change, 0..40).prop_map(|all| {
        all.into_iter().map(|((process, name), to)| (key(process, name), to)).collect()
    })
}

fn steps() -> impl Strategy<Value = Vec<(Changes, Done)>> {
    let done = prop_oneof![6 => Just(Done::Committed), 2 => Just(Done::Failed), 1 => Just(Done::Restarted)];
    prop::collection::vec((changes(), done), 1..30)
}

fn write(book: &mut Book, disk: &mut BTreeMap<usize, String>) {
    disk.extend(book.unwritten().map(|(page, _, text)| (page, text)));
    book.written();
}

fn reopened(disk: &BTreeMap<usize, String>) -> Book {
    let mut book = Book::default();
    for (page, text) in disk.iter().rev() {
        book.read(*page, text.as_bytes()).unwrap();
    }
    book
}

fn check(book: &Book, model: &BTreeMap<Key, Entry>) -> Result<(), TestCaseError> {
    prop_assert!(book.iter().eq(model.iter()));
    let mut due: Vec<_> = model.iter().filter(|(_, entry)| entry.parked.is_none()).collect();
    due.sort_by_key(|(key, entry)| (entry.due, Arc::clone(key)));
    prop_assert!(
        book.in_order().map(|(due, key)| (key, *due)).eq(due.into_iter().map(|(k, e)| (k, e.due)))
    );
    for now in [-1, 0, 7, 48, 49] {
        let later = model.values().filter(|e| e.parked.is_none() && e.due.as_nanos() > now);
        prop_assert_eq!(book.next_after(Timestamp::from_nanos(now)), later.map(|e| e.due).min());
    }
    for process in 0..12_u8 {
        let of = model.keys().filter(|key| key.0 == process.to_string());
        prop_assert!(book.of(&process.to_string()).iter().eq(of));
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_written_is_what_is_open_whatever_failed_before(steps in steps()) {
        let (mut book, mut model, mut disk) = (Book::default(), BTreeMap::new(), BTreeMap::new());
        let mut most = 0;
        for (changes, done) in steps {
            let undo = book.apply(changes.clone());
            if matches!(done, Done::Failed) {
                // Nothing of the step is written.
                book.apply(undo);
            } else {
                write(&mut book, &mut disk);
                for (key, to) in changes {
                    match to {
                        Some(entry) => model.insert(key, entry),
                        None => model.remove(&key),
                    };
                }
            }
            most = most.max(model.len() + 40);
            if matches!(done, Done::Restarted) {
                book = reopened(&disk);
            }
            check(&book, &model)?;
            check(&reopened(&disk), &model)?;
        }
        prop_assert!(book.pages() <= most.div_ceil(PAGE), "{} pages", book.pages());
    }
}

#[test]
fn a_page_of_a_later_format_is_refused() {
    let mut book = Book::default();
    let text = br#"{"format":2,"deadlines":[]}"#;
    assert_eq!(book.read(0, text).unwrap_err(), "its format is 2");
}

#[test]
fn what_is_set_and_taken_away_costs_its_own_pages_alone() {
    let mut book = Book::default();
    for n in 0..100 {
        book.apply(Changes::from([(key(n, 0), Some(at(i64::from(n))))]));
    }
    assert_eq!(book.unwritten().count(), 100_usize.div_ceil(PAGE));
    book.written();
    book.apply(Changes::from([(key(40, 0), None)]));
    // The place is free for the next one.
    book.apply(Changes::from([(key(200, 0), Some(at(1)))]));
    assert_eq!(book.unwritten().map(|(page, ..)| page).collect::<Vec<_>>(), [40 / PAGE]);
    // Nothing changes.
    book.written();
    book.apply(Changes::from([(key(200, 0), Some(at(1)))]));
    assert_eq!(book.unwritten().count(), 0);
}

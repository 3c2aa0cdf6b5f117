//! That a table never takes more than a run can hold, and leaves nothing of what it refuses.

use crate::event::TableEvent;
use crate::footer;
use crate::table::Table;
use crate::{Kind, OFFSET_END, RunMeta, TableError, build};

fn event<'a>(others: &'a [(Kind, &'a str)], position: u64, offset: u64) -> TableEvent<'a> {
    TableEvent {
        stream: "order-1",
        version: position,
        id: u128::from(position),
        position,
        offset,
        category: "order",
        event_type: "Placed",
        others,
    }
}

#[test]
fn entries_are_never_longer_than_their_bound() {
    let mut table = Table::new(1);
    let names: Vec<_> = (0..400).map(|n| "x".repeat(n)).collect();
    // Distances from 16 bytes up to 4 MiB.
    let gaps = [16, 1024, 1 << 17, 1 << 22, 16, 24];
    let mut offset = 0;
    for (position, gap) in (1..=4000u64).zip(gaps.iter().cycle()) {
        let name = &names[usize::try_from(position).unwrap() % names.len()];
        offset += gap;
        let others = [(Kind::Tag, name.as_str()), (Kind::Cause, "always")];
        table.insert(&event(&others, position, offset)).unwrap();
        table.insert_record(Kind::State, name, offset + 8).unwrap();
        if position.is_multiple_of(97) || position < 10 {
            let bytes = build(&table, &RunMeta::default());
            let blob = u64::from(footer::read(&bytes).unwrap().0.counts.blob_len);
            assert!(blob <= table.bound(), "{blob} {}", table.bound());
        }
    }
    // The longest deltas that there are, and many new streams.
    let mut table = Table::new(1);
    for n in 1..=4000u64 {
        let stream = n.to_string();
        let offset = if n == 4000 { OFFSET_END - 8 } else { n * 8 };
        let version = u64::MAX - 1;
        let event = TableEvent { stream: &stream, version, ..event(&[], n, offset) };
        table.insert(&event).unwrap();
    }
    let bytes = build(&table, &RunMeta::default());
    assert!(u64::from(footer::read(&bytes).unwrap().0.counts.blob_len) <= table.bound());
}

#[test]
fn what_might_not_fit_is_refused_and_nothing_of_it_is_left() {
    let others = [(Kind::Tag, "new")];
    let mut table = Table::new(1);
    table.insert(&event(&[], 1, 64)).unwrap();
    let (bytes, room) = (table.heap_bytes(), u64::from(u32::MAX) - table.bound());
    // Of an event: its stream's posting and name, and three keys.
    let most = (6 + 26 + 7) + (6 + 16 + 5) + (6 + 16 + 6) + (6 + 16 + 3);
    table.fill_up(room - most + 1);
    assert_eq!(table.insert(&event(&others, 2, 72)), Err(TableError::Full));
    let long = "y".repeat(usize::try_from(most).unwrap());
    assert_eq!(table.insert_record(Kind::Key, &long, 72), Err(TableError::Full));
    assert_eq!(table.count(Kind::Tag, "new") + table.count(Kind::Key, &long), 0);
    assert_eq!((table.event_count(), table.last_position()), (1, 1));
    assert_eq!(table.heap_bytes(), bytes);
    // Without the tag it fits.
    table.insert(&event(&[], 2, 72)).unwrap();
}

//! What a table refuses, and that it is unchanged then.

// Helpers of tests may do what tests may; the lints know only the latter.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use annals_index::{Kind, OFFSET_END, Table, TableError, TableEvent};

/// An event of no category or type in particular.
fn event(stream: &str, version: u64, id: u128, position: u64, offset: u64) -> TableEvent<'_> {
    let (category, event_type, others) = ("c", "t", &[]);
    TableEvent { stream, version, id, position, offset, category, event_type, others }
}

fn with_one() -> Table {
    let mut table = Table::new(10);
    table.insert(&event("a", 3, 1, 10, 64)).unwrap();
    table.mark(10, 64).unwrap();
    table
}

#[test]
fn offsets_must_be_aligned_and_below_32_gib() {
    let mut table = with_one();
    for offset in [65, 68, OFFSET_END, OFFSET_END + 8, u64::MAX - 7] {
        assert_eq!(table.insert(&event("a", 4, 2, 11, offset)), Err(TableError::Offset { offset }));
        assert_eq!(table.mark(11, offset), Err(TableError::Offset { offset }));
    }
    table.insert(&event("a", 4, 2, 11, OFFSET_END - 8)).unwrap();
    assert_eq!(table.id(2), Some(OFFSET_END - 8));
}

#[test]
fn positions_and_offsets_ascend() {
    let mut table = with_one();
    for (position, offset) in [(10, 72), (9, 72), (11, 64), (11, 56), (u64::MAX, 72)] {
        assert_eq!(
            table.insert(&event("a", 4, 2, position, offset)),
            Err(TableError::Order { position, offset })
        );
    }
    for (position, offset) in [(9, 72), (11, 64), (11, 56), (10, 64)] {
        assert_eq!(table.mark(position, offset), Err(TableError::Order { position, offset }));
    }
    assert_eq!(
        Table::new(10).insert(&event("a", 1, 1, 9, 64)).unwrap_err().to_string(),
        "position 9 at offset 64 is out of order"
    );
}

#[test]
fn versions_are_consecutive_and_not_zero() {
    let mut table = with_one();
    for found in [0, 2, 3, 5, u64::MAX] {
        let error = TableError::Version { expected: 4, found };
        assert_eq!(table.insert(&event("a", found, 2, 11, 72)), Err(error));
    }
    for found in [0, u64::MAX] {
        let error = TableError::Version { expected: 1, found };
        assert_eq!(table.insert(&event("b", found, 2, 11, 72)), Err(error));
    }
}

#[test]
fn a_refused_event_leaves_nothing_behind() {
    let mut table = with_one();
    let bytes = table.heap_bytes();
    table.insert(&event("b", 0, 2, 11, 72)).unwrap_err();
    table.insert(&event("a", 9, 3, 11, 72)).unwrap_err();
    assert_eq!((table.id(2), table.id(3), table.stream("b")), (None, None, None));
    assert_eq!((table.event_count(), table.last_position()), (1, 10));
    assert_eq!(table.heap_bytes(), bytes);
}

#[test]
fn an_id_that_comes_again_keeps_its_first_place() {
    let mut table = with_one();
    table.insert(&event("a", 4, 1, 11, 72)).unwrap();
    assert_eq!(table.id(1), Some(64));
}

#[test]
fn memory_is_estimated() {
    let mut table = Table::new(1);
    assert_eq!(table.heap_bytes(), 0);
    for n in 1..=10_000u64 {
        table.insert(&event(&format!("stream-{n}"), 1, u128::from(n), n, n * 8)).unwrap();
    }
    let bytes = table.heap_bytes();
    assert!((1_000_000..3_000_000).contains(&bytes), "{bytes}");
}

#[test]
fn records_and_events_ascend_together() {
    let mut table = with_one();
    for offset in [56, 64] {
        let error = TableError::Order { position: 11, offset };
        assert_eq!(table.insert_record(Kind::State, "s", offset), Err(error));
    }
    let error = TableError::Offset { offset: 73 };
    assert_eq!(table.insert_record(Kind::State, "s", 73), Err(error));
    assert_eq!(table.count(Kind::State, "s"), 0);
    table.insert_record(Kind::State, "s", 72).unwrap();
    let error = TableError::Order { position: 11, offset: 72 };
    assert_eq!(table.insert(&event("a", 4, 2, 11, 72)), Err(error));
    table.insert(&event("a", 4, 2, 11, 80)).unwrap();
    assert_eq!((table.event_count(), table.last(Kind::State, "s")), (2, Some(72)));
}

#[test]
fn a_refused_event_leaves_no_key_behind() {
    let mut table = with_one();
    let bytes = table.heap_bytes();
    let refused = TableEvent {
        category: "new",
        event_type: "new",
        others: &[(Kind::Tag, "new")],
        ..event("b", 0, 2, 11, 72)
    };
    table.insert(&refused).unwrap_err();
    table.insert(&TableEvent { stream: "a", version: 9, ..refused }).unwrap_err();
    for kind in Kind::ALL {
        assert_eq!(table.count(kind, "new"), 0);
    }
    assert_eq!(table.count(Kind::Category, "c"), 1);
    assert_eq!(table.heap_bytes(), bytes);
}

#[test]
fn a_text_that_is_twice_on_one_event_counts_once_and_kinds_do_not_mix() {
    let mut table = with_one();
    let twice = [(Kind::Tag, "x"), (Kind::Cause, "x"), (Kind::Tag, "y"), (Kind::Tag, "x")];
    table.insert(&TableEvent { others: &twice, ..event("a", 4, 2, 11, 72) }).unwrap();
    table.insert(&TableEvent { others: &twice[..1], ..event("a", 5, 3, 12, 80) }).unwrap();
    assert_eq!(table.keys(Kind::Tag, "").collect::<Vec<_>>(), [("x", 2), ("y", 1)]);
    assert_eq!(table.keys(Kind::Cause, "").collect::<Vec<_>>(), [("x", 1)]);
    assert_eq!(table.keys(Kind::Correlation, "").count(), 0);
}

#[test]
fn the_category_of_a_stream_is_that_of_its_first_event() {
    let mut table = with_one();
    table.insert(&TableEvent { category: "other", ..event("a", 4, 2, 11, 72) }).unwrap();
    assert_eq!(table.keys(Kind::Category, "").collect::<Vec<_>>(), [("c", 2)]);
}

#[test]
fn memory_of_keys_is_estimated() {
    let mut table = Table::new(1);
    for n in 1..=10_000u64 {
        let tag = format!("tag-{n}");
        let others = [(Kind::Tag, tag.as_str()), (Kind::Cause, "always")];
        let event = TableEvent { others: &others, ..event("a", n, 1, n, n * 8) };
        table.insert(&event).unwrap();
    }
    let bytes = table.heap_bytes();
    // 10,000 tags in 32 bytes each, their names and cells, and four lists of 10,000.
    assert!((600_000..1_500_000).contains(&bytes), "{bytes}");
}

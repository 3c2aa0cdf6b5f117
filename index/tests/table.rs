//! What a table refuses, and that it is unchanged then.

// Helpers of tests may do what tests may; the lints know only the latter.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use annals_index::{OFFSET_END, Table, TableError};

fn with_one() -> Table {
    let mut table = Table::new(10);
    table.insert("a", 3, 1, 10, 64).unwrap();
    table.mark(10, 64).unwrap();
    table
}

#[test]
fn offsets_must_be_aligned_and_below_32_gib() {
    let mut table = with_one();
    for offset in [65, 68, OFFSET_END, OFFSET_END + 8, u64::MAX - 7] {
        assert_eq!(table.insert("a", 4, 2, 11, offset), Err(TableError::Offset { offset }));
        assert_eq!(table.mark(11, offset), Err(TableError::Offset { offset }));
    }
    table.insert("a", 4, 2, 11, OFFSET_END - 8).unwrap();
    assert_eq!(table.id(2), Some(OFFSET_END - 8));
}

#[test]
fn positions_and_offsets_ascend() {
    let mut table = with_one();
    for (position, offset) in [(10, 72), (9, 72), (11, 64), (11, 56), (u64::MAX, 72)] {
        assert_eq!(
            table.insert("a", 4, 2, position, offset),
            Err(TableError::Order { position, offset })
        );
    }
    for (position, offset) in [(9, 72), (11, 64), (11, 56), (10, 64)] {
        assert_eq!(table.mark(position, offset), Err(TableError::Order { position, offset }));
    }
    assert_eq!(
        Table::new(10).insert("a", 1, 1, 9, 64).unwrap_err().to_string(),
        "position 9 at offset 64 is out of order"
    );
}

#[test]
fn versions_are_consecutive_and_not_zero() {
    let mut table = with_one();
    for found in [0, 2, 3, 5, u64::MAX] {
        let error = TableError::Version { expected: 4, found };
        assert_eq!(table.insert("a", found, 2, 11, 72), Err(error));
    }
    for found in [0, u64::MAX] {
        let error = TableError::Version { expected: 1, found };
        assert_eq!(table.insert("b", found, 2, 11, 72), Err(error));
    }
}

#[test]
fn a_refused_event_leaves_nothing_behind() {
    let mut table = with_one();
    let bytes = table.heap_bytes();
    table.insert("b", 0, 2, 11, 72).unwrap_err();
    table.insert("a", 9, 3, 11, 72).unwrap_err();
    assert_eq!((table.id(2), table.id(3), table.stream("b")), (None, None, None));
    assert_eq!((table.event_count(), table.last_position()), (1, 10));
    assert_eq!(table.heap_bytes(), bytes);
}

#[test]
fn an_id_that_comes_again_keeps_its_first_place() {
    let mut table = with_one();
    table.insert("a", 4, 1, 11, 72).unwrap();
    assert_eq!(table.id(1), Some(64));
}

#[test]
fn memory_is_estimated() {
    let mut table = Table::new(1);
    assert_eq!(table.heap_bytes(), 0);
    for n in 1..=10_000u64 {
        table.insert(&format!("stream-{n}"), 1, u128::from(n), n, n * 8).unwrap();
    }
    let bytes = table.heap_bytes();
    assert!((1_000_000..3_000_000).contains(&bytes), "{bytes}");
}

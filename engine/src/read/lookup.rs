//! Where the events may lie that a filter wants, by one index: the condition with the
//! fewest events leads, the others thin it out where that costs less than reading records.

use std::ops::Range;

use annals_index::{Kind, RunError};

use crate::catalog::source::{Index, Key};
use crate::filter::{Clause, Field};
use crate::record::field::wide;
use crate::record::layout::ALIGN;

/// For how many offsets a look-up aims.
const AIM: u64 = 256;

/// How many offsets it takes at the most.
const MOST: u64 = 2 * AIM;

/// Reading a record costs about as much as reading so many offsets of a key.
const RECORD_IN_POSTINGS: u64 = 64;

/// Where events may lie.
#[derive(Debug)]
pub(super) struct Piece {
    /// Ascending, each once.
    pub(super) offsets: Vec<u64>,
    /// All that the index knows of these bytes of the segment is among the offsets.
    pub(super) within: Range<u64>,
    /// The conditions that hold for every one of them, if the index says the truth.
    pub(super) vouched: Vec<usize>,
}

/// Looks for events at some of these offsets: at the first ones that there are, or at the
/// last ones if it is for a reader that goes backward.
pub(super) fn piece(
    index: &Index,
    clauses: &[Clause],
    within: Range<u64>,
    backward: bool,
) -> Result<Piece, RunError> {
    let mut counts = Vec::with_capacity(clauses.len());
    for (number, clause) in clauses.iter().enumerate() {
        let events = Ranges::of(index, clause, &within)?.events;
        if events == 0 {
            return Ok(Piece { offsets: Vec::new(), within, vouched: Vec::new() });
        }
        counts.push((events, number));
    }
    counts.sort_unstable();
    let mut piece = Piece { offsets: Vec::new(), within, vouched: Vec::new() };
    for (_, number) in counts {
        let Some(clause) = clauses.get(number) else { continue };
        if piece.vouched.is_empty() {
            lead(index, clause, backward, &mut piece)?;
        } else if !thin_out(index, clause, &mut piece.offsets)? {
            continue;
        }
        piece.vouched.push(number);
        if piece.offsets.is_empty() {
            break;
        }
    }
    Ok(piece)
}

/// Takes the offsets of one condition, of as many bytes of the segment as hold about as many as
/// are wanted.
fn lead(index: &Index, clause: &Clause, backward: bool, piece: &mut Piece) -> Result<(), RunError> {
    let mut ranges = Ranges::of(index, clause, &piece.within)?;
    let Range { mut start, mut end } = piece.within.clone();
    while ranges.events > MOST && end - start > wide(ALIGN) {
        // As if they lay evenly; at most half, since there are more than twice as many.
        let share = (end - start).saturating_mul(AIM) / ranges.events;
        let share = share.next_multiple_of(wide(ALIGN)).min(end - start - 1);
        if backward {
            start = end - share;
        } else {
            end = start + share;
        }
        ranges = Ranges::of(index, clause, &(start..end))?;
    }
    piece.within = start..end;
    piece.offsets = ranges.read(index, clause)?;
    Ok(())
}

/// Leaves out the offsets for which a condition does not hold, if that costs less than reading
/// the records. Returns whether it did.
fn thin_out(index: &Index, clause: &Clause, offsets: &mut Vec<u64>) -> Result<bool, RunError> {
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return Ok(true) };
    let ranges = Ranges::of(index, clause, &(*first..last + 1))?;
    if ranges.events > wide(offsets.len()).saturating_mul(RECORD_IN_POSTINGS) {
        return Ok(false);
    }
    let others = ranges.read(index, clause)?;
    let mut others = others.into_iter().peekable();
    offsets.retain(|offset| {
        while others.next_if(|other| other < offset).is_some() {}
        others.peek() == Some(offset)
    });
    Ok(true)
}

/// Which events of each name of a condition lie within a part of the segment.
struct Ranges {
    of_names: Vec<Range<u64>>,
    events: u64,
}

impl Ranges {
    fn of(index: &Index, clause: &Clause, within: &Range<u64>) -> Result<Self, RunError> {
        let mut ranges = Self { of_names: Vec::with_capacity(clause.names.len()), events: 0 };
        for name in &clause.names {
            let key = key(clause.field, name);
            let end = index.rank_of(key, within.end)?;
            // Most names are in few segments.
            let start = if end == 0 { 0 } else { index.rank_of(key, within.start)? };
            ranges.events = ranges.events.saturating_add(end.saturating_sub(start));
            ranges.of_names.push(start..end);
        }
        Ok(ranges)
    }

    /// The offsets, ascending, each once.
    fn read(&self, index: &Index, clause: &Clause) -> Result<Vec<u64>, RunError> {
        let mut offsets = Vec::new();
        for (name, range) in clause.names.iter().zip(&self.of_names) {
            if !range.is_empty() {
                index.postings_of(key(clause.field, name), range.clone(), &mut offsets)?;
            }
        }
        if clause.names.len() > 1 {
            offsets.sort_unstable();
            offsets.dedup();
        }
        Ok(offsets)
    }
}

const fn key(field: Field, name: &str) -> Key<'_> {
    let kind = match field {
        Field::Stream => return Key::Stream(name),
        Field::Category => Kind::Category,
        Field::Type => Kind::Type,
        Field::Tag => Kind::Tag,
        Field::Correlation => Kind::Correlation,
        Field::Cause => Kind::Cause,
    };
    Key::Other(kind, name)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use annals_index::{Table, TableEvent};

    use super::*;
    use crate::filter::Filter;
    use crate::sync::RwLock;

    #[test]
    fn the_rarest_condition_leads_and_many_postings_come_in_parts() {
        let mut table = Table::new(1);
        for position in 1..=5000u64 {
            let event = TableEvent {
                stream: "stock-1",
                version: position,
                id: position.into(),
                position,
                offset: 4096 + position * 64,
                category: "stock",
                event_type: "T",
                others: if position == 4000 { &[(Kind::Tag, "rare")] } else { &[] },
            };
            table.insert(&event).unwrap();
        }
        let index = Index::Table(Arc::new(RwLock::new(table)));
        let all = 4096..4096 + 5001 * 64;
        let rare = Filter::new().category("stock").tag("rare").event_type("T").stream("stock-1");
        let found = piece(&index, rare.clauses(), all.clone(), false).unwrap();
        assert_eq!((found.offsets, found.within), (vec![4096 + 4000 * 64], all.clone()));
        assert_eq!(found.vouched.len(), 4);

        let common = Filter::new().stream("stock-1").stream("stock-2");
        for backward in [false, true] {
            let found = piece(&index, common.clauses(), all.clone(), backward).unwrap();
            assert!((1..=512).contains(&found.offsets.len()));
            let first = if backward { 4096 + 5000 * 64 } else { 4096 + 64 };
            assert!(found.offsets.contains(&first));
            assert!(found.offsets.iter().all(|offset| found.within.contains(offset)));
        }
    }
}

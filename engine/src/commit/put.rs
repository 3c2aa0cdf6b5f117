//! A batch is put into the open group, and into the table that the next append looks at.

use annals_index::{Kind, StreamFound, Table, TableError, TableEvent};

use super::pending::{Numbers, Pending};
use crate::batch::{Batch, Encoded, Subject};
use crate::catalog::runs::links;
use crate::category;
use crate::record::event::{Fields, LastType};

/// Puts a batch into the open group and into the table. `versions` are those of the
/// streams that it names, before it and then after it; `found` is where they are in the
/// table. On an error the table has other things in it than was checked a moment ago, and
/// nothing of the group may be written.
pub(super) fn put(
    batch: &Batch,
    numbers: Numbers,
    (versions, found): (&mut [u64], &mut [StreamFound]),
    types: &mut LastType,
    pending: &mut Pending,
    table: &mut Table,
) -> Result<(), TableError> {
    let mut outcome = Ok(());
    let key_offset = pending.key_offset();
    if let Some(key) = batch.key() {
        // It stands before the events, and the table takes offsets in order.
        outcome = table.insert_record(Kind::Key, key, key_offset);
    }
    let mut others = Vec::new();
    let offsets = pending.add(batch, numbers, |event: &Encoded, offset, position| {
        let version = versions.get_mut(event.stream).map_or(1, |version| {
            *version += 1;
            *version
        });
        let named = batch.named().get(event.stream);
        let stream = named.map(|named| named.stream.as_str()).unwrap_or_default();
        let payload = batch.filled_payload(event);
        let Some(fields) = Fields::of_made(payload) else {
            outcome = Err(TableError::Offset { offset });
            return version;
        };
        links(&fields, payload, &mut others);
        let Some(found) = found.get_mut(event.stream) else {
            outcome = Err(TableError::Offset { offset });
            return version;
        };
        let event = TableEvent {
            stream,
            version,
            id: event.id,
            position,
            offset,
            // A stream that the table has keeps its own.
            category: if found.is_new() { category::of(stream) } else { "" },
            event_type: types.of(&fields, payload),
            others: &others,
        };
        let taken = table.insert_found(&event, found);
        if taken.is_err() {
            outcome = taken;
        }
        version
    });
    debug_assert!(offsets.key.is_none_or(|offset| offset == key_offset));
    for (control, offset) in batch.controls().iter().zip(&offsets.controls) {
        let kind = match control.subject {
            Subject::Stream(_) => Kind::Snapshot,
            Subject::State => Kind::State,
        };
        outcome = outcome.and(table.insert_record(kind, batch.control_name(control), *offset));
    }
    outcome
}

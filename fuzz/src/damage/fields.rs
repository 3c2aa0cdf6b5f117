//! Every field of every head at its extremes, with the checksum as it was and with
//! checksums made for it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::base::Base;
use super::hurt::{Damage, Hurt, Judge, difference};
use crate::format::seal::{self, Seal, Seed};
use crate::format::{
    self, COMMON, Field, HEADER, Record, SLOT, SLOTS, head_of, number, payload_of, put,
};

/// The values that a field of so many bytes is given: 0, 1, the largest and the one
/// before, the sign bit and all but it, and the neighbours of what stands there, by one and
/// by a record's alignment.
fn extremes(old: u128, len: usize) -> Vec<u128> {
    let max = u128::MAX >> (128 - 8 * len);
    let sign = 1 << (8 * len - 1);
    let near = [1, 8, 512].into_iter().flat_map(|by| [old.wrapping_add(by), old.wrapping_sub(by)]);
    let values = [0, 1, max, max - 1, sign, sign - 1].into_iter().chain(near);
    let values: BTreeSet<_> =
        values.map(|value| value & max).filter(|value| *value != old).collect();
    values.into_iter().collect()
}

/// One field at one value, sealed in one way.
struct Forged<'a> {
    name: &'a str,
    bytes: &'a Arc<[u8]>,
    all: &'a mut Vec<Damage>,
}

impl Forged<'_> {
    fn add(
        &mut self,
        (field, at, len): Field,
        place: &str,
        judge: Judge,
        beside: &[(String, Range<usize>)],
        seal: &dyn Fn(&mut [u8]),
    ) {
        for value in extremes(number(self.bytes, at, len), len) {
            let mut bytes = self.bytes.to_vec();
            put(&mut bytes, at, len, value);
            seal(&mut bytes);
            let what = format!("{field} {value:#x} in {place} of {}", self.name);
            let Some(range) = difference(self.bytes, &bytes) else { continue };
            let hurt = Hurt::Put(range.start, bytes.get(range).unwrap_or_default().into());
            self.all.push(Damage {
                judge,
                beside: beside.to_vec(),
                ..Damage::to(self.name, hurt, what)
            });
        }
    }
}

fn shifted((field, at, len): Field, by: usize) -> Field {
    (field, at + by, len)
}

/// Every field of segment headers, witness slots and records.
pub fn fields(base: &Base) -> Vec<Damage> {
    let mut all = Vec::new();
    let first = base.files.iter().find(|(name, _)| name.ends_with(".seg"));
    let log = first.map(|(_, bytes)| Arc::clone(bytes)).unwrap_or_default();
    for (name, bytes) in &base.files {
        let (segment, control) = (name.ends_with(".seg"), name == "control");
        let mut forged = Forged { name, bytes, all: &mut all };
        if segment {
            for field in HEADER {
                forged.add(field, "the header", Judge::Whole, &[], &|_| {});
                // What is forged to be another log or place is no damage.
                forged.add(field, "the sealed header", Judge::Whole, &[], &seal::header);
            }
        }
        let seed = if control { Seed::of_control(&log) } else { Seed::of_segment(bytes) };
        for slot in SLOTS.into_iter().filter(|_| segment || control) {
            for field in SLOT {
                let field = shifted(field, slot);
                let place = format!("slot {slot}");
                forged.add(field, &place, Judge::Whole, &[], &|_| {});
                let seal = |file: &mut [u8]| seal::slot(file, slot, seed);
                forged.add(field, &format!("sealed {place}"), Judge::Whole, &[], &seal);
            }
        }
        if segment {
            let records = format::records(bytes);
            records.iter().for_each(|record| of_record(&mut forged, &records, record));
        }
    }
    all
}

/// Where the checksum of this group stands again: in the group behind it, or in the header
/// of the next segment.
fn next_group(name: &str, records: &[Record], record: &Record) -> Vec<(String, Range<usize>)> {
    if record.kind != format::GROUP {
        return Vec::new();
    }
    let end = record.range().end;
    if records.iter().any(|other| other.at == end) {
        return vec![(name.to_owned(), end..end + 1)];
    }
    let number = name.trim_end_matches(".seg").parse::<u64>().unwrap_or(0);
    vec![(format!("{:020}.seg", number + 1), 0..1)]
}

fn of_record(forged: &mut Forged<'_>, records: &[Record], record: &Record) {
    let head = COMMON.iter().chain(head_of(record.kind)).map(|field| shifted(*field, record.at));
    let payload = payload_of(record.kind).iter();
    let payload = payload.map(|field| shifted(*field, record.at + record.head));
    let next = next_group(forged.name, records, record);
    for (in_payload, field) in head.map(|field| (false, field)).chain(payload.map(|f| (true, f))) {
        for how in [Seal::Nothing, Seal::Head, Seal::Record, Seal::Chain] {
            // The head's checksum does not see the payload.
            if in_payload && how == Seal::Head {
                continue;
            }
            // A record that is read alone has no other checksums than these; and once
            // everything around it is sealed too, nothing tells it from a true one.
            let whole = how == Seal::Nothing || record.is_container() && how != Seal::Chain;
            let judge = if whole { Judge::Whole } else { Judge::Calm };
            let place = format!("record {:#x} at {}, sealed {how:?},", record.kind, record.at);
            let beside = if how == Seal::Nothing { &[][..] } else { &next };
            forged.add(field, &place, judge, beside, &|segment| {
                seal::record(segment, records, record, how);
            });
        }
    }
}

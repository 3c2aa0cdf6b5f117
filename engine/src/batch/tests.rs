//! What a batch holds, what it refuses, and what is left of it when it is cleared.

use proptest::prelude::*;

use super::{Batch, NewEvent, NewSnapshot, Subject};
use crate::error::{Error, Result};
use crate::expected::Expected;
use crate::limits;
use crate::record::checksum;
use crate::record::field::{size, wide};
use crate::record::head::RecordHead;
use crate::record::key::Outcome;
use crate::record::layout::{self, padded};
use crate::record::snapshot::{SnapshotFields, SnapshotHead};

fn checked(fill: impl Fn(&mut Batch)) -> Result<()> {
    let mut batch = Batch::new();
    fill(&mut batch);
    // What was refused is no part of it.
    assert_eq!(batch.has_records(), batch.check().is_ok());
    assert_eq!(batch.bytes() > 0, batch.has_records());
    batch.check()
}

fn too_large(result: Result<()>) -> (&'static str, u64, u64) {
    match result {
        Err(Error::TooLarge { what, size, limit }) => (what, size, limit),
        other => panic!("{other:?}"),
    }
}

fn invalid(result: Result<()>) -> &'static str {
    match result {
        Err(Error::Invalid { what, .. }) => what,
        other => panic!("{other:?}"),
    }
}

/// The parts of a batch's snapshot: what it is of, version, schema, name, data.
fn parts(batch: &Batch, index: usize) -> (Subject, u64, u32, String, Vec<u8>) {
    let control = batch.controls()[index];
    let filled = batch.filled_control(control.payload);
    assert_eq!(checksum::of(filled), control.payload.crc);
    let payload = &filled[..size(control.payload.len)];
    let fields = SnapshotHead::fields(payload).unwrap();
    assert_eq!(fields.name(payload), batch.control_name(&control));
    let name = fields.name(payload).to_owned();
    let schema = SnapshotFields::schema(payload);
    (control.subject, control.version, schema, name, fields.data(payload).to_vec())
}

#[test]
fn snapshots_states_and_the_key_are_kept_beside_the_events() {
    let mut batch = Batch::new();
    batch
        .write("a", Expected::NoStream, [NewEvent::new("A")])
        .snapshot("b", 7, NewSnapshot::new(2).data(b"of b"))
        .state("sums", 0, NewSnapshot::new(9).json("{}"))
        .snapshot("a", 1, NewSnapshot::new(0))
        .once("k");
    assert!(batch.check().is_ok());
    assert_eq!((batch.len(), batch.is_empty(), batch.has_records()), (1, false, true));
    assert_eq!(batch.key(), Some("k"));
    assert_eq!(batch.outcome(), None);
    assert_eq!(parts(&batch, 0), (Subject::Stream(1), 7, 2, "b".into(), b"of b".to_vec()));
    assert_eq!(parts(&batch, 1), (Subject::State, 0, 9, "sums".into(), b"{}".to_vec()));
    assert_eq!(parts(&batch, 2), (Subject::Stream(0), 1, 0, "a".into(), Vec::new()));
    let named: Vec<_> =
        batch.named().iter().map(|n| (n.stream.as_str(), n.expected.len(), n.writes)).collect();
    // A snapshot expects nothing, and a state names no stream.
    assert_eq!(named, [("a", 1, 1), ("b", 0, 0)]);
}

#[test]
fn a_batch_has_records_also_without_events() {
    let fills: [fn(&mut Batch); 3] = [
        |batch| _ = batch.once("k"),
        |batch| _ = batch.snapshot("s", 1, NewSnapshot::new(1)),
        |batch| _ = batch.state("s", 1, NewSnapshot::new(1)),
    ];
    for fill in fills {
        let mut batch = Batch::new();
        assert!(!batch.has_records());
        fill(&mut batch);
        assert!(batch.is_empty() && batch.has_records() && batch.bytes() > 0);
    }
    let mut batch = Batch::new();
    batch.expect("s", Expected::Exists);
    assert!(!batch.has_records());
}

#[test]
fn one_key_can_be_named_again_and_another_is_refused() {
    let mut batch = Batch::new();
    batch.once("first").once("first");
    assert!(batch.check().is_ok());
    assert_eq!(batch.bytes(), wide(layout::key::LEN + 8));
    batch.once("second");
    assert_eq!(invalid(batch.check()), "idempotency key");
    assert_eq!(batch.key(), Some("first"));
    assert_eq!(batch.bytes(), wide(layout::key::LEN + 8));
}

#[test]
fn names_keys_versions_and_content_types_have_their_limits() {
    let long = "x".repeat(600);
    let new = NewSnapshot::new(1);
    let key = limits::IDEMPOTENCY_KEY_BYTES;
    assert!(checked(|batch| _ = batch.once(&long[..key])).is_ok());
    let refused = checked(|batch| _ = batch.once(&long[..=key]));
    assert_eq!(too_large(refused), ("idempotency key", 256, 255));
    assert_eq!(invalid(checked(|batch| _ = batch.once(""))), "idempotency key");
    let state = limits::STATE_NAME_BYTES;
    assert!(checked(|batch| _ = batch.state(&long[..state], 0, new)).is_ok());
    assert!(checked(|batch| _ = batch.state("s", u64::MAX, new)).is_ok());
    let refused = checked(|batch| _ = batch.state(&long[..=state], 0, new));
    assert_eq!(too_large(refused), ("state name", 513, 512));
    assert_eq!(invalid(checked(|batch| _ = batch.state("", 0, new))), "state name");
    let stream = limits::STREAM_NAME_BYTES;
    assert!(checked(|batch| _ = batch.snapshot(&long[..stream], u64::MAX, new)).is_ok());
    let refused = checked(|batch| _ = batch.snapshot(&long[..=stream], 1, new));
    assert_eq!(too_large(refused), ("stream name", 513, 512));
    assert_eq!(invalid(checked(|batch| _ = batch.snapshot("", 1, new))), "stream name");
    assert_eq!(invalid(checked(|batch| _ = batch.snapshot("s", 0, new))), "snapshot version");
    let typed = |text| NewSnapshot::new(1).content_type(text);
    assert!(checked(|batch| _ = batch.snapshot("s", 1, typed(&long[..255]))).is_ok());
    let refused = checked(|batch| _ = batch.snapshot("s", 1, typed(&long[..256])));
    assert_eq!(too_large(refused), ("content type", 256, 255));
    assert_eq!(invalid(checked(|batch| _ = batch.state("s", 1, typed("")))), "content type");
}

#[test]
fn a_snapshot_is_no_larger_than_an_event_and_a_batch_no_larger_for_it() {
    let huge = vec![1; limits::EVENT_BYTES + 1];
    let most = limits::EVENT_BYTES - layout::snapshot::NAMES - 1;
    let of = |len: usize| NewSnapshot::new(1).data(&huge[..len]);
    assert!(checked(|batch| _ = batch.snapshot("s", 1, of(most))).is_ok());
    let limit = wide(limits::EVENT_BYTES);
    let refused = checked(|batch| _ = batch.snapshot("s", 1, of(most + 1)));
    assert_eq!(too_large(refused), ("snapshot (bytes)", limit + 1, limit));
    let refused = checked(|batch| _ = batch.state("s", 1, of(most + 1)));
    assert_eq!(too_large(refused), ("state (bytes)", limit + 1, limit));
    let refused = checked(|batch| _ = batch.state("s", 1, of(huge.len())));
    assert_eq!(too_large(refused), ("data (bytes)", limit + 1, limit));
    // Two of 16 MiB and their heads do not fit; nor does a key into what is full.
    let mut batch = Batch::new();
    batch.state("s", 1, of(most)).state("s", 2, of(most));
    assert_eq!(too_large(batch.check()).0, "batch (bytes)");
    assert_eq!(batch.controls().len(), 1);
    batch.clear();
    let left = limits::BATCH_BYTES - 2 * layout::snapshot::LEN - limits::EVENT_BYTES;
    batch.state("s", 1, of(most)).state("s", 2, of(left - layout::snapshot::NAMES - 1));
    assert!(batch.check().is_ok());
    assert_eq!(batch.bytes(), wide(limits::BATCH_BYTES));
    batch.once("k");
    assert_eq!(too_large(batch.check()).0, "batch (bytes)");
    assert_eq!(batch.key(), None);
}

#[test]
fn json_is_a_content_type_and_the_last_word_counts() {
    let json = |new: NewSnapshot<'_>| {
        let mut batch = Batch::new();
        batch.state("s", 1, new);
        let control = batch.controls()[0];
        let payload = &batch.filled_control(control.payload)[..size(control.payload.len)];
        let fields = SnapshotHead::fields(payload).unwrap();
        (fields.is_json(), fields.content_type(payload).map(str::to_owned))
    };
    let new = NewSnapshot::new(1);
    assert_eq!(json(new), (false, None));
    assert_eq!(json(new.json("1")), (true, None));
    assert_eq!(json(new.content_type("application/json")), (true, None));
    assert_eq!(json(new.json("1").content_type("a/b")), (false, Some("a/b".into())));
    assert_eq!(json(new.content_type("a/b").json("1")), (true, None));
}

#[test]
fn a_batch_of_only_a_key_names_what_an_earlier_one_came_to() {
    let outcome = Outcome { first_position: 12, events: 3 };
    let mut batch = Batch::key_only("k", outcome);
    assert!(batch.check().is_ok() && batch.is_empty() && batch.named().is_empty());
    assert_eq!((batch.key(), batch.outcome()), (Some("k"), Some(outcome)));
    assert_eq!(batch.filled_control(batch.key_payload().unwrap()), b"k\0\0\0\0\0\0\0");
    batch.clear();
    assert_eq!((batch.key(), batch.outcome()), (None, None));
    assert!(Batch::key_only("", outcome).check().is_err());
}

#[test]
fn a_cleared_batch_is_as_a_new_one() {
    let mut batch = Batch::new();
    batch
        .once("k")
        .write("a", Expected::NoStream, [NewEvent::new("A")])
        .snapshot("b", 1, NewSnapshot::new(1))
        .snapshot("b", 0, NewSnapshot::new(1));
    assert!(batch.check().is_err());
    batch.clear();
    assert_eq!(format!("{:?}", batch.check()), "Ok(())");
    assert!(!batch.has_records() && batch.named().is_empty() && batch.controls().is_empty());
    assert_eq!((batch.key(), batch.bytes(), batch.len()), (None, 0, 0));
    batch.once("another").state("s", 3, NewSnapshot::new(4).data(b"d"));
    assert!(batch.check().is_ok());
    assert_eq!(batch.key(), Some("another"));
    assert_eq!(parts(&batch, 0), (Subject::State, 3, 4, "s".into(), b"d".to_vec()));
}

proptest! {
    #[test]
    fn a_batch_gives_back_what_was_put_into_it_and_counts_its_bytes(
        puts in proptest::collection::vec(
            (0_u8..4, "[a-cé]{1,3}", 1_u64.., any::<u32>(), proptest::collection::vec(any::<u8>(), 0..40)),
            0..60,
        ),
    ) {
        let mut batch = Batch::new();
        let (mut states, mut events, mut key, mut bytes) = (Vec::new(), 0, None, 0);
        for (what, name, version, schema, data) in &puts {
            let new = NewSnapshot::new(*schema).data(data);
            let record = |head, len| wide(head + padded(len).unwrap());
            let snapshot = layout::snapshot::NAMES + name.len() + data.len();
            match what {
                0 => {
                    batch.write(name, Expected::Any, [NewEvent::new("T").data(data)]);
                    events += 1;
                    let len = layout::event::NAMES + name.len() + 1 + data.len();
                    bytes += record(layout::event::LEN, len);
                }
                1 => {
                    batch.snapshot(name, *version, new);
                    states.push((false, *version, *schema, name, data));
                    bytes += record(layout::snapshot::LEN, snapshot);
                }
                2 => {
                    batch.state(name, *version, new);
                    states.push((true, *version, *schema, name, data));
                    bytes += record(layout::snapshot::LEN, snapshot);
                }
                _ => {
                    if key.is_none() {
                        batch.once(name);
                        bytes += record(layout::key::LEN, name.len());
                    }
                    key = key.or(Some(name.as_str()));
                }
            }
        }
        prop_assert!(batch.check().is_ok());
        prop_assert_eq!((batch.len(), batch.key(), batch.bytes()), (events, key, bytes));
        prop_assert_eq!(batch.controls().len(), states.len());
        for (index, (state, version, schema, name, data)) in states.into_iter().enumerate() {
            let found = parts(&batch, index);
            if let Subject::Stream(stream) = found.0 {
                prop_assert_eq!(&batch.named()[stream].stream, name);
            }
            prop_assert_eq!(found.0 == Subject::State, state);
            prop_assert_eq!((found.1, found.2, &found.3, &found.4), (version, schema, name, data));
        }
    }
}

#[test]
fn ids_that_are_made_ascend_and_are_of_version_7_also_from_batch_to_batch() {
    let mut batch = Batch::new();
    let mut ids = Vec::new();
    for _ in 0..2000 {
        batch.clear();
        batch.write("s", Expected::Any, [NewEvent::new("Happened"), NewEvent::new("Happened")]);
        ids.extend(batch.events().iter().map(|event| event.id));
    }
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    let well_formed = |id: &u128| uuid::Uuid::from_u128(*id).get_version_num() == 7;
    assert!(ids.iter().all(well_formed));
    // Within a batch each counts up, and so does the next batch in the same millisecond.
    assert!(ids.chunks(2).all(|pair| pair[1] - pair[0] == 1));
    assert!(ids[1..].chunks_exact(2).any(|pair| pair[1] - pair[0] == 1));
}

/// Sorted by their ids, events of one maker stand in the order of their times.
#[test]
fn an_id_that_is_made_has_the_time_at_which_it_was_made() {
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut batch = Batch::new();
    for _ in 0..5 {
        // The clock that is read ticks every few milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(20));
        let before = now().as_millis();
        batch.clear();
        batch.write("s", Expected::Any, [NewEvent::new("Happened")]);
        let made = batch.events()[0].id >> 80;
        assert!(made + 12 >= before && made <= now().as_millis(), "{made}, {before}");
    }
}

//! Runs whose CRCs hold and whose content is made up: what an attacker, or a bug in a writer,
//! could leave. Nothing may panic, run on, or allocate without bound.

use proptest::prelude::*;

use crate::buckets;
use crate::bytes::{RunBytes, align, narrow};
use crate::entries;
use crate::entry::Key;
use crate::footer;
use crate::hash;
use crate::kind::STREAM;
use crate::layout::{Counts, HEADER_LEN, Places};
use crate::writer::seal;
use crate::{Kind, Run, RunError, RunMeta, Table, TableEvent, build};

/// Calls everything there is. Only that it comes back matters.
fn call_everything<B: RunBytes>(run: &Run<B>) {
    let mut out = Vec::new();
    for name in ["", "a", "long", "stream-1", "stream-17", "zzz", "ä"] {
        let _ = run.stream(name);
        for versions in [0..=u64::MAX, 1..=1, 300..=300, 5..=200, u64::MAX..=u64::MAX] {
            let _ = run.offsets(name, versions, &mut out);
        }
        let _ = run.streams_from(name).count();
        let _ = run.streams_with_prefix(name).count();
    }
    for kind in Kind::ALL {
        for key in ["", "a", "stream", "t-1", "odd", "zzz"] {
            let _ = (run.count(kind, key), run.last(kind, key));
            for indexes in [0..u64::MAX, 0..1, 100..200, 128..129, u64::MAX - 1..u64::MAX] {
                let _ = run.postings(kind, key, indexes, &mut out);
            }
            for offset in [0, 1, 64, 64 * 170, u64::MAX] {
                let _ = run.rank(kind, key, offset);
            }
            let _ = run.keys(kind, key).count();
        }
    }
    for number in [0u64, 1, 2, 150, 301, 340, u64::MAX] {
        let _ = run.ids(u128::from(number), &mut out);
        let _ = run.place(number);
    }
    let _ = run.streams().count();
    let _ = run.verify();
}

fn run_bytes() -> Vec<u8> {
    let mut table = Table::new(1);
    let mut position = 0u64;
    let mut add = |stream: &str, version: u64| {
        position += 1;
        if position % 8 == 1 {
            table.mark(position, position * 64).unwrap();
        }
        let odd = [(Kind::Tag, "odd"), (Kind::Cause, stream)];
        let others = if position % 2 == 1 { &odd[..] } else { &[] };
        let (id, offset) = (u128::from(position), position * 64);
        let category = stream.split('-').next().unwrap();
        let event_type = if position.is_multiple_of(5) { "t-1" } else { "t-2" };
        let event =
            TableEvent { stream, version, id, position, offset, category, event_type, others };
        table.insert(&event).unwrap();
        if position.is_multiple_of(50) {
            table.insert_record(Kind::State, "a", offset + 8).unwrap();
        }
    };
    for version in 1..=300 {
        add("long", version);
    }
    for stream in 0..40 {
        add(&format!("stream-{stream}"), 1 + stream);
    }
    build(&table, &RunMeta::default())
}

/// The parts that `seal` takes, of a run that is whole.
fn open_up(bytes: &[u8]) -> (Vec<u8>, Counts, RunMeta) {
    let (footer, places) = footer::read(&bytes).unwrap();
    (bytes[..places.body_end].to_vec(), footer.counts, footer.meta)
}

#[test]
fn sealing_again_changes_nothing() {
    let bytes = run_bytes();
    let (body, counts, meta) = open_up(&bytes);
    assert_eq!(seal(body, counts, meta), bytes);
}

#[test]
fn every_byte_of_the_content_may_lie() {
    let bytes = run_bytes();
    let (body, counts, meta) = open_up(&bytes);
    for at in crate::layout::HEADER_LEN..body.len() {
        for lie in [0x00, 0x01, 0x7f, 0x80, 0xff] {
            let mut body = body.clone();
            body[at] = lie;
            let run = Run::open(seal(body, counts, meta.clone())).unwrap();
            call_everything(&run);
        }
    }
}

#[test]
fn padding_that_is_not_zero_is_found_even_under_a_good_crc() {
    let bytes = run_bytes();
    let (body, counts, meta) = open_up(&bytes);
    let places = Places::of(counts).unwrap();
    let mut end = crate::layout::HEADER_LEN;
    let mut gaps = 0;
    for section in places.sections() {
        for at in end..section.start {
            let mut body = body.clone();
            body[at] = 1;
            let run = Run::open(seal(body, counts, meta.clone())).unwrap();
            let what = crate::Part::Padding;
            assert!(matches!(run.verify(), Err(RunError::Damaged { what: w, .. }) if w == what));
            gaps += 1;
        }
        end = section.end;
    }
    assert!(gaps > 0, "the sample has no padding to test");
}

#[test]
fn counts_that_do_not_fit_the_file_are_refused_before_anything_is_allocated() {
    let (body, counts, meta) = open_up(&run_bytes());
    for lie in [
        Counts { blob_len: u32::MAX, ..counts },
        Counts { streams: u32::MAX, keys: 0, ..counts },
        Counts { streams: u32::MAX, keys: u32::MAX, ..counts },
        Counts { keys: u32::MAX, ..counts },
        Counts { ids: u32::MAX, ..counts },
        Counts { marks: u32::MAX, ..counts },
        Counts { ids: 0, ..counts },
    ] {
        let opened = Run::open(seal(body.clone(), lie, meta.clone()));
        assert!(matches!(opened, Err(RunError::Damaged { what: crate::Part::Footer, .. })));
    }
}

/// A run with one entry, which is found under the hash of `slot` and goes on after its name
/// with these bytes.
fn with_entry(slot: (u8, &str), (kind, name): (u8, &str), after_name: &[u8]) -> Run<Vec<u8>> {
    let mut body = vec![0; HEADER_LEN];
    body.extend_from_slice(&[kind, u8::try_from(name.len()).unwrap()]);
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(after_name);
    let blob_len = narrow(body.len() - HEADER_LEN);
    align(&mut body);
    // The stop.
    body.extend_from_slice(&[0; 4]);
    align(&mut body);
    buckets::write(&mut body, vec![(hash::of_name(slot.0, slot.1), 0)]);
    buckets::write(&mut body, Vec::new());
    let streams = u32::from(kind == STREAM);
    let counts = Counts { blob_len, streams, keys: 1 - streams, ids: 0, marks: 0 };
    let events = u64::from(streams);
    Run::open(seal(body, counts, RunMeta { first_position: 1, events, ..RunMeta::default() }))
        .unwrap()
}

#[test]
fn a_stream_that_cannot_be_is_damage_and_not_an_answer() {
    let offsets = |run: &Run<_>| {
        let mut out = Vec::new();
        run.offsets("a", 0..=u64::MAX, &mut out).map(|()| out)
    };
    let stream = |after_name: &[u8]| with_entry((STREAM, "a"), (STREAM, "a"), after_name);
    // First version, count, length of the deltas, deltas.
    let whole = stream(&[1, 1, 1, 9]);
    whole.verify().unwrap();
    assert_eq!(offsets(&whole), Ok(vec![64]));
    for lie in [
        &[0, 1, 1, 9][..],                        // no first version
        &[1, 0, 1, 9],                            // no events
        &[1, 2, 1, 9],                            // more events than deltas
        &[1, 1, 2, 9],                            // deltas beyond the blob
        &[1, 1, 1, 0],                            // an offset twice
        &[1, 2, 2, 9, 0],                         // likewise
        &[1, 1, 5, 0x81, 0x80, 0x80, 0x80, 0x10], // an offset of 32 GiB
        &[1, 1, 10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
        &[255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 1, 1, 9], // versions beyond u64
        &[1, 1],                                                    // cut short
        &[],
    ] {
        let run = stream(lie);
        assert!(matches!(offsets(&run), Err(RunError::Damaged { .. })), "{lie:?}");
        assert!(run.verify().is_err(), "{lie:?}");
    }
    // The last offset that there may be.
    let last = stream(&[1, 1, 5, 0x80, 0x80, 0x80, 0x80, 0x10]);
    assert_eq!(offsets(&last), Ok(vec![crate::OFFSET_END - 8]));
}

#[test]
fn a_key_that_cannot_be_is_damage_and_not_an_answer() {
    let tag = (Kind::Tag.byte(), "a");
    let key = |after_name: &[u8]| with_entry(tag, tag, after_name);
    let postings = |run: &Run<_>| {
        let mut out = Vec::new();
        run.postings(Kind::Tag, "a", 0..u64::MAX, &mut out).map(|()| out)
    };
    // Count, length of the deltas, deltas.
    let whole = key(&[2, 2, 9, 1]);
    whole.verify().unwrap();
    assert_eq!(postings(&whole), Ok(vec![64, 72]));
    assert_eq!((whole.rank(Kind::Tag, "a", 72), whole.last(Kind::Tag, "a")), (Ok(1), Ok(Some(72))));
    for lie in [
        &[0, 1, 9][..], // no postings
        &[2, 1, 9],     // more postings than deltas
        &[1, 2, 9],     // deltas beyond the blob
        &[1, 1, 0],     // before the first offset
        &[2, 2, 9, 0],  // an offset twice
        &[1],           // cut short
        &[],
    ] {
        let run = key(lie);
        assert!(matches!(postings(&run), Err(RunError::Damaged { .. })), "{lie:?}");
        assert!(matches!(run.rank(Kind::Tag, "a", 72), Err(RunError::Damaged { .. })), "{lie:?}");
        assert!(matches!(run.last(Kind::Tag, "a"), Err(RunError::Damaged { .. })), "{lie:?}");
        assert!(run.verify().is_err(), "{lie:?}");
    }
}

#[test]
fn a_kind_that_is_none_is_damage() {
    let run = with_entry((STREAM, "a"), (9, "a"), &[1, 1, 9]);
    assert!(matches!(run.stream("a"), Err(RunError::Damaged { .. })));
    assert!(matches!(run.streams().next(), Some(Err(RunError::Damaged { .. }))));
    assert!(run.verify().is_err());
}

#[test]
fn entries_out_of_order_are_found() {
    let key = |kind: Kind, name| Key { kind: kind.byte(), name, first_version: 1, postings: &[8] };
    let verified = |keys: &[Key<'_>]| {
        let mut body = vec![0; HEADER_LEN];
        let blob_len = entries::write(&mut body, keys);
        buckets::write(&mut body, Vec::new());
        let counts = Counts { blob_len, keys: narrow(keys.len()), ..Counts::default() };
        Run::open(seal(body, counts, RunMeta::default())).unwrap().verify()
    };
    let (tag_a, tag_b, cause_a) = (key(Kind::Tag, "a"), key(Kind::Tag, "b"), key(Kind::Cause, "a"));
    assert_eq!(verified(&[tag_a, tag_b, cause_a]), Ok(()));
    assert!(verified(&[tag_b, tag_a, cause_a]).is_err());
    assert!(verified(&[cause_a, tag_a, tag_b]).is_err());
    assert!(verified(&[tag_a, tag_a]).is_err());
}

#[test]
fn counts_of_streams_and_keys_are_compared() {
    let (body, counts, meta) = open_up(&run_bytes());
    let lie = Counts { streams: counts.streams + 1, keys: counts.keys - 1, ..counts };
    assert!(Run::open(seal(body, lie, meta)).unwrap().verify().is_err());
}

#[test]
fn two_keys_with_one_hash_never_mix() {
    // The slots are those of other keys: as if both had one hash.
    let run = with_entry((STREAM, "a"), (STREAM, "b"), &[1, 1, 1, 9]);
    assert_eq!(run.streams().next().unwrap().unwrap().0, "b");
    assert_eq!(run.stream("a"), Ok(None));
    let tag = Kind::Tag.byte();
    let run = with_entry((tag, "a"), (tag, "b"), &[1, 1, 9]);
    assert_eq!(run.count(Kind::Tag, "a"), Ok(0));
    let run = with_entry((tag, "a"), (Kind::Cause.byte(), "a"), &[1, 1, 9]);
    assert_eq!(run.count(Kind::Tag, "a"), Ok(0));
    assert_eq!(run.keys(Kind::Cause, "").next(), Some(Ok(("a", 1))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn many_lies_at_once(lies in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..64)) {
        let (mut body, counts, meta) = open_up(&run_bytes());
        for (at, lie) in lies {
            let len = body.len() - crate::layout::HEADER_LEN;
            body[crate::layout::HEADER_LEN + at.index(len)] = lie;
        }
        call_everything(&Run::open(seal(body, counts, meta)).unwrap());
    }

    #[test]
    fn content_of_noise(noise in prop::collection::vec(any::<u8>(), 0..20_000), numbers in any::<[u16; 5]>()) {
        let [blob_len, streams, keys, ids, marks] = numbers.map(|n| u32::from(n % 300));
        let counts = Counts { blob_len, streams, keys, ids, marks };
        let places = Places::of(counts).unwrap();
        let mut body = noise;
        body.resize(places.body_end, 0xa5);
        call_everything(&Run::open(seal(body, counts, RunMeta::default())).unwrap());
    }
}

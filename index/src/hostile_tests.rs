//! Runs whose CRCs hold and whose content is made up: what an attacker, or a bug in a writer,
//! could leave. Nothing may panic, run on, or allocate without bound.

use proptest::prelude::*;

use crate::bytes::RunBytes;
use crate::footer;
use crate::layout::{Counts, Places};
use crate::writer::seal;
use crate::{Run, RunError, RunMeta, Table, build};

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
        table.insert(stream, version, u128::from(position), position, position * 64).unwrap();
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
        Counts { streams: u32::MAX, ..counts },
        Counts { ids: u32::MAX, ..counts },
        Counts { marks: u32::MAX, ..counts },
        Counts { ids: 0, ..counts },
    ] {
        let opened = Run::open(seal(body.clone(), lie, meta.clone()));
        assert!(matches!(opened, Err(RunError::Damaged { what: crate::Part::Footer, .. })));
    }
}

/// A run with the one stream "a", whose entry goes on after the name with these bytes.
fn with_entry(after_name: &[u8]) -> Run<Vec<u8>> {
    let mut table = Table::new(1);
    table.insert("a", 1, 1, 1, 64).unwrap();
    let (body, counts, meta) = open_up(&build(&table, &RunMeta::default()));
    let old = Places::of(counts).unwrap();
    let counts = Counts { blob_len: 2 + u32::try_from(after_name.len()).unwrap(), ..counts };
    let new = Places::of(counts).unwrap();
    let mut crafted = body[..old.blob.start + 2].to_vec();
    crafted.extend_from_slice(after_name);
    crafted.resize(new.stops.start, 0);
    crafted.extend_from_slice(&body[old.stops.start..]);
    Run::open(seal(crafted, counts, meta)).unwrap()
}

#[test]
fn an_entry_that_cannot_be_is_damage_and_not_an_answer() {
    let offsets = |run: &Run<_>| {
        let mut out = Vec::new();
        run.offsets("a", 0..=u64::MAX, &mut out).map(|()| out)
    };
    // First version, count, length of the deltas, deltas.
    let whole = with_entry(&[1, 1, 1, 9]);
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
    ] {
        let run = with_entry(lie);
        assert!(matches!(offsets(&run), Err(RunError::Damaged { .. })), "{lie:?}");
        assert!(run.verify().is_err(), "{lie:?}");
    }
    // The last offset that there may be.
    let last = with_entry(&[1, 1, 5, 0x80, 0x80, 0x80, 0x80, 0x10]);
    assert_eq!(offsets(&last), Ok(vec![crate::OFFSET_END - 8]));
}

#[test]
fn two_names_with_one_hash_never_mix() {
    let mut table = Table::new(1);
    table.insert("a", 1, 1, 1, 64).unwrap();
    let (mut body, counts, meta) = open_up(&build(&table, &RunMeta::default()));
    // The slot is that of "a" still: as if both names had its hash.
    body[crate::layout::HEADER_LEN + 1] = b'b';
    let run = Run::open(seal(body, counts, meta)).unwrap();
    assert_eq!(run.streams().next().unwrap().unwrap().0, "b");
    assert_eq!(run.stream("a"), Ok(None));
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
    fn content_of_noise(noise in prop::collection::vec(any::<u8>(), 0..20_000), numbers in any::<[u16; 4]>()) {
        let [blob_len, streams, ids, marks] = numbers.map(|n| u32::from(n % 300));
        let counts = Counts { blob_len, streams, ids, marks };
        let places = Places::of(counts).unwrap();
        let mut body = noise;
        body.resize(places.body_end, 0xa5);
        call_everything(&Run::open(seal(body, counts, RunMeta::default())).unwrap());
    }
}

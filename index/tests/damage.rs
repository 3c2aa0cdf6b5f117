//! Bytes that are not what was built: found, named, and never believed.

// Helpers of tests may do what tests may; the lints know only the latter.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::ops::Range;
use std::sync::Mutex;

use annals_index::{
    APPROACHES, Kind, Part, Run, RunBytes, RunError, RunMeta, Sought, Table, TableEvent, build,
};
use proptest::prelude::*;

const BLOCK: usize = 4096;

fn sample(events: u64) -> Vec<u8> {
    let mut table = Table::new(1);
    for n in 1..=events {
        if n % 16 == 1 {
            table.mark(n, n * 64).unwrap();
        }
        let (stream, version) =
            if n % 3 == 0 { ("long".to_owned(), n / 3) } else { (format!("stream-{n}"), 1) };
        let tag = format!("tag-{}", n / 4);
        let event = TableEvent {
            stream: &stream,
            version,
            id: u128::from(n),
            position: n,
            offset: n * 64 + 8,
            category: stream.split('-').next().unwrap(),
            event_type: if n % 2 == 0 { "Even" } else { "Odd" },
            others: &[(Kind::Tag, &tag), (Kind::Correlation, "one")],
        };
        table.insert(&event).unwrap();
        if n % 100 == 0 {
            table.insert_record(Kind::State, "totals", n * 64 + 16).unwrap();
        }
    }
    let meta = RunMeta { log: 0xfeed, segment: 2, end: 1 << 20, ..RunMeta::default() };
    build(&table, &meta)
}

#[test]
fn every_flipped_bit_of_a_run_is_found() {
    let whole = sample(420);
    assert!(whole.len() > 2 * BLOCK, "the sample should have several blocks");
    Run::open(whole.as_slice()).and_then(|run| run.verify()).unwrap();
    let mut bytes = whole.clone();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            let result = Run::open(bytes.as_slice()).and_then(|run| run.verify());
            assert!(result.is_err(), "bit {bit} of byte {at} of {}", bytes.len());
            bytes[at] ^= 1 << bit;
        }
    }
    assert_eq!(bytes, whole);
}

#[test]
fn every_truncation_is_refused_and_says_so() {
    let whole = sample(100);
    for len in 0..whole.len() {
        let opened = Run::open(whole[..len].to_vec());
        assert!(
            matches!(opened, Err(RunError::Truncated { found, .. }) if found == len as u64),
            "{len}: {opened:?}"
        );
    }
    let mut longer = whole.clone();
    longer.push(0);
    assert!(matches!(Run::open(longer), Err(RunError::Damaged { .. })));
}

#[test]
fn foreign_files_and_other_versions_are_told_from_damage() {
    assert_eq!(Run::open(vec![0u8; 5000]).unwrap_err(), RunError::NotARun);
    let mut bytes = sample(10);
    bytes[8] = 9;
    assert!(matches!(
        Run::open(bytes.clone()),
        Err(RunError::Damaged { what: Part::Header, offset: 0 })
    ));
    let crc = crc32fast::hash(&bytes[..28]);
    bytes[28..32].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(Run::open(bytes).unwrap_err(), RunError::Version { found: 9, known: 1 });
}

/// If this fails, the format has changed: `VERSION` must change with it, so that runs of before
/// are built again instead of misread.
#[test]
fn the_bytes_of_format_version_1_are_pinned() {
    let bytes = sample(420);
    assert_eq!((bytes.len(), crc32fast::hash(&bytes)), (15100, 987781826));
}

#[test]
fn a_damaged_crc_table_is_found_at_opening() {
    let mut bytes = sample(420);
    // The CRCs lie right before the footer.
    let footer_len = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let at = bytes.len() - footer_len - 1;
    bytes[at] ^= 1;
    let opened = Run::open(bytes);
    assert!(matches!(opened, Err(RunError::Damaged { what: Part::CrcTable, .. })), "{opened:?}");
}

/// Notes what it is asked for.
struct Watched {
    bytes: Vec<u8>,
    asked: Mutex<Vec<Range<usize>>>,
}

impl RunBytes for Watched {
    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn slice(&self, range: Range<usize>) -> Option<&[u8]> {
        self.asked.lock().unwrap().push(range.clone());
        self.bytes.get(range)
    }
}

impl Watched {
    fn open(bytes: Vec<u8>) -> Run<Watched> {
        Run::open(Watched { bytes, asked: Mutex::default() }).unwrap()
    }

    fn asked(&self) -> Vec<Range<usize>> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

#[test]
fn opening_reads_the_two_ends_only() {
    let bytes = sample(20_000);
    let len = bytes.len();
    let run = Watched::open(bytes);
    let asked = run.bytes().asked();
    assert!(asked.iter().all(|r| r.end <= 32 || r.start >= len - len / 1000 - 300), "{asked:?}");
    assert!(asked.iter().all(|r| r.len() <= BLOCK));
}

#[test]
fn a_look_up_reads_few_blocks_and_never_more_than_one_at_a_time() {
    let run = Watched::open(sample(60_000));
    let len = run.bytes().len();
    assert!(len > 200 * BLOCK);
    let mut out = Vec::new();
    let mut blocks = |name: &str, look_up: &mut dyn FnMut(&mut Vec<u64>)| {
        run.bytes().asked();
        look_up(&mut out);
        let asked = run.bytes().asked();
        assert!(asked.iter().all(|r| r.len() <= BLOCK), "{name}: {asked:?}");
        // Each newly touched block costs its CRC in the table too.
        asked.iter().filter(|r| r.len() > 640).count()
    };
    assert!(blocks("absent", &mut |_| assert_eq!(run.stream("absent"), Ok(None))) <= 2);
    assert!(blocks("id", &mut |out| run.ids(30_000, out).unwrap()) <= 3);
    assert!(blocks("stream", &mut |_| assert!(run.stream("stream-31").unwrap().is_some())) <= 5);
    assert!(
        blocks("last of 20000", &mut |out| run.offsets("long", 20_000..=20_000, out).unwrap()) <= 6
    );
    let even = |out: &mut Vec<u64>| run.postings(Kind::Type, "Even", 29_000..29_001, out).unwrap();
    assert!(blocks("one of 30000", &mut |out| even(out)) <= 6);
    let rank = |_: &mut Vec<u64>| assert_eq!(run.rank(Kind::Correlation, "one", 64), Ok(0));
    assert!(blocks("rank in 60000", &mut |out| rank(out)) <= 14);
    assert!(blocks("first of 20000", &mut |out| run.offsets("long", 1..=1, out).unwrap()) <= 2);
    assert_eq!(blocks("again", &mut |out| run.offsets("long", 20_000..=20_000, out).unwrap()), 0);
}

#[test]
fn damage_is_noticed_by_the_look_up_that_touches_it_and_by_no_other() {
    let mut bytes = sample(20_000);
    let len = bytes.len();
    let middle = len / 4;
    bytes[middle] ^= 4;
    let run = Run::open(bytes).unwrap();
    let mut answers = (0, 0);
    for n in 1..20_000u64 {
        let mut out = vec![5];
        match run.offsets(&format!("stream-{n}"), 1..=1, &mut out) {
            Ok(()) if n % 3 != 0 => {
                answers.0 += 1;
                assert_eq!(out, [5, n * 64 + 8]);
            }
            Ok(()) => assert_eq!(out, [5]),
            Err(error) => {
                answers.1 += 1;
                assert_eq!(out, [5]);
                let offset = (middle / BLOCK * BLOCK) as u64;
                assert_eq!(error, RunError::Damaged { what: Part::Block, offset });
            }
        }
    }
    assert!(answers.0 > 12_000 && answers.1 > 0, "{answers:?}");
    assert!(run.streams().any(|found| found.is_err()));
    assert!(run.streams().filter(Result::is_err).count() == 1, "an error ends the walk");
    assert!(run.verify().is_err());
}

#[test]
fn bytes_that_go_away_are_an_error() {
    struct Gone(Vec<u8>);
    impl RunBytes for Gone {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn slice(&self, range: Range<usize>) -> Option<&[u8]> {
            // The ends can be read, nothing between.
            let ends = range.end <= 32 || range.start >= self.0.len() - 400;
            ends.then(|| self.0.get(range)).flatten()
        }
    }
    let run = Run::open(Gone(sample(2000))).unwrap();
    assert!(matches!(run.stream("long"), Err(RunError::Truncated { .. })));
    assert!(matches!(run.place(5), Err(RunError::Truncated { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn mangled_bytes_never_give_a_wrong_answer(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = sample(500);
        for (at, flip) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let Ok(run) = Run::open(bytes) else { return Ok(()) };
        for n in 1..500u64 {
            let mut out = Vec::new();
            let sought = Sought::stream(&format!("stream-{n}"));
            (0..=APPROACHES).for_each(|step| run.approach(&sought, step));
            if n % 3 == 0 && run.offsets("long", n / 3..=n / 3, &mut out).is_ok() {
                prop_assert_eq!(&out, &[n * 64 + 8]);
            }
            out.clear();
            if run.ids(u128::from(n), &mut out).is_ok() {
                prop_assert!(out.contains(&(n * 64 + 8)));
            }
            out.clear();
            if run.postings(Kind::Correlation, "one", n - 1..n, &mut out).is_ok() {
                prop_assert_eq!(&out, &[n * 64 + 8]);
            }
            if let Ok(rank) = run.rank(Kind::Correlation, "one", n * 64) {
                prop_assert_eq!(rank, n - 1);
            }
            if let Ok(last) = run.last(Kind::Tag, &format!("tag-{}", n / 4)) {
                prop_assert_eq!(last, Some((n / 4 * 4 + 3).min(500) * 64 + 8));
            }
            if let Ok(mark) = run.place(n) {
                prop_assert_eq!(mark.map(|m| m.position), Some((n - 1) / 16 * 16 + 1));
            }
        }
        let _ = run.streams().count();
        let _ = Kind::ALL.map(|kind| run.keys(kind, "").count());
    }

    #[test]
    fn noise_is_no_run(noise in prop::collection::vec(any::<u8>(), 0..9000), magic in any::<bool>()) {
        let mut bytes = noise;
        if magic && bytes.len() >= 8 {
            bytes[..8].copy_from_slice(b"\x89ANNIDX\n");
        }
        prop_assert!(Run::open(bytes).is_err());
    }
}

//! A table and the run built from it answer every question as a plain model does.

// Helpers of tests may do what tests may; the lints know only the latter.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use annals_index::{Kind, Mark, Run, RunMeta, Span, Table, TableEvent, build};
use proptest::prelude::*;

/// The obvious way: everything in sorted maps.
#[derive(Default)]
struct Model {
    streams: BTreeMap<String, (u64, Vec<u64>)>,
    ids: BTreeMap<u128, u64>,
    marks: BTreeMap<u64, u64>,
    keys: BTreeMap<(Kind, String), Vec<u64>>,
}

/// One event to come: stream, distance to the record before, whether a mark stands before it, and
/// what else it is found by.
type Step = (usize, u64, bool, Others);

/// Number of its type, its tags, correlation and cause (with repetitions), and the control record
/// that follows it.
type Others = (usize, Vec<(Kind, String)>, Option<(Kind, String)>);

/// The part before the first hyphen.
fn category(stream: &str) -> &str {
    stream.split('-').next().unwrap()
}

const FIRST_POSITION: u64 = 1000;

fn fill(names: &[String], first_versions: &[u64], steps: &[Step]) -> (Table, Model) {
    let mut table = Table::new(FIRST_POSITION);
    let mut model = Model::default();
    let mut offset = 64;
    for (position, (stream, gap, marked, others)) in (FIRST_POSITION..).zip(steps) {
        offset += gap * 8;
        let name = &names[stream % names.len()];
        if *marked {
            table.mark(position, offset).unwrap();
            model.marks.insert(position, offset);
            offset += 8;
        }
        let first = first_versions[stream % names.len()];
        let (_, postings) = model.streams.entry(name.clone()).or_insert((first, Vec::new()));
        let version = first + postings.len() as u64;
        postings.push(offset);
        let id = u128::from(position) << 64 | u128::from(offset);
        model.ids.insert(id, offset);
        let texts: Vec<_> = others.1.iter().map(|(kind, text)| (*kind, text.as_str())).collect();
        let event = TableEvent {
            stream: name,
            version,
            id,
            position,
            offset,
            category: category(name),
            event_type: TYPES[others.0],
            others: &texts,
        };
        table.insert(&event).unwrap();
        let same_for_all = [(Kind::Category, event.category), (Kind::Type, event.event_type)];
        for &(kind, text) in texts.iter().chain(&same_for_all) {
            model.note(kind, text, offset);
        }
        offset += 8;
        if let Some((kind, key)) = &others.2 {
            table.insert_record(*kind, key, offset).unwrap();
            model.note(*kind, key, offset);
            offset += 8;
        }
    }
    assert_eq!(table.event_count(), steps.len() as u64);
    assert_eq!(table.last_position(), FIRST_POSITION - 1 + steps.len() as u64);
    assert_eq!(table.is_empty(), steps.is_empty());
    assert_eq!(table.stream_count(), model.streams.len());
    (table, model)
}

const TYPES: [&str; 4] = ["Opened", "Closed", "", "cart"];

impl Model {
    fn note(&mut self, kind: Kind, text: &str, offset: u64) {
        let postings = self.keys.entry((kind, text.to_owned())).or_default();
        if postings.last() != Some(&offset) {
            postings.push(offset);
        }
    }

    fn spans(&self) -> Vec<(&str, Span)> {
        let span = |(first, postings): &(u64, Vec<u64>)| Span {
            first_version: *first,
            count: postings.len() as u64,
        };
        self.streams.iter().map(|(name, stream)| (name.as_str(), span(stream))).collect()
    }

    fn offsets(&self, name: &str, from: u64, to: u64) -> Vec<u64> {
        let Some((first, postings)) = self.streams.get(name) else { return Vec::new() };
        let versions = (*first..).zip(postings);
        versions.filter(|(v, _)| (from..=to).contains(v)).map(|(_, &offset)| offset).collect()
    }

    fn place(&self, position: u64) -> Option<Mark> {
        let (&position, &offset) = self.marks.range(..=position).next_back()?;
        Some(Mark { position, offset })
    }
}

/// Every key, also under the kinds that it is not of.
fn compare_keys(table: &Table, run: &Run<Vec<u8>>, model: &Model, ranges: &[(u64, u64)]) {
    for (key, kind) in model.keys.keys().flat_map(|(_, key)| Kind::ALL.map(|kind| (key, kind))) {
        let expected = model.keys.get(&(kind, key.clone())).map(Vec::as_slice).unwrap_or_default();
        let count = expected.len() as u64;
        assert_eq!((table.count(kind, key), run.count(kind, key).unwrap()), (count, count));
        let last = expected.last().copied();
        assert_eq!((table.last(kind, key), run.last(kind, key).unwrap()), (last, last));
        for &(from, to) in ranges.iter().chain(&[(0, u64::MAX), (u64::MAX, u64::MAX)]) {
            let indexes = (0..).zip(expected).filter(|(index, _)| (from..to).contains(index));
            let expected: Vec<_> = [7].into_iter().chain(indexes.map(|(_, &o)| o)).collect();
            let (mut of_table, mut of_run) = (vec![7], vec![7]);
            table.postings(kind, key, from..to, &mut of_table);
            run.postings(kind, key, from..to, &mut of_run).unwrap();
            assert_eq!((&of_table, &of_run), (&expected, &expected));
        }
        let near = expected.iter().flat_map(|&offset| [offset - 1, offset, offset + 1]);
        for offset in near.chain([0, u64::MAX]) {
            let rank = expected.partition_point(|&posting| posting < offset) as u64;
            assert_eq!(
                (table.rank(kind, key, offset), run.rank(kind, key, offset).unwrap()),
                (rank, rank)
            );
        }
    }
    for kind in Kind::ALL {
        for prefix in ["", "a", "cart", "cart-1", "tag", "zz", "ä"] {
            let of_kind =
                model.keys.iter().filter(|((k, key), _)| *k == kind && key.starts_with(prefix));
            let expected: Vec<_> =
                of_kind.map(|((_, key), p)| (key.as_str(), p.len() as u64)).collect();
            assert!(table.keys(kind, prefix).eq(expected.iter().copied()));
            assert!(run.keys(kind, prefix).map(Result::unwrap).eq(expected));
        }
    }
}

fn compare(names: &[String], table: &Table, model: &Model, ranges: &[(u64, u64)]) {
    let run = Run::open(build(table, &RunMeta::default())).unwrap();
    run.verify().unwrap();
    assert_eq!(run.meta().events, table.event_count());
    assert_eq!(run.meta().first_position, FIRST_POSITION);
    assert_eq!(run.stream_count(), table.stream_count());

    compare_keys(table, &run, model, ranges);
    let spans = model.spans();
    assert!(table.streams().eq(spans.iter().copied()));
    assert_eq!(run.streams().collect::<Result<Vec<_>, _>>().unwrap(), spans);

    let absent = ["absent".to_owned(), String::new()];
    for name in names.iter().chain(&absent) {
        let span = spans.iter().find(|(n, _)| n == name).map(|s| s.1);
        assert_eq!(table.stream(name), span);
        assert_eq!(run.stream(name).unwrap(), span);
        for &(from, to) in ranges.iter().chain(&[(0, u64::MAX)]) {
            let expected = model.offsets(name, from, to);
            let (mut of_table, mut of_run) = (vec![7], vec![7]);
            table.offsets(name, from..=to, &mut of_table);
            run.offsets(name, from..=to, &mut of_run).unwrap();
            assert_eq!(of_table[1..], expected);
            assert_eq!(of_run[1..], expected);
        }
        let all = model.offsets(name, 0, u64::MAX);
        let count = all.len() as u64;
        for (most, expected) in [(count, all.as_slice()), (count.saturating_sub(1), &[])] {
            let mut together = vec![7];
            assert_eq!(run.stream_offsets(name, most, &mut together).unwrap(), span);
            assert_eq!(&together[1..], expected);
        }
        let from = spans.iter().filter(|(n, _)| *n >= name.as_str()).copied();
        assert!(run.streams_from(name).map(Result::unwrap).eq(from));
        let prefix: String = name.chars().take(2).collect();
        let with: Vec<_> = spans.iter().filter(|s| s.0.starts_with(&prefix)).copied().collect();
        assert!(run.streams_with_prefix(&prefix).map(Result::unwrap).eq(with.iter().copied()));
        assert!(table.streams_with_prefix(&prefix).eq(with));
    }

    let mut candidates = Vec::new();
    for (&id, &offset) in &model.ids {
        assert_eq!(table.id(id), Some(offset));
        candidates.clear();
        run.ids(id, &mut candidates).unwrap();
        assert!(candidates.contains(&offset) && candidates.len() < 3, "{candidates:?}");
    }
    assert_eq!(table.id(u128::MAX), None);

    let last = FIRST_POSITION + table.event_count() + 1;
    for position in (FIRST_POSITION - 1..=last).chain([0, u64::MAX]) {
        assert_eq!(table.place(position), model.place(position));
        assert_eq!(run.place(position).unwrap(), model.place(position));
    }
}

/// Some short, some alike, some of several bytes a character.
fn names() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[ab]{0,3}|cart-[0-9]{1,3}|\\PC{1,20}|[äß日𝄞-]{1,200}", 1..60)
}

/// Few texts, so that kinds and streams share them.
fn others() -> impl Strategy<Value = Others> {
    let text = "[ab]?|tag-[0-9]{1,2}|cart-1";
    let kind = prop::sample::select(vec![Kind::Tag, Kind::Tag, Kind::Correlation, Kind::Cause]);
    let control = prop::sample::select(vec![Kind::Snapshot, Kind::State, Kind::Key]);
    (
        0..TYPES.len(),
        prop_oneof![Just(Vec::new()), prop::collection::vec((kind, text), 0..5)],
        prop::option::weighted(0.2, (control, text)),
    )
}

/// Of a type, and nothing else.
fn plain() -> Others {
    (0, Vec::new(), None)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn table_and_run_agree_with_the_model(
        names in names(),
        first in prop::collection::vec(1u64..1_000_000_000_000, 60),
        steps in prop::collection::vec((0usize..100, prop_oneof![0u64..40, 0u64..1_000_000], any::<bool>(), others()), 0..600),
        ranges in prop::collection::vec((0u64..600, 0u64..600), 4),
    ) {
        let mut names = names;
        names.sort();
        names.dedup();
        let (table, model) = fill(&names, &first, &steps);
        let mut near = ranges.clone();
        // Around where the versions of some stream begin.
        near.extend(ranges.iter().map(|&(a, b)| (first[0] + a % 50, first[0] + b % 50)));
        compare(&names, &table, &model, &near);
    }

    #[test]
    fn long_streams_are_cut_into_pieces_without_a_seam(
        count in 1usize..2000,
        first in prop_oneof![Just(1u64), 1u64..u64::MAX / 2],
        gaps in prop::collection::vec(prop_oneof![0u64..3, 0u64..2_000_000], 64),
        ranges in prop::collection::vec((0u64..2100, 0u64..300), 16),
        others in prop::collection::vec(others(), 16),
    ) {
        let names = ["long".to_owned()];
        let steps: Vec<Step> = (0..count).map(|n| (0, gaps[n % gaps.len()] / 2, false, others[n % others.len()].clone())).collect();
        let (table, model) = fill(&names, &[first], &steps);
        let ranges: Vec<_> = ranges.iter().map(|&(from, len)| (first - 1 + from, first - 1 + from + len)).collect();
        compare(&names, &table, &model, &ranges);
    }
}

#[test]
fn an_empty_table_is_an_empty_run() {
    let (table, model) = fill(&["a".to_owned()], &[1], &[]);
    compare(&["a".to_owned()], &table, &model, &[(1, 1)]);
}

#[test]
fn one_event_is_enough() {
    let (table, model) = fill(&["a".to_owned()], &[5], &[(0, 0, true, plain())]);
    compare(&["a".to_owned()], &table, &model, &[(1, 4), (5, 5), (6, 9)]);
}

#[test]
fn a_run_of_marks_alone_places_positions() {
    let mut table = Table::new(9);
    table.mark(9, 4096).unwrap();
    table.mark(9, 8192).unwrap();
    let run = Run::open(build(&table, &RunMeta::default())).unwrap();
    run.verify().unwrap();
    assert!(table.is_empty());
    assert_eq!(run.place(9).unwrap(), Some(Mark { position: 9, offset: 8192 }));
    assert_eq!(run.place(8).unwrap(), None);
}

#[test]
fn ids_that_differ_in_one_half_only_are_told_apart() {
    let mut table = Table::new(1);
    for n in 0..20_000u64 {
        let id = if n % 2 == 0 { u128::from(n) } else { u128::from(n) << 64 };
        let (category, event_type, others) = ("s", "t", &[]);
        let (version, position, offset) = (n + 1, n + 1, 64 + n * 8);
        let stream = "s";
        let event =
            TableEvent { stream, version, id, position, offset, category, event_type, others };
        table.insert(&event).unwrap();
    }
    let run = Run::open(build(&table, &RunMeta::default())).unwrap();
    let mut found = Vec::new();
    for n in 0..20_000u64 {
        let id = if n % 2 == 0 { u128::from(n) } else { u128::from(n) << 64 };
        run.ids(id, &mut found).unwrap();
    }
    assert!(found.len() < 20_003, "{} candidates for 20000 ids", found.len());
    found.clear();
    for n in 0..200_000 {
        run.ids(u128::MAX - n, &mut found).unwrap();
    }
    assert!(found.len() < 4, "{} false candidates in 200000", found.len());
}

#[test]
fn the_same_content_gives_the_same_bytes() {
    let names: Vec<_> = (0..500).map(|n| format!("stream-{n}")).collect();
    let steps: Vec<Step> = (0..3000)
        .map(|n| {
            let tags = vec![(Kind::Tag, format!("tag-{}", n % 500)), (Kind::Cause, format!("{n}"))];
            (n * 7, n as u64 % 5, n % 10 == 0, (n % 4, tags, Some((Kind::Key, format!("{n}")))))
        })
        .collect();
    let meta = RunMeta { log: 1, ..RunMeta::default() };
    // Every table seeds its hash maps anew.
    let first = build(&fill(&names, &[1; 500], &steps).0, &meta);
    let again = build(&fill(&names, &[1; 500], &steps).0, &meta);
    assert_eq!(first, again);
}

//! Costs, printed: `cargo test --release -p annals-index --test measure -- --ignored --nocapture`.
//! The floors that guard them are in the crate `annals-benches`.

// Helpers of tests may do what tests may; the lints know only the latter.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use annals_index::{Kind, Run, RunMeta, Table, TableEvent, build};

const EVENTS: u64 = 200_000;
const STREAMS: u64 = 90_000;

/// Spreads like random ids do, and comes out the same each time.
fn scatter(n: u64) -> u64 {
    let mut x = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn id(n: u64) -> u128 {
    u128::from(scatter(n)) << 64 | u128::from(scatter(!n))
}

fn timed<T>(what: &str, times: u64, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = black_box(work());
    let spent = start.elapsed();
    println!("{what:32} {:8.1} ns each, {spent:?} in all", spent.as_nanos() as f64 / times as f64);
    result
}

/// An event of the one category and type that there are, in a record of 320 bytes.
fn event(stream: &str, version: u64, id: u128, position: u64) -> TableEvent<'_> {
    TableEvent {
        stream,
        version,
        id,
        position,
        offset: position * 320,
        category: "account",
        event_type: "MoneyDeposited",
        others: &[],
    }
}

/// Takes the events in batches whose names the caller has just touched, as an append has.
fn fill(what: &str, table: &mut Table, events: &[(&str, u64, u128)]) {
    let mut spent = Duration::ZERO;
    let mut n = 0;
    for batch in events.chunks(64) {
        let near: Vec<_> = batch.iter().map(|(name, ..)| (*name).to_owned()).collect();
        let start = Instant::now();
        for (stream, &(_, version, id)) in near.iter().zip(batch) {
            if n % 16 == 0 {
                table.mark(n + 1, 4096 + n * 320).unwrap();
            }
            let event = event(stream, version, id, n + 1);
            table.insert(&TableEvent { offset: 4128 + n * 320, ..event }).unwrap();
            n += 1;
        }
        spent += start.elapsed();
    }
    println!("{what:32} {:8.1} ns each, {spent:?} in all", spent.as_nanos() as f64 / n as f64);
}

#[test]
#[ignore = "prints measurements"]
fn costs_of_200_000_events_in_90_000_streams() {
    let names: Vec<_> = (0..STREAMS).map(|n| format!("account{n:06}")).collect();
    let mut next = vec![1u64; names.len()];
    let events: Vec<_> = (0..EVENTS)
        .map(|n| {
            let stream = if n < STREAMS { n } else { scatter(n) % STREAMS } as usize;
            next[stream] += 1;
            (names[stream].as_str(), next[stream] - 1, id(n))
        })
        .collect();

    let mut table = Table::new(1);
    fill("insert", &mut table, &events);
    fill("insert, sized beforehand", &mut Table::with_capacity(1, 200_000, 90_000), &events);
    println!(
        "table: {} bytes, {:.1} per event",
        table.heap_bytes(),
        table.heap_bytes() as f64 / EVENTS as f64
    );
    let bytes = timed("build, per event", EVENTS, || build(&table, &RunMeta::default()));
    println!("run: {} bytes, {:.2} per event", bytes.len(), bytes.len() as f64 / EVENTS as f64);
    timed("drop table, per event", EVENTS, || drop(table.clone()));

    let run = timed("open", 1, || Run::open(bytes.as_slice()).unwrap());
    timed("verify, per event", EVENTS, || run.verify().unwrap());
    let absent: Vec<_> = (0..STREAMS).map(|n| format!("customer{n:05}")).collect();
    let mut out = Vec::with_capacity(EVENTS as usize);
    let order: Vec<_> = (0..EVENTS).map(scatter).collect();
    timed("table: stream, present", EVENTS, || {
        order.iter().filter(|&n| table.stream(&names[(n % STREAMS) as usize]).is_some()).count()
    });
    timed("table: id, present", EVENTS, || {
        order.iter().filter(|&n| table.id(id(n % EVENTS)).is_some()).count()
    });
    timed("run: stream, present", EVENTS, || {
        order
            .iter()
            .filter(|&n| run.stream(&names[(n % STREAMS) as usize]).unwrap().is_some())
            .count()
    });
    timed("run: stream, absent", EVENTS, || {
        order
            .iter()
            .filter(|&n| run.stream(&absent[(n % STREAMS) as usize]).unwrap().is_some())
            .count()
    });
    timed("run: last version", EVENTS, || {
        for n in &order {
            let name = &names[(n % STREAMS) as usize];
            let last = next[(n % STREAMS) as usize] - 1;
            out.clear();
            run.offsets(name, last..=last, &mut out).unwrap();
        }
    });
    out.clear();
    timed("run: id, present", EVENTS, || {
        order.iter().for_each(|n| run.ids(id(n % EVENTS), &mut out).unwrap());
    });
    println!("candidates for {EVENTS} ids: {}", out.len());
    out.clear();
    timed("run: id, absent", EVENTS, || {
        order.iter().for_each(|&n| run.ids(id(n), &mut out).unwrap());
    });
    println!("candidates for {EVENTS} absent ids: {}", out.len());
    timed("run: place", EVENTS, || {
        order.iter().filter(|&n| run.place(n % EVENTS + 1).unwrap().is_some()).count()
    });
    timed("run: walk all streams", STREAMS, || run.streams().filter(Result::is_ok).count());
}

#[test]
#[ignore = "prints measurements"]
fn costs_of_one_stream_of_50_000_events() {
    let mut table = Table::new(1);
    let mut least = Duration::MAX;
    for _ in 0..50 {
        table = Table::with_capacity(1, 50_000, 1);
        let start = Instant::now();
        for n in 1..=50_000 {
            table.insert(&event("the-only-one", n, id(n), n)).unwrap();
        }
        least = least.min(start.elapsed());
    }
    println!("insert, least of 50 {:21.1} ns each", least.as_nanos() as f64 / 50_000.0);
    let run = Run::open(build(&table, &RunMeta::default())).unwrap();
    println!("run: {:.2} bytes per event", run.bytes().len() as f64 / 50_000.0);
    let mut out = Vec::with_capacity(50_000);
    timed("run: last version", 10_000, || {
        for _ in 0..10_000 {
            out.clear();
            run.offsets("the-only-one", 50_000..=50_000, &mut out).unwrap();
        }
    });
    timed("run: all versions, per event", 50_000, || {
        run.offsets("the-only-one", 1..=50_000, &mut out).unwrap();
    });
}

/// 100,000 events, 10 in each stream, of one type and category. `tags` makes their tags.
fn ten_per_stream<'a>(what: &str, tags: impl Fn(u64) -> &'a [(Kind, &'a str)]) -> Run<Vec<u8>> {
    const ALL: u64 = 100_000;
    let names: Vec<_> = (0..ALL / 10).map(|n| format!("account-{n:06}")).collect();
    let mut table = Table::with_capacity(1, ALL as usize, names.len());
    let events: Vec<_> = (0..ALL)
        .map(|n| {
            let stream = &names[(n % (ALL / 10)) as usize];
            let event = event(stream, n / (ALL / 10) + 1, id(n), n + 1);
            TableEvent { others: tags(n), ..event }
        })
        .collect();
    timed(&format!("{what}: insert"), ALL, || {
        for event in &events {
            table.insert(event).unwrap();
        }
    });
    println!("{what}: table {:.1} bytes per event", table.heap_bytes() as f64 / ALL as f64);
    let bytes = timed(&format!("{what}: build"), ALL, || build(&table, &RunMeta::default()));
    println!("{what}: run {:.2} bytes per event", bytes.len() as f64 / ALL as f64);
    Run::open(bytes).unwrap()
}

#[test]
#[ignore = "prints measurements"]
fn costs_of_keys() {
    ten_per_stream("no tags", |_| &[]);
    let tags = |customers: u64| -> Vec<_> {
        let texts = (0..100_000).map(move |n| {
            (format!("customer:{}", scatter(n) % customers), format!("region:{}", n % 20))
        });
        texts.collect()
    };
    let shared = tags(1_000);
    let shared: Vec<_> = shared.iter().map(|(a, b)| [(Kind::Tag, &**a), (Kind::Tag, b)]).collect();
    let run = ten_per_stream("tags, 1000 and 20", |n| &shared[n as usize]);
    let own: Vec<_> =
        (0..100_000).map(|n| (format!("customer:{n}"), format!("cart:{n}"))).collect();
    let own: Vec<_> = own.iter().map(|(a, b)| [(Kind::Tag, &**a), (Kind::Tag, b)]).collect();
    ten_per_stream("tags, all different", |n| &own[n as usize]);

    let mut out = Vec::with_capacity(100_000);
    let order: Vec<_> = (0..100_000).map(scatter).collect();
    let region = "region:7";
    timed("run: count", 100_000, || {
        order
            .iter()
            .filter(|&n| run.count(Kind::Tag, shared[(n % 1000) as usize][0].1).is_ok())
            .count()
    });
    timed("run: last", 100_000, || {
        order
            .iter()
            .filter(|&n| run.last(Kind::Tag, shared[(n % 20) as usize][1].1).is_ok())
            .count()
    });
    timed("run: rank in 5000", 100_000, || {
        order.iter().filter(|&n| run.rank(Kind::Tag, region, n % 32_000_000).is_ok()).count()
    });
    timed("run: rank in 100000", 100_000, || {
        order
            .iter()
            .filter(|&n| run.rank(Kind::Category, "account", n % 32_000_000).is_ok())
            .count()
    });
    timed("run: all of a category, each", 100_000, || {
        run.postings(Kind::Category, "account", 0..u64::MAX, &mut out).unwrap();
    });
    timed("run: pages of 100, per event", 100_000, || {
        for page in 0..1000 {
            out.clear();
            run.postings(Kind::Category, "account", page * 100..page * 100 + 100, &mut out)
                .unwrap();
        }
    });
}

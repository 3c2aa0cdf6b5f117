//! Costs, printed: `cargo test --release -p annals-index --test measure -- --ignored --nocapture`.
//! The floors that guard them are in the crate `annals-benches`.

// Helpers of tests may do what tests may; the lints know only the latter.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use annals_index::{Run, RunMeta, Table, build};

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
            table.insert(stream, version, id, n + 1, 4128 + n * 320).unwrap();
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
    timed("insert", 50_000, || {
        for n in 1..=50_000 {
            table.insert("the-only-one", n, id(n), n, n * 320).unwrap();
        }
    });
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

//! The simulated disk against a plain model, and what it costs.

use std::io;

use annals::io::Storage;
use annals::io::sim::{Failure, Fault, KeepAll, LoseAll, Nth, SimStorage};

/// Small reproducible numbers for programs of calls.
fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    move |limit| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % limit
    }
}

#[test]
fn random_programs_agree_with_a_plain_model() -> io::Result<()> {
    for seed in 0..300 {
        let mut below = numbers(seed);
        let disk = SimStorage::new();
        disk.write_file("a", b"");
        let file = disk.open("a", true)?;
        let failing = seed % 2 == 1;
        let (mut written, mut durable) = (Vec::new(), Vec::new());
        for _ in 0..60 {
            match below(6) {
                0..=2 => {
                    let (at, len) = (below(9000), below(3000));
                    let byte = u8::try_from(below(256)).unwrap_or(0);
                    file.write_all_at(&vec![byte; usize::try_from(len).unwrap_or(0)], at)?;
                    let (at, end) =
                        (at.try_into().unwrap_or(0), (at + len).try_into().unwrap_or(0));
                    if len > 0 {
                        written.resize(written.len().max(end), 0);
                        written[at..end].fill(byte);
                    }
                }
                3 => {
                    let len = below(12_000);
                    file.set_len(len)?;
                    written.resize(len.try_into().unwrap_or(0), 0);
                }
                4 if failing => {
                    disk.fail(Fault::new(Nth::Call(1), Failure::Device));
                    assert!(file.sync_data().is_err());
                }
                _ => {
                    file.sync_data()?;
                    durable.clone_from(&written);
                }
            }
            assert_eq!(disk.read_file("a"), Some(written.clone()), "seed {seed}");
            let kept = disk.fork();
            kept.power_cut(KeepAll);
            assert_eq!(kept.read_file("a"), Some(written.clone()), "seed {seed}");
            let lost = disk.fork();
            lost.power_cut(LoseAll);
            assert_eq!(lost.read_file("a"), disk.read_durable("a"), "seed {seed}");
            if !failing {
                assert_eq!(disk.read_durable("a"), Some(durable.clone()), "seed {seed}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_fork_costs_the_same_for_any_size() -> io::Result<()> {
    let disk = SimStorage::new();
    disk.write_file("small", &[1; 100_000]);
    disk.write_file("large", &vec![1; 50_000_000]);
    let start = std::time::Instant::now();
    let forks: Vec<_> = (0..10_000).map(|_| disk.fork()).collect();
    // A copy of 50 MB takes milliseconds; 10,000 of them would not fit in memory.
    assert!(start.elapsed().as_secs() < 5);
    assert!(forks.iter().all(|fork| fork.file_names().len() == 2));
    Ok(())
}

//! Damage to durable data is an error, never less with `Ok`.

use annals::{Batch, Error, Expected, NewEvent, Reading};
use annals_fuzz::check::open;
use annals_fuzz::damage::base::Base;
use annals_fuzz::damage::{KINDS, Kind, Plan, sweep};
use annals_fuzz::format::seal::{self, Seed};
use annals_fuzz::format::{SLOTS, put};

/// `ANNALS_DAMAGE=all` turns over every bit of all files.
#[test]
fn no_damage_makes_a_log_answer_with_less_or_with_something_else() {
    let all = std::env::var("ANNALS_DAMAGE").is_ok_and(|asked| asked == "all");
    let plan = if all { Plan::All } else { Plan::Usual };
    let swept = sweep(plan, &KINDS, None).unwrap_or_else(|broken| panic!("{broken}"));
    println!("{swept}");
    let of = |kind: Kind| swept.counts.get(&kind).copied().unwrap_or(0);
    // A whole segment, bit by bit; three of them and what belongs to them, byte by byte.
    assert!(of(Kind::Bit) >= (16 << 10) * 8 && of(Kind::Cut) >= 3 * (16 << 10), "{swept}");
    assert!(KINDS.iter().all(|kind| of(*kind) > 0), "{swept}");
}

/// Found by the sweep of fields: a header whose checksum holds said that the segment before
/// it ends beyond the longest one, and debug builds panicked when that became a place.
#[test]
fn a_header_that_ends_the_segment_before_it_nowhere_is_damage() {
    let base = Base::new(&"R S".parse().unwrap(), false, 1).unwrap();
    let name = "00000000000000000002.seg";
    let mut bytes = base.files.get(name).unwrap().to_vec();
    put(&mut bytes, 72, 8, u128::from(u64::MAX));
    seal::header(&mut bytes);
    base.disk.write_file(name, &bytes);
    let error = open(&base.disk, Reading::Mapped).unwrap_err();
    assert!(matches!(error, Error::Corrupt(_)), "{error}");
}

/// Found by the sweep of fields: a witness with the last number that there is. The next one
/// got the number after it, and debug builds panicked.
#[test]
fn a_log_goes_on_behind_the_last_number_of_a_witness() {
    let base = Base::new(&"S O S".parse().unwrap(), false, 1).unwrap();
    let name = "00000000000000000001.seg";
    let log = base.files.get(name).unwrap();
    let mut bytes = log.to_vec();
    for slot in SLOTS {
        put(&mut bytes, slot + 40, 8, u128::from(u64::MAX));
        seal::slot(&mut bytes, slot, Seed::of_segment(log));
    }
    base.disk.write_file(name, &bytes);
    for _ in 0..3 {
        let log = open(&base.disk, Reading::Mapped).unwrap();
        let mut batch = Batch::new();
        batch.write("again", Expected::Any, [NewEvent::new("Happened")]);
        log.append(&batch).unwrap();
        log.close().unwrap();
    }
    assert_eq!(open(&base.disk, Reading::Mapped).unwrap().head(), 5);
}

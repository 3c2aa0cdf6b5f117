//! Damage to durable data is an error, never less with `Ok`.

use annals_fuzz::damage::{KINDS, Kind, Plan, sweep};

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

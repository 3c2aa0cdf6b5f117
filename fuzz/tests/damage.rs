//! Damage to durable data is an error, never less with `Ok`.

use annals_fuzz::damage::sweep;

#[test]
fn no_damage_makes_a_log_answer_with_less_or_with_something_else() {
    let count = sweep(97, 1, None).unwrap_or_else(|broken| panic!("{broken}"));
    println!("{count} damaged logs, each opened and read in both modes");
    assert!(count > 5_000, "{count}");
}

//! Answers that rest on what is in flight.

use annals_fuzz::settled::answers_wait;

#[test]
fn an_answer_that_rests_on_a_batch_in_flight_fails_with_it() {
    answers_wait(None).unwrap_or_else(|broken| panic!("{broken}"));
}

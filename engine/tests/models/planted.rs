//! Faults in the synchronisation itself, planted on purpose: that the models see them, and
//! how many schedules that takes.

use annals::planted::Bug;

use crate::harness::catches;
use crate::{flushes, groups, processes, rolls, tails, tickets};

#[test]
fn faults_of_the_group_are_caught() {
    catches(&groups::CROWD, Bug::DoneBeforeOutcome);
    catches(&groups::EXACT, Bug::LeadDropped);
    catches(&groups::EXACT, Bug::AcknowledgeBeforeSync);
    catches(&groups::FAILING, Bug::LeadersErrorNotShared);
    catches(&groups::LEVELS, Bug::WrittenBeforeWrite);
}

#[test]
fn faults_of_answers_that_rest_on_others_are_caught() {
    catches(&groups::CONFLICTS, Bug::AnswerNotSettled);
    catches(&groups::DUPLICATES, Bug::AnswerNotSettled);
}

#[test]
fn faults_of_tickets_and_of_the_flusher_are_caught() {
    catches(&tickets::FLUSHER_GONE, Bug::OrderLost);
    catches(&tickets::WOKEN, Bug::WakerTooLate);
    catches(&flushes::SYNCED, Bug::SyncDoesNothing);
}

#[test]
fn faults_of_the_watermark_are_caught() {
    catches(&tails::WAITING, Bug::WaitNotedLate);
    catches(&tails::WAITING, Bug::WokenWithoutLock);
    catches(&tails::WAITING, Bug::OneWoken);
    catches(&tails::WAITING, Bug::PublishBeforeDurable);
    catches(&tails::WAITING, Bug::CursorAheadOfSync);
    catches(&tails::HEAD, Bug::AnnouncedTooSoon);
}

#[test]
fn faults_across_segments_are_caught() {
    catches(&rolls::READ, Bug::PublishedBeforeSealed);
}

#[test]
fn faults_between_processes_are_caught() {
    catches(&processes::WOKEN, Bug::ReaderNotedLate);
    catches(&processes::WOKEN, Bug::WakeWordKept);
}

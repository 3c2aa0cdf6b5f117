//! Telling a torn tail from damage: the table.
//!
//! The scan has come to a place where no whole group stands. Three questions decide:
//! what stands at that place, what stands beyond it, and what the user asked for.
//!
//! ```text
//!  at the place | beyond it           | lenient       | strict
//!  -------------+---------------------+---------------+--------------
//!  unwritten    | nothing             | the end       | the end
//!  unwritten    | bytes               | cut: a hole   | refuse to cut
//!  unwritten    | group, proves none  | cut: a hole   | refuse to cut
//!  torn group   | nothing             | cut: torn     | refuse to cut
//!  torn group   | bytes               | cut: torn     | refuse to cut
//!  torn group   | group, proves none  | cut: torn     | refuse to cut
//!  garbage      | nothing             | cut: garbage  | refuse to cut
//!  garbage      | bytes               | cut: garbage  | refuse to cut
//!  garbage      | group, proves none  | cut: garbage  | refuse to cut
//!  any          | proof by a group    | damage        | damage
//!  any          | proof by a witness  | damage        | damage
//! ```
//!
//! A whole group beyond the place proves nothing by itself: disks may persist block
//! N+1 before block N. It is proof if it was made when the log was durable beyond
//! the place (`durable_upto`): then what stood there had been acknowledged.
//!
//! The window that this leaves: what was synced last, after the last witness, with
//! nothing behind it. Damage there cannot be told from a torn tail. It is reported
//! as discarded, and refused with strict recovery.

use crate::planted::{self, Bug};
use crate::recovered::TailReason;

/// What stands where the next group would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// Zeros, or the end of the file.
    Unwritten,
    /// The frame of a group that is not whole.
    Torn,
    /// Something else.
    Garbage,
}

/// The strongest thing that stands beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Beyond {
    /// Zeros, or the end of the log.
    Nothing,
    /// Bytes that are no group.
    Bytes,
    /// A group of this log that was made before the place was durable.
    Group,
    /// A group that was made when the place was durable.
    ProofByGroup,
    /// A witness that the place was durable.
    ProofByWitness,
}

/// What is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// The log ends here; there is nothing to do.
    End,
    /// What stands here and beyond was never durable: it is zeroed.
    Cut(TailReason),
    /// It would be cut, but the user asked to be told instead.
    RefuseToCut(TailReason),
    /// Acknowledged data was hurt.
    Damage,
}

/// A row of the table.
struct Row {
    /// `None`: whatever stands there.
    at: Option<At>,
    beyond: Beyond,
    action: Action,
}

const fn row(at: At, beyond: Beyond, action: Action) -> Row {
    Row { at: Some(at), beyond, action }
}

const HOLE: Action = Action::Cut(TailReason::Hole);
const TORN: Action = Action::Cut(TailReason::Torn);
const GARBAGE: Action = Action::Cut(TailReason::Garbage);

const TABLE: [Row; 11] = [
    row(At::Unwritten, Beyond::Nothing, Action::End),
    row(At::Unwritten, Beyond::Bytes, HOLE),
    row(At::Unwritten, Beyond::Group, HOLE),
    row(At::Torn, Beyond::Nothing, TORN),
    row(At::Torn, Beyond::Bytes, TORN),
    row(At::Torn, Beyond::Group, TORN),
    row(At::Garbage, Beyond::Nothing, GARBAGE),
    row(At::Garbage, Beyond::Bytes, GARBAGE),
    row(At::Garbage, Beyond::Group, GARBAGE),
    Row { at: None, beyond: Beyond::ProofByGroup, action: Action::Damage },
    Row { at: None, beyond: Beyond::ProofByWitness, action: Action::Damage },
];

/// What the table says.
pub(super) fn decide(at: At, beyond: Beyond, strict: bool) -> Action {
    let fits = |row: &&Row| row.beyond == beyond && row.at.is_none_or(|here| here == at);
    // Every pair has a row; without one, refusing is the answer that loses nothing.
    let action = TABLE.iter().find(fits).map_or(Action::Damage, |row| row.action);
    match action {
        Action::Cut(reason) if strict => Action::RefuseToCut(reason),
        Action::Damage if planted::active(Bug::DamageIsTheEnd) => Action::Cut(TailReason::Garbage),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATS: [At; 3] = [At::Unwritten, At::Torn, At::Garbage];
    const BEYONDS: [Beyond; 5] = [
        Beyond::Nothing,
        Beyond::Bytes,
        Beyond::Group,
        Beyond::ProofByGroup,
        Beyond::ProofByWitness,
    ];

    #[test]
    fn every_pair_has_exactly_one_row_and_every_row_is_reached() {
        let mut reached = [0; TABLE.len()];
        for at in ATS {
            for beyond in BEYONDS {
                let rows: Vec<_> = (0..TABLE.len())
                    .filter(|row| TABLE[*row].beyond == beyond)
                    .filter(|row| TABLE[*row].at.is_none_or(|here| here == at))
                    .collect();
                assert_eq!(rows.len(), 1, "{at:?} {beyond:?}");
                reached[rows[0]] += 1;
                assert_eq!(decide(at, beyond, false), TABLE[rows[0]].action);
            }
        }
        assert!(reached.iter().all(|count| *count > 0));
    }

    #[test]
    fn nothing_durable_is_ever_cut() {
        for at in ATS {
            for beyond in [Beyond::ProofByGroup, Beyond::ProofByWitness] {
                assert_eq!(decide(at, beyond, false), Action::Damage);
                assert_eq!(decide(at, beyond, true), Action::Damage);
            }
        }
    }

    #[test]
    fn strict_recovery_cuts_nothing_and_still_sees_a_clean_end() {
        for at in ATS {
            for beyond in BEYONDS {
                assert!(!matches!(decide(at, beyond, true), Action::Cut(_)));
            }
        }
        assert_eq!(decide(At::Unwritten, Beyond::Nothing, true), Action::End);
    }

    #[test]
    fn the_reason_says_what_stands_at_the_place() {
        for beyond in [Beyond::Bytes, Beyond::Group] {
            assert_eq!(decide(At::Unwritten, beyond, false), HOLE);
            assert_eq!(decide(At::Torn, beyond, false), TORN);
            assert_eq!(decide(At::Garbage, beyond, false), GARBAGE);
        }
    }
}

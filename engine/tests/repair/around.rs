//! What stands around a repair: changed and open logs, checkpoints, power cuts.

use annals::io::sim::{KeepAll, LoseAll, SimStorage};
use annals::{CursorOptions, Error, RepairPlan, Start, plan_repair};

use crate::support::{
    CONTROL, append, apply, change, closed_log, flip, is_whole_up_to, newest, open, plan, run,
    segment,
};

#[test]
fn a_plan_is_not_applied_to_a_log_that_has_changed() {
    let (disk, _) = closed_log();
    disk.remove_file(&run(1));
    let old = plan(&disk);
    flip(&disk, &segment(2), 9000);
    let before = disk.fingerprint();
    assert!(matches!(apply(&disk, &old), Err(Error::Invalid { .. })));
    assert_eq!(disk.fingerprint(), before);
}

#[test]
fn an_open_log_is_left_alone() {
    let (disk, _) = closed_log();
    let log = open(&disk).unwrap();
    let other = disk.another_process();
    assert!(matches!(plan_repair(&other), Err(Error::Locked { .. })));
    let nothing = RepairPlan::default();
    assert!(matches!(apply(&other, &nothing), Err(Error::Locked { .. })));
    log.close().unwrap();
    let none = SimStorage::missing();
    assert!(matches!(plan_repair(&none), Err(Error::NotFound { .. })));
}

#[test]
fn a_checkpoint_in_the_lost_part_is_refused_afterwards() {
    let (disk, seen) = closed_log();
    let log = open(&disk).unwrap();
    let checkpoint = |position| {
        let mut cursor = log.cursor(Start::After(position - 1)).unwrap();
        assert_eq!(cursor.poll(1).unwrap().len(), 1);
        cursor.checkpoint().unwrap()
    };
    let (early, late) = (checkpoint(2), checkpoint(seen.len() as u64));
    log.close().unwrap();
    flip(&disk, &segment(2), 9000);
    apply(&disk, &plan(&disk)).unwrap();
    let log = open(&disk).unwrap();
    (100..160).for_each(|number| append(&log, number));
    assert!(log.head() > seen.len() as u64, "its position was given again");
    let at = |checkpoint| log.cursor_with(Start::Checkpoint(checkpoint), &CursorOptions::new());
    assert!(matches!(at(late), Err(Error::Diverged { .. })));
    assert!(at(early).is_ok());
}

/// Applies with the power cut at every call in turn, and again; always the same end.
#[test]
fn a_power_cut_at_any_call_and_another_try_end_the_same() {
    let (disk, seen) = closed_log();
    type Hurt = Box<dyn Fn(&SimStorage)>;
    let cases: Vec<Hurt> = vec![
        Box::new(|disk| flip(disk, &segment(2), 9000)),
        Box::new(|disk| assert!(disk.remove_file(&segment(2)))),
        Box::new(|disk| flip(disk, &segment(newest(disk)), 6000)),
        Box::new(|disk| {
            flip(disk, &run(2), 200);
            flip(disk, &segment(1), 300);
            change(disk, CONTROL, |bytes| bytes[3000] = 7);
        }),
    ];
    for (hurt, lose) in cases.iter().flat_map(|hurt| [(hurt, true), (hurt, false)]) {
        let hurt_disk = disk.fork();
        hurt(&hurt_disk);
        let first = plan(&hurt_disk);
        let kept = first.kept.unwrap();
        let mut tries = 0;
        for nth in 1.. {
            let disk = hurt_disk.fork();
            let before = disk.changes();
            disk.crash_at(nth);
            if apply(&disk, &first).is_ok() && disk.changes() < before + nth {
                break;
            }
            tries += 1;
            match lose {
                true => disk.power_cut(LoseAll),
                false => disk.power_cut(KeepAll),
            }
            let again = plan(&disk);
            assert_eq!(again.kept, Some(kept), "call {nth}: {again:?}");
            apply(&disk, &again).unwrap();
            is_whole_up_to(&disk, &seen, kept);
        }
        assert!(tries > 8, "{tries}");
        eprintln!("{tries} calls");
    }
}
